//! Computes what a disruption would pay, and whether the lanes can.
//!
//! Invariant: writes nothing, and holds three pages of orders at most, however many there are. What a
//! provider does not tell is left out, never guessed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use redress_core::id::{DisruptionId, TenantId};
use redress_core::money::{Currency, Money};
use redress_policy::LegalClock;

use super::act_on_disruption::find;
use super::create_disruption::{check, nothing_in};
use super::orders_in_scope::OrdersInScope;
use super::{RefundError, Refunds};
use crate::domain::attempt::Reason;
use crate::domain::disruption::{Change, Due, ItemPlan, ItemState, Rules, Scope, Terms, plan_item};
use crate::domain::order::{Order, Tender};

/// A disruption that could be opened.
#[derive(Debug)]
pub struct Proposal {
    /// Which orders, and which of their lines.
    pub scope: Scope,
    /// What happened.
    pub change: Change,
    /// What is offered and what is kept.
    pub terms: Terms,
}

/// What is previewed.
#[derive(Debug)]
pub enum Previewed {
    /// A disruption that could be opened.
    New(Box<Proposal>),
    /// The orders that have come into the scope of an approved one.
    Extension(DisruptionId),
}

/// What a disruption would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DisruptionPreview {
    /// What it is about.
    pub scope: Scope,
    /// Orders with a line in scope.
    pub orders_in_scope: i64,
    /// Orders that would be refunded in full without a person.
    pub refundable: i64,
    /// Orders of which at least a part would need a person.
    pub attention: i64,
    /// Orders that get nothing.
    pub nothing_due: i64,
    /// Money by currency, provider, tender and way, sorted.
    pub totals: Vec<PreviewTotal>,
    /// What would be paid, per currency.
    pub requested: Vec<Money>,
    /// Orders by outcome.
    pub outcomes: Vec<PreviewOutcome>,
    /// Payments that are too old for their provider.
    pub out_of_window_payments: i64,
    /// The providers that would be used.
    pub lanes: Vec<PreviewLane>,
    /// The law's clock, if it were started now; `None` until the sums are complete.
    pub legal_clock: Option<LegalClock>,
    /// Orders that would not be paid by then.
    pub orders_at_risk: i64,
}

/// Money that would go back on one kind of tender through one provider in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewTotal {
    /// The sum.
    pub amount: Money,
    /// Who would process it.
    pub provider: String,
    /// What was paid with.
    pub tender: Option<Tender>,
    /// Why a person has to pay it; `None` when Redress can send it.
    pub by_hand: Option<Reason>,
    /// How many payments it is spread over.
    pub payments: i64,
}

/// Orders with the same outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewOutcome {
    /// Pending, offered, attention or nothing due.
    pub state: ItemState,
    /// Why; empty when it would simply be paid or offered.
    pub reason_code: &'static str,
    /// How many.
    pub orders: i64,
}

/// A provider through which refunds would go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewLane {
    /// The provider.
    pub provider: String,
    /// How many refunds it would be sent.
    pub refunds: i64,
    /// How many a second it takes at most; `None` without a limit.
    pub per_second: Option<u32>,
    /// How long that takes at least with nothing else in the lane.
    pub estimate: Option<Duration>,
    /// What would be drawn, per currency.
    pub needed: Vec<Money>,
    /// What refunds can draw on now, of the same currencies; `None` when the provider did not tell.
    pub available: Option<Vec<Money>>,
}

impl PreviewLane {
    /// Whether the balance covers what is needed; not when the provider did not tell.
    pub fn is_covered(&self) -> bool {
        let Some(available) = &self.available else { return false };
        self.needed.iter().zip(available).all(|(need, has)| need.minor_units <= has.minor_units)
    }
}

