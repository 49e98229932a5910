//! Rows as both databases give them, and how they become domain types.
//!
//! Invariant: a value that cannot be read back is reported as corrupt with table, column and key;
//! it is never replaced by a default.

use std::collections::HashMap;

use redress_core::clock::Timestamp;
use redress_core::id::{
    AttemptId, CustomerId, DisruptionId, EventId, OrderId, PaymentId, RefundId, TenantId,
};
use redress_core::money::Currency;
use redress_policy::{LineKind, Policy};
use redress_store::StoreError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::attempt::{Attempt, AttemptState, Reason};
use crate::domain::disruption::{Disruption, DisruptionKind, DisruptionState, Item, ItemState};
use crate::domain::ledger::CurrencySums;
use crate::domain::order::{
    Contact, Order, OrderLine, OrderState, Payment, PaymentCounters, Tender,
};
use crate::domain::quote::Quote;
use crate::domain::refund::{DisruptionRef, Refund, RefundState};

use super::ItemTotals;

/// Reads a stored text back, or reports the place.
fn read<T>(
    value: Option<T>,
    table: &'static str,
    column: &'static str,
    row: &str,
) -> Result<T, StoreError> {
    value.ok_or_else(|| StoreError::corrupt(table, column, row))
}

/// Encodes a body column: quotes, lines, plans and policies are JSON of domain types.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|cause| StoreError::Internal(Box::new(cause)))
}

/// Encodes the rows of a set-based SQLite statement, which reads them back with `json_each`.
pub(super) fn encode_rows<T: Serialize>(rows: &[T]) -> Result<String, StoreError> {
    serde_json::to_string(rows).map_err(|cause| StoreError::Internal(Box::new(cause)))
}

fn decode<T: DeserializeOwned>(
    bytes: &[u8],
    table: &'static str,
    column: &'static str,
    row: &str,
) -> Result<T, StoreError> {
    read(serde_json::from_slice(bytes).ok(), table, column, row)
}

pub(super) const fn order_state(state: OrderState) -> &'static str {
    match state {
        OrderState::Placed => "PLACED",
        OrderState::Cancelled => "CANCELLED",
    }
}

fn parse_order_state(name: &str) -> Option<OrderState> {
    [OrderState::Placed, OrderState::Cancelled].into_iter().find(|s| order_state(*s) == name)
}

pub(super) const fn tender(tender: Tender) -> &'static str {
    match tender {
        Tender::Card => "CARD",
        Tender::Wallet => "WALLET",
        Tender::GiftCard => "GIFT_CARD",
        Tender::BankTransfer => "BANK_TRANSFER",
    }
}

fn parse_tender(name: &str) -> Option<Tender> {
    [Tender::Card, Tender::Wallet, Tender::GiftCard, Tender::BankTransfer]
        .into_iter()
        .find(|known| tender(*known) == name)
}

pub(super) const fn line_kind(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Ticket => "TICKET",
        LineKind::Fee => "FEE",
    }
}

fn parse_line_kind(name: &str) -> Option<LineKind> {
    [LineKind::Ticket, LineKind::Fee].into_iter().find(|kind| line_kind(*kind) == name)
}

#[derive(sqlx::FromRow)]
pub(super) struct OrderRow {
    pub order_id: String,
    pub source_version: i64,
    pub customer: String,
    pub email: String,
    pub display_name: String,
    pub locale: String,
    pub purchase_time: i64,
    pub state: String,
    pub policy: Option<String>,
    pub currency: String,
    pub total: i64,
}

#[derive(sqlx::FromRow)]
pub(super) struct LineRow {
    pub order_id: String,
    pub line_id: String,
    pub kind: String,
    pub event_id: String,
    pub title: String,
    pub event_start: i64,
    pub event_time_zone: String,
    pub gross: i64,
    pub tax: i64,
    pub committed: i64,
}

#[derive(sqlx::FromRow)]
pub(super) struct PaymentRow {
    pub order_id: String,
    pub payment_id: String,
    pub tender: String,
    pub provider: String,
    pub provider_reference: String,
    pub captured: i64,
    pub refunded_elsewhere: i64,
    pub reserved: i64,
    pub refunded: i64,
    pub disputed: i64,
    pub overdrawn: bool,
    pub capture_time: i64,
}

/// What an import needs to know of an order that is stored.
#[derive(sqlx::FromRow)]
pub(super) struct KnownOrderRow {
    pub order_id: String,
    pub source_version: i64,
    pub digest: Vec<u8>,
    pub currency: String,
}

