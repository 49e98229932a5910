//! Stripe's objects, as far as they are read, and whether one of them is ours.
//!
//! Invariant: authentic is not valid. A refund counts as ours only when its amount, currency,
//! payment and reference are those that were asked for.

use std::collections::HashMap;

use redress_core::clock::Timestamp;
use redress_core::id::AttemptId;
use redress_core::money::{Currency, Money};
use serde::Deserialize;

use super::amount;
use crate::domain::attempt::Reason;
use crate::provider::{ForeignRefund, ProviderRefund, ProviderStatus};

/// Where the attempt's id stands in a refund's metadata.
pub(super) const ATTEMPT_KEY: &str = "redress_attempt";

/// A refund (docs.stripe.com/api/refunds/object).
#[derive(Debug, Deserialize)]
pub(super) struct RefundObject {
    pub(super) id: String,
    object: String,
    amount: i64,
    currency: String,
    payment_intent: Option<String>,
    charge: Option<String>,
    created: Option<i64>,
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

/// What the account has (docs.stripe.com/api/balance).
#[derive(Debug, Deserialize)]
pub(super) struct BalanceObject {
    pub(super) object: String,
    pub(super) available: Vec<BalanceEntry>,
}

/// One currency of a balance, in Stripe's units.
#[derive(Debug, Deserialize)]
pub(super) struct BalanceEntry {
    pub(super) amount: i64,
    pub(super) currency: String,
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

    /// Whether it is a refund at all, and has an id that can be asked for.
    pub(super) fn is_refund(&self) -> bool {
        self.object == "refund" && is_refund_id(&self.id)
    }

    /// Its amount; `None` when it is none that Stripe documents.
    pub(super) fn money(&self) -> Option<Money> {
        let currency = currency(&self.currency)?;
        let minor_units = amount::from_stripe(currency, self.amount)?;
        let money = Money::new(currency, minor_units).ok()?;
        (money.minor_units > 0).then_some(money)
    }

    /// Where it stands; `None` when the status is one that is not known here.
    pub(super) fn status(&self) -> Option<ProviderStatus> {
        Some(match self.status.as_deref()? {
            "pending" | "requires_action" => ProviderStatus::Pending,
            "succeeded" => ProviderStatus::Succeeded,
            "failed" | "canceled" => {
                ProviderStatus::Failed(failure_reason(self.failure_reason.as_deref()))
            }
            _ => return None,
        })
    }

    /// The refund in our terms; `None` when its status is one that is not known here.
    pub(super) fn into_refund(self) -> Option<ProviderRefund> {
        let status = self.status()?;
        Some(ProviderRefund { id: self.id, status })
    }

    /// The refund of whoever made it; `None` when it is none that Stripe documents. One of a
    /// charge without a payment intent belongs to the charge.
    pub(super) fn into_foreign(self) -> Option<ForeignRefund> {
        if !self.is_refund() {
            return None;
        }
        let (amount, status) = (self.money()?, self.status()?);
        let created = Timestamp(self.created?.checked_mul(1_000_000)?);
        let attempt = self.attempt().and_then(|id| AttemptId::new(id).ok());
        let payment_reference = self.payment_intent.or(self.charge)?;
        Some(ForeignRefund { id: self.id, payment_reference, amount, status, attempt, created })
    }
}

/// Whether a text can be the id of a refund. Anything else must not become part of a path.
pub(super) fn is_refund_id(id: &str) -> bool {
    (1..=255).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The currency of Stripe's code, which is in lower case.
pub(super) fn currency(code: &str) -> Option<Currency> {
    code.to_ascii_uppercase().parse().ok()
}

/// `failure_reason` of a refund that failed or was cancelled.
fn failure_reason(reason: Option<&str>) -> Reason {
    match reason {
        Some("expired_or_canceled_card" | "lost_or_stolen_card") => Reason::AccountClosed,
        Some("insufficient_funds") => Reason::InsufficientBalance,
        _ => Reason::ProviderRefused,
    }
}
