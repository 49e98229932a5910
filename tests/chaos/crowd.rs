//! The orders of the cancelled event, and what each has to get back.
//!
//! Invariant: an order that also holds a ticket for another event has at least as much left on its
//! payment as it gets back, so that a second refund would be paid and not refused.

use std::collections::BTreeMap;

use redress_proto::common::v1::Money;
use redress_proto::refunds::v1::{Order, OrderLine};

use crate::harness::orders::{paid_by_card, paid_by_two, unpaid};

/// The event that is cancelled.
pub(crate) const CANCELLED: &str = "events/rained-off";
/// One that takes place.
const KEPT: &str = "events/under-a-roof";
/// How many orders a case has in the gate.
const FEW: usize = 120;

/// What an order in scope gets back through the connected provider.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    /// The payment at the provider; empty when nothing can be sent.
    pub(crate) payment: String,
    /// What may be paid back by it.
    pub(crate) amount: Money,
    /// Whether a part of the order is left to a person whatever happens.
    pub(crate) by_hand: bool,
}

/// The orders of one case.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) orders: Vec<Order>,
    /// By the name of the order; those in scope only.
    pub(crate) due: BTreeMap<String, Due>,
}

impl Crowd {
    /// As many as `REDRESS_CHAOS_ORDERS` says.
    #[expect(clippy::disallowed_methods, reason = "the environment says how heavy the test is")]
    pub(crate) fn gather() -> Self {
        let wanted = std::env::var("REDRESS_CHAOS_ORDERS");
        Self::of(wanted.map_or(FEW, |wanted| wanted.parse().unwrap()))
    }

    fn of(count: usize) -> Self {
        let mut crowd = Self { orders: Vec::new(), due: BTreeMap::new() };
        for number in 0..count {
            crowd.add(number);
        }
        for number in 0..count / 20 {
            let name = format!("orders/Z{number:06}");
            crowd.orders.push(paid_by_card(&name, KEPT, &format!("other{number}"), 4_400));
        }
        crowd
    }

    fn add(&mut self, number: usize) {
        let name = format!("orders/C{number:06}");
        let buyer = format!("fan{number}");
        let gross = 1_000 + 7 * i64::try_from(number % 1_000).unwrap();
        let mut order = match (number % 10, number / 10 % 4) {
            (9, 0) => paid_by_two(&name, CANCELLED, &buyer, 500, gross),
            (9, 1) => unpaid(&name, CANCELLED, &buyer, 0),
            _ => paid_by_card(&name, CANCELLED, &buyer, gross),
        };
        if number % 10 < 7 {
            add_ticket(&mut order, gross + 300);
        }
        if number % 10 == 6 {
            in_dollars(&mut order);
        }
        let card = order.payments.iter().find(|payment| payment.provider == "stripe");
        let payment = card.map_or_else(String::new, |card| card.provider_reference.clone());
        let currency_code = order.total.as_ref().unwrap().currency_code.clone();
        let minor_units = if card.is_some() { gross } else { 0 };
        let amount = Money { currency_code, minor_units };
        let by_hand = order.payments.iter().any(|payment| payment.provider == "giftcard");
        self.due.insert(name, Due { payment, amount, by_hand });
        self.orders.push(order);
    }

    /// How many payments the provider is asked to refund.
    pub(crate) fn payments(&self) -> usize {
        self.due.values().filter(|due| !due.payment.is_empty()).count()
    }

    /// Orders of which a part is left to a person whatever happens.
    pub(crate) fn by_hand(&self) -> usize {
        self.due.values().filter(|due| due.by_hand).count()
    }

    /// The payments of two orders that are paid by card alone.
    pub(crate) fn two_payments(&self) -> (&str, &str) {
        let mut by_card = self.due.values().filter(|due| !due.payment.is_empty() && !due.by_hand);
        (&by_card.next().unwrap().payment, &by_card.next().unwrap().payment)
    }
}

/// Adds a ticket for the event that takes place, paid by the same card.
fn add_ticket(order: &mut Order, gross: i64) {
    let gross_of_ticket = order.total.clone().map(|total| Money { minor_units: gross, ..total });
    order.lines.push(OrderLine {
        line_id: "t2".to_owned(),
        event: KEPT.to_owned(),
        gross: gross_of_ticket,
        ..order.lines[0].clone()
    });
    order.total.as_mut().unwrap().minor_units += gross;
    order.payments[0].captured.as_mut().unwrap().minor_units += gross;
}

fn in_dollars(order: &mut Order) {
    let of_lines = order.lines.iter_mut().flat_map(|line| {
        [&mut line.gross, &mut line.tax, &mut line.discount].into_iter().flatten()
    });
    let of_payments = order.payments.iter_mut().flat_map(|payment| {
        [&mut payment.captured, &mut payment.refunded_elsewhere].into_iter().flatten()
    });
    for money in of_lines.chain(of_payments).chain(&mut order.total) {
        "USD".clone_into(&mut money.currency_code);
    }
}
