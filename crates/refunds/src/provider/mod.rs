//! Payment providers, seen from here: send a refund, find out about one, hear of one.
//!
//! Invariant: an answer is classified by what it proves. Only a failure to connect, or a provider
//! that says it did not look at the request, proves that nothing was sent; everything else that is
//! not a clear answer is [`SendOutcome::Unknown`].
//!
//! # Whoever adds a provider
//!
//! - Implement [`Provider`] over the provider's own HTTP API. Write the table of what each answer
//!   proves first, with the provider's documents as sources, as [`stripe`] has it. When in doubt,
//!   an answer proves nothing.
//! - Declare [`ProviderTerms`] honestly. They are the difference between providers; nobody asks for
//!   a provider's name. One without idempotency keys has no replay window; one whose refunds cannot
//!   be found by our reference says so, and then only a person decides about a lost answer.
//! - Amounts come and go in ISO 4217 minor units. Convert in one module, exactly or not at all, and
//!   tell the step of each currency from the same table.
//! - Keep a [`ReadBudget`] of [`ProviderTerms::reads_per_second`] and wait for its turn before each
//!   read, each page included. Bound every call, waiting included, by [`ProviderTerms::timeout`]:
//!   leases and the visibility window count on it.
//! - Authentic is not valid: compare amount, currency, payment and reference of whatever comes back
//!   with what was asked for.
//! - Keep keys in `secrecy`, out of `Debug`, errors and logs.

mod notice;
mod read_budget;
mod reading;
mod sending;

pub mod stripe;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderMap;
use redress_core::clock::Timestamp;
use redress_core::money::{Currency, Money};

pub use notice::{WebhookError, WebhookNotice};
pub use read_budget::{ReadBudget, Turn};
pub use reading::{BalanceError, ForeignRefund, LookUp, LookUpOutcome, ReadOutcome};
pub use sending::{ProviderRefund, ProviderStatus, RefundOrder, SendOutcome};

/// A connector to one account at one provider.
///
/// Calls are made once: whoever calls decides whether and when to try again.
#[async_trait]
pub trait Provider: Send + Sync + fmt::Debug {
    /// The provider's name on payments and in the path of its webhooks, such as `stripe`:
    /// lower-case letters, digits and hyphens.
    fn name(&self) -> &str;

    /// What the provider promises, and how hard it may be pushed. The same at every call.
    fn terms(&self) -> ProviderTerms;

    /// The smallest step, in ISO 4217 minor units, in which the provider can pay a currency: above
    /// zero, and every multiple of it can be sent. `None` when it does not take the currency.
    fn step(&self, currency: Currency) -> Option<i64>;

    /// Asks the provider to pay. The attempt's id is the idempotency key where the provider has
    /// them, and goes with the refund as our reference where it can carry one.
    async fn send(&self, order: &RefundOrder) -> SendOutcome;

    /// Asks the provider what became of an attempt: by the provider's own id when it is known,
    /// else by searching the payment's refunds for the attempt's id. Never
    /// [`LookUpOutcome::Absent`] unless [`ProviderTerms::finds_by_reference`].
    async fn look_up(&self, query: &LookUp) -> LookUpOutcome;

    /// Reads any refund of the account by the provider's id, whoever made it. It is what a webhook
    /// about a refund that was made in the provider's dashboard is checked with.
    async fn read_refund(&self, provider_refund: &str) -> ReadOutcome;

    /// What refunds can draw on now, by currency; may be negative. Each currency at most once, and
    /// one that is not there has nothing.
    async fn balance(&self) -> Result<Vec<Money>, BalanceError>;

    /// Checks that a webhook is authentic and about now, by the bytes as they came, before it
    /// parses them. `None` for events that tell nothing about a refund. What a notice says has to
    /// be compared with what is stored, and confirmed by a look-up before money moves.
    fn read_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<WebhookNotice>, WebhookError>;
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
    /// How long an idempotency key is honoured at least. An attempt is never sent again under its
    /// key after it. `None`: the provider has no keys, so nothing that may have arrived is ever
    /// sent again.
    pub replay_window: Option<Duration>,
    /// The age of a payment from which on it can no longer be refunded. `None`: no limit.
    pub refund_window: Option<Duration>,
    /// Reads a second that this process may make; at least 1.
    pub reads_per_second: u32,
    /// Refunds a second that the account may be sent, by all processes on one database together;
    /// at least 1. `None`: no limit.
    pub sends_per_second: Option<u32>,
    /// Whether refunds wait while the account's balance does not cover them, instead of being sent.
    pub balance_gate: bool,
    /// How long two refunds of the same amount on one payment have to lie apart, or the second one
    /// is refused as a duplicate. `None`: they need not.
    pub equal_amount_spacing: Option<Duration>,
    /// Whether a look-up without the provider's id finds a refund by our reference, so that not
    /// finding it proves its absence after the visibility window.
    pub finds_by_reference: bool,
}