/// Joins orders with their lines and payments, which come in their stored order.
pub(super) fn assemble_orders(
    orders: Vec<OrderRow>,
    lines: Vec<LineRow>,
    payments: Vec<PaymentRow>,
) -> Result<Vec<Order>, StoreError> {
    let mut lines_of: HashMap<String, Vec<OrderLine>> = HashMap::new();
    for row in lines {
        let order = row.order_id.clone();
        lines_of.entry(order).or_default().push(row.into_line()?);
    }
    let mut payments_of: HashMap<String, Vec<Payment>> = HashMap::new();
    for row in payments {
        let order = row.order_id.clone();
        payments_of.entry(order).or_default().push(row.into_payment()?);
    }
    orders
        .into_iter()
        .map(|row| {
            let lines = lines_of.remove(&row.order_id).unwrap_or_default();
            let payments = payments_of.remove(&row.order_id).unwrap_or_default();
            row.into_order(lines, payments)
        })
        .collect()
}

impl OrderRow {
    fn into_order(
        self,
        lines: Vec<OrderLine>,
        payments: Vec<Payment>,
    ) -> Result<Order, StoreError> {
        let key = self.order_id.clone();
        let policy = match self.policy {
            None => None,
            Some(id) => Some(read(id.try_into().ok(), "orders", "policy", &key)?),
        };
        Ok(Order {
            id: read(OrderId::new(self.order_id).ok(), "orders", "order_id", &key)?,
            source_version: self.source_version,
            customer: read(CustomerId::new(self.customer).ok(), "orders", "customer", &key)?,
            contact: Contact {
                email: self.email,
                display_name: self.display_name,
                locale: self.locale,
            },
            purchase_time: Timestamp(self.purchase_time),
            state: read(parse_order_state(&self.state), "orders", "state", &key)?,
            policy,
            currency: read(self.currency.parse().ok(), "orders", "currency", &key)?,
            total: self.total,
            lines,
            payments,
        })
    }
}

impl LineRow {
    fn into_line(self) -> Result<OrderLine, StoreError> {
        let key = format!("{}/{}", self.order_id, self.line_id);
        Ok(OrderLine {
            kind: read(parse_line_kind(&self.kind), "order_lines", "kind", &key)?,
            event: read(EventId::new(self.event_id).ok(), "order_lines", "event_id", &key)?,
            id: self.line_id,
            title: self.title,
            event_start: Timestamp(self.event_start),
            event_time_zone: self.event_time_zone,
            gross: self.gross,
            tax: self.tax,
            committed: self.committed,
        })
    }
}

