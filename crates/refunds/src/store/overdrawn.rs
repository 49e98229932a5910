//! Payments and lines that an import leaves with less than refunds have taken up.
//!
//! Invariant: a payment that becomes overdrawn and a line that becomes over-refunded are announced
//! once, in the import's transaction; what was so before is not announced again.

use std::collections::{HashMap, HashSet};

use redress_core::id::{PaymentId, TenantId};
use redress_core::money::Money;
use redress_store::StoreError;

use super::importing::OrderWrite;
use crate::domain::fact::{Fact, FactKind};
use crate::domain::order::Order;

/// What of some orders is marked.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pub payments: Vec<OverdrawnRow>,
    pub lines: Vec<OverRefundedRow>,
}

/// A payment whose mark is set.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct OverdrawnRow {
    order_id: String,
    payment_id: String,
    /// Minor units given back or held beyond what was captured.
    excess: i64,
}

/// A line whose mark is set.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct OverRefundedRow {
    order_id: String,
    line_id: String,
    /// Minor units taken up beyond what the line costs; 0 when only its units are too few.
    excess: i64,
}

impl OverdrawnRow {
    fn key(&self) -> (&str, &str) {
        (&self.order_id, &self.payment_id)
    }

    fn fact(&self, order: &Order) -> Result<FactKind, StoreError> {
        let corrupt = |column| StoreError::corrupt("payments", column, self.order_id.clone());
        Ok(FactKind::PaymentOverdrawn {
            order: order.id.clone(),
            customer: order.customer.clone(),
            payment: PaymentId::new(self.payment_id.as_str()).map_err(|_| corrupt("payment_id"))?,
            excess: Money::new(order.currency, self.excess).map_err(|_| corrupt("captured"))?,
        })
    }
}

impl OverRefundedRow {
    fn key(&self) -> (&str, &str) {
        (&self.order_id, &self.line_id)
    }

    fn fact(&self, order: &Order) -> Result<FactKind, StoreError> {
        let corrupt = |_| StoreError::corrupt("order_lines", "committed", self.order_id.clone());
        Ok(FactKind::LineOverRefunded {
            order: order.id.clone(),
            customer: order.customer.clone(),
            line: self.line_id.clone(),
            excess: Money::new(order.currency, self.excess).map_err(corrupt)?,
        })
    }
}

/// The facts of what is marked `after` the orders were written and was not `before`.
pub(super) fn newly_marked(
    tenant: &TenantId,
    writes: &[OrderWrite<'_>],
    before: &Marks,
    after: &Marks,
) -> Result<Vec<Fact>, StoreError> {
    let orders: HashMap<&str, &Order> =
        writes.iter().map(|write| (write.order.id.as_str(), write.order)).collect();
    let known: HashSet<_> = before.payments.iter().map(OverdrawnRow::key).collect();
    let payments = after.payments.iter().filter(|row| !known.contains(&row.key()));
    let known: HashSet<_> = before.lines.iter().map(OverRefundedRow::key).collect();
    let lines = after.lines.iter().filter(|row| !known.contains(&row.key()));
    let mut kinds = Vec::new();
    // Only an order that was written can have changed.
    for row in payments {
        if let Some(order) = orders.get(row.order_id.as_str()) {
            kinds.push(row.fact(order)?);
        }
    }
    for row in lines {
        if let Some(order) = orders.get(row.order_id.as_str()) {
            kinds.push(row.fact(order)?);
        }
    }
    let fact = |kind| Fact { tenant: tenant.clone(), traceparent: None, kind };
    Ok(kinds.into_iter().map(fact).collect())
}

/// Tells the log how many payments and lines of a chunk became marked, once that is stored.
pub(super) fn tell(tenant: &TenantId, facts: &[Fact]) {
    let lines = facts.iter().filter(|fact| matches!(fact.kind, FactKind::LineOverRefunded { .. }));
    let lines = lines.count();
    let payments = facts.len() - lines;
    if payments > 0 {
        tracing::warn!(
            tenant = %tenant,
            payments.count = payments,
            "import left payments with more given back or held than was captured: nothing more is \
             refunded on them, and each opens a case"
        );
    }
    if lines > 0 {
        tracing::warn!(
            tenant = %tenant,
            lines.count = lines,
            "import made lines smaller than what refunds have taken up: nothing more is offered on \
             them, and each opens a case"
        );
    }
}
