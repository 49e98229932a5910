//! Computes what the cancellation of an event would pay.
//!
//! Invariant: writes nothing, and holds two pages of orders at most, however many there are.

use std::collections::BTreeMap;

use redress_core::id::{EventId, TenantId};
use redress_core::money::{Currency, Money};

use super::orders_in_scope::OrdersInScope;
use super::{RefundError, Refunds};
use crate::domain::disruption::{Due, ItemPlan, plan_item};

/// What a cancellation would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DisruptionPreview {
    /// Orders with a line for the event.
    pub orders_in_scope: i64,
    /// Orders that would be refunded in full without a person.
    pub refundable: i64,
    /// Orders of which at least a part would need a person.
    pub attention: i64,
    /// Orders that get nothing.
    pub nothing_due: i64,
    /// Money by currency and provider, sorted.
    pub totals: Vec<PreviewTotal>,
}

/// Money that would go back through one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewTotal {
    /// The sum.
    pub amount: Money,
    /// Who would process it.
    pub provider: String,
    /// How many payments it is spread over.
    pub payments: i64,
    /// Whether Redress can send it by itself.
    pub connected: bool,
}

/// Adds up what the cancellation of `event` would pay; not found when no order has a line for it.
pub async fn preview_disruption(
    app: &Refunds,
    tenant: &TenantId,
    event: &EventId,
) -> Result<DisruptionPreview, RefundError> {
    let mut sums = Sums::default();
    let mut scope = OrdersInScope::of(app, tenant, event);
    while let Some(orders) = scope.next().await? {
        for order in &orders {
            sums.add(&plan_item(order, event, &*app.connections, app.clock.now()));
        }
    }
    if sums.counts.orders_in_scope == 0 {
        return Err(RefundError::not_found(event.resource_name()));
    }
    Ok(sums.finish())
}

/// Minor units and payments, by currency and provider.
type Totals = BTreeMap<(Currency, String), Total>;

#[derive(Debug, Default)]
struct Total {
    minor_units: i64,
    payments: i64,
    connected: bool,
}

#[derive(Debug, Default)]
struct Sums {
    counts: DisruptionPreview,
    totals: Totals,
}

impl Sums {
    fn add(&mut self, plan: &ItemPlan) {
        self.counts.orders_in_scope += 1;
        let Due::Pay(price) = &plan.due else {
            self.counts.nothing_due += 1;
            return;
        };
        if price.shares.iter().all(|share| share.by_hand.is_none()) {
            self.counts.refundable += 1;
        } else {
            self.counts.attention += 1;
        }
        for share in &price.shares {
            let key = (price.currency, share.provider.clone());
            let total = self.totals.entry(key).or_default();
            total.minor_units += share.amount;
            total.payments += 1;
            total.connected = share.by_hand.is_none();
        }
    }

    fn finish(self) -> DisruptionPreview {
        let totals = self.totals.into_iter().map(|((currency, provider), total)| PreviewTotal {
            amount: Money { currency, minor_units: total.minor_units },
            provider,
            payments: total.payments,
            connected: total.connected,
        });
        DisruptionPreview { totals: totals.collect(), ..self.counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::Tender;
    use crate::domain::order::tests::{order, payment};
    use crate::domain::price::tests::{NOW, routes};

    #[test]
    fn an_order_with_a_tender_for_a_person_counts_there_only() {
        let mut mixed = order();
        mixed.payments = vec![
            payment("p1", "giftcard", Tender::GiftCard, 390),
            payment("p2", "stripe", Tender::Card, 5000),
        ];
        let mut unpaid = order();
        unpaid.payments.clear();
        let event = mixed.lines[0].event.clone();
        let mut sums = Sums::default();
        for order in [order(), mixed, unpaid] {
            sums.add(&plan_item(&order, &event, &routes(), NOW));
        }
        let preview = sums.finish();
        assert_eq!(
            (preview.orders_in_scope, preview.refundable, preview.attention, preview.nothing_due),
            (3, 1, 1, 1)
        );
        let totals: Vec<_> = preview
            .totals
            .iter()
            .map(|t| (t.provider.as_str(), t.amount.minor_units, t.payments, t.connected))
            .collect();
        assert_eq!(totals, [("giftcard", 390, 1, false), ("stripe", 10_390, 2, true)]);
    }
}
