//! One order of a disruption, and where it stands.
//!
//! Invariant: what is to be paid is frozen with the selection; an item moves only as the table says,
//! and one that was paid never moves again.

use redress_core::id::{OrderId, RefundId};
use redress_core::money::Currency;

use super::Remedy;

/// Where an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ItemState {
    /// Frozen beside an approved selection, and not agreed to yet. Nobody is shown it.
    Held,
    /// The buyer may choose.
    Offered,
    /// To be paid; no worker has taken it on.
    Pending,
    /// A refund exists and has not come to rest.
    Processing,
    /// Paid in full.
    Succeeded,
    /// A person must decide something.
    Attention,
    /// Nothing was due.
    NothingDue,
    /// The buyer keeps what was bought.
    Kept,
    /// Untouched, because the disruption was called off.
    Aborted,
}

/// What can happen to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ItemEvent {
    /// The buyer, or silence, chose this.
    Choose(Remedy),
    /// Somebody wants what failed tried again.
    Retry,
    /// The disruption is called off.
    Abort,
}

impl ItemState {
    /// Every state that is shown, for tables.
    pub const ALL: [Self; 8] = [
        Self::Offered,
        Self::Pending,
        Self::Processing,
        Self::Succeeded,
        Self::Attention,
        Self::NothingDue,
        Self::Kept,
        Self::Aborted,
    ];

    /// The name in the database and in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "HELD",
            Self::Offered => "OFFERED",
            Self::Pending => "PENDING",
            Self::Processing => "PROCESSING",
            Self::Succeeded => "SUCCEEDED",
            Self::Attention => "ATTENTION",
            Self::NothingDue => "NOTHING_DUE",
            Self::Kept => "KEPT",
            Self::Aborted => "ABORTED",
        }
    }

    /// Reads the stored name of a state that is shown.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// The state after `event`; `None` when the event is not allowed in this state. The workers
    /// move items by what their refunds become.
    pub const fn next(self, event: ItemEvent) -> Option<Self> {
        match (self, event) {
            (Self::Offered | Self::Kept, ItemEvent::Choose(Remedy::Refund))
            | (Self::Attention, ItemEvent::Retry) => Some(Self::Pending),
            (Self::Offered, ItemEvent::Choose(Remedy::Keep)) => Some(Self::Kept),
            // The platform books or issues it, so somebody has to.
            (Self::Offered | Self::Kept, ItemEvent::Choose(Remedy::Rebook | Remedy::Voucher)) => {
                Some(Self::Attention)
            }
            (Self::Held | Self::Offered | Self::Pending, ItemEvent::Abort) => Some(Self::Aborted),
            _ => None,
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
    /// What the buyer, or silence, chose; `None` when there was nothing to choose.
    pub remedy: Option<Remedy>,
    /// The provider through which it is paid; empty when a person pays or nothing is due.
    pub lane: String,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_the_items_table() {
        use ItemState::{
            Aborted, Attention, Held, Kept, NothingDue, Offered, Pending, Processing, Succeeded,
        };
        let events = [
            ItemEvent::Choose(Remedy::Refund),
            ItemEvent::Choose(Remedy::Keep),
            ItemEvent::Choose(Remedy::Rebook),
            ItemEvent::Choose(Remedy::Voucher),
            ItemEvent::Retry,
            ItemEvent::Abort,
        ];
        let none = [None; 6];
        let by_choice = Some(Attention);
        let table = [
            (Held, [None, None, None, None, None, Some(Aborted)]),
            (Offered, [Some(Pending), Some(Kept), by_choice, by_choice, None, Some(Aborted)]),
            (Pending, [None, None, None, None, None, Some(Aborted)]),
            (Processing, none),
            (Succeeded, none),
            (Attention, [None, None, None, None, Some(Pending), None]),
            (NothingDue, none),
            (Kept, [Some(Pending), None, by_choice, by_choice, None, None]),
            (Aborted, none),
        ];
        for (state, row) in table {
            for (event, expected) in events.into_iter().zip(row) {
                assert_eq!(state.next(event), expected, "{state:?} x {event:?}");
            }
        }
    }

    #[test]
    fn what_is_held_is_never_shown() {
        assert_eq!(ItemState::parse("HELD"), None);
        for state in ItemState::ALL {
            assert_eq!(ItemState::parse(state.as_str()), Some(state));
        }
    }
}
