//! What is asked of a provider, and what its answer proves.
//!
//! Invariant: an outcome other than [`SendOutcome::Unknown`] is proof.

use std::time::Duration;

use redress_core::id::AttemptId;
use redress_core::money::Currency;

use crate::domain::attempt::Reason;

/// What is asked of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundOrder {
    /// The attempt; the idempotency key.
    pub attempt: AttemptId,
    /// The provider's id of the payment.
    pub payment_reference: String,
    /// The currency of the payment.
    pub currency: Currency,
    /// In ISO 4217 minor units, above zero; the connector converts to the provider's own unit.
    pub amount: i64,
}

/// What sending led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// Proof that the provider did not take the request: it may be sent again under the same key.
    NotSent {
        /// How long the provider asks to wait, if it says.
        retry_after: Option<Duration>,
    },
    /// The provider answered.
    Answered(ProviderRefund),
    /// The provider refused, and made no refund.
    Refused(Reason),
    /// The request may have been carried out.
    Unknown,
}

/// A refund as the provider has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderRefund {
    /// The provider's id of it.
    pub id: String,
    /// Where it stands there.
    pub status: ProviderStatus,
}

/// Where a refund stands at its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderStatus {
    /// Taken on, not settled.
    Pending,
    /// Paid.
    Succeeded,
    /// Not paid, for this reason.
    Failed(Reason),
}

impl ProviderStatus {
    /// The name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed(_) => "failed",
        }
    }
}
