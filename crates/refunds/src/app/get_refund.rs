//! Reads one refund with what people decided about it.

use redress_core::id::{RefundId, TenantId};

use super::{RefundError, Refunds};
use crate::domain::audit::AuditEntry;
use crate::domain::refund::Refund;

/// The refund, when the tenant has it.
pub async fn get_refund(
    app: &Refunds,
    tenant: &TenantId,
    id: &RefundId,
) -> Result<Refund, RefundError> {
    let found = app.store.refund(tenant, id).await?;
    found.ok_or_else(|| RefundError::not_found(id.resource_name()))
}

/// The refund, and the entries of the audit log about it, oldest first.
pub async fn get_refund_with_decisions(
    app: &Refunds,
    tenant: &TenantId,
    id: &RefundId,
) -> Result<(Refund, Vec<AuditEntry>), RefundError> {
    let refund = get_refund(app, tenant, id).await?;
    let decisions = app.store.audit_of(tenant, &id.resource_name()).await?;
    Ok((refund, decisions))
}
