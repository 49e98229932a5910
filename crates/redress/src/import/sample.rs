//! The sample orders of the demo, and as many copies of them as a bench wants.
//!
//! Invariant: copies differ in every id, payment reference and address, so that no two orders meet
//! anywhere; the same number always gives the same orders; copies are made one at a time.

use std::sync::Arc;

use redress_proto::refunds::v1::Order;

use super::pretix;
use super::record::{ImportProblem, Origin, Record};

macro_rules! data {
    ($file:literal) => {
        include_bytes!(concat!("../../data/pretix/", $file)).as_slice()
    };
}

/// An event's export: slug, event, items, pages.
type Export = (&'static str, &'static [u8], &'static [u8], &'static [&'static [u8]]);

const EXPORTS: [Export; 2] = [
    (
        "city-derby",
        data!("city-derby.event.json"),
        data!("city-derby.items.json"),
        &[
            data!("city-derby.orders.1.json"),
            data!("city-derby.orders.2.json"),
            data!("city-derby.orders.3.json"),
            data!("city-derby.orders.4.json"),
            data!("city-derby.orders.5.json"),
        ],
    ),
    (
        "new-year-concert",
        data!("new-year-concert.event.json"),
        data!("new-year-concert.items.json"),
        &[
            data!("new-year-concert.orders.1.json"),
            data!("new-year-concert.orders.2.json"),
            data!("new-year-concert.orders.3.json"),
        ],
    ),
];

/// The sample orders: 240 for a match in EUR, 120 for a concert in CNY.
#[derive(Debug, Clone)]
pub struct Sample(Arc<[Order]>);

impl Sample {
    /// Reads the sample that is part of this program.
    pub fn load() -> Result<Self, ImportProblem> {
        let mut orders = Vec::new();
        for (slug, event, items, pages) in EXPORTS {
            for page in pages {
                for record in pretix::page_orders(slug, event, items, page)? {
                    orders.push(record?.1);
                }
            }
        }
        Ok(Self(orders.into()))
    }

    /// The orders as they are.
    pub fn orders(&self) -> &[Order] {
        &self.0
    }

    /// `count` orders: the sample, then its second copy, and so on.
    pub fn multiply(&self, count: usize) -> impl Iterator<Item = Order> + Send + use<> {
        let orders = Arc::clone(&self.0);
        (0..count).map(move |at| copy(&orders[at % orders.len()], at / orders.len()))
    }

    /// The same, as records to be imported.
    pub fn records(&self, count: usize) -> impl Iterator<Item = Record> + Send + use<> {
        (1..)
            .zip(self.multiply(count))
            .map(|(n, order)| Ok((Origin::order("sample", n, None), order)))
    }
}

/// The order under names of its own; copy 0 is the order itself.
fn copy(order: &Order, number: usize) -> Order {
    let mut order = order.clone();
    if number == 0 {
        return order;
    }
    order.name = format!("{}.c{number}", order.name);
    order.customer = format!("{}.c{number}", order.customer);
    if let Some(contact) = &mut order.contact
        && let Some((local, domain)) = contact.email.split_once('@')
    {
        contact.email = format!("{local}.c{number}@{domain}");
    }
    for payment in &mut order.payments {
        if !payment.provider_reference.is_empty() {
            payment.provider_reference = format!("{}_c{number}", payment.provider_reference);
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::import::check;

    #[test]
    fn copies_are_sound_and_share_no_name() {
        let sample = Sample::load().unwrap();
        let (mut names, mut references, mut emails) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut customers = BTreeSet::new();
        let mut payments = 0;
        for order in sample.multiply(1000) {
            assert_eq!(check::violations(&order), [], "{}", order.name);
            for payment in order.payments.iter().filter(|p| !p.provider_reference.is_empty()) {
                payments += 1;
                references.insert(payment.provider_reference.clone());
            }
            emails.insert(order.contact.clone().unwrap().email);
            customers.insert(order.customer.clone());
            names.insert(order.name);
        }
        assert_eq!((names.len(), customers.len(), references.len()), (1000, 1000, payments));
        assert!(emails.contains("buyer0.c2@example.org"));
    }

    #[test]
    fn the_first_copy_is_the_sample_and_the_same_number_gives_the_same_orders() {
        let sample = Sample::load().unwrap();
        let orders: Vec<_> = sample.multiply(360).collect();
        assert_eq!(orders, sample.orders());
        assert!(sample.multiply(400).eq(sample.multiply(400)));
        assert_eq!(sample.multiply(5).count(), 5);
    }
}