impl PaymentRow {
    fn into_payment(self) -> Result<Payment, StoreError> {
        let key = format!("{}/{}", self.order_id, self.payment_id);
        Ok(Payment {
            tender: read(parse_tender(&self.tender), "payments", "tender", &key)?,
            id: read(PaymentId::new(self.payment_id).ok(), "payments", "payment_id", &key)?,
            provider: self.provider,
            provider_reference: self.provider_reference,
            captured: self.captured,
            refunded_elsewhere: self.refunded_elsewhere,
            capture_time: Timestamp(self.capture_time),
            counters: PaymentCounters {
                reserved: self.reserved,
                refunded: self.refunded,
                disputed: self.disputed,
                overdrawn: self.overdrawn,
            },
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct RefundRow {
    pub tenant: String,
    pub refund_id: String,
    pub order_id: String,
    pub customer: String,
    pub disruption_id: Option<String>,
    pub event_id: Option<String>,
    pub state: String,
    pub currency: String,
    pub requested: i64,
    pub issued: i64,
    pub lines: Vec<u8>,
    pub legal_deadline: i64,
    pub expected_arrival: Option<i64>,
    pub reason: Option<String>,
    pub requester: String,
    pub traceparent: Option<String>,
    pub version: i64,
    pub created: i64,
    pub updated: i64,
}

/// Joins refunds with their attempts, which come by payment and ordinal.
pub(super) fn assemble_refunds(
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
        Ok(Refund {
            tenant: read(TenantId::new(self.tenant).ok(), "refunds", "tenant", &key)?,
            id: read(RefundId::new(self.refund_id).ok(), "refunds", "refund_id", &key)?,
            order: read(OrderId::new(self.order_id).ok(), "refunds", "order_id", &key)?,
            customer: read(CustomerId::new(self.customer).ok(), "refunds", "customer", &key)?,
            disruption,
            state: read(RefundState::parse(&self.state), "refunds", "state", &key)?,
            currency: read(self.currency.parse().ok(), "refunds", "currency", &key)?,
            requested: self.requested,
            issued: self.issued,
            lines: decode(&self.lines, "refunds", "lines", &key)?,
            attempts,
            legal_deadline: Timestamp(self.legal_deadline),
            expected_arrival: self.expected_arrival.map(Timestamp),
            reason,
            requester: self.requester,
            traceparent: self.traceparent,
            version: self.version,
            created: Timestamp(self.created),
            updated: Timestamp(self.updated),
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct AttemptRow {
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
    pub(super) fn into_attempt(self) -> Result<Attempt, StoreError> {
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

pub(super) fn attempts_from(rows: Vec<AttemptRow>) -> Result<Vec<Attempt>, StoreError> {
    rows.into_iter().map(AttemptRow::into_attempt).collect()
}

#[derive(sqlx::FromRow)]
pub(super) struct DisruptionRow {
    pub tenant: String,
    pub disruption_id: String,
    pub event_id: String,
    pub kind: String,
    pub state: String,
    pub requester: String,
    pub traceparent: Option<String>,
    pub version: i64,
    pub created: i64,
    pub updated: i64,
}

impl DisruptionRow {
    pub(super) fn into_disruption(self) -> Result<Disruption, StoreError> {
        let key = self.disruption_id.clone();
        let id = DisruptionId::new(self.disruption_id).ok();
        Ok(Disruption {
            tenant: read(TenantId::new(self.tenant).ok(), "disruptions", "tenant", &key)?,
            id: read(id, "disruptions", "disruption_id", &key)?,
            event: read(EventId::new(self.event_id).ok(), "disruptions", "event_id", &key)?,
            kind: read(DisruptionKind::parse(&self.kind), "disruptions", "kind", &key)?,
            state: read(DisruptionState::parse(&self.state), "disruptions", "state", &key)?,
            requester: self.requester,
            traceparent: self.traceparent,
            version: self.version,
            created: Timestamp(self.created),
            updated: Timestamp(self.updated),
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct ItemRow {
    pub order_id: String,
    pub state: String,
    pub refund_id: Option<String>,
    pub currency: String,
    pub requested: i64,
    pub issued: i64,
    pub reason_code: String,
    pub next_action: String,
}

impl ItemRow {
    pub(super) fn into_item(self) -> Result<Item, StoreError> {
        const TABLE: &str = "disruption_items";
        let key = self.order_id.clone();
        let refund = match self.refund_id {
            None => None,
            Some(id) => Some(read(RefundId::new(id).ok(), TABLE, "refund_id", &key)?),
        };
        Ok(Item {
            order: read(OrderId::new(self.order_id).ok(), TABLE, "order_id", &key)?,
            state: read(ItemState::parse(&self.state), TABLE, "state", &key)?,
            refund,
            currency: read(self.currency.parse().ok(), TABLE, "currency", &key)?,
            requested: self.requested,
            issued: self.issued,
            reason_code: self.reason_code,
            next_action: self.next_action,
        })
    }
}

/// A pending item with what its refund takes from the disruption.
#[derive(sqlx::FromRow)]
pub(super) struct PendingItemRow {
    pub tenant: String,
    pub disruption_id: String,
    pub order_id: String,
    pub plan: Vec<u8>,
    pub event_id: String,
    pub requester: String,
    pub traceparent: Option<String>,
}

#[derive(sqlx::FromRow)]
pub(super) struct ItemTotalsRow {
    pub state: String,
    pub currency: String,
    pub count: i64,
    pub requested: i64,
    pub issued: i64,
}

impl ItemTotalsRow {
    pub(super) fn into_totals(self) -> Result<ItemTotals, StoreError> {
        const TABLE: &str = "disruption_items";
        Ok(ItemTotals {
            state: read(ItemState::parse(&self.state), TABLE, "state", &self.state)?,
            currency: read(self.currency.parse().ok(), TABLE, "currency", &self.currency)?,
            count: self.count,
            requested: self.requested,
            issued: self.issued,
        })
    }
}

/// Sums by currency; every figure is 0 where a source has no row.
#[derive(sqlx::FromRow)]
pub(super) struct SumsRow {
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
    pub(super) fn into_sums(self) -> Result<CurrencySums, StoreError> {
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

/// A policy version's JSON.
pub(super) fn policy_from(body: &[u8], id: &str) -> Result<Policy, StoreError> {
    decode(body, "policies", "body", id)
}

/// A quote's JSON.
pub(super) fn quote_from(body: &[u8], id: &str) -> Result<Quote, StoreError> {
    decode(body, "quotes", "body", id)
}

/// A frozen plan's JSON.
pub(super) fn plan_from(
    body: &[u8],
    order: &str,
) -> Result<crate::domain::disruption::ItemPlan, StoreError> {
    decode(body, "disruption_items", "plan", order)
}
