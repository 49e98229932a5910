//! Reads an order off the wire.
//!
//! Invariant: reading goes on after the first fault, so that a shop learns of all of them at once;
//! no description repeats personal data.

use std::mem;

use prost::Message as _;
use redress_api::{FieldViolation, money, time};
use redress_core::id::{CustomerId, EventId, InvalidId, OrderId, PaymentId, PolicyId};
use redress_core::money::Currency;
use redress_policy::LineKind;
use redress_proto::common::v1::Money as WireMoney;
use redress_proto::refunds::v1 as pb;

use crate::domain::order::{
    Contact, Discount, DiscountStep, Order, OrderLine, OrderState, Payment, PaymentCounters,
    Tender, Traveller,
};

/// What the name of a trip starts with.
pub(super) const TRIPS: &str = "trips/";

/// SHA-256 of an order's canonical encoding, source version included. The policy is left out: once
/// it is pinned an order shows another one than was sent, and the store compares it by itself.
pub(super) fn digest(order: &mut pb::Order) -> [u8; 32] {
    let policy = (mem::take(&mut order.policy), mem::take(&mut order.policy_version));
    let content = order.encode_to_vec();
    (order.policy, order.policy_version) = policy;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &content);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

/// Reads an order; its counters are zero. Returns everything that cannot be read at once.
pub(super) fn read(order: pb::Order) -> Result<Order, Vec<FieldViolation>> {
    let mut reader = Reader::default();
    let read = reader.order(order);
    read.filter(|_| reader.violations.is_empty()).ok_or(reader.violations)
}

/// Collects what cannot be read.
#[derive(Debug, Default)]
struct Reader {
    violations: Vec<FieldViolation>,
}

impl Reader {
    fn keep<T>(&mut self, read: Result<T, FieldViolation>) -> Option<T> {
        read.map_err(|violation| self.violations.push(violation)).ok()
    }

    fn name<T>(
        &mut self,
        parse: impl FnOnce(&str) -> Result<T, InvalidId>,
        text: &str,
        field: &str,
    ) -> Option<T> {
        self.keep(parse(text).map_err(|error| FieldViolation::new(field, error.to_string())))
    }

    /// A member of an enumeration; the unspecified one is refused by the declared rules and has
    /// no meaning here either.
    fn member<T>(&mut self, known: Option<T>, field: &str) -> Option<T> {
        self.keep(known.ok_or_else(|| FieldViolation::new(field, "is not a known value")))
    }

    /// Free text; PostgreSQL stores every character but NUL.
    fn text(&mut self, text: String, field: &str) -> Option<String> {
        let refuse = || FieldViolation::new(field, "must not contain NUL characters");
        self.keep(if text.contains('\0') { Err(refuse()) } else { Ok(text) })
    }

    /// An amount in the order's currency. When that is unknown, the amount is still looked at.
    fn amount(
        &mut self,
        sent: Option<&WireMoney>,
        currency: Option<Currency>,
        field: &str,
    ) -> Option<i64> {
        let read = self.keep(money::required(sent, field))?;
        let expected = currency?;
        if read.currency != expected {
            let text = format!("must be {expected}, the currency of the order's total");
            let violation = FieldViolation::new("currency_code", text).under(field);
            self.violations.push(violation);
            return None;
        }
        Some(read.minor_units)
    }

