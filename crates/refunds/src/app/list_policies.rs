//! Reads a page of policies.

use redress_core::id::TenantId;

use super::{RefundError, Refunds};
use crate::store::{AppliedPolicy, Listed, Page};

/// A page of the newest version of each policy, by id.
pub async fn list_policies(
    app: &Refunds,
    tenant: &TenantId,
    page: &Page,
) -> Result<Listed<AppliedPolicy>, RefundError> {
    Ok(app.store.list_policies(tenant, page).await?)
}
