//! Payment providers, seen from here: send a refund, look for one.
//!
//! Invariant: an answer is classified by what it proves. Only a failure to connect, or a provider
//! that says it did not look at the request, proves that nothing was sent; everything else that is
//! not a clear answer is [`SendOutcome::Unknown`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_core::id::AttemptId;
use redress_core::money::Currency;

use crate::domain::attempt::Reason;

pub mod stripe;

/// A connector to one provider.
#[async_trait]
pub trait Provider: Send + Sync + fmt::Debug {
    /// The provider's name on payments, such as `stripe`.
    fn name(&self) -> &str;

    /// What the provider promises, and how hard it may be pushed.
    fn terms(&self) -> ProviderTerms;

    /// Asks the provider to pay. The attempt's id is the idempotency key and is stored in the
    /// refund's metadata, so that it can be found again.
    async fn send(&self, order: &RefundOrder) -> SendOutcome;

    /// Asks the provider what became of an attempt: by the provider's own id when it is known,
    /// else by searching the payment's refunds for the attempt's id.
    async fn look_up(&self, query: &LookUp) -> LookUpOutcome;
}

/// Shared handle to a connector.
pub type SharedProvider = Arc<dyn Provider>;

/// A provider's promises and limits.
#[derive(Debug, Clone, Copy)]
pub struct ProviderTerms {
    /// How long after sending a refund may be missing from the provider's lists.
    pub visibility_window: Duration,
    /// How long the buyer waits for the money at most once the provider has paid.
    pub arrival: Duration,
    /// How many calls may be under way at once.
    pub concurrency: usize,
    /// The longest that one call may take, connection included.
    pub timeout: Duration,
}

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
