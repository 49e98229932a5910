//! Orders as a shop exports them, and the sample of two real events.

use prost_types::Timestamp;
use redress::import::Sample;
use redress_proto::common::v1::Money;
use redress_proto::refunds::v1::payment::Tender;
use redress_proto::refunds::v1::{Contact, Order, OrderLine, Payment, order, order_line};

/// The event of the sample that is cancelled. Most of the 360 orders are for it.
pub(crate) const DERBY: &str = "events/city-derby";

/// 2026-10-01T08:00:00Z.
const BOUGHT: Timestamp = Timestamp { seconds: 1_790_841_600, nanos: 0 };
/// 2026-12-19T14:30:00Z.
const STARTS: Timestamp = Timestamp { seconds: 1_797_690_600, nanos: 0 };

/// The sample's 360 orders.
pub(crate) fn sample() -> Vec<Order> {
    Sample::load().unwrap().orders().to_vec()
}

pub(crate) fn euros(minor_units: i64) -> Money {
    Money { currency_code: "EUR".to_owned(), minor_units }
}

/// An order of one ticket for `event`, in English, without payments. `buyer` names its customer and
/// mail address.
pub(crate) fn unpaid(name: &str, event: &str, buyer: &str, gross: i64) -> Order {
    let ticket = OrderLine {
        line_id: "t1".to_owned(),
        kind: order_line::Kind::Ticket.into(),
        event: event.to_owned(),
        title: "Main stand".to_owned(),
        event_start_time: Some(STARTS),
        event_time_zone: "Europe/Berlin".to_owned(),
        gross: Some(euros(gross)),
        tax: Some(euros(0)),
        quantity: 1,
        discount: Some(euros(0)),
        ..OrderLine::default()
    };
    Order {
        name: name.to_owned(),
        source_version: 1,
        customer: format!("customers/{buyer}"),
        contact: Some(Contact {
            email: format!("{buyer}@mail.example"),
            display_name: String::new(),
            locale: "en".to_owned(),
        }),
        purchase_time: Some(BOUGHT),
        state: order::State::Placed.into(),
        policy: String::new(),
        lines: vec![ticket],
        payments: Vec::new(),
        total: Some(euros(gross)),
        ..Order::default()
    }
}

/// A captured payment of nothing but euros.
pub(crate) fn payment(tender: Tender, provider: &str, reference: &str, captured: i64) -> Payment {
    Payment {
        payment_id: format!("P-{provider}"),
        tender: tender.into(),
        provider: provider.to_owned(),
        provider_reference: reference.to_owned(),
        captured: Some(euros(captured)),
        refunded_elsewhere: Some(euros(0)),
        capture_time: Some(BOUGHT),
        overdrawn: false,
        points: 0,
    }
}

/// The same order, paid by card.
pub(crate) fn paid_by_card(name: &str, event: &str, buyer: &str, gross: i64) -> Order {
    let reference = format!("pi_{buyer}_{}", name.trim_start_matches("orders/"));
    let card = payment(Tender::Card, "stripe", &reference, gross);
    Order { payments: vec![card], ..unpaid(name, event, buyer, gross) }
}

/// The same order, paid by gift card first and by card for the rest.
pub(crate) fn paid_by_two(name: &str, event: &str, buyer: &str, gift: i64, card: i64) -> Order {
    let by_card = paid_by_card(name, event, buyer, card).payments;
    let mut order = unpaid(name, event, buyer, gift + card);
    order.payments = vec![payment(Tender::GiftCard, "giftcard", "", gift)];
    order.payments.extend(by_card);
    order
}
