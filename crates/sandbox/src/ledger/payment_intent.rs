//! Payment intents: the payments that refunds go back on.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::RefundIndex;
use crate::currency::Currency;
use crate::error::ApiError;

/// A payment as it is put into the ledger, by the API or by the control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seeded {
    pub(crate) id: String,
    /// Smallest units, at least 1.
    pub(crate) amount: i64,
    pub(crate) currency: Currency,
    /// What was refunded before the sandbox knew the payment, smallest units.
    pub(crate) earlier_refunds: i64,
    pub(crate) payment_method_types: Vec<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    /// Whether the money was captured; only then it can be refunded.
    pub(crate) captured: bool,
    /// Unix seconds.
    pub(crate) created: i64,
}

impl Seeded {
    /// The money that the payment brings to the balance before refunds made here.
    pub(crate) fn captured(&self) -> i64 {
        if self.captured { self.amount - self.earlier_refunds } else { 0 }
    }
}

/// What putting a payment did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SeedOutcome {
    Created,
    Updated,
    Unchanged,
}

/// Why a payment could not be put.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SeedError {
    #[error("`currency` of a known payment intent cannot change from {from} to {to}")]
    CurrencyChanged { from: String, to: String },
    #[error(
        "`amount` minus `amount_refunded` would be {left}, below the {refunded} that were refunded here"
    )]
    BelowRefunded { left: i64, refunded: i64 },
    #[error("the captured amounts of this currency add up to more than the sandbox can hold")]
    BalanceOverflow,
}

/// A payment in the ledger.
#[derive(Debug)]
pub(crate) struct PaymentIntent {
    pub(crate) id: Arc<str>,
    pub(crate) currency: Currency,
    seeded: Seeded,
    /// Refunds made here that have not failed, smallest units.
    pub(crate) refunded: i64,
    /// Attempts that would have been paid so far: the next one's ordinal for faults.
    pub(crate) attempts: u32,
    /// Oldest first.
    pub(crate) refunds: Vec<RefundIndex>,
}

impl PaymentIntent {
    pub(crate) fn new(seeded: Seeded) -> Self {
        Self {
            id: seeded.id.as_str().into(),
            currency: seeded.currency,
            seeded,
            refunded: 0,
            attempts: 0,
            refunds: Vec::new(),
        }
    }

    /// Whether a newer description may replace the present one.
    pub(crate) fn accepts(&self, newer: &Seeded) -> Result<(), SeedError> {
        if newer.currency != self.currency {
            let (from, to) = (self.currency.upper(), newer.currency.upper());
            return Err(SeedError::CurrencyChanged { from, to });
        }
        let left = newer.captured();
        if left < self.refunded {
            return Err(SeedError::BelowRefunded { left, refunded: self.refunded });
        }
        Ok(())
    }

    /// Takes over a newer description that it accepts; the time of creation stays.
    pub(crate) fn update(&mut self, newer: Seeded) -> SeedOutcome {
        let newer = Seeded { created: self.seeded.created, ..newer };
        if newer == self.seeded {
            return SeedOutcome::Unchanged;
        }
        self.seeded = newer;
        SeedOutcome::Updated
    }

    /// See [`Seeded::captured`].
    pub(crate) fn captured(&self) -> i64 {
        self.seeded.captured()
    }

    /// Checks a refund of `requested` (default: all that is left) and returns its amount.
    pub(crate) fn refundable(&self, requested: Option<i64>) -> Result<i64, ApiError> {
        if !self.seeded.captured {
            return Err(ApiError::nothing_captured(&self.id));
        }
        let left = self.captured() - self.refunded;
        if left == 0 {
            return Err(ApiError::already_refunded(&self.charge()));
        }
        let amount = requested.unwrap_or(left);
        if amount % self.currency.step() != 0 {
            return Err(ApiError::off_step("amount", self.currency.step()));
        }
        if amount > left {
            let (requested, left) = (self.currency.format(amount), self.currency.format(left));
            return Err(ApiError::above_unrefunded(&requested, &left));
        }
        Ok(amount)
    }

    /// The id of the payment's one charge.
    pub(crate) fn charge(&self) -> String {
        format!("ch_{}", self.id.strip_prefix("pi_").unwrap_or(&self.id))
    }

    /// `card` unless the payment says otherwise.
    pub(crate) fn payment_method_type(&self) -> &str {
        self.seeded.payment_method_types.first().map_or("card", String::as_str)
    }

    /// Stripe's PaymentIntent object.
    pub(crate) fn to_json(&self) -> Value {
        let seeded = &self.seeded;
        let received = if seeded.captured { seeded.amount } else { 0 };
        let status = if seeded.captured { "succeeded" } else { "requires_confirmation" };
        json!({
            "id": &*self.id,
            "object": "payment_intent",
            "amount": seeded.amount,
            "amount_capturable": 0,
            "amount_received": received,
            "canceled_at": null,
            "cancellation_reason": null,
            "capture_method": "automatic",
            "client_secret": format!("{}_secret_sandbox", self.id),
            "confirmation_method": "automatic",
            "created": seeded.created,
            "currency": self.currency,
            "customer": null,
            "description": null,
            "last_payment_error": null,
            "latest_charge": seeded.captured.then(|| self.charge()),
            "livemode": false,
            "metadata": seeded.metadata,
            "next_action": null,
            "payment_method": null,
            "payment_method_types": seeded.payment_method_types,
            "receipt_email": null,
            "status": status,
        })
    }
}
