//! What an order's own figures contradict.
//!
//! Invariant: everything that is wrong is found at once, and named by its field; no description
//! repeats personal data or free text.

use std::collections::HashSet;

use redress_core::money::MAX_MINOR_UNITS;

use super::{Discount, Order, OrderLine, Payment, Tender};

/// The most units of a line.
const MAX_UNITS: i64 = 10_000;

/// One thing that is wrong with an order; never repeats personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field within the order, such as `lines[0].gross.minor_units`.
    pub field: String,
    /// What is wrong and what is expected.
    pub description: String,
}

impl Order {
    /// What the order's own figures contradict; empty when it can be stored. Shapes and ranges of
    /// single fields are checked before, by the contract's rules.
    pub fn violations(&self) -> Vec<Violation> {
        let mut report = Report::default();
        let travellers: HashSet<&str> = self.travellers.iter().map(|t| t.id.as_str()).collect();
        let discounts: HashSet<&str> = self.discounts.iter().map(|d| d.id.as_str()).collect();
        for (at, line) in self.lines.iter().enumerate() {
            report.line(&format!("lines[{at}]"), line, &travellers, &discounts);
        }
        let lines = self.lines.iter().map(|line| line.id.as_str());
        report.repeated(lines, "lines", "line_id", "line");
        for (at, payment) in self.payments.iter().enumerate() {
            report.payment(&format!("payments[{at}]"), payment);
        }
        let payments = self.payments.iter().map(|payment| payment.id.as_str());
        report.repeated(payments, "payments", "payment_id", "payment");
        let travellers = self.travellers.iter().map(|traveller| traveller.id.as_str());
        report.repeated(travellers, "travellers", "traveller_id", "traveller");
        for (at, discount) in self.discounts.iter().enumerate() {
            report.discount(&format!("discounts[{at}]"), discount);
        }
        let discounts = self.discounts.iter().map(|discount| discount.id.as_str());
        report.repeated(discounts, "discounts", "discount_id", "discount");
        let sum: i128 = self.lines.iter().map(|line| i128::from(line.gross)).sum();
        if sum != i128::from(self.total) {
            let text = format!("lines sum to {sum} but total is {}", self.total);
            report.add("total.minor_units", text);
        }
        report.found
    }
}

/// Collects what is wrong.
#[derive(Default)]
struct Report {
    found: Vec<Violation>,
}

