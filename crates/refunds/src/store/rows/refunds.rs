//! Rows of refunds, their attempts, and the sums of the books.
//!
//! Invariant: a refund is assembled from what one snapshot of the database holds of it.

use std::collections::HashMap;

use redress_core::clock::Timestamp;
use redress_core::id::{
    AttemptId, CustomerId, DisruptionId, EventId, OrderId, PaymentId, QuoteId, RefundId, TenantId,
};
use redress_core::money::Currency;
use redress_policy::OverrideCode;
use redress_store::StoreError;

use super::deadlines::ClockRow;
use super::quotes::quote_from;
use super::{decode, read};
use crate::domain::attempt::{Attempt, AttemptState, Reason};
use crate::domain::ledger::CurrencySums;
use crate::domain::refund::{DisruptionRef, Origin, Refund, RefundState};
use crate::store::{PaymentAt, StoredQuote};

#[derive(sqlx::FromRow)]
pub(in crate::store) struct RefundRow {
    pub tenant: String,
    pub refund_id: String,
    pub order_id: String,
    pub customer: String,
    pub disruption_id: Option<String>,
    pub event_id: Option<String>,
    pub origin: String,
    pub state: String,
    pub currency: String,
    pub requested: i64,
    pub issued: i64,
    pub lines: Vec<u8>,
    pub repriced: Vec<u8>,
    pub override_code: Option<String>,
    #[sqlx(flatten)]
    pub clock: ClockRow,
    pub expected_arrival: Option<i64>,
    pub reason: Option<String>,
    pub requester: String,
    pub approver: Option<String>,
    pub traceparent: Option<String>,
    pub version: i64,
    pub created: i64,
    pub updated: i64,
}

/// Joins refunds with their attempts, which come by payment and ordinal.
pub(in crate::store) fn assemble_refunds(
    refunds: Vec<RefundRow>,
    attempts: Vec<AttemptRow>,
) -> Result<Vec<Refund>, StoreError> {
    let mut attempts_of: HashMap<String, Vec<Attempt>> = HashMap::new();
    for row in attempts {
        let attempt = row.into_attempt()?;
        attempts_of.entry(attempt.refund.as_str().to_owned()).or_default().push(attempt);
    }
    refunds
        .into_iter()
        .map(|row| {
            let attempts = attempts_of.remove(&row.refund_id).unwrap_or_default();
            row.into_refund(attempts)
        })
        .collect()
}

impl RefundRow {
    fn into_refund(self, attempts: Vec<Attempt>) -> Result<Refund, StoreError> {
        let key = self.refund_id.clone();
        let disruption = match (self.disruption_id, self.event_id) {
            (Some(id), Some(event)) => Some(DisruptionRef {
                id: read(DisruptionId::new(id).ok(), "refunds", "disruption_id", &key)?,
                event: read(EventId::new(event).ok(), "refunds", "event_id", &key)?,
            }),
            _ => None,
        };
        let reason = match self.reason.as_deref() {
            None => None,
            Some(code) => Some(read(Reason::parse(code), "refunds", "reason", &key)?),
        };
        let override_code = match self.override_code.as_deref() {
            None => None,
            Some(code) => Some(read(OverrideCode::parse(code), "refunds", "override_code", &key)?),
        };
        Ok(Refund {
            tenant: read(TenantId::new(self.tenant).ok(), "refunds", "tenant", &key)?,
            id: read(RefundId::new(self.refund_id).ok(), "refunds", "refund_id", &key)?,
            order: read(OrderId::new(self.order_id).ok(), "refunds", "order_id", &key)?,
            customer: read(CustomerId::new(self.customer).ok(), "refunds", "customer", &key)?,
            disruption,
            origin: read(Origin::parse(&self.origin), "refunds", "origin", &key)?,
            state: read(RefundState::parse(&self.state), "refunds", "state", &key)?,
            currency: read(self.currency.parse().ok(), "refunds", "currency", &key)?,
            requested: self.requested,
            issued: self.issued,
            lines: decode(&self.lines, "refunds", "lines", &key)?,
            repriced: decode(&self.repriced, "refunds", "repriced", &key)?,
            override_code,
            attempts,
            legal_clock: self.clock.into_clock(Timestamp(self.created)),
            expected_arrival: self.expected_arrival.map(Timestamp),
            reason,
            requester: self.requester,
            approver: self.approver,
            traceparent: self.traceparent,
            version: self.version,
            created: Timestamp(self.created),
            updated: Timestamp(self.updated),
        })
    }
}

#[derive(sqlx::FromRow)]
pub(in crate::store) struct AttemptRow {
    pub tenant: String,
    pub attempt_id: String,
    pub refund_id: String,
    pub order_id: String,
    pub payment_id: String,
    pub ordinal: i32,
    pub provider: String,
    pub payment_reference: String,
    pub currency: String,
    pub amount: i64,
    pub state: String,
    pub reason: Option<String>,
    pub provider_refund: String,
    pub claim: String,
    pub due: i64,
    pub sent: i64,
    pub absences: i32,
    pub delays: i32,
    pub updated: i64,
}

