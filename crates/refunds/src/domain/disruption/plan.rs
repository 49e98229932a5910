//! What a disruption does about one order.
//!
//! Invariant: pure; the same order under the same rules gives the same plan, so that a preview
//! shows what an approval freezes.

use redress_core::clock::Timestamp;
use redress_core::id::{CustomerId, EventId, OrderId};
use redress_core::money::Currency;
use serde::{Deserialize, Serialize};

use super::{Change, ItemState, Scope, StoredValue, Terms};
use crate::domain::attempt::Reason;
use crate::domain::order::{Order, OrderLine, OrderState, Tender};
use crate::domain::price::{Price, Routing, price_lines_of_disruption};

/// Why nothing is due on an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NothingDue {
    /// The shop had cancelled the order before.
    OrderCancelled,
    /// The buyer was on the waiting list and has bought nothing.
    WaitingList,
    /// No payment was captured.
    NotPaid,
    /// What was captured has gone back before, or is held by a dispute.
    RefundedBefore,
    /// Another refund has taken the lines up: paid, on its way, or with a person.
    RefundExists,
    /// The seller keeps all of it under the terms of the disruption.
    AllKept,
}

impl NothingDue {
    /// The stable code in the API and in events.
    pub const fn code(self) -> &'static str {
        match self {
            Self::OrderCancelled => "ORDER_CANCELLED",
            Self::WaitingList => "WAITING_LIST",
            Self::NotPaid => "NOT_PAID",
            Self::RefundedBefore => "REFUNDED_BEFORE",
            Self::RefundExists => "REFUND_EXISTS",
            Self::AllKept => "ALL_KEPT",
        }
    }
}

/// What a disruption will do about one order, as frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemPlan {
    /// The order.
    pub order: OrderId,
    /// The buyer.
    pub customer: CustomerId,
    /// What the first line in scope was for.
    pub event: EventId,
    /// The IANA zone of that place; empty in plans of before it was kept.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub time_zone: String,
    /// The order's currency.
    pub currency: Currency,
    /// What to pay, or why nothing is.
    pub due: Due,
}

/// What is due on an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Due {
    /// Money goes back.
    Pay(Price),
    /// Nothing does.
    Nothing(NothingDue),
}

impl ItemPlan {
    /// In minor units.
    pub const fn requested(&self) -> i64 {
        match &self.due {
            Due::Pay(price) => price.total,
            Due::Nothing(_) => 0,
        }
    }

    /// The provider that its money goes through first; empty when Redress sends nothing.
    pub fn lane(&self) -> &str {
        let Due::Pay(price) = &self.due else { return "" };
        let mut sendable = price.shares.iter().filter(|share| share.by_hand.is_none());
        sendable.next().map_or("", |share| &share.provider)
    }

    /// How the item begins once its disruption is approved.
    pub fn first_state(&self, terms: &Terms) -> ItemState {
        if terms.offer_choice() && matches!(self.due, Due::Pay(_)) {
            ItemState::Offered
        } else {
            ItemState::Pending
        }
    }
}

/// The rules by which orders are planned.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Which orders and lines.
    pub scope: &'a Scope,
    /// What happened.
    pub change: &'a Change,
    /// What is kept.
    pub terms: &'a Terms,
}

/// Decides what is due on an order; `None` when no line of it is in scope.
pub fn plan_item(
    order: &Order,
    rules: Rules<'_>,
    routing: &dyn Routing,
    now: Timestamp,
) -> Option<ItemPlan> {
    let Rules { scope, change, terms } = rules;
    let covered: Vec<_> = order.lines.iter().filter(|line| scope.covers(order, line)).collect();
    let first = *covered.first()?;
    let price =
        price_lines_of_disruption(order, &covered, change.rule(), &terms.fees, routing, now);
    let due = match price {
        Some(price) => Due::Pay(by_person(price, order, terms.stored_value)),
        None => Due::Nothing(why_nothing(order, &covered)),
    };
    Some(ItemPlan {
        order: order.id.clone(),
        customer: order.customer.clone(),
        event: first.event.clone(),
        time_zone: first.event_time_zone.clone(),
        currency: order.currency,
        due,
    })
}

/// Hands what was paid with stored value to a person, if the terms say so.
fn by_person(mut price: Price, order: &Order, rule: StoredValue) -> Price {
    if rule == StoredValue::ToPerson {
        for share in &mut price.shares {
            let paid = order.payments.iter().find(|payment| payment.id == share.payment);
            let is_stored = paid.is_some_and(|payment| {
                matches!(payment.tender, Tender::GiftCard | Tender::Voucher | Tender::Points)
            });
            if is_stored {
                share.by_hand.get_or_insert(Reason::IssuedByPerson);
            }
        }
    }
    price
}

