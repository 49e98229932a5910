//! What a provider's webhook says of a refund.
//!
//! Invariant: a notice is authentic, and no more than a hint: what it says is compared with what is
//! stored and confirmed by asking the provider before money moves.

use redress_core::money::Money;

use super::sending::ProviderStatus;

/// An authentic webhook about a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookNotice {
    /// The provider's id of the refund; 1 to 255 bytes.
    pub provider_refund: String,
    /// Our reference, when the refund carries one that can be an attempt's id.
    pub attempt: Option<String>,
    /// The provider's id of the payment; empty when the notice does not say.
    pub payment_reference: String,
    /// The refund's amount; `None` when the notice does not say.
    pub amount: Option<Money>,
    /// Where the refund stands; `None` when the notice does not say or the status is not known.
    pub status: Option<ProviderStatus>,
}

/// Why a webhook is not taken. The texts go back to the sender: no secret, nothing of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The connector has no secret to check webhooks with.
    #[error("no webhooks are expected of this provider, as no signing secret is set for it")]
    NotExpected,
    /// The signature is missing, malformed or of another body or secret.
    #[error("{0}")]
    BadSignature(&'static str),
    /// It was signed too long ago, or in the future: perhaps an old one that is sent again.
    #[error("the timestamp lies more than {tolerance_s} seconds from now: send it signed anew")]
    OutOfTime {
        /// How far it may lie off.
        tolerance_s: i64,
    },
    /// It is authentic, and not what the provider documents.
    #[error("{0}")]
    Malformed(&'static str),
}
