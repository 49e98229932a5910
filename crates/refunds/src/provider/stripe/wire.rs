//! Stripe's objects, as far as they are read, and whether one of them is ours.
//!
//! Invariant: authentic is not valid. A refund counts as ours only when its amount, currency,
//! payment and reference are those that were asked for.

use std::collections::HashMap;

use redress_core::id::AttemptId;
use redress_core::money::Currency;
use serde::Deserialize;

use super::amount;
use crate::domain::attempt::Reason;
use crate::provider::{ProviderRefund, ProviderStatus};

/// Where the attempt's id stands in a refund's metadata.
pub(crate) const ATTEMPT_KEY: &str = "redress_attempt";

/// A refund (docs.stripe.com/api/refunds/object).
#[derive(Debug, Deserialize)]
pub(super) struct RefundObject {
    pub(super) id: String,
    object: String,
    amount: i64,
    currency: String,
    payment_intent: Option<String>,
    metadata: Option<HashMap<String, String>>,
    status: Option<String>,
    failure_reason: Option<String>,
}

/// A page of refunds (docs.stripe.com/api/pagination).
#[derive(Debug, Deserialize)]
pub(super) struct RefundList {
    pub(super) object: String,
    pub(super) data: Vec<RefundObject>,
    pub(super) has_more: bool,
}

/// What comes with every error (docs.stripe.com/api/errors).
#[derive(Debug, Deserialize)]
pub(super) struct ErrorEnvelope {
    pub(super) error: ErrorObject,
}

/// An error. Its message is for people and may name the payment, so it is not read.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorObject {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) code: Option<String>,
}

/// The refund that was asked for, in Stripe's units.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    pub(super) attempt: &'a AttemptId,
    pub(super) payment_intent: &'a str,
    currency: Currency,
    /// In Stripe's units.
    pub(super) amount: i64,
}

impl<'a> Expected<'a> {
    /// `None` when Stripe cannot express the amount, given in ISO 4217 minor units.
    pub(super) fn new(
        attempt: &'a AttemptId,
        payment_intent: &'a str,
        currency: Currency,
        minor_units: i64,
    ) -> Option<Self> {
        let amount = amount::to_stripe(currency, minor_units)?;
        Some(Self { attempt, payment_intent, currency, amount })
    }

    /// The first field in which `refund` is not what was asked for.
    pub(super) fn mismatch(&self, refund: &RefundObject) -> Option<&'static str> {
        let same_currency = refund.currency.eq_ignore_ascii_case(self.currency.code());
        let checks = [
            ("object", refund.object == "refund"),
            ("id", !refund.id.is_empty()),
            ("metadata", refund.attempt() == Some(self.attempt.as_str())),
            ("payment_intent", refund.payment_intent.as_deref() == Some(self.payment_intent)),
            ("currency", same_currency),
            ("amount", refund.amount == self.amount),
        ];
        checks.into_iter().find(|(_, same)| !same).map(|(field, _)| field)
    }
}

impl RefundObject {
    /// The attempt that it says to be for.
    pub(super) fn attempt(&self) -> Option<&str> {
        self.metadata.as_ref()?.get(ATTEMPT_KEY).map(String::as_str)
    }

    /// The provider's id of the payment that it belongs to.
    pub(super) fn payment_intent(&self) -> Option<&str> {
        self.payment_intent.as_deref()
    }

    /// The refund in our terms; `None` when its status is one that is not known here.
    pub(super) fn into_refund(self) -> Option<ProviderRefund> {
        let status = match self.status.as_deref()? {
            "pending" | "requires_action" => ProviderStatus::Pending,
            "succeeded" => ProviderStatus::Succeeded,
            "failed" | "canceled" => {
                ProviderStatus::Failed(failure_reason(self.failure_reason.as_deref()))
            }
            _ => return None,
        };
        Some(ProviderRefund { id: self.id, status })
    }
}

/// `failure_reason` of a refund that failed or was cancelled.
fn failure_reason(reason: Option<&str>) -> Reason {
    match reason {
        Some("expired_or_canceled_card" | "lost_or_stolen_card") => Reason::AccountClosed,
        Some("insufficient_funds") => Reason::InsufficientBalance,
        _ => Reason::ProviderRefused,
    }
}
