//! Recomputes the books and compares them with the counters behind them.

use redress_core::id::TenantId;

use super::{RefundError, Refunds};
use crate::domain::ledger::CurrencySums;

/// The books of a tenant, recomputed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerCheck {
    /// One for each currency with a posting.
    pub sums: Vec<CurrencySums>,
    /// Every disagreement, in words; empty when the books are sound.
    pub differences: Vec<String>,
}

/// Sums the tenant's postings and counters and compares them.
pub async fn check_ledger(app: &Refunds, tenant: &TenantId) -> Result<LedgerCheck, RefundError> {
    let sums = app.store.ledger_sums(tenant).await?;
    let differences = sums.iter().flat_map(CurrencySums::differences).collect();
    Ok(LedgerCheck { sums, differences })
}