    fn order(&mut self, order: pb::Order) -> Option<Order> {
        let total = self.keep(money::required(order.total.as_ref(), "total"));
        let currency = total.map(|total| total.currency);
        let id = self.name(OrderId::from_resource_name, &order.name, "name");
        let customer = self.name(CustomerId::from_resource_name, &order.customer, "customer");
        let contact = self.contact(order.contact);
        let purchase_time =
            self.keep(time::required(order.purchase_time.as_ref(), "purchase_time"));
        let state = self.member(order_state(order.state), "state");
        let policy = match order.policy.as_str() {
            "" => Some(None),
            name => self.name(PolicyId::from_resource_name, name, "policy").map(Some),
        };
        let sales_channel = self.text(order.sales_channel, "sales_channel");
        let place_of_sale = self.text(order.place_of_sale, "place_of_sale");
        let travellers: Vec<_> = order
            .travellers
            .into_iter()
            .enumerate()
            .map(|(at, traveller)| self.traveller(traveller, at))
            .collect();
        // Both are read to their end before the first fault counts.
        let lines: Vec<_> = order
            .lines
            .into_iter()
            .enumerate()
            .map(|(at, line)| self.line(line, currency, &format!("lines[{at}]")))
            .collect();
        let payments: Vec<_> = order
            .payments
            .into_iter()
            .enumerate()
            .map(|(at, payment)| self.payment(payment, currency, &format!("payments[{at}]")))
            .collect();
        let is_sold = !payments.is_empty() || total.is_some_and(|total| total.minor_units != 0);
        if state == Some(OrderState::WaitingList) && is_sold {
            let text = "WAITING_LIST goes with a total of 0 and without payments; use PLACED for \
                        what was bought";
            self.violations.push(FieldViolation::new("state", text));
        }
        Some(Order {
            id: id?,
            source_version: order.source_version,
            customer: customer?,
            contact: contact?,
            purchase_time: purchase_time?,
            state: state?,
            policy: policy?,
            policy_version: (order.policy_version != 0).then_some(order.policy_version),
            sales_channel: sales_channel?,
            place_of_sale: place_of_sale?,
            travellers: travellers.into_iter().collect::<Option<_>>()?,
            discounts: order.discounts.into_iter().map(discount).collect(),
            currency: currency?,
            total: total?.minor_units,
            lines: lines.into_iter().collect::<Option<_>>()?,
            payments: payments.into_iter().collect::<Option<_>>()?,
        })
    }

    fn contact(&mut self, contact: Option<pb::Contact>) -> Option<Contact> {
        let required = || FieldViolation::new("contact", "value is required");
        let pb::Contact { email, display_name, locale } =
            self.keep(contact.ok_or_else(required))?;
        let display_name = self.text(display_name, "contact.display_name")?;
        Some(Contact { email, display_name, locale })
    }

    fn traveller(&mut self, traveller: pb::Traveller, at: usize) -> Option<Traveller> {
        let field = format!("travellers[{at}].display_name");
        let display_name = self.text(traveller.display_name, &field)?;
        Some(Traveller { id: traveller.traveller_id, display_name })
    }

    /// An amount that may be unset, which is nothing.
    fn amount_or_zero(
        &mut self,
        sent: Option<&WireMoney>,
        currency: Option<Currency>,
        field: &str,
    ) -> Option<i64> {
        if sent.is_none() { Some(0) } else { self.amount(sent, currency, field) }
    }

    fn line(
        &mut self,
        line: pb::OrderLine,
        currency: Option<Currency>,
        path: &str,
    ) -> Option<OrderLine> {
        let at = |field: &str| format!("{path}.{field}");
        let kind = self.member(line_kind(line.kind), &at("kind"));
        let event = self.name(EventId::from_resource_name, &line.event, &at("event"));
        let event_start =
            self.keep(time::required(line.event_start_time.as_ref(), &at("event_start_time")));
        let title = self.text(line.title, &at("title"));
        let gross = self.amount(line.gross.as_ref(), currency, &at("gross"));
        let tax = self.amount(line.tax.as_ref(), currency, &at("tax"));
        let discount = self.amount_or_zero(line.discount.as_ref(), currency, &at("discount"));
        let place = self.text(line.place, &at("place"));
        let section = self.text(line.section, &at("section"));
        let carrier = self.text(line.carrier, &at("carrier"));
        let event_end = match line.event_end_time {
            None => Some(None),
            Some(end) => self.keep(time::required(Some(&end), &at("event_end_time"))).map(Some),
        };
        Some(OrderLine {
            id: line.line_id,
            kind: kind?,
            event: event?,
            title: title?,
            event_start: event_start?,
            event_end: event_end?,
            event_time_zone: line.event_time_zone,
            place: place?,
            section: section?,
            carrier: carrier?,
            // The declared rules have looked at its shape.
            trip: line.trip.strip_prefix(TRIPS).map(str::to_owned),
            units: i64::from(line.quantity).max(1),
            gross: gross?,
            tax: tax?,
            discount: discount?,
            discount_id: Some(line.discount_id).filter(|id| !id.is_empty()),
            traveller_ids: line.traveller_ids,
            committed: 0,
            committed_units: 0,
            refunding: 0,
            repriced: 0,
            over_refunded: false,
        })
    }