/// Adds up what the disruption would pay; not found when no order is in scope.
pub async fn preview_disruption(
    app: &Refunds,
    tenant: &TenantId,
    previewed: Previewed,
) -> Result<DisruptionPreview, RefundError> {
    let (scope, change, terms, beside) = match previewed {
        Previewed::New(proposal) => {
            let Proposal { scope, change, terms } = *proposal;
            check(app, &scope, &change, &terms)?;
            (scope.normalised(), change, terms, None)
        }
        Previewed::Extension(id) => {
            let found = find(app, tenant, &id, "").await?;
            (found.scope, found.change, found.terms, Some(id))
        }
    };
    let rules = Rules { scope: &scope, change: &change, terms: &terms };
    let mut sums = Sums::default();
    let mut pages = OrdersInScope::of(app, tenant, &scope, beside.as_ref());
    while let Some(orders) = pages.next().await? {
        let now = app.clock.now();
        for order in &orders {
            if let Some(plan) = plan_item(order, rules, &*app.connections, now) {
                sums.add(order, &plan, &terms);
            }
        }
    }
    if sums.counts.orders_in_scope == 0 && beside.is_none() {
        return Err(nothing_in(&scope));
    }
    let zone = std::mem::take(&mut sums.zone);
    let mut preview = sums.finish();
    preview.scope = scope;
    preview.legal_clock = Some(terms.clock(app.clock.now(), app.pay_within, &zone));
    for lane in &mut preview.lanes {
        look_at(app, lane).await;
        preview.orders_at_risk += late(lane, app.pay_within);
    }
    Ok(preview)
}

/// Adds what the provider tells.
async fn look_at(app: &Refunds, lane: &mut PreviewLane) {
    let Some(provider) = app.connections.find(&lane.provider) else { return };
    lane.per_second = provider.terms().sends_per_second;
    lane.estimate = lane.per_second.map(|rate| {
        let refunds = lane.refunds.unsigned_abs();
        Duration::from_secs(refunds.div_ceil(u64::from(rate.max(1))))
    });
    match provider.balance().await {
        Ok(balance) => {
            let of = |need: &Money| {
                let held = balance.iter().find(|held| held.currency == need.currency);
                held.copied().unwrap_or(Money::zero(need.currency))
            };
            lane.available = Some(lane.needed.iter().map(of).collect());
        }
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(
                provider.name = lane.provider,
                error,
                "provider does not tell its balance, the preview goes without it"
            );
        }
    }
}

