//! Orders as their shop sold them, with what is left to refund on each line and payment.
//!
//! Invariant: all amounts of an order have one currency; the lines sum to the total; what is
//! reserved and paid back on a payment never exceeds what it captured.

use redress_core::clock::Timestamp;
use redress_core::id::{CustomerId, EventId, OrderId, PaymentId, PolicyId};
use redress_core::money::{Currency, MAX_MINOR_UNITS};
use redress_policy::LineKind;
use serde::{Deserialize, Serialize};

/// Where an order stands at its shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderState {
    /// Bought; whether it was paid is told by its payments.
    Placed,
    /// Cancelled at the shop before Redress heard of it.
    Cancelled,
}

/// What a buyer paid with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Tender {
    /// A payment card.
    Card,
    /// A wallet such as Alipay or WeChat Pay.
    Wallet,
    /// A gift card of the shop.
    GiftCard,
    /// A transfer to the shop's bank account.
    BankTransfer,
}

/// How to reach a buyer, as bought. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Contact {
    /// E-mail address; empty when the shop has none.
    pub email: String,
    /// How to address the buyer; empty when unknown.
    pub display_name: String,
    /// BCP 47 tag of the language the order was placed in; empty when unknown.
    pub locale: String,
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contact(..)")
    }
}

/// A purchase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The shop's id.
    pub id: OrderId,
    /// Rises whenever the source changes the order.
    pub source_version: i64,
    /// The platform's own id of the buyer.
    pub customer: CustomerId,
    /// How to reach the buyer.
    pub contact: Contact,
    /// When it was placed.
    pub purchase_time: Timestamp,
    /// Where it stands at the shop.
    pub state: OrderState,
    /// The policy it was sold under; `None` means the tenant's default.
    pub policy: Option<PolicyId>,
    /// The currency of all its amounts.
    pub currency: Currency,
    /// Sum of the lines, in minor units.
    pub total: i64,
    /// What was bought.
    pub lines: Vec<OrderLine>,
    /// How it was paid.
    pub payments: Vec<Payment>,
}

/// One thing bought. Amounts are minor units of the order's currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// Unique within the order.
    pub id: String,
    /// What it is.
    pub kind: LineKind,
    /// What it is for.
    pub event: EventId,
    /// What the buyer saw.
    pub title: String,
    /// When the event starts.
    pub event_start: Timestamp,
    /// IANA time zone of the place.
    pub event_time_zone: String,
    /// Price paid, tax included.
    pub gross: i64,
    /// Tax within the gross.
    pub tax: i64,
    /// How much of the gross refunds have taken up: paid, on its way, or kept as their fee.
    /// Counted by Redress; 0 in an import.
    pub committed: i64,
}

impl OrderLine {
    /// What is left of the price.
    pub const fn remaining(&self) -> i64 {
        self.gross - self.committed
    }
}

/// Money that a buyer paid by one tender. Amounts are minor units of the order's currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Unique within the order.
    pub id: PaymentId,
    /// What the buyer paid with.
    pub tender: Tender,
    /// Who processed it, such as `stripe`.
    pub provider: String,
    /// The provider's own id of the payment; empty when there is none.
    pub provider_reference: String,
    /// Money captured.
    pub captured: i64,
    /// Money given back before Redress, or past it.
    pub refunded_elsewhere: i64,
    /// When it was captured.
    pub capture_time: Timestamp,
    /// Counters that Redress keeps; zero in an import.
    pub counters: PaymentCounters,
}

/// What Redress has done, or is doing, to a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PaymentCounters {
    /// Held for attempts whose outcome is open, unknown ones included.
    pub reserved: i64,
    /// Paid back through Redress.
    pub refunded: i64,
    /// Held by disputes.
    pub disputed: i64,
    /// Facts from outside exceed what was captured; nothing more is reserved.
    pub overdrawn: bool,
}

impl Payment {
    /// What can still be reserved: never negative, 0 when overdrawn.
    pub fn refundable(&self) -> i64 {
        let counters = &self.counters;
        if counters.overdrawn {
            return 0;
        }
        let taken =
            self.refunded_elsewhere + counters.reserved + counters.refunded + counters.disputed;
        (self.captured - taken).max(0)
    }

