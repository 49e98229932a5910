//! Rows of orders, their lines and their payments.
//!
//! Invariant: an order is assembled from what one snapshot of the database holds of it.

use std::collections::HashMap;

use redress_core::clock::Timestamp;
use redress_core::id::{CustomerId, EventId, OrderId, PaymentId};
use redress_policy::LineKind;
use redress_store::StoreError;

use super::super::importing::Pin;
use super::{decode, read};
use crate::domain::order::{
    Contact, Elsewhere, Order, OrderLine, OrderState, Payment, PaymentCounters, Tender, left,
};
use crate::domain::reserve::{HeldLine, HeldPayment, Holding};

pub(in crate::store) const fn order_state(state: OrderState) -> &'static str {
    match state {
        OrderState::Placed => "PLACED",
        OrderState::Cancelled => "CANCELLED",
        OrderState::WaitingList => "WAITING_LIST",
    }
}

fn parse_order_state(name: &str) -> Option<OrderState> {
    [OrderState::Placed, OrderState::Cancelled, OrderState::WaitingList]
        .into_iter()
        .find(|s| order_state(*s) == name)
}

pub(in crate::store) const fn line_kind(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Ticket => "TICKET",
        LineKind::Seat => "SEAT",
        LineKind::FlightLeg => "FLIGHT_LEG",
        LineKind::RailLeg => "RAIL_LEG",
        LineKind::HotelNight => "HOTEL_NIGHT",
        LineKind::Package => "PACKAGE",
        LineKind::Ancillary => "ANCILLARY",
        LineKind::Fee => "FEE",
        LineKind::Tax => "TAX",
    }
}

fn parse_line_kind(name: &str) -> Option<LineKind> {
    [
        LineKind::Ticket,
        LineKind::Seat,
        LineKind::FlightLeg,
        LineKind::RailLeg,
        LineKind::HotelNight,
        LineKind::Package,
        LineKind::Ancillary,
        LineKind::Fee,
        LineKind::Tax,
    ]
    .into_iter()
    .find(|kind| line_kind(*kind) == name)
}

#[derive(sqlx::FromRow)]
pub(in crate::store) struct OrderRow {
    pub order_id: String,
    pub source_version: i64,
    pub customer: String,
    pub email: String,
    pub display_name: String,
    pub locale: String,
    pub purchase_time: i64,
    pub state: String,
    pub policy: Option<String>,
    pub pinned_policy: Option<String>,
    pub policy_version: Option<i64>,
    pub sales_channel: String,
    pub place_of_sale: String,
    pub travellers: String,
    pub discounts: String,
    pub currency: String,
    pub total: i64,
}

#[derive(sqlx::FromRow)]
pub(in crate::store) struct LineRow {
    pub order_id: String,
    pub line_id: String,
    pub kind: String,
    pub event_id: String,
    pub title: String,
    pub event_start: i64,
    pub event_time_zone: String,
    pub event_end: Option<i64>,
    pub place: String,
    pub section: String,
    pub carrier: String,
    pub trip: Option<String>,
    pub units: i64,
    pub gross: i64,
    pub tax: i64,
    pub discount: i64,
    pub discount_id: Option<String>,
    pub traveller_ids: String,
    pub committed: i64,
    pub committed_units: i64,
    pub refunding: i64,
    pub repriced: i64,
    pub over_refunded: bool,
}

#[derive(sqlx::FromRow)]
pub(in crate::store) struct PaymentRow {
    pub order_id: String,
    pub payment_id: String,
    pub tender: String,
    pub provider: String,
    pub provider_reference: String,
    pub captured: i64,
    pub points: i64,
    pub elsewhere_reported: i64,
    pub refunded_elsewhere: i64,
    pub reserved: i64,
    pub refunded: i64,
    pub external: i64,
    pub disputed: i64,
    pub overdrawn: bool,
    pub capture_time: i64,
}

/// What an import needs to know of an order that is stored.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct KnownOrderRow {
    pub order_id: String,
    pub source_version: i64,
    pub digest: Vec<u8>,
    pub currency: String,
    pub policy: Option<String>,
    pub pinned_policy: Option<String>,
    pub policy_version: Option<i64>,
}

impl KnownOrderRow {
    /// The policy and version that it was sold under, once known.
    pub(in crate::store) fn pin(&self) -> Option<Pin> {
        let (policy, version) = (self.pinned_policy.clone()?, self.policy_version?);
        Some(Pin { policy, version })
    }
}

/// What a payment has of money given back past Redress, before an import.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct ElsewhereRow {
    order_id: String,
    payment_id: String,
    elsewhere_reported: i64,
    refunded_elsewhere: i64,
    external: i64,
}

