//! What an order must keep to before it is worth sending.
//!
//! Invariant: the contract's declared rules come first; what stands across fields is said in the
//! words that the server would use. The server checks again and has the last word.

use std::collections::HashSet;

use redress_api::validate::violations_of;
use redress_core::money::{Currency, MAX_MINOR_UNITS, MoneyError};
use redress_proto::common::v1::Money;
use redress_proto::refunds::v1::Order;
use redress_proto::refunds::v1::payment::Tender;

use super::record::{Violation, shape};
use super::time::is_time_zone;

/// Everything that is wrong with `order`; empty when it can be sent.
pub(crate) fn violations(order: &Order) -> Vec<Violation> {
    let declared = violations_of(order, "");
    if !declared.is_empty() {
        let convert = |v: redress_api::FieldViolation| Violation {
            field: v.field,
            description: v.description,
        };
        return declared.into_iter().map(convert).collect();
    }
    let mut check = Check { found: Vec::new(), currency: None };
    check.order(order);
    check.found
}

struct Check {
    found: Vec<Violation>,
    /// The order's currency, by its total; `None` when that is unknown.
    currency: Option<Currency>,
}

impl Check {
    fn report(&mut self, field: String, description: impl Into<String>) {
        self.found.push(Violation { field, description: description.into() });
    }

    fn order(&mut self, order: &Order) {
        let total = order.total.as_ref();
        self.currency = total.and_then(|total| total.currency_code.parse().ok());
        let total = self.amount("total", total, 0);
        let mut sum = 0_i128;
        self.references(order);
        for (at, line) in order.lines.iter().enumerate() {
            let gross = self.amount(&format!("lines[{at}].gross"), line.gross.as_ref(), 0);
            let tax = self.amount(&format!("lines[{at}].tax"), line.tax.as_ref(), 0);
            if tax > gross {
                let text = format!("must not exceed the gross of {gross}");
                self.report(format!("lines[{at}].tax.minor_units"), text);
            }
            self.amount(&format!("lines[{at}].discount"), line.discount.as_ref(), 0);
            if !is_time_zone(&line.event_time_zone) {
                let text =
                    "is not a zone of the IANA database: expected a name such as Europe/Berlin";
                self.report(format!("lines[{at}].event_time_zone"), text);
            }
            if order.lines[..at].iter().any(|earlier| earlier.line_id == line.line_id) {
                self.report(format!("lines[{at}].line_id"), "is used by an earlier line");
            }
            sum += i128::from(gross);
        }
        for (at, payment) in order.payments.iter().enumerate() {
            self.amount(&format!("payments[{at}].captured"), payment.captured.as_ref(), 1);
            let elsewhere = payment.refunded_elsewhere.as_ref();
            self.amount(&format!("payments[{at}].refunded_elsewhere"), elsewhere, 0);
            if payment.points != 0 && payment.tender() != Tender::Points {
                self.report(format!("payments[{at}].points"), "must be 0: only POINTS have points");
            }
            if order.payments[..at].iter().any(|earlier| earlier.payment_id == payment.payment_id) {
                self.report(format!("payments[{at}].payment_id"), "is used by an earlier payment");
            }
        }
        if sum != i128::from(total) {
            let text = format!("lines sum to {sum} but total is {total}");
            self.report("total.minor_units".to_owned(), text);
        }
    }

    /// Lines name travellers and discounts of their order; each of those has an id of its own.
    fn references(&mut self, order: &Order) {
        let travellers = order.travellers.iter().map(|traveller| traveller.traveller_id.as_str());
        let travellers = self.distinct(travellers, "travellers", "traveller");
        let discounts = order.discounts.iter().map(|discount| discount.discount_id.as_str());
        let discounts = self.distinct(discounts, "discounts", "discount");
        for (at, line) in order.lines.iter().enumerate() {
            if !line.discount_id.is_empty() && !discounts.contains(line.discount_id.as_str()) {
                let field = format!("lines[{at}].discount_id");
                self.report(field, "is none of the order's discounts");
            }
            for (nth, id) in line.traveller_ids.iter().enumerate() {
                if !travellers.contains(id.as_str()) {
                    let field = format!("lines[{at}].traveller_ids[{nth}]");
                    self.report(field, "is none of the order's travellers");
                }
            }
        }
    }

    fn distinct<'o>(
        &mut self,
        ids: impl Iterator<Item = &'o str>,
        list: &str,
        what: &str,
    ) -> HashSet<&'o str> {
        let mut seen = HashSet::new();
        for (at, id) in ids.enumerate() {
            if !seen.insert(id) {
                let field = format!("{list}[{at}].{what}_id");
                self.report(field, format!("is used by an earlier {what}"));
            }
        }
        seen
    }

    /// The count of minor units at `field`; reports another currency and one outside the range.
    fn amount(&mut self, field: &str, money: Option<&Money>, least: i64) -> i64 {
        let Some(money) = money else { return 0 };
        match (money.currency_code.parse::<Currency>(), self.currency) {
            (Err(error), _) => self.report(format!("{field}.currency_code"), error.to_string()),
            (Ok(currency), Some(expected)) if currency != expected => {
                let text = format!("must be the order's currency {expected}, is {currency}");
                self.report(format!("{field}.currency_code"), text);
            }
            _ => {}
        }
        let amount = money.minor_units;
        if !(least..=MAX_MINOR_UNITS).contains(&amount) {
            let text = format!("must be between {least} and {MAX_MINOR_UNITS}, is {amount}");
            self.report(format!("{field}.minor_units"), text);
        }
        amount
    }
}

/// Says what is wrong with a decimal amount without showing a text that is no number.
pub(crate) fn describe_amount(text: &str, error: &MoneyError) -> String {
    match error {
        MoneyError::Malformed(_) => {
            format!("expected a plain decimal number such as 107.81, found {}", shape(text))
        }
        other => other.to_string(),
    }
}
