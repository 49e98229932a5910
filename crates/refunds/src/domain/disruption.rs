//! Disruptions: a cancelled event, and one item for each order that it touches.
//!
//! Invariant: an item's amounts are frozen when the selection is approved; a disruption is
//! completed only when every item has come to rest.

use redress_core::clock::Timestamp;
use redress_core::id::{CustomerId, DisruptionId, EventId, OrderId, RefundId, TenantId};
use redress_core::money::Currency;
use serde::{Deserialize, Serialize};

use super::order::{Order, OrderState};
use super::price::{Price, Routing, price_cancelled_lines};

/// What happened to the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisruptionKind {
    /// It will not take place.
    Cancelled,
}

impl DisruptionKind {
    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Reads the stored name.
    pub fn parse(name: &str) -> Option<Self> {
        (name == Self::Cancelled.as_str()).then_some(Self::Cancelled)
    }
}

/// Where a disruption stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisruptionState {
    /// Opened; nothing is frozen.
    Draft,
    /// The selection is frozen.
    Approved,
    /// Workers pay.
    Running,
    /// Every item has come to rest.
    Completed,
}

/// What can happen to a disruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisruptionEvent {
    /// The selection is frozen.
    Approve,
    /// Workers may pay.
    Start,
    /// The last item came to rest.
    Complete,
}

impl DisruptionState {
    /// Every state, for tables.
    pub const ALL: [Self; 4] = [Self::Draft, Self::Approved, Self::Running, Self::Completed];

    /// The name in the database and in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Approved => "APPROVED",
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
        }
    }

    /// Reads the stored name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// The state after `event`; `None` when the event is not allowed in this state.
    pub const fn next(self, event: DisruptionEvent) -> Option<Self> {
        match (self, event) {
            (Self::Draft, DisruptionEvent::Approve) => Some(Self::Approved),
            (Self::Approved, DisruptionEvent::Start) => Some(Self::Running),
            (Self::Running, DisruptionEvent::Complete) => Some(Self::Completed),
            _ => None,
        }
    }
}

/// A cancelled event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disruption {
    /// The owner.
    pub tenant: TenantId,
    /// Its id.
    pub id: DisruptionId,
    /// What it is about.
    pub event: EventId,
    /// What happened.
    pub kind: DisruptionKind,
    /// Where it stands.
    pub state: DisruptionState,
    /// Who opened it.
    pub requester: String,
    /// W3C traceparent of the request that started it.
    pub traceparent: Option<String>,
    /// Rises with every change of state.
    pub version: i64,
    /// When it was opened.
    pub created: Timestamp,
    /// When it last changed state.
    pub updated: Timestamp,
}

/// Where an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ItemState {
    /// Frozen; no worker has taken it on.
    Pending,
    /// A refund exists and has not come to rest.
    Processing,
    /// Paid in full.
    Succeeded,
    /// A person must decide something.
    Attention,
    /// Nothing was due.
    NothingDue,
}

impl ItemState {
    /// Every state, for tables.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Processing, Self::Succeeded, Self::Attention, Self::NothingDue];

    /// The name in the database and in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Processing => "PROCESSING",
            Self::Succeeded => "SUCCEEDED",
            Self::Attention => "ATTENTION",
            Self::NothingDue => "NOTHING_DUE",
        }
    }

    /// Reads the stored name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// Why nothing is due on an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NothingDue {
    /// The shop had cancelled the order before.
    OrderCancelled,
    /// No payment was captured.
    NotPaid,
    /// What was captured has gone back before.
    RefundedBefore,
    /// Another refund has taken the lines up: paid, on its way, or with a person.
    RefundExists,
}

impl NothingDue {
    /// The stable code in the API and in events.
    pub const fn code(self) -> &'static str {
        match self {
            Self::OrderCancelled => "ORDER_CANCELLED",
            Self::NotPaid => "NOT_PAID",
            Self::RefundedBefore => "REFUNDED_BEFORE",
            Self::RefundExists => "REFUND_EXISTS",
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
}

/// An item as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The order.
    pub order: OrderId,
    /// Where it stands.
    pub state: ItemState,
    /// The refund, once there is one.
    pub refund: Option<RefundId>,
    /// The order's currency.
    pub currency: Currency,
    /// What is to be paid, in minor units.
    pub requested: i64,
    /// What has been paid, in minor units.
    pub issued: i64,
    /// Why a person is needed or nothing is due; empty otherwise.
    pub reason_code: String,
    /// What that person should do next; empty otherwise.
    pub next_action: String,
}

/// Decides what the cancellation of `event` does about an order.
pub fn plan_item(
    order: &Order,
    event: &EventId,
    routing: &dyn Routing,
    now: Timestamp,
) -> ItemPlan {
    let due = price_cancelled_lines(order, event, routing, now)
        .map_or_else(|| Due::Nothing(why_nothing(order, event)), Due::Pay);
    ItemPlan {
        order: order.id.clone(),
        customer: order.customer.clone(),
        currency: order.currency,
        due,
    }
}

fn why_nothing(order: &Order, event: &EventId) -> NothingDue {
    let mut lines = order.lines.iter().filter(|line| line.event == *event);
    if order.state == OrderState::Cancelled {
        NothingDue::OrderCancelled
    } else if lines.any(|line| line.committed > 0) {
        NothingDue::RefundExists
    } else if order.payments.is_empty() {
        NothingDue::NotPaid
    } else {
        NothingDue::RefundedBefore
    }
}

#[cfg(test)]
mod tests {
    use super::super::order::tests::order;
    use super::super::price::tests::{NOW, routes};
    use super::*;

    #[test]
    fn every_cell_of_the_transition_table() {
        use DisruptionEvent::{Approve, Complete, Start};
        use DisruptionState::{Approved, Completed, Draft, Running};
        let table = [
            (Draft, [Some(Approved), None, None]),
            (Approved, [None, Some(Running), None]),
            (Running, [None, None, Some(Completed)]),
            (Completed, [None, None, None]),
        ];
        assert_eq!(table.map(|(state, _)| state), DisruptionState::ALL);
        for (state, row) in table {
            for (event, expected) in [Approve, Start, Complete].into_iter().zip(row) {
                assert_eq!(state.next(event), expected, "{state:?} x {event:?}");
            }
        }
    }

    #[test]
    fn an_order_without_money_gets_a_reason() {
        let event = order().lines[0].event.clone();
        let mut unpaid = order();
        unpaid.payments.clear();
        let mut refunded = order();
        refunded.payments[0].refunded_elsewhere = 5390;
        let mut taken = order();
        taken.lines.iter_mut().for_each(|line| line.committed = line.gross);
        let mut cancelled = order();
        cancelled.state = OrderState::Cancelled;
        for (order, reason) in [
            (unpaid, NothingDue::NotPaid),
            (refunded, NothingDue::RefundedBefore),
            (taken, NothingDue::RefundExists),
            (cancelled, NothingDue::OrderCancelled),
        ] {
            let plan = plan_item(&order, &event, &routes(), NOW);
            assert_eq!(plan.due, Due::Nothing(reason));
        }
    }
}