    fn payment(
        &mut self,
        payment: pb::Payment,
        currency: Option<Currency>,
        path: &str,
    ) -> Option<Payment> {
        let at = |field: &str| format!("{path}.{field}");
        let id = self.name(|id| PaymentId::new(id), &payment.payment_id, &at("payment_id"));
        let tender = self.member(tender(payment.tender), &at("tender"));
        let provider_reference = self.text(payment.provider_reference, &at("provider_reference"));
        let captured = self.amount(payment.captured.as_ref(), currency, &at("captured"));
        let elsewhere =
            self.amount(payment.refunded_elsewhere.as_ref(), currency, &at("refunded_elsewhere"));
        let capture_time =
            self.keep(time::required(payment.capture_time.as_ref(), &at("capture_time")));
        Some(Payment {
            id: id?,
            tender: tender?,
            provider: payment.provider,
            provider_reference: provider_reference?,
            captured: captured?,
            points: payment.points,
            elsewhere_reported: elsewhere?,
            refunded_elsewhere: elsewhere?,
            capture_time: capture_time?,
            counters: PaymentCounters::default(),
        })
    }
}

fn discount(discount: pb::Discount) -> Discount {
    let step = |step: pb::DiscountStep| DiscountStep {
        min_units: i64::from(step.min_units),
        // Beyond this the declared rules have refused it.
        basis_points: u16::try_from(step.basis_points).unwrap_or(u16::MAX),
    };
    Discount { id: discount.discount_id, steps: discount.steps.into_iter().map(step).collect() }
}

fn order_state(number: i32) -> Option<OrderState> {
    match pb::order::State::try_from(number).ok()? {
        pb::order::State::Unspecified => None,
        pb::order::State::Placed => Some(OrderState::Placed),
        pb::order::State::Cancelled => Some(OrderState::Cancelled),
        pb::order::State::WaitingList => Some(OrderState::WaitingList),
    }
}

pub(super) fn line_kind(number: i32) -> Option<LineKind> {
    match pb::order_line::Kind::try_from(number).ok()? {
        pb::order_line::Kind::Unspecified => None,
        pb::order_line::Kind::Ticket => Some(LineKind::Ticket),
        pb::order_line::Kind::Seat => Some(LineKind::Seat),
        pb::order_line::Kind::FlightLeg => Some(LineKind::FlightLeg),
        pb::order_line::Kind::RailLeg => Some(LineKind::RailLeg),
        pb::order_line::Kind::HotelNight => Some(LineKind::HotelNight),
        pb::order_line::Kind::Package => Some(LineKind::Package),
        pb::order_line::Kind::Ancillary => Some(LineKind::Ancillary),
        pb::order_line::Kind::Fee => Some(LineKind::Fee),
        pb::order_line::Kind::Tax => Some(LineKind::Tax),
    }
}

fn tender(number: i32) -> Option<Tender> {
    match pb::payment::Tender::try_from(number).ok()? {
        pb::payment::Tender::Unspecified => None,
        pb::payment::Tender::Card => Some(Tender::Card),
        pb::payment::Tender::Wallet => Some(Tender::Wallet),
        pb::payment::Tender::GiftCard => Some(Tender::GiftCard),
        pb::payment::Tender::BankTransfer => Some(Tender::BankTransfer),
        pb::payment::Tender::Voucher => Some(Tender::Voucher),
        pb::payment::Tender::Points => Some(Tender::Points),
    }
}
