//! Takes a chunk of orders in from the shop.
//!
//! Invariant: the good orders of a chunk are stored in one transaction; a bad one is rejected with
//! everything that is wrong with it and leaves nothing behind.

use std::collections::HashMap;

use redress_core::id::TenantId;

use super::{RefundError, Refunds};
use crate::domain::order::Violation;
use crate::store::{ImportOutcome, ImportedOrder};

/// The most orders in a chunk.
pub const MAX_CHUNK: usize = 1000;

/// An order as it was sent.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its name, as sent.
    pub name: String,
    /// The order; `None` when it cannot be read.
    pub order: Option<ImportedOrder>,
    /// What is wrong with its single fields.
    pub violations: Vec<Violation>,
}

/// What became of a chunk: the counts and the rejections sum to its size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Orders that were new.
    pub created: i32,
    /// Orders that replaced an older version.
    pub updated: i32,
    /// Orders that were known exactly so.
    pub unchanged: i32,
    /// Orders older than what is stored; ignored.
    pub stale: i32,
    /// Orders that were refused, in the order of their place in the chunk.
    pub rejections: Vec<Rejection>,
}

/// Why an order was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Its place in the chunk, from 0.
    pub index: usize,
    /// Its name, as sent.
    pub order: String,
    /// Everything that is wrong with it; never empty.
    pub violations: Vec<Violation>,
}

/// Stores the good ones among `chunk`.
pub async fn import_orders(
    app: &Refunds,
    tenant: &TenantId,
    chunk: Vec<Candidate>,
) -> Result<ImportReport, RefundError> {
    let (good, mut report) = sort_out(chunk);
    let (places, orders): (Vec<usize>, Vec<ImportedOrder>) = good.into_iter().unzip();
    if !orders.is_empty() {
        // They choose the policy of orders that name none.
        let settings = app.tenants.get(tenant).await?;
        let outcomes = app
            .store
            .import_orders(tenant, &orders, settings.as_ref(), &*app.ids, app.clock.now())
            .await?;
        for ((index, imported), outcome) in places.into_iter().zip(&orders).zip(outcomes) {
            report.count(index, imported, outcome);
        }
    }
    report.rejections.sort_by_key(|rejection| rejection.index);
    Ok(report)
}

/// Splits a chunk into what can be stored, with its place, and what is rejected.
fn sort_out(chunk: Vec<Candidate>) -> (Vec<(usize, ImportedOrder)>, ImportReport) {
    let mut good = Vec::with_capacity(chunk.len());
    let mut report = ImportReport::default();
    let mut first_at: HashMap<String, usize> = HashMap::with_capacity(chunk.len());
    for (index, candidate) in chunk.into_iter().enumerate() {
        let Candidate { name, order, mut violations } = candidate;
        if let Some(imported) = &order {
            // Single fields were looked at before; their findings need not stand twice.
            let fresh = |found: &Violation| violations.iter().all(|v| v.field != found.field);
            let more: Vec<Violation> =
                imported.order.violations().into_iter().filter(fresh).collect();
            violations.extend(more);
        }
        if let Some(first) = first_at.get(&name) {
            let text = format!("stands at index {first} of this chunk: send an order once a chunk");
            violations.push(Violation { field: "name".to_owned(), description: text });
        } else {
            first_at.insert(name.clone(), index);
        }
        match order {
            Some(order) if violations.is_empty() => good.push((index, order)),
            _ => report.rejections.push(Rejection { index, order: name, violations }),
        }
    }
    (good, report)
}

impl ImportReport {
    fn count(&mut self, index: usize, imported: &ImportedOrder, outcome: ImportOutcome) {
        let version = imported.order.source_version;
        let (field, description) = match outcome {
            ImportOutcome::Created => return self.created += 1,
            ImportOutcome::Updated => return self.updated += 1,
            ImportOutcome::Unchanged => return self.unchanged += 1,
            ImportOutcome::Stale => return self.stale += 1,
            ImportOutcome::Conflict => (
                "source_version",
                format!("another content is stored under version {version}; raise the version"),
            ),
            ImportOutcome::CurrencyChanged => (
                "total.currency_code",
                "differs from the stored order's currency, which refunds may refer to".to_owned(),
            ),
            ImportOutcome::UnknownPolicyVersion => (
                "policy_version",
                "is no stored version of the order's policy; apply that version first, or leave it \
                 0 for the one in force at purchase"
                    .to_owned(),
            ),
        };
        self.rejections.push(Rejection {
            index,
            order: imported.order.id.resource_name(),
            violations: vec![Violation { field: field.to_owned(), description }],
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::tests::order;

    fn candidate(change: impl FnOnce(&mut ImportedOrder)) -> Candidate {
        let mut imported = ImportedOrder { order: order(), digest: [0; 32] };
        change(&mut imported);
        Candidate {
            name: imported.order.id.resource_name(),
            order: Some(imported),
            violations: Vec::new(),
        }
    }

    #[test]
    fn a_good_order_keeps_its_place() {
        let mut unreadable = candidate(|_| {});
        unreadable.name = "orders/?".to_owned();
        unreadable.order = None;
        unreadable.violations =
            vec![Violation { field: "name".to_owned(), description: "bad".to_owned() }];
        let (good, report) = sort_out(vec![unreadable, candidate(|_| {})]);
        assert_eq!(good.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1]);
        assert_eq!(report.rejections[0].index, 0);
        assert_eq!(report.rejections[0].order, "orders/?");
    }

    #[test]
    fn the_same_order_twice_in_a_chunk_is_stored_once() {
        let (good, report) = sort_out(vec![candidate(|_| {}), candidate(|_| {})]);
        assert_eq!(good.len(), 1);
        assert_eq!(report.rejections[0].index, 1);
        assert_eq!(report.rejections[0].violations[0].field, "name");
    }

    #[test]
    fn contradictions_are_reported_once_beside_bad_fields() {
        let mut bad = candidate(|imported| {
            imported.order.total = 1;
            imported.order.lines[0].gross = -1;
        });
        bad.violations = vec![Violation {
            field: "lines[0].gross.minor_units".to_owned(),
            description: "out of range".to_owned(),
        }];
        let (good, report) = sort_out(vec![bad]);
        assert!(good.is_empty());
        let fields: Vec<_> =
            report.rejections[0].violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(
            fields,
            ["lines[0].gross.minor_units", "lines[0].tax.minor_units", "total.minor_units"]
        );
    }
}
