//! Reads a page of refunds.

use redress_core::id::TenantId;

use super::{RefundError, Refunds};
use crate::domain::refund::Refund;
use crate::store::{Listed, Page, RefundFilter};

/// A page of the refunds that `filter` lets through, with their attempts, by id.
pub async fn list_refunds(
    app: &Refunds,
    tenant: &TenantId,
    filter: &RefundFilter,
    page: &Page,
) -> Result<Listed<Refund>, RefundError> {
    Ok(app.store.list_refunds(tenant, filter, page).await?)
}