fn why_nothing(order: &Order, covered: &[&OrderLine]) -> NothingDue {
    if order.state == OrderState::Cancelled {
        NothingDue::OrderCancelled
    } else if order.state == OrderState::WaitingList {
        NothingDue::WaitingList
    } else if covered.iter().any(|line| line.committed > 0) {
        NothingDue::RefundExists
    } else if order.payments.is_empty() {
        NothingDue::NotPaid
    } else if order.payments.iter().any(|payment| payment.refundable() > 0)
        && covered.iter().any(|line| line.remaining() > 0)
    {
        NothingDue::AllKept
    } else {
        NothingDue::RefundedBefore
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::disruption::Fees;
    use crate::domain::order::tests::{order, payment};
    use crate::domain::price::tests::{NOW, routes};

    /// What the cancellation of the first line's event does about an order.
    fn plan(order: &Order, terms: &Terms) -> Option<ItemPlan> {
        let scope = Scope::of_event(order.lines[0].event.clone());
        let rules = Rules { scope: &scope, change: &Change::Cancelled, terms };
        plan_item(order, rules, &routes(), NOW)
    }

    #[test]
    fn an_order_without_money_gets_a_reason() {
        let mut unpaid = order();
        unpaid.payments.clear();
        let mut refunded = order();
        refunded.payments[0].refunded_elsewhere = 5390;
        let mut disputed = order();
        disputed.payments[0].counters.disputed = 5390;
        let mut taken = order();
        taken.lines.iter_mut().for_each(|line| line.committed = line.gross);
        let mut cancelled = order();
        cancelled.state = OrderState::Cancelled;
        let mut waiting = order();
        waiting.state = OrderState::WaitingList;
        waiting.payments.clear();
        waiting.lines.iter_mut().for_each(|line| line.gross = 0);
        for (order, reason) in [
            (unpaid, NothingDue::NotPaid),
            (refunded, NothingDue::RefundedBefore),
            (disputed, NothingDue::RefundedBefore),
            (taken, NothingDue::RefundExists),
            (cancelled, NothingDue::OrderCancelled),
            (waiting, NothingDue::WaitingList),
        ] {
            let plan = plan(&order, &Terms::default()).unwrap();
            assert_eq!(plan.due, Due::Nothing(reason));
            assert_eq!((plan.lane(), plan.requested()), ("", 0));
        }
        let fees = Fees { basis_points: 10_000, ..Fees::default() };
        let all_kept = plan(&order(), &Terms { fees, ..Terms::default() }).unwrap();
        assert_eq!(all_kept.due, Due::Nothing(NothingDue::AllKept));
    }

    #[test]
    fn an_order_outside_the_scope_has_no_plan() {
        let mut elsewhere = order();
        let scope = Scope::of_event(EventId::new("gala").unwrap());
        let terms = Terms::default();
        let rules = Rules { scope: &scope, change: &Change::Cancelled, terms: &terms };
        assert_eq!(plan_item(&elsewhere, rules, &routes(), NOW), None);
        elsewhere.lines[0].event = EventId::new("gala").unwrap();
        let part = plan_item(&elsewhere, rules, &routes(), NOW).unwrap();
        let Due::Pay(price) = &part.due else { panic!("{part:?}") };
        let lines: Vec<_> = price.lines.iter().map(|line| line.line_id.as_str()).collect();
        assert_eq!(lines, [elsewhere.lines[0].id.as_str()], "only the lines of that event");
        assert_eq!(price.total, elsewhere.lines[0].gross);
    }

    #[test]
    fn stored_value_goes_to_a_person_where_the_terms_say_so() {
        let mut mixed = order();
        mixed.payments = vec![
            payment("p1", "stripe", Tender::GiftCard, 390),
            payment("p2", "stripe", Tender::Card, 5000),
        ];
        let by_hand = |stored_value| {
            let plan = plan(&mixed, &Terms { stored_value, ..Terms::default() }).unwrap();
            let Due::Pay(price) = plan.due else { panic!("nothing due") };
            price.shares.into_iter().map(|share| share.by_hand).collect::<Vec<_>>()
        };
        assert_eq!(by_hand(StoredValue::ToTender), [None, None]);
        assert_eq!(by_hand(StoredValue::ToPerson), [Some(Reason::IssuedByPerson), None]);
    }

    #[test]
    fn only_who_is_due_something_is_asked() {
        let terms = Terms {
            choose_until: Some(NOW.plus(std::time::Duration::from_secs(1))),
            ..Terms::default()
        };
        let mut unpaid = order();
        unpaid.payments.clear();
        let paid = order();
        for (order, terms, state) in [
            (&paid, &terms, ItemState::Offered),
            (&unpaid, &terms, ItemState::Pending),
            (&paid, &Terms::default(), ItemState::Pending),
        ] {
            assert_eq!(plan(order, terms).unwrap().first_state(terms), state);
        }
    }
}
