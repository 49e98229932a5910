//! Sums over what a disruption came to, as both databases give them.
//!
//! Invariant: every sum keeps its currency, and a currency that any of them names is there.

use std::collections::BTreeMap;

use redress_core::money::Currency;
use redress_store::StoreError;

use super::read;
use crate::domain::disruption::{
    ItemState, ReconciledItems, ReconciledPostings, ReconciledProvider, Reconciliation,
};
use crate::domain::ledger::PostingKind;

/// What the four tell, currency first in each row.
pub(in crate::store) struct Told {
    /// State, how many, requested, issued.
    pub items: Vec<(String, String, i64, i64, i64)>,
    /// How many, issued.
    pub refunds: Vec<(String, i64, i64)>,
    /// Provider, how many succeeded, their sum, how many refunds of the provider, open.
    pub attempts: Vec<(String, String, i64, i64, i64, i64)>,
    /// Kind, account, sum.
    pub postings: Vec<(String, String, String, i64)>,
    /// Orders that differ.
    pub differing: Vec<(String, i64)>,
}

/// One reconciliation for each currency, by code.
pub(in crate::store) fn reconciliations(told: Told) -> Result<Vec<Reconciliation>, StoreError> {
    let mut all = ByCurrency::default();
    for (currency, state, orders, requested, issued) in told.items {
        let state = read(ItemState::parse(&state), "disruption_items", "state", &state)?;
        let items = ReconciledItems { state, orders, requested, issued };
        all.of(&currency, "disruption_items")?.items.push(items);
    }
    for (currency, refunds, issued) in told.refunds {
        let found = all.of(&currency, "refunds")?;
        (found.refunds, found.refunds_issued) = (refunds, issued);
    }
    for (currency, provider, attempts, amount, provider_refunds, open) in told.attempts {
        let told = ReconciledProvider { provider, attempts, amount, provider_refunds, open };
        all.of(&currency, "attempts")?.providers.push(told);
    }
    for (currency, kind, account, amount) in told.postings {
        let kind = read(PostingKind::parse(&kind), "postings", "kind", &kind)?;
        let told = ReconciledPostings { kind, account, amount };
        all.of(&currency, "postings")?.postings.push(told);
    }
    for (currency, orders) in told.differing {
        all.of(&currency, "disruption_items")?.orders_that_differ = orders;
    }
    Ok(all.0.into_values().collect())
}

#[derive(Default)]
struct ByCurrency(BTreeMap<Currency, Reconciliation>);

impl ByCurrency {
    fn of(&mut self, code: &str, table: &'static str) -> Result<&mut Reconciliation, StoreError> {
        let currency = read(code.parse().ok(), table, "currency", code)?;
        Ok(self.0.entry(currency).or_insert_with(|| Reconciliation::new(currency)))
    }
}
