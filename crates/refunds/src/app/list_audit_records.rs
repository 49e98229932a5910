//! Reads a part of the audit log.

use redress_core::id::TenantId;

use super::{RefundError, Refunds};
use crate::domain::audit::AuditRecord;
use crate::store::{AuditFilter, ChainPage, Slice};

/// The records that `filter` lets through, by position.
pub async fn list_audit_records(
    app: &Refunds,
    tenant: &TenantId,
    filter: &AuditFilter,
    slice: Slice,
) -> Result<ChainPage<AuditRecord>, RefundError> {
    Ok(app.store.audit_records(tenant, filter, slice).await?)
}