impl AttemptRow {
    pub(in crate::store) fn into_attempt(self) -> Result<Attempt, StoreError> {
        let key = self.attempt_id.clone();
        let reason = match self.reason.as_deref() {
            None => None,
            Some(code) => Some(read(Reason::parse(code), "attempts", "reason", &key)?),
        };
        Ok(Attempt {
            tenant: read(TenantId::new(self.tenant).ok(), "attempts", "tenant", &key)?,
            id: read(AttemptId::new(self.attempt_id).ok(), "attempts", "attempt_id", &key)?,
            refund: read(RefundId::new(self.refund_id).ok(), "attempts", "refund_id", &key)?,
            order: read(OrderId::new(self.order_id).ok(), "attempts", "order_id", &key)?,
            payment: read(PaymentId::new(self.payment_id).ok(), "attempts", "payment_id", &key)?,
            ordinal: self.ordinal,
            provider: self.provider,
            payment_reference: self.payment_reference,
            currency: read(self.currency.parse().ok(), "attempts", "currency", &key)?,
            amount: self.amount,
            state: read(AttemptState::parse(&self.state), "attempts", "state", &key)?,
            reason,
            provider_refund: self.provider_refund,
            claim: self.claim,
            due: Timestamp(self.due),
            sent: Timestamp(self.sent),
            absences: self.absences,
            delays: self.delays,
            updated: Timestamp(self.updated),
        })
    }
}

pub(in crate::store) fn attempts_from(rows: Vec<AttemptRow>) -> Result<Vec<Attempt>, StoreError> {
    rows.into_iter().map(AttemptRow::into_attempt).collect()
}

/// Sums by currency; every figure is 0 where a source has no row.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct SumsRow {
    pub currency: String,
    pub debits: i64,
    pub credits: i64,
    pub payable: i64,
    pub paid: i64,
    pub reserved: i64,
    pub refunded: i64,
    pub succeeded: i64,
    pub open: i64,
}

impl SumsRow {
    pub(in crate::store) fn into_sums(self) -> Result<CurrencySums, StoreError> {
        let currency: Option<Currency> = self.currency.parse().ok();
        Ok(CurrencySums {
            currency: read(currency, "postings", "currency", &self.currency)?,
            debits: self.debits,
            credits: self.credits,
            payable: self.payable,
            paid: self.paid,
            reserved: self.reserved,
            refunded: self.refunded,
            succeeded: self.succeeded,
            open: self.open,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(in crate::store) struct QuoteRow {
    tenant: String,
    quote_id: String,
    body: Vec<u8>,
    created: i64,
    refund_id: Option<String>,
    customer: String,
}

impl QuoteRow {
    fn into_quote(self) -> Result<StoredQuote, StoreError> {
        let key = self.quote_id.as_str();
        let corrupt = |_| StoreError::corrupt("quotes", "refund_id", key);
        Ok(StoredQuote {
            quote: quote_from(&self.body, Timestamp(self.created), key)?,
            customer: read(CustomerId::new(self.customer).ok(), "orders", "customer", key)?,
            accepted: self.refund_id.map(RefundId::new).transpose().map_err(corrupt)?,
        })
    }
}

/// The quotes of `keys`, in their order, from what was found of them.
pub(in crate::store) fn quotes_of(
    keys: &[(TenantId, QuoteId)],
    rows: Vec<QuoteRow>,
) -> Result<Vec<Option<StoredQuote>>, StoreError> {
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        let key = (row.tenant.clone(), row.quote_id.clone());
        found.insert(key, row.into_quote()?);
    }
    let of = |(tenant, id): &(TenantId, QuoteId)| {
        found.get(&(tenant.as_str().to_owned(), id.as_str().to_owned())).cloned()
    };
    Ok(keys.iter().map(of).collect())
}

#[derive(sqlx::FromRow)]
pub(in crate::store) struct PaymentAtRow {
    pub tenant: String,
    pub order_id: String,
    pub customer: String,
    pub payment_id: String,
    pub currency: String,
    pub awaits_answer: bool,
    pub awaits_person: bool,
}

impl PaymentAtRow {
    pub(in crate::store) fn into_payment(self) -> Result<PaymentAt, StoreError> {
        let key = self.order_id.clone();
        Ok(PaymentAt {
            tenant: read(TenantId::new(self.tenant).ok(), "payments", "tenant", &key)?,
            order: read(OrderId::new(self.order_id).ok(), "payments", "order_id", &key)?,
            customer: read(CustomerId::new(self.customer).ok(), "orders", "customer", &key)?,
            payment: read(PaymentId::new(self.payment_id).ok(), "payments", "payment_id", &key)?,
            currency: read(self.currency.parse().ok(), "payments", "currency", &key)?,
            awaits_answer: self.awaits_answer,
            awaits_person: self.awaits_person,
        })
    }
}
