//! Reads one disruption with its counts.

use std::collections::BTreeMap;

use redress_core::id::{DisruptionId, TenantId};
use redress_core::money::{Currency, Money};

use super::{RefundError, Refunds};
use crate::domain::disruption::{Disruption, DisruptionState, ItemState};
use crate::store::ItemTotals;

/// A disruption, and how many of its orders stand where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisruptionReport {
    /// The disruption.
    pub disruption: Disruption,
    /// Orders in scope, of a draft as counted when it was opened; else its items.
    pub orders_in_scope: i64,
    /// The buyer may choose.
    pub offered: i64,
    /// To be paid; no worker has taken them on.
    pub pending: i64,
    /// A refund exists and has not come to rest.
    pub processing: i64,
    /// Paid in full.
    pub succeeded: i64,
    /// A person must decide something.
    pub attention: i64,
    /// Nothing was due.
    pub nothing_due: i64,
    /// The buyer keeps what was bought.
    pub kept: i64,
    /// Untouched, because it was called off.
    pub aborted: i64,
    /// What is to be paid, per currency.
    pub requested: Vec<Money>,
    /// What has been paid, per currency; the same currencies.
    pub issued: Vec<Money>,
    /// How far each lane is, by name.
    pub lanes: Vec<LaneProgress>,
}

/// How far the items of one lane are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LaneProgress {
    /// The provider; empty for what Redress does not send.
    pub lane: String,
    /// All of them.
    pub items: i64,
    /// Those that no longer move by themselves.
    pub at_rest: i64,
}

/// The disruption of this id.
pub async fn get_disruption(
    app: &Refunds,
    tenant: &TenantId,
    id: &DisruptionId,
) -> Result<DisruptionReport, RefundError> {
    let found = app.store.disruption(tenant, id).await?;
    let disruption = found.ok_or_else(|| RefundError::not_found(id.resource_name()))?;
    let totals = app.store.item_totals(tenant, std::slice::from_ref(id)).await?;
    Ok(DisruptionReport::new(disruption, &totals))
}

/// One sum for each currency, sorted.
pub(super) fn sums(totals: &[ItemTotals], of: impl Fn(&ItemTotals) -> i64) -> Vec<Money> {
    let mut money: BTreeMap<Currency, i64> = BTreeMap::new();
    for total in totals {
        *money.entry(total.currency).or_default() += of(total);
    }
    money.into_iter().map(|(currency, minor_units)| Money { currency, minor_units }).collect()
}

impl DisruptionReport {
    /// Adds up the items of a disruption. Those of a draft are not shown: what an interrupted
    /// approval left is not frozen.
    pub(super) fn new(disruption: Disruption, totals: &[ItemTotals]) -> Self {
        let is_draft = disruption.state == DisruptionState::Draft;
        let totals = if is_draft { &[] } else { totals };
        let mut report = Self {
            orders_in_scope: if is_draft { disruption.scope_orders } else { 0 },
            disruption,
            offered: 0,
            pending: 0,
            processing: 0,
            succeeded: 0,
            attention: 0,
            nothing_due: 0,
            kept: 0,
            aborted: 0,
            requested: sums(totals, |total| total.requested),
            issued: sums(totals, |total| total.issued),
            lanes: Vec::new(),
        };
        let mut lanes: BTreeMap<&str, LaneProgress> = BTreeMap::new();
        for total in totals {
            report.orders_in_scope += total.count;
            if let Some(count) = report.count_of(total.state) {
                *count += total.count;
            }
            let lane = lanes.entry(&total.lane).or_default();
            lane.items += total.count;
            if !matches!(
                total.state,
                ItemState::Offered | ItemState::Pending | ItemState::Processing
            ) {
                lane.at_rest += total.count;
            }
        }
        let named = lanes.into_iter();
        report.lanes = named
            .map(|(lane, progress)| LaneProgress { lane: lane.to_owned(), ..progress })
            .collect();
        report
    }

    /// The report once `changed` items that needed a person are taken on again.
    pub(super) fn retried(&self, changed: i64) -> Self {
        Self {
            pending: self.pending + changed,
            attention: self.attention - changed,
            ..self.clone()
        }
    }

    const fn count_of(&mut self, state: ItemState) -> Option<&mut i64> {
        Some(match state {
            ItemState::Held => return None,
            ItemState::Offered => &mut self.offered,
            ItemState::Pending => &mut self.pending,
            ItemState::Processing => &mut self.processing,
            ItemState::Succeeded => &mut self.succeeded,
            ItemState::Attention => &mut self.attention,
            ItemState::NothingDue => &mut self.nothing_due,
            ItemState::Kept => &mut self.kept,
            ItemState::Aborted => &mut self.aborted,
        })
    }
}
