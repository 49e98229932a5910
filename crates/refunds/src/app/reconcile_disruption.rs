//! Compares what a disruption's items say with its refunds, their attempts and the books.

use redress_core::id::{DisruptionId, TenantId};

use super::{RefundError, Refunds};
use crate::domain::disruption::{Disruption, DisruptionState, Reconciliation};

/// A disruption, and what it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconciledDisruption {
    /// The disruption.
    pub disruption: Disruption,
    /// One for each currency, by code.
    pub currencies: Vec<Reconciliation>,
}

impl ReconciledDisruption {
    /// Whether items, refunds, attempts and books agree in every currency.
    pub fn is_balanced(&self) -> bool {
        self.currencies.iter().all(Reconciliation::is_balanced)
    }
}

/// What the disruption came to. A draft came to nothing: what an interrupted approval left is not
/// frozen.
pub async fn reconcile_disruption(
    app: &Refunds,
    tenant: &TenantId,
    id: &DisruptionId,
) -> Result<ReconciledDisruption, RefundError> {
    let found = app.store.disruption(tenant, id).await?;
    let disruption = found.ok_or_else(|| RefundError::not_found(id.resource_name()))?;
    let currencies = match disruption.state {
        DisruptionState::Draft => Vec::new(),
        _ => app.store.reconcile(tenant, id).await?,
    };
    Ok(ReconciledDisruption { disruption, currencies })
}