    /// Whether facts from outside take more than was captured.
    pub const fn is_overdrawn(&self) -> bool {
        let counters = &self.counters;
        self.refunded_elsewhere + counters.reserved + counters.refunded + counters.disputed
            > self.captured
    }
}

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
        let mut found = Vec::new();
        let mut report = |field: String, description: String| {
            found.push(Violation { field, description });
        };
        for (at, line) in self.lines.iter().enumerate() {
            check_amount(&mut report, &format!("lines[{at}].gross"), line.gross, 0);
            check_amount(&mut report, &format!("lines[{at}].tax"), line.tax, 0);
            if line.tax > line.gross {
                let text = format!("must not exceed the gross of {}", line.gross);
                report(format!("lines[{at}].tax.minor_units"), text);
            }
            if self.lines[..at].iter().any(|earlier| earlier.id == line.id) {
                report(format!("lines[{at}].line_id"), "is used by an earlier line".to_owned());
            }
        }
        for (at, payment) in self.payments.iter().enumerate() {
            check_amount(&mut report, &format!("payments[{at}].captured"), payment.captured, 1);
            let elsewhere = payment.refunded_elsewhere;
            check_amount(&mut report, &format!("payments[{at}].refunded_elsewhere"), elsewhere, 0);
            if self.payments[..at].iter().any(|earlier| earlier.id == payment.id) {
                report(
                    format!("payments[{at}].payment_id"),
                    "is used by an earlier payment".to_owned(),
                );
            }
        }
        let sum: i128 = self.lines.iter().map(|line| i128::from(line.gross)).sum();
        if sum != i128::from(self.total) {
            let text = format!("lines sum to {sum} but total is {}", self.total);
            report("total.minor_units".to_owned(), text);
        }
        found
    }

    /// Money captured and not given back elsewhere, over all payments.
    pub fn captured_and_kept(&self) -> i64 {
        self.payments.iter().map(|p| (p.captured - p.refunded_elsewhere).max(0)).sum()
    }
}

fn check_amount(report: &mut impl FnMut(String, String), field: &str, amount: i64, least: i64) {
    if !(least..=MAX_MINOR_UNITS).contains(&amount) {
        let text = format!("must be between {least} and {MAX_MINOR_UNITS}, is {amount}");
        report(format!("{field}.minor_units"), text);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn order() -> Order {
        let line = |id: &str, kind, gross| OrderLine {
            id: id.to_owned(),
            kind,
            event: EventId::new("derby").unwrap(),
            title: "Main stand".to_owned(),
            event_start: Timestamp(1_000_000_000_000),
            event_time_zone: "Europe/Berlin".to_owned(),
            gross,
            tax: 0,
            committed: 0,
        };
        Order {
            id: OrderId::new("derby-A1").unwrap(),
            source_version: 1,
            customer: CustomerId::new("c-1").unwrap(),
            contact: Contact::default(),
            purchase_time: Timestamp(1),
            state: OrderState::Placed,
            policy: None,
            currency: "EUR".parse().unwrap(),
            total: 5390,
            lines: vec![
                line("p1", LineKind::Ticket, 3000),
                line("p2", LineKind::Ticket, 2000),
                line("f1", LineKind::Fee, 390),
            ],
            payments: vec![payment("p1", "stripe", Tender::Card, 5390)],
        }
    }

    pub(crate) fn payment(id: &str, provider: &str, tender: Tender, captured: i64) -> Payment {
        Payment {
            id: PaymentId::new(id).unwrap(),
            tender,
            provider: provider.to_owned(),
            provider_reference: format!("ref-{id}"),
            captured,
            refunded_elsewhere: 0,
            capture_time: Timestamp(2),
            counters: PaymentCounters::default(),
        }
    }

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
                "lines[1].line_id",
                "lines[2].gross.minor_units",
                "lines[2].tax.minor_units",
                "payments[0].captured.minor_units",
                "total.minor_units",
            ]
        );
    }

    #[test]
    fn refundable_counts_everything_that_is_taken() {
        let mut payment = payment("p1", "stripe", Tender::Card, 100);
        payment.refunded_elsewhere = 10;
        payment.counters =
            PaymentCounters { reserved: 20, refunded: 30, disputed: 5, overdrawn: false };
        assert_eq!(payment.refundable(), 35);
        payment.counters.overdrawn = true;
        assert_eq!(payment.refundable(), 0);
    }
}
