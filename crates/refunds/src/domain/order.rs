//! Orders as their shop sold them, with what is left to refund on each line and payment.
//!
//! Invariant: all amounts of an order have one currency; the lines sum to the total; what is
//! reserved and paid back on a payment never exceeds what it captured.

mod check;
mod elsewhere;

pub use check::Violation;
pub use elsewhere::Elsewhere;

use redress_core::clock::Timestamp;
use redress_core::id::{CustomerId, EventId, OrderId, PaymentId, PolicyId};
use redress_core::money::Currency;
use redress_policy::LineKind;
pub use redress_policy::Tender;
pub use redress_policy::reprice::{Discount, DiscountStep};
use serde::{Deserialize, Serialize};

/// Where an order stands at its shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderState {
    /// Bought; whether it was paid is told by its payments.
    Placed,
    /// Cancelled at the shop before Redress heard of it.
    Cancelled,
    /// Nothing was bought: the buyer waits for what the lines name.
    WaitingList,
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

/// A person that a line is for. Its `Debug` shows nothing of the name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traveller {
    /// Unique within the order.
    pub id: String,
    /// The name on the ticket; empty when unknown.
    pub display_name: String,
}

impl std::fmt::Debug for Traveller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Traveller").field("id", &self.id).finish_non_exhaustive()
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
    /// The policy it was sold under; `None` means the one that the tenant's settings choose for it.
    /// Set together with `policy_version` once that is pinned.
    pub policy: Option<PolicyId>,
    /// In an import the version that the shop states, `None` for the one in force at purchase.
    /// As stored the pinned version; `None` when none could be pinned yet.
    pub policy_version: Option<i64>,
    /// Where it was sold, in the shop's words; empty when unknown.
    pub sales_channel: String,
    /// The country that it was sold in, and the part of it where one counts, as `US-CA`; empty when
    /// unknown.
    #[serde(default)]
    pub place_of_sale: String,
    /// Who travels or attends, as far as the shop knows.
    pub travellers: Vec<Traveller>,
    /// The discounts by quantity that lines were sold under.
    pub discounts: Vec<Discount>,
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
    /// When the event ends; `None` when unknown.
    pub event_end: Option<Timestamp>,
    /// IANA time zone of the place.
    pub event_time_zone: String,
    /// Where it takes place or starts: a venue, a station, a hotel; empty when unknown.
    pub place: String,
    /// The part of the venue that it is in, such as a block or a stand, in the shop's words; empty
    /// when unknown.
    pub section: String,
    /// Who operates it, such as an airline's designator, in the shop's words; empty when unknown.
    pub carrier: String,
    /// Id of the journey that it is part of.
    pub trip: Option<String>,
    /// Units of the same thing at the same price; at least 1. Amounts are those of all of them.
    pub units: i64,
    /// Price paid, tax included.
    pub gross: i64,
    /// Tax within the gross.
    pub tax: i64,
    /// By how much the list price was above the gross.
    pub discount: i64,
    /// Which of the order's discounts it was sold under.
    pub discount_id: Option<String>,
    /// Who it is for, of the order's travellers.
    pub traveller_ids: Vec<String>,
    /// How much of the gross refunds have taken up: paid, on its way, or kept as their fee.
    /// Counted by Redress, like all that follow; 0 in an import.
    pub committed: i64,
    /// How many of its units refunds have taken up.
    pub committed_units: i64,
    /// The part of `committed` that goes back to the buyer.
    pub refunding: i64,
    /// By how much refunds of other lines made what is kept of this one dearer.
    pub repriced: i64,
    /// A later version of the order made the line smaller than what refunds have taken up.
    pub over_refunded: bool,
}

impl OrderLine {
    /// What is left of the price; 0 when more was taken up than there is.
    pub fn remaining(&self) -> i64 {
        left(self.gross + self.repriced, self.committed, self.over_refunded)
    }

    /// How many units are left; 0 when more was taken up than there is.
    pub fn remaining_units(&self) -> i64 {
        left(self.units, self.committed_units, self.over_refunded)
    }

