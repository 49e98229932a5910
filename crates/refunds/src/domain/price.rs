//! Prices: what each line gives back with its tax, and on which tender it goes back.
//!
//! Invariant: on each line `fee + refund` is what was left of its price; the lines' refunds sum to
//! the total; the tenders' shares sum to the total; no share exceeds what its payment still holds,
//! and each lies on the step in which its provider can pay.

use redress_core::clock::Timestamp;
use redress_core::id::{EventId, PaymentId};
use redress_core::money::{Currency, split_by_largest_remainder};
use redress_policy::{Citation, Step, Tender};
use serde::{Deserialize, Serialize};

use super::attempt::Reason;
use super::order::{Order, OrderLine, OrderState, Payment};

/// The rule named when the event itself does not take place: everything goes back, whatever the
/// tiers say, because the seller does not deliver what was paid for.
pub const EVENT_CANCELLED: &str = "event-cancelled";

/// What a refund pays, by line and by tender. Amounts are minor units of `currency`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// The order's currency.
    pub currency: Currency,
    /// What the buyer gets.
    pub total: i64,
    /// By line.
    pub lines: Vec<QuoteLine>,
    /// By tender.
    pub shares: Vec<TenderShare>,
    /// What becomes dearer of the lines that the buyer keeps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repriced: Vec<Repriced>,
}

/// The price of refunding one line, in minor units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteLine {
    /// Id of the order line.
    pub line_id: String,
    /// How many of its units.
    pub units: i64,
    /// What was left of the price of these units.
    pub gross: i64,
    /// What the seller keeps, `clawback` included.
    pub fee: i64,
    /// What the buyer gets.
    pub refund: i64,
    /// The tax within `refund`.
    pub tax: i64,
    /// The part of `fee` that makes up for a group discount no longer earned.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clawback: i64,
    /// The rule that decided.
    pub rule: String,
    /// Where that rule stands, when it has a place of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citation: Option<Citation>,
    /// The way to the figure; kept with the quote only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<Step>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
const fn is_zero(amount: &i64) -> bool {
    *amount == 0
}

impl QuoteLine {
    /// The line as a refund keeps it.
    #[must_use]
    pub fn without_path(&self) -> Self {
        Self { path: Vec::new(), ..self.clone() }
    }
}

/// By how much what the buyer keeps of a line becomes dearer, in minor units, above zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repriced {
    /// Id of the order line.
    pub line_id: String,
    /// The increase.
    pub amount: i64,
}

/// What goes back on one payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenderShare {
    /// The payment.
    pub payment: PaymentId,
    /// Who processed it.
    pub provider: String,
    /// The provider's id of the payment.
    pub payment_reference: String,
    /// In minor units, above zero.
    pub amount: i64,
    /// Why a person has to pay it; `None` when Redress can send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<Reason>,
}

/// Which payments Redress can send refunds on.
pub trait Routing {
    /// The step, in minor units of `currency`, in which `provider` pays back on a payment captured
    /// at `captured`; or why only a person can pay.
    fn step(
        &self,
        provider: &str,
        captured: Timestamp,
        currency: Currency,
        now: Timestamp,
    ) -> Result<i64, Reason>;
}

/// In which order tenders are filled: as listed, and what is not listed last. Without a list,
/// tenders that Redress can send on come first. Within one rank, the order of payment.
pub type TenderOrder<'a> = &'a [Tender];

/// What the cancellation of `event` pays on an order: everything left of its lines for that event,
/// as far as payments hold it. `None` when nothing is due.
pub fn price_cancelled_lines(
    order: &Order,
    event: &EventId,
    routing: &dyn Routing,
    now: Timestamp,
) -> Option<Price> {
    if order.state == OrderState::Cancelled {
        return None;
    }
    let lines = order.lines.iter().filter(|line| line.event == *event && line.remaining() > 0);
    let priced = lines.map(|line| QuoteLine {
        line_id: line.id.clone(),
        units: line.remaining_units(),
        gross: line.remaining(),
        fee: 0,
        refund: line.remaining(),
        tax: 0,
        clawback: 0,
        rule: EVENT_CANCELLED.to_owned(),
        citation: None,
        path: Vec::new(),
    });
    let price = settle_price(order, priced.collect(), Vec::new(), &[], routing, now);
    (price.total > 0).then_some(price)
}

