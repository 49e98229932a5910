//! What is priced sums up, to the last unit and on the steps that providers pay in.

use std::collections::HashMap;

use redress_core::id::EventId;
use redress_core::money::Money;

use super::super::order::tests::{order, payment};
use super::*;
use proptest::prelude::*;

pub(crate) const NOW: Timestamp = Timestamp(0);

/// Providers with the step in which they pay; all others go to a person.
pub(crate) struct Routes(pub HashMap<&'static str, i64>);

impl Routing for Routes {
    fn step(
        &self,
        provider: &str,
        _captured: Timestamp,
        _currency: Currency,
        _now: Timestamp,
    ) -> Result<i64, Reason> {
        self.0.get(provider).copied().ok_or(Reason::NoConnector)
    }
}

/// Stripe is connected and pays in single units.
pub(crate) fn routes() -> Routes {
    Routes(HashMap::from([("stripe", 1)]))
}

pub(crate) fn line(id: &str, gross: i64, refund: i64) -> QuoteLine {
    QuoteLine {
        line_id: id.to_owned(),
        units: 1,
        gross,
        fee: gross - refund,
        refund,
        tax: 0,
        clawback: 0,
        rule: "early".to_owned(),
        citation: None,
        compensation: None,
        path: Vec::new(),
        explanation: Vec::new(),
    }
}

/// What the cancellation of `event` pays on an order when the seller keeps nothing.
pub(crate) fn price_cancelled_lines(
    order: &Order,
    event: &EventId,
    routing: &dyn Routing,
    now: Timestamp,
) -> Option<Price> {
    let covered: Vec<_> = order.lines.iter().filter(|line| line.event == *event).collect();
    let fees = Fees::default();
    price_lines_of_disruption(order, &covered, "event-cancelled", &fees, routing, now)
}

#[test]
fn what_is_kept_of_an_order_is_spread_over_its_lines() {
    let mut order = order();
    let event = order.lines[0].event.clone();
    order.lines.iter_mut().for_each(|line| line.event = event.clone());
    let covered: Vec<_> = order.lines.iter().collect();
    let kept = |minor_units| {
        let per_order = vec![Money { currency: order.currency, minor_units }];
        let fees = Fees { per_order, ..Fees::default() };
        price_lines_of_disruption(&order, &covered, "event-moved", &fees, &routes(), NOW)
    };
    let whole = kept(0).unwrap();
    let price = kept(101).unwrap();
    assert_eq!(price.total, whole.total - 101);
    assert_eq!(price.lines.iter().map(|line| line.fee).sum::<i64>(), 101);
    assert_eq!(price.lines.iter().map(|line| line.refund).sum::<i64>(), price.total);
    assert!(price.lines.iter().all(|line| line.fee + line.refund == line.gross));
    assert!(price.lines.iter().all(|line| line.rule == "event-moved"));
    assert_eq!(kept(whole.total), None, "the seller keeps all of it");
    assert_eq!(kept(i64::MAX), None);
}

fn amounts(price: &Price) -> Vec<(&str, i64)> {
    price.shares.iter().map(|share| (&*share.provider, share.amount)).collect()
}

#[test]
fn a_cancellation_gives_back_fees_and_only_lines_of_its_event() {
    let mut order = order();
    let event = order.lines[0].event.clone();
    order.lines[1].event = EventId::new("other").unwrap();
    let price = price_cancelled_lines(&order, &event, &routes(), NOW).unwrap();
    assert_eq!(price.total, 3390);
    (order.lines[0].tax, order.lines[2].tax) = (479, 30);
    let taxes = |order: &Order| {
        let price = price_cancelled_lines(order, &event, &routes(), NOW).unwrap();
        price.lines.iter().map(|line| (line.line_id.clone(), line.tax)).collect::<Vec<_>>()
    };
    let (ticket, fee) = (order.lines[0].id.clone(), order.lines[2].id.clone());
    assert_eq!(taxes(&order), [(ticket.clone(), 479), (fee, 30)]);
    order.lines[2].committed = order.lines[2].gross;
    assert_eq!(taxes(&order), [(ticket, 479)], "nothing is left of the fee");
    order.state = OrderState::Cancelled;
    assert_eq!(price_cancelled_lines(&order, &event, &routes(), NOW), None);
}

#[test]
fn a_refund_keeps_the_line_without_the_way_to_it() {
    let line = line("p1", 3000, 2000);
    let quoted = QuoteLine { path: vec![Step::NothingHolds], ..line.clone() };
    assert_eq!(quoted.without_path(), line);
}

#[test]
fn tenders_are_filled_in_the_order_that_is_asked_for() {
    let mut order = order();
    order.payments = vec![
        payment("p1", "giftcard", Tender::GiftCard, 2390),
        payment("p2", "stripe", Tender::Card, 2000),
        payment("p3", "vouchers", Tender::Voucher, 1000),
    ];
    let filled = |tenders: &[Tender]| {
        let lines = vec![line("p1", 3000, 3000)];
        let price = settle_price(&order, lines, Vec::new(), tenders, &routes(), NOW);
        amounts(&price).iter().map(|(p, a)| ((*p).to_owned(), *a)).collect::<Vec<_>>()
    };
    let expect =
        |list: &[(&str, i64)]| list.iter().map(|(p, a)| ((*p).to_owned(), *a)).collect::<Vec<_>>();
    assert_eq!(filled(&[]), expect(&[("stripe", 2000), ("giftcard", 1000)]));
    assert_eq!(
        filled(&[Tender::Voucher, Tender::Card]),
        expect(&[("vouchers", 1000), ("stripe", 2000)])
    );
    assert_eq!(
        filled(&[Tender::GiftCard, Tender::Voucher, Tender::Card]),
        expect(&[("giftcard", 2390), ("vouchers", 610)])
    );
}

#[test]
fn a_share_off_its_step_is_rounded_up_at_the_cost_of_the_fee() {
    let mut order = order();
    order.currency = "KWD".parse().unwrap();
    let routes = Routes(HashMap::from([("stripe", 10)]));
    let lines = vec![line("p1", 3000, 1501), line("p2", 2000, 1000)];
    let price = settle_price(&order, lines, Vec::new(), &[], &routes, NOW);
    assert_eq!(price.total, 2510);
    assert_eq!(price.lines[0].refund, 1510);
    assert_eq!(price.lines[0].fee, 1490);
    assert_eq!(amounts(&price), [("stripe", 2510)]);
}

#[test]
fn a_share_off_its_step_is_rounded_down_where_no_fee_gives_way() {
    let order = order();
    let routes = Routes(HashMap::from([("stripe", 10)]));
    let lines = vec![line("p1", 1501, 1501), line("p2", 1000, 1000)];
    let price = settle_price(&order, lines, Vec::new(), &[], &routes, NOW);
    assert_eq!(price.total, 2500);
    assert_eq!((price.lines[0].refund, price.lines[0].fee), (1500, 1));
    assert_eq!(price.lines[1].refund, 1000);
}

#[test]
fn a_share_is_rounded_up_as_long_as_the_fees_cover_the_last_unit() {
    let routes = Routes(HashMap::from([("stripe", 10)]));
    for (fee, total) in [(8, 2500), (9, 2510)] {
        let lines = vec![line("p1", 1501 + fee, 1501), line("p2", 1000, 1000)];
        let price = settle_price(&order(), lines, Vec::new(), &[], &routes, NOW);
        assert_eq!(price.total, total, "fees of {fee}");
    }
}

#[test]
fn more_is_taken_from_the_largest_fee_and_less_from_the_largest_refund() {
    let clawed = QuoteLine { clawback: 500, ..line("p1", 700, 100) };
    let lines = [clawed, line("p2", 1700, 1500), line("p3", 160, 150)];
    for (difference, refunds) in [
        (9, [100, 1509, 150]),
        (200 + 100 + 10, [200, 1700, 160]),
        (200 + 100 + 11, [200, 1700, 160]),
        (0, [100, 1500, 150]),
        (-9, [100, 1491, 150]),
        (-1501, [100, 0, 149]),
    ] {
        let mut lines = lines.clone();
        absorb(&mut lines, difference);
        assert_eq!(lines.each_ref().map(|line| line.refund), refunds, "{difference}");
        assert!(lines.iter().all(|line| line.refund + line.fee == line.gross));
    }
}

#[test]
fn a_clawback_never_gives_way_to_rounding() {
    let order = order();
    let routes = Routes(HashMap::from([("stripe", 10)]));
    let clawed = QuoteLine { clawback: 499, ..line("p1", 2000, 1501) };
    let price = settle_price(&order, vec![clawed], Vec::new(), &[], &routes, NOW);
    assert_eq!((price.total, price.lines[0].refund, price.lines[0].fee), (1500, 1500, 500));
}

#[test]
fn tax_follows_the_refund_to_the_last_unit() {
    let mut sold = order().lines[0].clone();
    (sold.gross, sold.tax) = (1000, 190);
    let mut given = 0;
    for refund in [333, 333, 334] {
        let tax = tax_of(&sold, refund);
        given += tax;
        sold.refunding += refund;
        assert!((62..=64).contains(&tax), "{tax}");
    }
    assert_eq!(given, 190);
    sold.repriced = 50;
    assert_eq!(tax_of(&sold, 50), 0, "what became dearer bears no tax of the invoice");
    sold.gross = 0;
    assert_eq!(tax_of(&sold, 0), 0);
}

#[test]
fn tax_is_rounded_half_up() {
    let mut sold = order().lines[0].clone();
    (sold.gross, sold.tax) = (200, 1);
    assert_eq!((tax_of(&sold, 99), tax_of(&sold, 100)), (0, 1));
}

proptest! {
    #[test]
    fn prices_always_sum(
        gross in prop::collection::vec((0..100_000_i64, 0..=100_i64), 1..8),
        captured in prop::collection::vec((0..100_000_i64, 0..50_000_i64), 0..4),
        step in prop::sample::select(vec![1_i64, 10, 100]),
    ) {
        let mut order = order();
        let template = order.lines[0].clone();
        order.lines = gross.iter().enumerate().map(|(at, (gross, _))| {
            OrderLine {
                id: format!("p{at}"),
                gross: *gross,
                tax: gross / 7,
                ..template.clone()
            }
        }).collect();
        order.payments = captured.iter().enumerate().map(|(at, (captured, elsewhere))| {
            let provider = if at % 2 == 0 { "giftcard" } else { "stripe" };
            let mut payment = payment(&format!("p{at}"), provider, Tender::Card, *captured);
            payment.refunded_elsewhere = *elsewhere;
            payment
        }).collect();
        let routes = Routes(HashMap::from([("stripe", step)]));
        let lines: Vec<QuoteLine> = gross.iter().enumerate().map(|(at, (gross, percent))| {
            line(&format!("p{at}"), *gross, gross * percent / 100)
        }).collect();
        let wanted: i64 = lines.iter().map(|line| line.refund).sum();
        let held: i64 = order.payments.iter().map(Payment::refundable).sum();
        let price = settle_price(&order, lines, Vec::new(), &[], &routes, NOW);
        prop_assert!((price.total - wanted.min(held)).abs() < step * 4);
        prop_assert_eq!(price.lines.iter().map(|l| l.refund).sum::<i64>(), price.total);
        prop_assert_eq!(price.shares.iter().map(|s| s.amount).sum::<i64>(), price.total);
        for (line, sold) in price.lines.iter().zip(&order.lines) {
            prop_assert_eq!(line.fee + line.refund, line.gross);
            prop_assert!(line.refund >= 0 && line.fee >= 0);
            prop_assert!((0..=sold.tax).contains(&line.tax));
        }
        for share in &price.shares {
            let payment = order.payments.iter().find(|p| p.id == share.payment).unwrap();
            prop_assert!(share.amount > 0 && share.amount <= payment.refundable());
            if share.by_hand.is_none() {
                prop_assert_eq!(share.amount % step, 0);
            }
        }
    }

    #[test]
    fn taxes_of_partial_refunds_never_exceed_the_invoice(
        gross in 1..1_000_000_i64,
        tax_percent in 0..=100_i64,
        parts in prop::collection::vec(1..100_000_i64, 1..20),
    ) {
        let mut sold = order().lines[0].clone();
        (sold.gross, sold.tax) = (gross, gross * tax_percent / 100);
        let mut given = 0;
        for part in parts {
            let refund = part.min(sold.gross - sold.refunding);
            let tax = tax_of(&sold, refund);
            prop_assert!(tax >= 0 && tax <= refund);
            given += tax;
            sold.refunding += refund;
            prop_assert!(given <= sold.tax);
        }
        let rest = sold.gross - sold.refunding;
        prop_assert_eq!(given + tax_of(&sold, rest), sold.tax);
    }
}
