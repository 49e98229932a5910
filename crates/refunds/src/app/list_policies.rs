//! Reads a page of policies.

use redress_core::id::TenantId;
use redress_policy::Policy;

use super::{RefundError, Refunds};
use crate::store::{Listed, Page};

/// A page of the newest version of each policy, by id.
pub async fn list_policies(
    app: &Refunds,
    tenant: &TenantId,
    page: &Page,
) -> Result<Listed<Policy>, RefundError> {
    Ok(app.store.list_policies(tenant, page).await?)
}