impl Report {
    fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        let (field, description) = (field.into(), description.into());
        self.found.push(Violation { field, description });
    }

    fn amount(&mut self, field: &str, amount: i64, least: i64) {
        if !(least..=MAX_MINOR_UNITS).contains(&amount) {
            let text = format!("must be between {least} and {MAX_MINOR_UNITS}, is {amount}");
            self.add(format!("{field}.minor_units"), text);
        }
    }

    /// Ids of a list that stand in it before.
    fn repeated<'a>(
        &mut self,
        ids: impl Iterator<Item = &'a str>,
        list: &str,
        field: &str,
        what: &str,
    ) {
        let mut seen = HashSet::new();
        for (at, id) in ids.enumerate() {
            if !seen.insert(id) {
                self.add(format!("{list}[{at}].{field}"), format!("is used by an earlier {what}"));
            }
        }
    }

    fn line(
        &mut self,
        path: &str,
        line: &OrderLine,
        travellers: &HashSet<&str>,
        discounts: &HashSet<&str>,
    ) {
        self.amount(&format!("{path}.gross"), line.gross, 0);
        self.amount(&format!("{path}.tax"), line.tax, 0);
        self.amount(&format!("{path}.discount"), line.discount, 0);
        if line.tax > line.gross {
            let text = format!("must not exceed the gross of {}", line.gross);
            self.add(format!("{path}.tax.minor_units"), text);
        }
        if !(1..=MAX_UNITS).contains(&line.units) {
            let text = format!("must be between 1 and {MAX_UNITS}, is {}", line.units);
            self.add(format!("{path}.quantity"), text);
        }
        if line.event_end.is_some_and(|end| end < line.event_start) {
            self.add(format!("{path}.event_end_time"), "is before the event_start_time");
        }
        if line.discount_id.as_deref().is_some_and(|id| !discounts.contains(id)) {
            self.add(format!("{path}.discount_id"), "is none of the order's discounts");
        }
        for (at, id) in line.traveller_ids.iter().enumerate() {
            if !travellers.contains(id.as_str()) {
                let field = format!("{path}.traveller_ids[{at}]");
                self.add(field, "is none of the order's travellers");
            }
        }
        let mut seen = HashSet::new();
        for (at, id) in line.traveller_ids.iter().enumerate() {
            if !seen.insert(id) {
                self.add(format!("{path}.traveller_ids[{at}]"), "stands in the list before");
            }
        }
    }

    fn payment(&mut self, path: &str, payment: &Payment) {
        self.amount(&format!("{path}.captured"), payment.captured, 1);
        self.amount(&format!("{path}.refunded_elsewhere"), payment.refunded_elsewhere, 0);
        if payment.points < 0 {
            self.add(
                format!("{path}.points"),
                format!("must be at least 0, is {}", payment.points),
            );
        }
        if payment.points != 0 && payment.tender != Tender::Points {
            let text =
                format!("must be 0 for {}: only POINTS have points", payment.tender.as_str());
            self.add(format!("{path}.points"), text);
        }
    }

    fn discount(&mut self, path: &str, discount: &Discount) {
        for (at, pair) in discount.steps.windows(2).enumerate() {
            if pair[1].min_units <= pair[0].min_units {
                let text = format!("must be above the {} of the step before it", pair[0].min_units);
                self.add(format!("{path}.steps[{}].min_units", at + 1), text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::order;
    use super::super::{DiscountStep, Traveller};
    use super::*;
    use redress_core::clock::Timestamp;

    #[test]
    fn a_sound_order_has_no_violations() {
        assert_eq!(order().violations(), []);
    }

    #[test]
    fn every_contradiction_is_named_with_its_field() {
        let mut bad = order();
        bad.total = 1;
        bad.lines[0].tax = 3001;
        bad.lines[1].id = "p1".to_owned();
        bad.lines[2].gross = -1;
        bad.payments[0].captured = 0;
        let fields: Vec<_> = bad.violations().into_iter().map(|v| v.field).collect();
        assert_eq!(
            fields,
            [
                "lines[0].tax.minor_units",
                "lines[2].gross.minor_units",
                "lines[2].tax.minor_units",
                "lines[1].line_id",
                "payments[0].captured.minor_units",
                "total.minor_units",
            ]
        );
    }

    /// An order of every kind of detail: two travellers, a discount of two steps, points.
    fn detailed() -> Order {
        let mut order = order();
        order.travellers = ["a", "b"]
            .map(|id| Traveller { id: id.to_owned(), display_name: "Ada".to_owned() })
            .to_vec();
        let steps = vec![
            DiscountStep { min_units: 10, basis_points: 500 },
            DiscountStep { min_units: 20, basis_points: 1000 },
        ];
        order.discounts = vec![Discount { id: "group".to_owned(), steps }];
        let line = &mut order.lines[0];
        line.units = 10;
        line.discount = 158;
        line.discount_id = Some("group".to_owned());
        line.traveller_ids = vec!["b".to_owned(), "a".to_owned()];
        line.event_end = Some(line.event_start);
        order.payments[0].tender = Tender::Points;
        order.payments[0].points = 53_900;
        order
    }

    #[test]
    fn a_detailed_order_is_sound() {
        assert_eq!(detailed().violations(), []);
    }

    #[test]
    fn each_detail_is_checked() {
        type Change = fn(&mut Order);
        let cases: [(Change, &str, &str); 11] = [
            (|o| o.lines[0].units = 0, "lines[0].quantity", "between 1 and 10000"),
            (|o| o.lines[0].units = 10_001, "lines[0].quantity", "between 1 and 10000"),
            (|o| o.lines[0].discount = -1, "lines[0].discount.minor_units", "between 0"),
            (
                |o| o.lines[0].discount_id = Some("family".to_owned()),
                "lines[0].discount_id",
                "none of the order's discounts",
            ),
            (
                |o| o.lines[0].traveller_ids[1] = "c".to_owned(),
                "lines[0].traveller_ids[1]",
                "none of the order's travellers",
            ),
            (
                |o| o.lines[0].traveller_ids[1] = "b".to_owned(),
                "lines[0].traveller_ids[1]",
                "stands in the list before",
            ),
            (
                |o| o.lines[0].event_end = Some(Timestamp(o.lines[0].event_start.0 - 1)),
                "lines[0].event_end_time",
                "before the event_start_time",
            ),
            (|o| o.travellers[1].id = "a".to_owned(), "travellers[1].traveller_id", "earlier"),
            (
                |o| o.discounts.push(o.discounts[0].clone()),
                "discounts[1].discount_id",
                "earlier discount",
            ),
            (
                |o| o.discounts[0].steps[1].min_units = 10,
                "discounts[0].steps[1].min_units",
                "above the 10",
            ),
            (|o| o.payments[0].tender = Tender::Card, "payments[0].points", "0 for CARD"),
        ];
        for (change, field, description) in cases {
            let mut bad = detailed();
            change(&mut bad);
            let found = bad.violations();
            let named = found.iter().find(|violation| violation.field == field);
            let named = named.unwrap_or_else(|| panic!("{field}: {found:?}"));
            assert!(named.description.contains(description), "{named:?}");
            assert!(!format!("{found:?}").contains("Ada"));
        }
    }
}
