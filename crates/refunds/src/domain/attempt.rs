//! One try to send money back on one tender, and the states it may pass through.
//!
//! Invariant: an attempt is stored before its provider is called, its id is the provider's
//! idempotency key, and a lost answer is [`AttemptState::Unknown`] until there is proof.

use redress_core::clock::Timestamp;
use redress_core::id::{AttemptId, OrderId, PaymentId, RefundId, TenantId};
use redress_core::money::Currency;

/// How many attempts one tender of a refund gets before a person has to look.
pub const MAX_ATTEMPTS: i32 = 5;

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptState {
    /// Stored and reserved; not sent.
    Armed,
    /// May have reached the provider; the answer is awaited.
    Sent,
    /// The provider has taken it on and has not settled it.
    Accepted,
    /// The provider has paid.
    Succeeded,
    /// The provider has not paid and will not.
    Failed,
    /// The answer was lost. Only proof moves it on.
    Unknown,
}

/// What can happen to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptEvent {
    /// A worker took it to send it.
    Claim,
    /// Proof that the provider was never reached.
    NotSent,
    /// The provider answered that it has taken the refund on.
    Accept,
    /// The provider says that it has paid.
    Succeed,
    /// The provider says that it will not pay.
    Refuse,
    /// No answer, or one that proves nothing.
    LoseAnswer,
    /// The provider was asked twice past its visibility window and knows of no such refund.
    ProveAbsent,
}

impl AttemptState {
    /// Every state, for tables.
    pub const ALL: [Self; 6] =
        [Self::Armed, Self::Sent, Self::Accepted, Self::Succeeded, Self::Failed, Self::Unknown];

    /// The name in the database and in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Armed => "ARMED",
            Self::Sent => "SENT",
            Self::Accepted => "ACCEPTED",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Reads the stored name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// The state after `event`; `None` when the event is not allowed in this state.
    pub const fn next(self, event: AttemptEvent) -> Option<Self> {
        use AttemptEvent::{Accept, Claim, LoseAnswer, NotSent, ProveAbsent, Refuse, Succeed};
        use AttemptState::{Accepted, Armed, Failed, Sent, Succeeded, Unknown};
        match (self, event) {
            (Armed, Claim) => Some(Sent),
            (Sent, NotSent) => Some(Armed),
            (Sent | Unknown, Accept) => Some(Accepted),
            (Sent | Accepted | Unknown, Succeed) => Some(Succeeded),
            (Sent | Accepted | Unknown, Refuse) | (Unknown, ProveAbsent) => Some(Failed),
            (Sent, LoseAnswer) => Some(Unknown),
            _ => None,
        }
    }

    /// Whether the attempt holds money on its payment.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Armed | Self::Sent | Self::Accepted | Self::Unknown)
    }
}

/// Why an attempt failed, or why no attempt could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The tender's provider has no connector.
    NoConnector,
    /// The card or account that would be credited is closed.
    AccountClosed,
    /// The tenant's balance at the provider does not cover the refund.
    InsufficientBalance,
    /// The provider holds that the payment was refunded already.
    AlreadyRefunded,
    /// The provider refused for another reason.
    ProviderRefused,
    /// The provider never executed the attempt; proven by asking it.
    NotExecuted,
    /// The payment no longer holds the money that was to be reserved.
    OverRefund,
}

impl Reason {
    /// Every reason, for tables.
    pub const ALL: [Self; 7] = [
        Self::NoConnector,
        Self::AccountClosed,
        Self::InsufficientBalance,
        Self::AlreadyRefunded,
        Self::ProviderRefused,
        Self::NotExecuted,
        Self::OverRefund,
    ];

    /// The stable code in the API, in events and in the database.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoConnector => "NO_CONNECTOR",
            Self::AccountClosed => "ACCOUNT_CLOSED",
            Self::InsufficientBalance => "INSUFFICIENT_BALANCE",
            Self::AlreadyRefunded => "ALREADY_REFUNDED",
            Self::ProviderRefused => "PROVIDER_REFUSED",
            Self::NotExecuted => "NOT_EXECUTED",
            Self::OverRefund => "OVER_REFUND",
        }
    }

    /// Reads the stored code.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// What a person should do next.
    pub const fn next_action(self) -> &'static str {
        match self {
            Self::NoConnector | Self::AccountClosed => "PAY_BY_OTHER_MEANS",
            Self::InsufficientBalance => "TOP_UP_PROVIDER_BALANCE",
            Self::AlreadyRefunded | Self::OverRefund => "COMPARE_WITH_PROVIDER",
            Self::ProviderRefused | Self::NotExecuted => "REVIEW_WITH_PROVIDER",
        }
    }
}

/// An attempt as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The owner.
    pub tenant: TenantId,
    /// Also the provider's idempotency key.
    pub id: AttemptId,
    /// The refund that it pays.
    pub refund: RefundId,
    /// The order behind it.
    pub order: OrderId,
    /// The payment that it draws on.
    pub payment: PaymentId,
    /// 1 for the first attempt on this tender, rising.
    pub ordinal: i32,
    /// Who processes it.
    pub provider: String,
    /// The provider's id of the payment.
    pub payment_reference: String,
    /// The currency of the amount.
    pub currency: Currency,
    /// In minor units, above zero.
    pub amount: i64,
    /// Where it stands.
    pub state: AttemptState,
    /// Why it failed.
    pub reason: Option<Reason>,
    /// The provider's id of the refund; empty while unknown.
    pub provider_refund: String,
    /// Whoever holds the attempt; empty when nobody does. A write of a holder checks it.
    pub claim: String,
    /// When somebody may act on it next: send, look up, or take over from a holder who vanished.
    pub due: Timestamp,
    /// When it was last handed to the provider; 0 before.
    pub sent: Timestamp,
    /// How many look-ups past the visibility window did not find it.
    pub absences: i32,
    /// How often sending or looking up was put off, for the backoff.
    pub delays: i32,
    /// When it last changed.
    pub updated: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_the_transition_table() {
        use AttemptEvent::*;
        use AttemptState::*;
        let events = [Claim, NotSent, Accept, Succeed, Refuse, LoseAnswer, ProveAbsent];
        let table = [
            (Armed, [Some(Sent), None, None, None, None, None, None]),
            (
                Sent,
                [
                    None,
                    Some(Armed),
                    Some(Accepted),
                    Some(Succeeded),
                    Some(Failed),
                    Some(Unknown),
                    None,
                ],
            ),
            (Accepted, [None, None, None, Some(Succeeded), Some(Failed), None, None]),
            (Succeeded, [None; 7]),
            (Failed, [None; 7]),
            (
                Unknown,
                [None, None, Some(Accepted), Some(Succeeded), Some(Failed), None, Some(Failed)],
            ),
        ];
        assert_eq!(table.map(|(state, _)| state), AttemptState::ALL);
        for (state, row) in table {
            for (event, expected) in events.into_iter().zip(row) {
                assert_eq!(state.next(event), expected, "{state:?} x {event:?}");
            }
        }
    }

    #[test]
    fn stored_names_read_back() {
        for state in AttemptState::ALL {
            assert_eq!(AttemptState::parse(state.as_str()), Some(state));
        }
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.code()), Some(reason));
        }
    }
}
