//! What an import does with each order, decided before anything is written.
//!
//! Invariant: decided on rows that the transaction holds; both databases write the same decisions,
//! so a rule exists once.

use std::collections::{BTreeSet, HashMap};

use redress_core::id::PolicyId;
use redress_core::tenant::Tenant;

use super::rows::{ElsewhereRow, KnownOrderRow, PolicyVersionRow};
use super::{ImportOutcome, ImportedOrder};
use crate::domain::order::{Elsewhere, Order};
use crate::domain::policy_choice::choose;

/// What is stored of the orders of a chunk before it is imported.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub orders: HashMap<String, KnownOrderRow>,
    /// By order and payment.
    pub payments: HashMap<(String, String), Elsewhere>,
    /// Versions with their effective times, by policy.
    pub versions: HashMap<String, Vec<(i64, i64)>>,
}

/// The policy and version that an order was sold under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pin {
    pub policy: String,
    pub version: i64,
}

/// An order to insert or to update.
#[derive(Debug)]
pub(super) struct OrderWrite<'a> {
    pub order: &'a Order,
    pub digest: &'a [u8; 32],
    /// Whether a version of it is stored.
    pub is_update: bool,
    pub pin: Option<Pin>,
    /// What counts of each payment's money given back elsewhere, in the payments' order.
    pub elsewhere: Vec<i64>,
}

impl OrderWrite<'_> {
    /// Whether writing it may leave a payment or a line with less than was taken of it: a new order
    /// can only have had more given back elsewhere than was captured.
    pub(super) fn may_be_marked(&self) -> bool {
        let payments = self.order.payments.iter();
        self.is_update
            || payments.zip(&self.elsewhere).any(|(payment, elsewhere)| {
                *elsewhere > payment.captured || payment.refunded_elsewhere > payment.captured
            })
    }
}

impl Stored {
    pub(super) fn new(
        orders: Vec<KnownOrderRow>,
        payments: Vec<ElsewhereRow>,
        versions: Vec<PolicyVersionRow>,
    ) -> Self {
        let orders = orders.into_iter().map(|row| (row.order_id.clone(), row)).collect();
        let payments = payments.into_iter().map(ElsewhereRow::into_entry).collect();
        let mut by_policy: HashMap<String, Vec<(i64, i64)>> = HashMap::new();
        for row in versions {
            by_policy.entry(row.policy_id).or_default().push((row.version, row.effective));
        }
        Self { orders, payments, versions: by_policy }
    }

    /// The version of `policy` in force at `at`: the latest effective one, of several the newest.
    fn in_force(&self, policy: &str, at: i64) -> Option<i64> {
        let effective = self.versions.get(policy)?.iter().filter(|(_, effective)| *effective <= at);
        effective.max_by_key(|(version, effective)| (*effective, *version)).map(|entry| entry.0)
    }

    fn exists(&self, policy: &str, version: i64) -> bool {
        let versions = self.versions.get(policy);
        versions.is_some_and(|all| all.iter().any(|(known, _)| *known == version))
    }
}

/// The policies whose versions a chunk may pin.
pub(super) fn policies_of<'a>(
    orders: &'a [ImportedOrder],
    known: &'a [KnownOrderRow],
    settings: Option<&'a Tenant>,
) -> Vec<&'a str> {
    let named_or_chosen = |imported: &'a ImportedOrder| {
        let order = &imported.order;
        named(order).or_else(|| settings.map(|settings| choose(settings, order)))
    };
    let pinned = known.iter().filter_map(|row| row.pinned_policy.as_deref());
    orders
        .iter()
        .filter_map(named_or_chosen)
        .chain(pinned)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// The policy that the shop states.
fn named(order: &Order) -> Option<&str> {
    order.policy.as_ref().map(PolicyId::as_str)
}

/// One outcome for each order, and what there is to write.
pub(super) fn decide<'a>(
    orders: &'a [ImportedOrder],
    stored: &Stored,
    settings: Option<&Tenant>,
) -> (Vec<ImportOutcome>, Vec<OrderWrite<'a>>) {
    let mut outcomes = Vec::with_capacity(orders.len());
    let mut writes = Vec::with_capacity(orders.len());
    for imported in orders {
        let known = stored.orders.get(imported.order.id.as_str());
        let mut outcome = known.map_or(ImportOutcome::Created, |known| judge(imported, known));
        if matches!(outcome, ImportOutcome::Created | ImportOutcome::Updated) {
            match pin(&imported.order, known, stored, settings) {
                Err(UnknownVersion) => outcome = ImportOutcome::UnknownPolicyVersion,
                Ok(pin) => writes.push(OrderWrite {
                    order: &imported.order,
                    digest: &imported.digest,
                    is_update: known.is_some(),
                    pin,
                    elsewhere: elsewhere(&imported.order, stored),
                }),
            }
        }
        outcomes.push(outcome);
    }
    (outcomes, writes)
}

/// What an import does with an order that is stored.
fn judge(imported: &ImportedOrder, known: &KnownOrderRow) -> ImportOutcome {
    let order = &imported.order;
    if known.digest == imported.digest && same_policy(order, known) {
        return ImportOutcome::Unchanged;
    }
    if known.source_version > order.source_version {
        return ImportOutcome::Stale;
    }
    if known.source_version == order.source_version {
        return ImportOutcome::Conflict;
    }
    if known.currency != order.currency.code() {
        return ImportOutcome::CurrencyChanged;
    }
    ImportOutcome::Updated
}

/// Whether the shop states the policy as before, or as an order shows it once it is pinned.
fn same_policy(order: &Order, known: &KnownOrderRow) -> bool {
    let stated = named(order);
    let as_before = stated == known.policy.as_deref();
    let as_shown = stated.is_some() && stated == known.pinned_policy.as_deref();
    (as_before || as_shown)
        && (order.policy_version.is_none() || order.policy_version == known.policy_version)
}

/// The order states a version that its policy does not have.
struct UnknownVersion;

/// A stated version wins; what is pinned stays; otherwise the version in force at purchase, if
/// there is one.
fn pin(
    order: &Order,
    known: Option<&KnownOrderRow>,
    stored: &Stored,
    settings: Option<&Tenant>,
) -> Result<Option<Pin>, UnknownVersion> {
    let pinned = known.and_then(KnownOrderRow::pin);
    let policy = named(order)
        .or(pinned.as_ref().map(|pin| pin.policy.as_str()))
        .or_else(|| settings.map(|settings| choose(settings, order)));
    let Some(stated) = order.policy_version else {
        if pinned.is_some() {
            return Ok(pinned);
        }
        let found = |policy: &str| {
            let version = stored.in_force(policy, order.purchase_time.0)?;
            Some(Pin { policy: policy.to_owned(), version })
        };
        return Ok(policy.and_then(found));
    };
    let policy = policy.ok_or(UnknownVersion)?;
    if !stored.exists(policy, stated) {
        return Err(UnknownVersion);
    }
    Ok(Some(Pin { policy: policy.to_owned(), version: stated }))
}

fn elsewhere(order: &Order, stored: &Stored) -> Vec<i64> {
    let of = |payment: &crate::domain::order::Payment| {
        let key = (order.id.as_str().to_owned(), payment.id.as_str().to_owned());
        let counts = stored.payments.get(&key).copied().unwrap_or_default();
        counts.after_report(payment.refunded_elsewhere)
    };
    order.payments.iter().map(of).collect()
}
