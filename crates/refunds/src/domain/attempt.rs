//! One try to send money back on one tender, and the states it may pass through.
//!
//! Invariant: an attempt is stored before its provider is called, its id is the provider's
//! idempotency key, and a lost answer is [`AttemptState::Unknown`] until there is proof.

use redress_core::clock::Timestamp;
use redress_core::id::{AttemptId, OrderId, PaymentId, RefundId, TenantId};
use redress_core::money::Currency;
use serde::{Deserialize, Serialize};

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
    /// Reserved; waits for its refund's approval.
    Held,
    /// Reserved; Redress cannot send it, so a person pays and tells.
    Manual,
    /// Taken back before it was sent.
    Cancelled,
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
    /// A second person agreed to the refund.
    Release,
    /// A person took it back.
    Withdraw,
    /// A person records that the buyer has been paid.
    ConfirmPaid,
    /// A person records that the buyer has not been paid.
    ConfirmNotPaid,
}

impl AttemptEvent {
    /// Every event, for tables.
    pub const ALL: [Self; 11] = [
        Self::Claim,
        Self::NotSent,
        Self::Accept,
        Self::Succeed,
        Self::Refuse,
        Self::LoseAnswer,
        Self::ProveAbsent,
        Self::Release,
        Self::Withdraw,
        Self::ConfirmPaid,
        Self::ConfirmNotPaid,
    ];
}

impl AttemptState {
    /// Every state, for tables.
    pub const ALL: [Self; 9] = [
        Self::Armed,
        Self::Sent,
        Self::Accepted,
        Self::Succeeded,
        Self::Failed,
        Self::Unknown,
        Self::Held,
        Self::Manual,
        Self::Cancelled,
    ];

    /// The name in the database and in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Armed => "ARMED",
            Self::Sent => "SENT",
            Self::Accepted => "ACCEPTED",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Unknown => "UNKNOWN",
            Self::Held => "HELD",
            Self::Manual => "MANUAL",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Reads the stored name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// The state after `event`; `None` when the event is not allowed in this state.
    pub const fn next(self, event: AttemptEvent) -> Option<Self> {
        use AttemptEvent as On;
        use AttemptState::{
            Accepted, Armed, Cancelled, Failed, Held, Manual, Sent, Succeeded, Unknown,
        };
        match (self, event) {
            (Armed, On::Claim) => Some(Sent),
            (Sent, On::NotSent) | (Held, On::Release) => Some(Armed),
            (Sent | Unknown, On::Accept) => Some(Accepted),
            (Sent | Accepted | Unknown, On::Succeed) | (Unknown | Manual, On::ConfirmPaid) => {
                Some(Succeeded)
            }
            (Sent | Accepted | Unknown, On::Refuse)
            | (Unknown, On::ProveAbsent)
            | (Unknown | Manual, On::ConfirmNotPaid) => Some(Failed),
            (Sent, On::LoseAnswer) => Some(Unknown),
            (Held | Armed | Manual, On::Withdraw) => Some(Cancelled),
            _ => None,
        }
    }

    /// Whether the attempt holds money on its payment.
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// Whether the provider may have been told of it, and what it did is not settled.
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Sent | Self::Accepted | Self::Unknown)
    }
}

/// Why an attempt failed, or why a person has to pay it or look after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
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
    /// The payment is older than what its provider still refunds.
    OutOfRefundWindow,
    /// The provider cannot pay the amount in that currency.
    AmountNotPayable,
    /// Look-ups have stayed without a clear answer for too long.
    OutcomeUnknown,
    /// A person has found that the buyer was not paid.
    ConfirmedNotPaid,
    /// It was paid with stored value, which a person issues anew.
    IssuedByPerson,
}

