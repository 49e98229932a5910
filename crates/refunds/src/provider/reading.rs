//! What a provider can be asked without moving money.
//!
//! Invariant: a question that failed proves nothing, and says so.

use std::time::Duration;

use redress_core::clock::Timestamp;
use redress_core::id::AttemptId;
use redress_core::money::{Currency, Money};

use super::sending::{ProviderRefund, ProviderStatus};

/// Which refund is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookUp {
    /// The attempt.
    pub attempt: AttemptId,
    /// The provider's id of the payment.
    pub payment_reference: String,
    /// The provider's id of the refund; empty while unknown.
    pub provider_refund: String,
    /// The currency that the refund must have.
    pub currency: Currency,
    /// The amount that the refund must have, in ISO 4217 minor units.
    pub amount: i64,
    /// When it was sent.
    pub sent: Timestamp,
}

/// What a look-up led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookUpOutcome {
    /// It is there.
    Found(ProviderRefund),
    /// The provider's whole list for the payment does not have it.
    Absent,
    /// The provider could not be asked, or what it answered cannot be ours: nothing is known.
    Inconclusive {
        /// How long the provider asks to wait, if it says.
        retry_after: Option<Duration>,
    },
}

/// A refund of the account, whoever made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignRefund {
    /// The provider's id of it.
    pub id: String,
    /// The provider's id of the payment that it belongs to.
    pub payment_reference: String,
    /// Its amount, above zero.
    pub amount: Money,
    /// Where it stands there.
    pub status: ProviderStatus,
    /// Our reference, when it carries one: then it is an attempt's and not foreign at all.
    pub attempt: Option<AttemptId>,
    /// When it was made.
    pub created: Timestamp,
}

/// What reading a refund by its id led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadOutcome {
    /// It is there.
    Found(ForeignRefund),
    /// The account has no refund with this id.
    Missing,
    /// The provider could not be asked, or its answer cannot be read: nothing is known.
    Inconclusive,
}

/// Why the balance is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BalanceError {
    /// No answer, or an answer that asks for time.
    #[error("the provider did not tell its balance, ask again later")]
    Unavailable {
        /// How long the provider asks to wait, if it says.
        retry_after: Option<Duration>,
    },
    /// The provider does not accept the key, or the key may not read the balance.
    #[error("the provider does not let this key read the balance, check the key and its rights")]
    Refused,
    /// The provider has nothing to ask.
    #[error("this provider does not tell a balance")]
    NotOffered,
    /// An answer that is none about a balance.
    #[error("the provider's answer about its balance cannot be read")]
    Unreadable,
}