    /// What the next `units` of those that are left cost. Units that do not divide the price evenly
    /// differ by one minor unit, the dearer ones first: however the units are split into parts, the
    /// parts sum to what is left. More units than are left cost what is left.
    pub fn price_of_units(&self, units: i64) -> i64 {
        let (price, left) = (self.remaining(), self.remaining_units());
        if left == 0 {
            return if units > 0 { price } else { 0 };
        }
        let units = units.clamp(0, left);
        price / left * units + units.min(price % left)
    }

    /// By how much refunds have taken up more than the line costs now; `None` when they have not.
    /// Zero when only its units are too few.
    pub fn excess(&self) -> Option<i64> {
        let excess = self.committed - self.gross - self.repriced;
        (excess > 0 || self.committed_units > self.units).then_some(excess.max(0))
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
    /// For [`Tender::Points`] only: how many points `captured` stands for; 0 otherwise.
    pub points: i64,
    /// What the source last said was given back before Redress, or past it.
    pub elsewhere_reported: i64,
    /// What of that counts: the part that Redress has heard of from the provider as well is within
    /// the counter `refunded`. As reported in an import.
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
    /// Paid back through Redress, or past it as reported by the provider.
    pub refunded: i64,
    /// The part of `refunded` that was made past Redress and reported by the provider.
    pub external: i64,
    /// Held by disputes.
    pub disputed: i64,
    /// Facts from outside exceed what was captured; nothing more is reserved.
    pub overdrawn: bool,
}

/// What is left of `all` beside what is `taken`: never negative, 0 when facts from outside make it
/// less than what is taken.
pub(crate) fn left(all: i64, taken: i64, is_exceeded: bool) -> i64 {
    if is_exceeded { 0 } else { (all - taken).max(0) }
}

impl Payment {
    /// What can still be reserved: never negative, 0 when overdrawn.
    pub fn refundable(&self) -> i64 {
        left(self.captured, self.taken(), self.counters.overdrawn)
    }

    /// Whether facts from outside take more than was captured.
    pub const fn is_overdrawn(&self) -> bool {
        self.taken() > self.captured
    }