impl Reason {
    /// Every reason, for tables.
    pub const ALL: [Self; 12] = [
        Self::NoConnector,
        Self::AccountClosed,
        Self::InsufficientBalance,
        Self::AlreadyRefunded,
        Self::ProviderRefused,
        Self::NotExecuted,
        Self::OverRefund,
        Self::OutOfRefundWindow,
        Self::AmountNotPayable,
        Self::OutcomeUnknown,
        Self::ConfirmedNotPaid,
        Self::IssuedByPerson,
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
            Self::OutOfRefundWindow => "OUT_OF_REFUND_WINDOW",
            Self::AmountNotPayable => "AMOUNT_NOT_PAYABLE",
            Self::OutcomeUnknown => "OUTCOME_UNKNOWN",
            Self::ConfirmedNotPaid => "CONFIRMED_NOT_PAID",
            Self::IssuedByPerson => "ISSUED_BY_PERSON",
        }
    }

    /// Reads the stored code.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// What a person should do next.
    pub const fn next_action(self) -> &'static str {
        match self {
            Self::NoConnector
            | Self::AccountClosed
            | Self::OutOfRefundWindow
            | Self::AmountNotPayable
            | Self::IssuedByPerson => "PAY_BY_OTHER_MEANS",
            Self::InsufficientBalance => "TOP_UP_PROVIDER_BALANCE",
            Self::AlreadyRefunded | Self::OverRefund => "COMPARE_WITH_PROVIDER",
            Self::ProviderRefused | Self::NotExecuted => "REVIEW_WITH_PROVIDER",
            Self::OutcomeUnknown => "RESOLVE_ATTEMPT",
            Self::ConfirmedNotPaid => "RETRY_OR_CANCEL",
        }
    }

    /// Whether another attempt on the same tender could end otherwise.
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::InsufficientBalance
                | Self::ProviderRefused
                | Self::NotExecuted
                | Self::OverRefund
                | Self::ConfirmedNotPaid
        )
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
    /// Why it failed, or why a person is needed while it is open.
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

    /// Rows are states, columns events; `-` refuses.
    const TABLE: &str = "
        state      Claim NotSent Accept   Succeed   Refuse LoseAnswer ProveAbsent Release Withdraw  ConfirmPaid ConfirmNotPaid
        ARMED      SENT  -       -        -         -      -          -           -       CANCELLED -           -
        SENT       -     ARMED   ACCEPTED SUCCEEDED FAILED UNKNOWN    -           -       -         -           -
        ACCEPTED   -     -       -        SUCCEEDED FAILED -          -           -       -         -           -
        SUCCEEDED  -     -       -        -         -      -          -           -       -         -           -
        FAILED     -     -       -        -         -      -          -           -       -         -           -
        UNKNOWN    -     -       ACCEPTED SUCCEEDED FAILED -          FAILED      -       -         SUCCEEDED   FAILED
        HELD       -     -       -        -         -      -          -           ARMED   CANCELLED -           -
        MANUAL     -     -       -        -         -      -          -           -       CANCELLED SUCCEEDED   FAILED
        CANCELLED  -     -       -        -         -      -          -           -       -         -           -
    ";

    #[test]
    fn every_cell_of_the_transition_table() {
        let rows: Vec<Vec<&str>> = TABLE
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|row| !row.is_empty())
            .collect();
        let (head, rows) = rows.split_first().unwrap();
        let events: Vec<String> = AttemptEvent::ALL.iter().map(|e| format!("{e:?}")).collect();
        assert_eq!(head[1..], events);
        assert_eq!(rows.len(), AttemptState::ALL.len());
        for (row, state) in rows.iter().zip(AttemptState::ALL) {
            assert_eq!(row[0], state.as_str());
            for (cell, event) in row[1..].iter().zip(AttemptEvent::ALL) {
                let next = state.next(event).map_or("-", AttemptState::as_str);
                assert_eq!(next, *cell, "{state:?} x {event:?}");
            }
        }
    }

    #[test]
    fn money_is_held_until_it_is_known_what_became_of_it() {
        use AttemptState::{Accepted, Armed, Held, Manual, Sent, Unknown};
        let open: Vec<_> = AttemptState::ALL.into_iter().filter(|s| s.is_open()).collect();
        let under_way: Vec<_> = open.iter().copied().filter(|s| s.is_under_way()).collect();
        assert_eq!(open, [Armed, Sent, Accepted, Unknown, Held, Manual]);
        assert_eq!(under_way, [Sent, Accepted, Unknown]);
    }

    #[test]
    fn every_reason_says_what_to_do() {
        let actions = |action| {
            Reason::ALL.into_iter().filter(move |reason| reason.next_action() == action).count()
        };
        assert_eq!(actions("PAY_BY_OTHER_MEANS"), 5);
        assert_eq!(actions("COMPARE_WITH_PROVIDER"), 2);
        assert_eq!(actions("REVIEW_WITH_PROVIDER"), 2);
        assert_eq!(Reason::InsufficientBalance.next_action(), "TOP_UP_PROVIDER_BALANCE");
        assert_eq!(Reason::OutcomeUnknown.next_action(), "RESOLVE_ATTEMPT");
        assert_eq!(Reason::ConfirmedNotPaid.next_action(), "RETRY_OR_CANCEL");
        assert_eq!(Reason::ALL.len(), 12);
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