impl ElsewhereRow {
    /// The counts, by order and payment.
    pub(in crate::store) fn into_entry(self) -> ((String, String), Elsewhere) {
        let counts = Elsewhere {
            reported: self.elsewhere_reported,
            effective: self.refunded_elsewhere,
            external: self.external,
        };
        ((self.order_id, self.payment_id), counts)
    }
}

/// When a version of a policy takes effect.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct PolicyVersionRow {
    pub policy_id: String,
    pub version: i64,
    pub effective: i64,
}

/// Joins orders with their lines and payments, which come in their stored order.
pub(in crate::store) fn assemble_orders(
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
        let policy = match self.pinned_policy.or(self.policy) {
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
            policy_version: self.policy_version,
            sales_channel: self.sales_channel,
            place_of_sale: self.place_of_sale,
            travellers: decode(self.travellers.as_bytes(), "orders", "travellers", &key)?,
            discounts: decode(self.discounts.as_bytes(), "orders", "discounts", &key)?,
            currency: read(self.currency.parse().ok(), "orders", "currency", &key)?,
            total: self.total,
            lines,
            payments,
        })
    }
}

/// What is left of a line or a payment; or a quote that was accepted, or a request that was
/// answered, which were looked for with them.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct HeldRow {
    order_id: String,
    /// `LINE`, `PAYMENT`, `QUOTE`, `REQUEST`.
    kind: String,
    id: String,
    /// Minor units: the line's price, or what was captured.
    whole: i64,
    /// Minor units that are gone or held.
    taken: i64,
    /// Units, and those that are gone; 0 of a payment.
    units: i64,
    units_taken: i64,
    /// Facts from outside take more than there is.
    is_exceeded: bool,
}

impl HeldRow {
    pub(in crate::store) fn is_quote(&self) -> bool {
        self.kind == "QUOTE"
    }

    pub(in crate::store) fn is_request(&self) -> bool {
        self.kind == "REQUEST"
    }

    pub(in crate::store) fn into_id(self) -> String {
        self.id
    }
}

/// What orders still hold, from their lines and payments.
pub(in crate::store) fn assemble_holdings(
    rows: Vec<HeldRow>,
) -> Result<HashMap<OrderId, Holding>, StoreError> {
    let mut holdings: HashMap<OrderId, Holding> = HashMap::new();
    for row in rows {
        let key = row.order_id.as_str();
        let order = read(OrderId::new(key).ok(), "payments", "order_id", key)?;
        let holding = holdings.entry(order).or_default();
        let remaining = left(row.whole, row.taken, row.is_exceeded);
        if row.kind == "LINE" {
            holding.lines.push(HeldLine {
                id: row.id,
                remaining,
                units: left(row.units, row.units_taken, row.is_exceeded),
                is_over_refunded: row.is_exceeded,
            });
        } else {
            let id = read(PaymentId::new(row.id).ok(), "payments", "payment_id", key)?;
            holding.payments.push(HeldPayment { id, refundable: remaining });
        }
    }
    Ok(holdings)
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
            event_end: self.event_end.map(Timestamp),
            place: self.place,
            section: self.section,
            carrier: self.carrier,
            trip: self.trip,
            units: self.units,
            gross: self.gross,
            tax: self.tax,
            discount: self.discount,
            discount_id: self.discount_id,
            traveller_ids: decode(
                self.traveller_ids.as_bytes(),
                "order_lines",
                "traveller_ids",
                &key,
            )?,
            committed: self.committed,
            committed_units: self.committed_units,
            refunding: self.refunding,
            repriced: self.repriced,
            over_refunded: self.over_refunded,
        })
    }
}

impl PaymentRow {
    fn into_payment(self) -> Result<Payment, StoreError> {
        let key = format!("{}/{}", self.order_id, self.payment_id);
        Ok(Payment {
            tender: read(Tender::parse(&self.tender), "payments", "tender", &key)?,
            id: read(PaymentId::new(self.payment_id).ok(), "payments", "payment_id", &key)?,
            provider: self.provider,
            provider_reference: self.provider_reference,
            captured: self.captured,
            points: self.points,
            elsewhere_reported: self.elsewhere_reported,
            refunded_elsewhere: self.refunded_elsewhere,
            capture_time: Timestamp(self.capture_time),
            counters: PaymentCounters {
                reserved: self.reserved,
                refunded: self.refunded,
                external: self.external,
                disputed: self.disputed,
                overdrawn: self.overdrawn,
            },
        })
    }
}
