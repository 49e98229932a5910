//! One refund, its history, and Stripe's object for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::PaymentIntent;
use crate::currency::Currency;
use crate::refunds::{Reason, RefundRequest};

/// Why a refund has not been paid yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PendingReason {
    Processing,
    InsufficientFunds,
}

/// Why a refund failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FailureReason {
    ExpiredOrCanceledCard,
    InsufficientFunds,
    Declined,
}

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Pending(PendingReason),
    Succeeded,
    Failed(FailureReason),
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending(_) => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed(_) => "failed",
        }
    }

    fn pending_reason(self) -> Option<PendingReason> {
        if let Self::Pending(reason) = self { Some(reason) } else { None }
    }

    fn failure_reason(self) -> Option<FailureReason> {
        if let Self::Failed(reason) = self { Some(reason) } else { None }
    }
}

/// A refund in the ledger. Only its history grows; everything else is fixed.
#[derive(Debug)]
pub(crate) struct Refund {
    pub(crate) id: Arc<str>,
    pub(crate) payment_intent: Arc<str>,
    /// Smallest units.
    pub(crate) amount: i64,
    pub(crate) currency: Currency,
    pub(crate) metadata: BTreeMap<String, String>,
    charge: Box<str>,
    payment_method_type: Box<str>,
    reason: Option<Reason>,
    first: (Status, i64),
    later: Vec<(Status, i64)>,
}

#[derive(Serialize)]
struct RefundObject<'a> {
    id: &'a str,
    object: &'static str,
    amount: i64,
    balance_transaction: Option<String>,
    charge: &'a str,
    created: i64,
    currency: Currency,
    destination_details: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_balance_transaction: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<FailureReason>,
    metadata: &'a BTreeMap<String, String>,
    payment_intent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_reason: Option<PendingReason>,
    reason: Option<Reason>,
    receipt_number: Option<&'a str>,
    source_transfer_reversal: Option<&'a str>,
    status: &'static str,
    transfer_reversal: Option<&'a str>,
}

impl Refund {
    /// A refund of `amount` smallest units, created at `now` (Unix seconds).
    pub(crate) fn new(
        id: Arc<str>,
        request: &RefundRequest,
        intent: &PaymentIntent,
        amount: i64,
        status: Status,
        now: i64,
    ) -> Self {
        Self {
            id,
            payment_intent: Arc::clone(&intent.id),
            amount,
            currency: intent.currency,
            metadata: request.metadata.clone(),
            charge: intent.charge().into(),
            payment_method_type: intent.payment_method_type().into(),
            reason: request.reason,
            first: (status, now),
            later: Vec::new(),
        }
    }

    pub(crate) fn status(&self) -> Status {
        self.later.last().unwrap_or(&self.first).0
    }

    /// Appends to the history, at `now` (Unix seconds).
    pub(crate) fn push(&mut self, status: Status, now: i64) {
        self.later.push((status, now));
    }

    fn transaction(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.id.strip_prefix("re_").unwrap_or(&self.id))
    }

    /// Stripe's Refund object.
    pub(crate) fn object(&self) -> impl Serialize {
        let status = self.status();
        let waits = status.pending_reason() == Some(PendingReason::InsufficientFunds);
        let never_paid = waits || status.failure_reason() == Some(FailureReason::InsufficientFunds);
        let failed_paid = !never_paid && status.failure_reason().is_some();
        let kind = &*self.payment_method_type;
        let details = if kind == "card" {
            json!({ "reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund" })
        } else {
            json!({})
        };
        RefundObject {
            id: &self.id,
            object: "refund",
            amount: self.amount,
            balance_transaction: (!never_paid).then(|| self.transaction("txn_")),
            charge: &self.charge,
            created: self.first.1,
            currency: self.currency,
            destination_details: json!({ "type": kind, kind: details }),
            failure_balance_transaction: failed_paid.then(|| self.transaction("txn_failure")),
            failure_reason: status.failure_reason(),
            metadata: &self.metadata,
            payment_intent: &self.payment_intent,
            pending_reason: status.pending_reason(),
            reason: self.reason,
            receipt_number: None,
            source_transfer_reversal: None,
            status: status.name(),
            transfer_reversal: None,
        }
    }

    /// One line of the control plane's export: the facts and the whole history.
    pub(crate) fn export(&self) -> Value {
        let history: Vec<Value> = std::iter::once(&self.first)
            .chain(&self.later)
            .map(|(status, at)| {
                json!({
                    "status": status.name(),
                    "pending_reason": status.pending_reason(),
                    "failure_reason": status.failure_reason(),
                    "at": at,
                })
            })
            .collect();
        json!({
            "id": &*self.id,
            "payment_intent": &*self.payment_intent,
            "amount": self.amount,
            "currency": self.currency.upper(),
            "status": self.status().name(),
            "metadata": self.metadata,
            "history": history,
        })
    }
}

/// The fields of [`Refund::object`] that a status decides, for `previous_attributes`.
pub(crate) fn status_attributes(status: Status) -> Value {
    json!({
        "status": status.name(),
        "pending_reason": status.pending_reason(),
        "failure_reason": status.failure_reason(),
    })
}