    const fn taken(&self) -> i64 {
        let counters = &self.counters;
        self.refunded_elsewhere + counters.reserved + counters.refunded + counters.disputed
    }
}

impl Order {
    /// Money captured and not given back elsewhere, over all payments.
    pub fn captured_and_kept(&self) -> i64 {
        self.payments.iter().map(|p| (p.captured - p.refunded_elsewhere).max(0)).sum()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use redress_core::money::MAX_MINOR_UNITS;

    pub(crate) fn order() -> Order {
        let line = |id: &str, kind, gross| OrderLine {
            id: id.to_owned(),
            kind,
            event: EventId::new("derby").unwrap(),
            title: "Main stand".to_owned(),
            event_start: Timestamp(1_000_000_000_000),
            event_end: None,
            event_time_zone: "Europe/Berlin".to_owned(),
            place: String::new(),
            section: String::new(),
            carrier: String::new(),
            trip: None,
            units: 1,
            gross,
            tax: 0,
            discount: 0,
            discount_id: None,
            traveller_ids: Vec::new(),
            committed: 0,
            committed_units: 0,
            refunding: 0,
            repriced: 0,
            over_refunded: false,
        };
        Order {
            id: OrderId::new("derby-A1").unwrap(),
            source_version: 1,
            customer: CustomerId::new("c-1").unwrap(),
            contact: Contact::default(),
            purchase_time: Timestamp(1),
            state: OrderState::Placed,
            policy: None,
            policy_version: None,
            sales_channel: String::new(),
            place_of_sale: String::new(),
            travellers: Vec::new(),
            discounts: Vec::new(),
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
            points: 0,
            elsewhere_reported: 0,
            refunded_elsewhere: 0,
            capture_time: Timestamp(2),
            counters: PaymentCounters::default(),
        }
    }

    #[test]
    fn refundable_counts_everything_that_is_taken() {
        let mut payment = payment("p1", "stripe", Tender::Card, 100);
        payment.refunded_elsewhere = 10;
        payment.counters =
            PaymentCounters { reserved: 20, refunded: 30, disputed: 5, ..Default::default() };
        assert_eq!(payment.refundable(), 35);
        assert!(!payment.is_overdrawn());
        payment.captured = 65;
        assert!(!payment.is_overdrawn(), "all of it is taken, and no more");
        payment.captured = 64;
        assert!(payment.is_overdrawn());
        (payment.captured, payment.counters.overdrawn) = (100, true);
        assert_eq!(payment.refundable(), 0);
    }

    #[test]
    fn what_was_given_back_elsewhere_is_not_kept() {
        let mut order = order();
        let captured: i64 = order.payments.iter().map(|payment| payment.captured).sum();
        assert_eq!(order.captured_and_kept(), captured);
        order.payments[0].refunded_elsewhere = 30;
        assert_eq!(order.captured_and_kept(), captured - 30);
        order.payments[0].refunded_elsewhere = order.payments[0].captured + 1;
        assert_eq!(order.captured_and_kept(), captured - order.payments[0].captured);
    }

    #[test]
    fn nothing_is_left_of_a_line_that_refunds_have_taken_up() {
        let mut line = order().lines.remove(0);
        line.units = 3;
        (line.committed, line.committed_units) = (1000, 1);
        assert_eq!((line.remaining(), line.remaining_units(), line.excess()), (2000, 2, None));
        (line.committed, line.committed_units) = (3000, 3);
        assert_eq!(line.excess(), None, "all of it is taken up, and no more");
        (line.committed, line.committed_units) = (1000, 1);
        line.repriced = 300;
        assert_eq!(line.remaining(), 2300);
        line.gross = 600;
        assert_eq!((line.remaining(), line.excess()), (0, Some(100)));
        (line.gross, line.committed_units) = (3000, 4);
        assert_eq!((line.remaining_units(), line.excess()), (0, Some(0)), "too few units");
        line.over_refunded = true;
        assert_eq!((line.remaining(), line.remaining_units()), (0, 0));
        assert_eq!(line.price_of_units(1), 0);
    }

    #[test]
    fn the_first_units_carry_what_does_not_divide() {
        let mut line = order().lines.remove(0);
        (line.gross, line.units) = (1000, 3);
        let prices = [0, 1, 2, 3, 4].map(|units| line.price_of_units(units));
        assert_eq!(prices, [0, 334, 667, 1000, 1000]);
        (line.committed, line.committed_units) = (334, 1);
        assert_eq!([1, 2].map(|units| line.price_of_units(units)), [333, 666]);
        // What became dearer after the last unit was taken up belongs to no unit.
        line.committed_units = 3;
        assert_eq!([-1, 0, 1, 2].map(|units| line.price_of_units(units)), [0, 0, 666, 666]);
    }

    #[test]
    fn a_contact_is_shown_without_anything_of_it() {
        let contact = Contact { email: "ada@example.org".to_owned(), ..Contact::default() };
        assert_eq!(format!("{contact:?}"), "Contact(..)");
    }

    #[test]
    fn a_traveller_is_shown_without_the_name() {
        let traveller = Traveller { id: "a1".to_owned(), display_name: "Ada".to_owned() };
        assert_eq!(format!("{traveller:?}"), r#"Traveller { id: "a1", .. }"#);
    }

    proptest! {
        #[test]
        fn parts_of_a_line_sum_to_the_whole_however_they_are_cut(
            gross in 0..=MAX_MINOR_UNITS,
            parts in proptest::collection::vec(1..=50_i64, 1..20),
        ) {
            let mut line = order().lines.remove(0);
            line.gross = gross;
            line.units = parts.iter().sum();
            let (at_once, mut sum) = (line.price_of_units(parts[0]), 0);
            for units in &parts {
                let one_by_one: i64 = (1..=*units)
                    .map(|n| line.price_of_units(n) - line.price_of_units(n - 1))
                    .sum();
                let price = line.price_of_units(*units);
                prop_assert_eq!(price, one_by_one);
                prop_assert!(price >= 0);
                sum += price;
                line.committed += price;
                line.committed_units += units;
            }
            prop_assert_eq!(sum, gross);
            prop_assert!(at_once <= gross);
        }
    }
}
