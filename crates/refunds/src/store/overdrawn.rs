//! Payments that an import leaves overdrawn.
//!
//! Invariant: a payment that becomes overdrawn is announced once, in the import's transaction; one
//! that was so before is not announced again.

use std::collections::{HashMap, HashSet};

use redress_core::id::{PaymentId, TenantId};
use redress_core::money::Money;
use redress_store::StoreError;

use super::ImportedOrder;
use crate::domain::fact::{Fact, FactKind};

/// A payment whose mark is set.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct OverdrawnRow {
    order_id: String,
    payment_id: String,
    currency: String,
    /// Minor units given back or held beyond what was captured.
    excess: i64,
}

impl OverdrawnRow {
    fn key(&self) -> (&str, &str) {
        (&self.order_id, &self.payment_id)
    }
}

/// The facts of the payments that are overdrawn `after` the import of `written` and were not
/// `before`.
pub(super) fn newly_overdrawn(
    tenant: &TenantId,
    written: &[&ImportedOrder],
    before: &[OverdrawnRow],
    after: &[OverdrawnRow],
) -> Result<Vec<Fact>, StoreError> {
    let orders: HashMap<&str, _> =
        written.iter().map(|imported| (imported.order.id.as_str(), &imported.order)).collect();
    let known: HashSet<_> = before.iter().map(OverdrawnRow::key).collect();
    let mut facts = Vec::new();
    for row in after.iter().filter(|row| !known.contains(&row.key())) {
        // Only an order that was written can have changed.
        let Some(order) = orders.get(row.order_id.as_str()) else { continue };
        let corrupt = |column| {
            StoreError::corrupt("payments", column, format!("{}/{}", row.order_id, row.payment_id))
        };
        let currency = row.currency.parse().map_err(|_| corrupt("currency"))?;
        let kind = FactKind::PaymentOverdrawn {
            order: order.id.clone(),
            customer: order.customer.clone(),
            payment: PaymentId::new(row.payment_id.as_str()).map_err(|_| corrupt("payment_id"))?,
            excess: Money::new(currency, row.excess).map_err(|_| corrupt("captured"))?,
        };
        facts.push(Fact { tenant: tenant.clone(), traceparent: None, kind });
    }
    Ok(facts)
}

/// Tells the log how many payments of a chunk became overdrawn, once that is stored.
pub(super) fn tell(tenant: &TenantId, count: usize) {
    if count > 0 {
        tracing::warn!(
            tenant = %tenant,
            payments.count = count,
            "import left payments with more given back or held than was captured: nothing more is \
             refunded on them, and each opens a case"
        );
    }
}