/// How many refunds of a lane are not sent within `time`.
fn late(lane: &PreviewLane, time: Duration) -> i64 {
    let Some(rate) = lane.per_second else { return 0 };
    let in_time = i64::from(rate).saturating_mul(i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
    (lane.refunds - in_time).max(0)
}

#[derive(Debug, Default)]
struct Total {
    minor_units: i64,
    payments: i64,
}

/// Money by currency, provider, tender and the code of why a person pays.
type Totals = BTreeMap<
    (Currency, String, &'static str, &'static str),
    (Option<Tender>, Option<Reason>, Total),
>;

#[derive(Debug, Default)]
struct Sums {
    counts: DisruptionPreview,
    totals: Totals,
    outcomes: BTreeMap<(&'static str, &'static str), (ItemState, i64)>,
    lanes: BTreeMap<String, (i64, BTreeMap<Currency, i64>)>,
    /// Of the first order's place.
    zone: String,
}

impl Sums {
    fn add(&mut self, order: &Order, plan: &ItemPlan, terms: &Terms) {
        self.counts.orders_in_scope += 1;
        if self.zone.is_empty() {
            self.zone.clone_from(&plan.time_zone);
        }
        let price = match &plan.due {
            Due::Pay(price) => price,
            Due::Nothing(reason) => {
                self.counts.nothing_due += 1;
                self.outcome(ItemState::NothingDue, reason.code());
                return;
            }
        };
        let mut by_hand: BTreeSet<&'static str> = BTreeSet::new();
        for share in &price.shares {
            let paid = order.payments.iter().find(|payment| payment.id == share.payment);
            let tender = paid.map(|payment| payment.tender);
            let reason = share.by_hand.map_or("", Reason::code);
            let word = tender.map_or("", Tender::as_str);
            let key = (price.currency, share.provider.clone(), word, reason);
            let (_, _, total) =
                self.totals.entry(key).or_insert((tender, share.by_hand, Total::default()));
            total.minor_units += share.amount;
            total.payments += 1;
            if share.by_hand.is_some() {
                by_hand.insert(reason);
            } else {
                let lane = self.lanes.entry(share.provider.clone()).or_default();
                lane.0 += 1;
                *lane.1.entry(price.currency).or_default() += share.amount;
            }
            if share.by_hand == Some(Reason::OutOfRefundWindow) {
                self.counts.out_of_window_payments += 1;
            }
        }
        if let Some(reason) = by_hand.first() {
            self.counts.attention += 1;
            self.outcome(ItemState::Attention, reason);
        } else {
            self.counts.refundable += 1;
            self.outcome(plan.first_state(terms), "");
        }
    }

    fn outcome(&mut self, state: ItemState, reason_code: &'static str) {
        self.outcomes.entry((state.as_str(), reason_code)).or_insert((state, 0)).1 += 1;
    }

    fn finish(self) -> DisruptionPreview {
        let money = |(currency, minor_units)| Money { currency, minor_units };
        let mut requested: BTreeMap<Currency, i64> = BTreeMap::new();
        for ((currency, ..), (_, _, total)) in &self.totals {
            *requested.entry(*currency).or_default() += total.minor_units;
        }
        let totals = self.totals.into_iter().map(|((currency, provider, ..), entry)| {
            let (tender, by_hand, Total { minor_units, payments }) = entry;
            PreviewTotal {
                amount: money((currency, minor_units)),
                provider,
                tender,
                by_hand,
                payments,
            }
        });
        let outcomes = self.outcomes.into_iter().map(|((_, reason_code), (state, orders))| {
            PreviewOutcome { state, reason_code, orders }
        });
        let lanes = self.lanes.into_iter().map(|(provider, (refunds, needed))| PreviewLane {
            provider,
            refunds,
            per_second: None,
            estimate: None,
            needed: needed.into_iter().map(money).collect(),
            available: None,
        });
        DisruptionPreview {
            totals: totals.collect(),
            requested: requested.into_iter().map(money).collect(),
            outcomes: outcomes.collect(),
            lanes: lanes.collect(),
            ..self.counts
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let scope = Scope::of_event(mixed.lines[0].event.clone());
        let terms = Terms::default();
        let rules = Rules { scope: &scope, change: &Change::Cancelled, terms: &terms };
        let mut sums = Sums::default();
        for order in [order(), mixed, unpaid] {
            let plan = plan_item(&order, rules, &routes(), NOW).unwrap();
            sums.add(&order, &plan, &terms);
        }
        let preview = sums.finish();
        assert_eq!(
            (preview.orders_in_scope, preview.refundable, preview.attention, preview.nothing_due),
            (3, 1, 1, 1)
        );
        let totals: Vec<_> = preview
            .totals
            .iter()
            .map(|t| (t.provider.as_str(), t.tender, t.amount.minor_units, t.payments, t.by_hand))
            .collect();
        assert_eq!(
            totals,
            [
                ("giftcard", Some(Tender::GiftCard), 390, 1, Some(Reason::NoConnector)),
                ("stripe", Some(Tender::Card), 10_390, 2, None)
            ]
        );
        let outcomes: Vec<_> =
            preview.outcomes.iter().map(|o| (o.state, o.reason_code, o.orders)).collect();
        assert_eq!(
            outcomes,
            [
                (ItemState::Attention, "NO_CONNECTOR", 1),
                (ItemState::NothingDue, "NOT_PAID", 1),
                (ItemState::Pending, "", 1),
            ]
        );
        assert_eq!(preview.requested.iter().map(|sum| sum.minor_units).sum::<i64>(), 10_780);
        let [stripe] = preview.lanes.as_slice() else { panic!("{:?}", preview.lanes) };
        assert_eq!((stripe.refunds, stripe.needed[0].minor_units), (2, 10_390));
        assert!(!stripe.is_covered(), "nobody asked the provider");
    }

    #[test]
    fn what_a_lane_cannot_send_in_time_is_at_risk() {
        let lane = PreviewLane {
            provider: "stripe".to_owned(),
            refunds: 1_001,
            per_second: Some(10),
            estimate: None,
            needed: Vec::new(),
            available: None,
        };
        assert_eq!(late(&lane, Duration::from_secs(100)), 1);
        assert_eq!(late(&lane, Duration::from_secs(101)), 0);
        assert_eq!(late(&PreviewLane { per_second: None, ..lane }, Duration::ZERO), 0);
    }
}
