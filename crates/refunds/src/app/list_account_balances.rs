//! Reads every account.

use redress_core::id::TenantId;

use super::{RefundError, Refunds};
use crate::domain::ledger::Balances;

/// The tenant's accounts at one instant.
pub async fn list_account_balances(
    app: &Refunds,
    tenant: &TenantId,
) -> Result<Balances, RefundError> {
    Ok(app.store.account_balances(tenant).await?)
}
