//! Running totals over the refunds made through the API; earlier refunds of seeded payments are
//! not among them.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::{Refund, Status};
use crate::currency::Currency;

/// The metadata key under which Redress' connector names its attempt.
const ATTEMPT_KEY: &str = "redress_attempt";

const STATUSES: [&str; 3] = ["pending", "succeeded", "failed"];

/// Counts by status and the checks for duplicates.
#[derive(Debug, Default)]
pub(crate) struct RefundTotals {
    count: BTreeMap<&'static str, u64>,
    minor_units: BTreeMap<(&'static str, Currency), i64>,
    per_attempt: HashMap<Box<str>, u32>,
    max_per_attempt: u32,
    attempts_with_several: u64,
    without_attempt: u64,
    max_per_payment_intent: usize,
}

impl RefundTotals {
    /// Counts a new refund; `of_intent` is how many its payment intent has now.
    pub(crate) fn created(&mut self, refund: &Refund, of_intent: usize) {
        self.add(refund, refund.status());
        self.max_per_payment_intent = self.max_per_payment_intent.max(of_intent);
        let Some(attempt) = refund.metadata.get(ATTEMPT_KEY) else {
            self.without_attempt += 1;
            return;
        };
        let seen = self.per_attempt.entry(attempt.as_str().into()).or_default();
        *seen += 1;
        self.max_per_attempt = self.max_per_attempt.max(*seen);
        if *seen == 2 {
            self.attempts_with_several += 1;
        }
    }

    /// Moves a refund from its former status to its present one.
    pub(crate) fn moved(&mut self, refund: &Refund, before: Status) {
        *self.count.entry(before.name()).or_default() -= 1;
        *self.minor_units.entry((before.name(), refund.currency)).or_default() -= refund.amount;
        self.add(refund, refund.status());
    }

    fn add(&mut self, refund: &Refund, status: Status) {
        *self.count.entry(status.name()).or_default() += 1;
        *self.minor_units.entry((status.name(), refund.currency)).or_default() += refund.amount;
    }

    fn minor_units(&self, status: &str) -> BTreeMap<String, i64> {
        self.minor_units
            .iter()
            .filter(|((of, _), sum)| *of == status && **sum != 0)
            .map(|((_, currency), sum)| (currency.upper(), *sum))
            .collect()
    }

    pub(crate) fn to_json(&self) -> Value {
        let by_status: BTreeMap<&str, u64> = STATUSES
            .iter()
            .map(|status| (*status, self.count.get(status).copied().unwrap_or_default()))
            .collect();
        json!({
            "refunds_made": self.count.values().sum::<u64>(),
            "refunds_by_status": by_status,
            "refunded_minor_units_by_currency": self.minor_units("succeeded"),
            "pending_minor_units_by_currency": self.minor_units("pending"),
            "failed_minor_units_by_currency": self.minor_units("failed"),
            "attempts_seen": self.per_attempt.len(),
            "max_refunds_per_attempt": self.max_per_attempt,
            "attempts_with_several_refunds": self.attempts_with_several,
            "refunds_without_attempt": self.without_attempt,
            "max_refunds_per_payment_intent": self.max_per_payment_intent,
        })
    }
}
