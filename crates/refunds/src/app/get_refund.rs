//! Reads one refund.

use redress_core::id::{RefundId, TenantId};

use super::{RefundError, Refunds};
use crate::domain::refund::Refund;

/// The refund of this id, with its attempts.
pub async fn get_refund(
    app: &Refunds,
    tenant: &TenantId,
    id: &RefundId,
) -> Result<Refund, RefundError> {
    let found = app.store.refund(tenant, id).await?;
    found.ok_or_else(|| RefundError::not_found(id.resource_name()))
}
