//! The fact that a disruption is done with one order, as feedback hears it.
//!
//! Invariant: outcomes are ordered by what they say to the customer: money arrived beats work in
//! progress, which beats nothing. That order makes the decision independent of the order in which
//! the facts of one customer arrive.

use std::str::FromStr;

use redress_core::id::{CustomerId, DisruptionId, EventId, OrderId, TenantId};

/// How a disruption ended for one order; later variants say more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Nothing was due.
    NothingDue,
    /// A person must decide something.
    Attention,
    /// Paid in full.
    Succeeded,
}

/// The text is no outcome's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown outcome: expected SUCCEEDED, ATTENTION or NOTHING_DUE")]
pub struct UnknownOutcome;

impl Outcome {
    /// All outcomes, from the weakest to the strongest.
    pub const ALL: [Self; 3] = [Self::NothingDue, Self::Attention, Self::Succeeded];

    /// The outcome's name, in events and in surveys.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NothingDue => "NOTHING_DUE",
            Self::Attention => "ATTENTION",
            Self::Succeeded => "SUCCEEDED",
        }
    }
}

impl FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(name: &str) -> Result<Self, UnknownOutcome> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name).ok_or(UnknownOutcome)
    }
}

/// A disruption is done with one order of a customer, for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The tenant whose order it is.
    pub tenant: TenantId,
    /// The disruption.
    pub disruption: DisruptionId,
    /// The event that went wrong.
    pub event: EventId,
    /// The order.
    pub order: OrderId,
    /// The buyer.
    pub customer: CustomerId,
    /// How it ended for this order.
    pub outcome: Outcome,
}
