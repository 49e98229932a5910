//! Orders to refund: two tickets and a fee, paid on one card, as most are.
//!
//! Invariant: no two share anything but tenant, event and policy.

use std::time::Duration;

use redress_core::clock::Timestamp;
use redress_proto::common::v1::Money;
use redress_proto::refunds::v1 as pb;

use crate::import::{Origin, Record};

const DAY: Duration = Duration::from_hours(24);

/// The event that all of them are for.
pub(super) const EVENT: &str = "events/derby";

/// In minor units: two tickets and the fee.
const PRICES: [i64; 3] = [4_500, 3_000, 390];

/// As many records as asked, bought a month before `now` for an event two months after.
pub(super) fn records(count: usize, now: Timestamp) -> impl Iterator<Item = Record> + Send {
    (1..=count as u64).map(move |n| Ok((Origin::order("bench", n, None), order(n, now))))
}

/// The same orders, without their places in a file.
pub(super) fn orders(count: usize, now: Timestamp) -> impl Iterator<Item = pb::Order> + Send {
    (1..=count as u64).map(move |n| order(n, now))
}

/// What was paid for each, in minor units.
pub(super) const fn paid() -> i64 {
    PRICES[0] + PRICES[1] + PRICES[2]
}

/// The id under which the provider knows the payment of the order with this number, from 0.
pub(super) fn payment(number: usize) -> String {
    format!("pi_b{:07}", number + 1)
}

/// The name of the order with this number, counted from 0.
pub(super) fn name(number: usize) -> String {
    format!("orders/b{:07}", number + 1)
}

fn order(number: u64, now: Timestamp) -> pb::Order {
    let bought = Timestamp(now.0 - i64::try_from((DAY * 30).as_micros()).unwrap_or_default());
    let start = now.plus(DAY * 60);
    let line = |id: &str, kind: pb::order_line::Kind, gross| pb::OrderLine {
        line_id: id.to_owned(),
        kind: kind.into(),
        event: EVENT.to_owned(),
        title: "Main stand".to_owned(),
        event_start_time: Some(time(start)),
        event_time_zone: "Europe/Berlin".to_owned(),
        gross: Some(euros(gross)),
        tax: Some(euros(0)),
        ..pb::OrderLine::default()
    };
    let [first, second, fee] = PRICES;
    let total = euros(first + second + fee);
    pb::Order {
        name: format!("orders/b{number:07}"),
        source_version: 1,
        customer: format!("customers/b{number:07}"),
        contact: Some(pb::Contact {
            email: format!("b{number}@mail.example"),
            display_name: "A. Buyer".to_owned(),
            locale: "de".to_owned(),
        }),
        purchase_time: Some(time(bought)),
        state: pb::order::State::Placed.into(),
        lines: vec![
            line("t1", pb::order_line::Kind::Ticket, first),
            line("t2", pb::order_line::Kind::Ticket, second),
            line("f1", pb::order_line::Kind::Fee, fee),
        ],
        payments: vec![pb::Payment {
            payment_id: "p1".to_owned(),
            tender: pb::payment::Tender::Card.into(),
            provider: "stripe".to_owned(),
            provider_reference: format!("pi_b{number:07}"),
            captured: Some(total.clone()),
            refunded_elsewhere: Some(euros(0)),
            capture_time: Some(time(bought)),
            ..pb::Payment::default()
        }],
        total: Some(total),
        ..pb::Order::default()
    }
}

fn euros(minor_units: i64) -> Money {
    Money { currency_code: "EUR".to_owned(), minor_units }
}

fn time(at: Timestamp) -> prost_types::Timestamp {
    redress_api::time::to_proto(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_found_by_its_number() {
        let now = Timestamp(1_800_000_000_000_000);
        for (number, record) in records(3, now).enumerate() {
            let (_, order) = record.unwrap();
            assert_eq!(order.name, name(number));
            assert_eq!(order.payments[0].provider_reference, payment(number));
            assert_eq!(order.total.unwrap().minor_units, paid());
        }
    }
}
