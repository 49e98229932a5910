//! Reads a part of the books.

use redress_core::id::{RefundId, TenantId};

use super::{RefundError, Refunds};
use crate::domain::ledger::LedgerEntry;
use crate::store::{ChainPage, Slice};

/// Movements of one refund, or all, by position.
pub async fn list_ledger_entries(
    app: &Refunds,
    tenant: &TenantId,
    refund: Option<&RefundId>,
    slice: Slice,
) -> Result<ChainPage<LedgerEntry>, RefundError> {
    Ok(app.store.ledger_entries(tenant, refund, slice).await?)
}