/// Caps the lines' refunds by what the payments hold, shares the total over them on steps that they
/// can pay, and works the tax out.
pub(super) fn settle_price(
    order: &Order,
    mut lines: Vec<QuoteLine>,
    repriced: Vec<Repriced>,
    tender_order: TenderOrder<'_>,
    routing: &dyn Routing,
    now: Timestamp,
) -> Price {
    let wanted: Vec<i64> = lines.iter().map(|line| line.refund).collect();
    let held: i64 = order.payments.iter().map(Payment::refundable).sum();
    let total = wanted.iter().sum::<i64>().min(held);
    // Partly paid orders: what was paid is spread over the lines by what they would have given.
    if let Some(capped) = split_by_largest_remainder(total, &wanted) {
        for (line, refund) in lines.iter_mut().zip(capped) {
            line.refund = refund;
            line.fee = line.gross - refund;
        }
    }
    let spare: i64 = lines.iter().map(|line| line.fee - line.clawback).sum();
    let shares = share(order, total, spare, tender_order, routing, now);
    let paid = shares.iter().map(|share| share.amount).sum();
    absorb(&mut lines, paid - total);
    for line in &mut lines {
        let sold = order.lines.iter().find(|sold| sold.id == line.line_id);
        line.tax = sold.map_or(0, |sold| tax_of(sold, line.refund));
    }
    Price { currency: order.currency, total: paid, lines, shares, repriced }
}

/// The tax within the next `refund` of a line. Cumulative, so that partial refunds of a line never
/// give back more tax than it bore, and exactly that once all of it is given back.
fn tax_of(line: &OrderLine, refund: i64) -> i64 {
    let until = |refunded: i64| {
        let (part, whole) = (i128::from(refunded.min(line.gross)), i128::from(line.gross));
        // Half up. A share of at most the whole of an i64 fits i64.
        let exact = (2 * i128::from(line.tax) * part + whole) / (2 * whole);
        i64::try_from(exact).unwrap_or(line.tax)
    };
    if line.gross == 0 {
        return 0;
    }
    until(line.refunding + refund) - until(line.refunding)
}

/// Spreads `total` over the payments. Where it does not lie on the step of a payment, the buyer gets
/// the whole step when `spare`, the fees that could give way, covers it, and nothing of it if not:
/// the shares then sum to a little more or less than `total`.
fn share(
    order: &Order,
    total: i64,
    spare: i64,
    tender_order: TenderOrder<'_>,
    routing: &dyn Routing,
    now: Timestamp,
) -> Vec<TenderShare> {
    let route = |p: &Payment| routing.step(&p.provider, p.capture_time, order.currency, now);
    let mut payments: Vec<(&Payment, Result<i64, Reason>)> =
        order.payments.iter().map(|payment| (payment, route(payment))).collect();
    payments.sort_by_key(|(payment, route)| {
        let listed = tender_order.iter().position(|tender| *tender == payment.tender);
        let connected_first = tender_order.is_empty() && route.is_err();
        (listed.unwrap_or(tender_order.len()), connected_first)
    });
    let mut left = total;
    let mut filled: Vec<(&Payment, Result<i64, Reason>, i64)> = Vec::new();
    for (payment, route) in payments {
        let step = route.unwrap_or(1);
        let most = left.min(payment.refundable());
        let amount = most - most % step;
        left -= amount;
        filled.push((payment, route, amount));
    }
    // What is left is less than one step of every payment that has room for it.
    let has_room = |(payment, route, amount): &&mut (&Payment, Result<i64, Reason>, i64)| {
        let step = route.unwrap_or(1);
        left > 0 && step - left <= spare && amount + step <= payment.refundable()
    };
    if let Some((_, route, amount)) = filled.iter_mut().find(has_room) {
        *amount += route.unwrap_or(1);
    }
    let shares = filled.into_iter().filter(|(_, _, amount)| *amount > 0);
    let tender = |(payment, route, amount): (&Payment, Result<i64, Reason>, i64)| TenderShare {
        payment: payment.id.clone(),
        provider: payment.provider.clone(),
        payment_reference: payment.provider_reference.clone(),
        amount,
        by_hand: route.err(),
    };
    shares.map(tender).collect()
}

/// Lets the lines' fees take up what the tenders pay more (or less, when negative) than planned:
/// more from the largest fees first, less from the largest refunds first.
fn absorb(lines: &mut [QuoteLine], difference: i64) {
    let mut left = difference;
    let mut by_size: Vec<usize> = (0..lines.len()).collect();
    by_size.sort_by_key(|at| {
        let line = &lines[*at];
        std::cmp::Reverse(if left.is_positive() { line.fee - line.clawback } else { line.refund })
    });
    for at in by_size {
        let line = &mut lines[at];
        let change = left.clamp(-line.refund, line.fee - line.clawback);
        line.refund += change;
        line.fee -= change;
        left -= change;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashMap;

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
            path: Vec::new(),
        }
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
    fn a_clawback_is_stored_where_there_is_one() {
        let plain = line("p1", 3000, 2000);
        let clawed = QuoteLine { clawback: 500, ..plain.clone() };
        for (line, stored) in [(plain, None), (clawed, Some(500))] {
            let json = serde_json::to_value(&line).unwrap();
            assert_eq!(json.get("clawback").and_then(serde_json::Value::as_i64), stored);
            assert_eq!(serde_json::from_value::<QuoteLine>(json).unwrap(), line);
        }
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
        let expect = |list: &[(&str, i64)]| {
            list.iter().map(|(p, a)| ((*p).to_owned(), *a)).collect::<Vec<_>>()
        };
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
}
