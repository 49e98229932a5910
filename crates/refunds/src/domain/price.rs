//! Prices: what each line gives back with its tax, and on which tender it goes back.
//!
//! Invariant: on each line `fee + refund` is what was left of its price; the lines' refunds sum to
//! the total; the tenders' shares sum to the total; no share exceeds what its payment still holds,
//! and each lies on the step in which its provider can pay.

use redress_core::clock::Timestamp;
use redress_core::id::PaymentId;
use redress_core::money::{Currency, split_by_largest_remainder};
use redress_policy::{Citation, CompensationDue, Step, Tender};
use serde::{Deserialize, Serialize};

use super::attempt::Reason;
use super::disruption::Fees;
use super::order::{Order, OrderLine, OrderState, Payment};

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
    #[serde(default)]
    pub clawback: i64,
    /// The rule that decided.
    pub rule: String,
    /// Where that rule stands, when it has a place of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citation: Option<Citation>,
    /// What the rules owe besides the refund. It is paid by other means: it is no part of any
    /// payment that could be given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensation: Option<CompensationDue>,
    /// The way to the figure; kept with the quote only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<Step>,
    /// The way to the figure in words, in the language that was asked for; kept with the quote only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub explanation: Vec<String>,
}

impl QuoteLine {
    /// The line as a refund keeps it.
    #[must_use]
    pub fn without_path(&self) -> Self {
        Self { path: Vec::new(), explanation: Vec::new(), ..self.clone() }
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

/// What a disruption pays on an order: what is left of the `covered` lines less what `fees` keep, as
/// far as payments hold it. The lines name `rule`. `None` when nothing is due.
pub fn price_lines_of_disruption(
    order: &Order,
    covered: &[&OrderLine],
    rule: &str,
    fees: &Fees,
    routing: &dyn Routing,
    now: Timestamp,
) -> Option<Price> {
    if order.state == OrderState::Cancelled {
        return None;
    }
    let left: Vec<&OrderLine> =
        covered.iter().copied().filter(|line| line.remaining() > 0).collect();
    let refunds: Vec<i64> =
        left.iter().map(|line| line.remaining() - fees.of_line(line, order.currency)).collect();
    // What is kept of the order is kept of its lines in proportion to what they give back.
    let sum: i64 = refunds.iter().sum();
    let total = (sum - fees.of_order(order.currency)).max(0);
    let refunds = split_by_largest_remainder(total, &refunds).unwrap_or(refunds);
    let priced = left.iter().zip(refunds).map(|(line, refund)| QuoteLine {
        line_id: line.id.clone(),
        units: line.remaining_units(),
        gross: line.remaining(),
        fee: line.remaining() - refund,
        refund,
        tax: 0,
        clawback: 0,
        rule: rule.to_owned(),
        citation: None,
        compensation: None,
        path: Vec::new(),
        explanation: Vec::new(),
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
pub(crate) mod tests;
