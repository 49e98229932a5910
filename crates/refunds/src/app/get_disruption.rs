//! Reads one disruption with its counts.

use std::collections::BTreeMap;

use redress_core::id::{DisruptionId, TenantId};
use redress_core::money::{Currency, Money};

use super::{RefundError, Refunds};
use crate::domain::disruption::{Disruption, DisruptionState, ItemState};
use crate::store::{ItemTotals, OrderFilter, Page};

/// A disruption, and how many of its orders stand where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisruptionReport {
    /// The disruption.
    pub disruption: Disruption,
    /// Orders with a line for the event; once the selection is frozen, its items.
    pub orders_in_scope: i64,
    /// Frozen; no worker has taken them on.
    pub pending: i64,
    /// A refund exists and has not come to rest.
    pub processing: i64,
    /// Paid in full.
    pub succeeded: i64,
    /// A person must decide something.
    pub attention: i64,
    /// Nothing was due.
    pub nothing_due: i64,
    /// What is to be paid, per currency.
    pub requested: Vec<Money>,
    /// What has been paid, per currency; the same currencies.
    pub issued: Vec<Money>,
}

/// The disruption of this id.
pub async fn get_disruption(
    app: &Refunds,
    tenant: &TenantId,
    id: &DisruptionId,
) -> Result<DisruptionReport, RefundError> {
    let found = app.store.disruption(tenant, id).await?;
    let disruption = found.ok_or_else(|| RefundError::not_found(id.resource_name()))?;
    report(app, disruption).await
}

/// Adds the counts to a disruption. Those of a draft are not shown: what an interrupted approval
/// left is not frozen.
pub(super) async fn report(
    app: &Refunds,
    disruption: Disruption,
) -> Result<DisruptionReport, RefundError> {
    if disruption.state == DisruptionState::Draft {
        let orders_in_scope = count_scope(app, &disruption).await?;
        return Ok(DisruptionReport { orders_in_scope, ..DisruptionReport::empty(disruption) });
    }
    let totals = app.store.item_totals(&disruption.tenant, &disruption.id).await?;
    Ok(DisruptionReport::new(disruption, &totals))
}

/// How many orders have a line for the event now.
async fn count_scope(app: &Refunds, disruption: &Disruption) -> Result<i64, RefundError> {
    let event = disruption.event.as_str().to_owned();
    let filter = OrderFilter { event: Some(event), ..OrderFilter::default() };
    let page = Page { size: 1, after: None, count: true };
    let listed = app.store.list_orders(&disruption.tenant, &filter, &page).await?;
    Ok(listed.total.unwrap_or_default())
}

impl DisruptionReport {
    fn empty(disruption: Disruption) -> Self {
        Self {
            disruption,
            orders_in_scope: 0,
            pending: 0,
            processing: 0,
            succeeded: 0,
            attention: 0,
            nothing_due: 0,
            requested: Vec::new(),
            issued: Vec::new(),
        }
    }

    /// Adds up the items of a disruption.
    pub(super) fn new(disruption: Disruption, totals: &[ItemTotals]) -> Self {
        let mut report = Self::empty(disruption);
        let mut money: BTreeMap<Currency, (i64, i64)> = BTreeMap::new();
        for total in totals {
            report.orders_in_scope += total.count;
            *report.count_of(total.state) += total.count;
            let (requested, issued) = money.entry(total.currency).or_default();
            *requested += total.requested;
            *issued += total.issued;
        }
        for (currency, (requested, issued)) in money {
            report.requested.push(Money { currency, minor_units: requested });
            report.issued.push(Money { currency, minor_units: issued });
        }
        report
    }

    const fn count_of(&mut self, state: ItemState) -> &mut i64 {
        match state {
            ItemState::Pending => &mut self.pending,
            ItemState::Processing => &mut self.processing,
            ItemState::Succeeded => &mut self.succeeded,
            ItemState::Attention => &mut self.attention,
            ItemState::NothingDue => &mut self.nothing_due,
        }
    }
}
