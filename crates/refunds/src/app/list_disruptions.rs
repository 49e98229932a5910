//! Reads a page of disruptions with their counts.

use redress_core::id::{DisruptionId, TenantId};

use super::{DisruptionReport, RefundError, Refunds};
use crate::domain::disruption::Disruption;
use crate::store::{DisruptionFilter, ItemTotals, Listed, Page};

/// A page of the disruptions that `filter` lets through, by id; all of them are counted at once.
pub async fn list_disruptions(
    app: &Refunds,
    tenant: &TenantId,
    filter: &DisruptionFilter,
    page: &Page,
) -> Result<Listed<DisruptionReport>, RefundError> {
    let listed = app.store.list_disruptions(tenant, filter, page).await?;
    let ids: Vec<DisruptionId> = listed.rows.iter().map(|found| found.id.clone()).collect();
    let totals = app.store.item_totals(tenant, &ids).await?;
    let report = |disruption: Disruption| {
        let of = |total: &&ItemTotals| total.disruption == disruption.id;
        let own: Vec<ItemTotals> = totals.iter().filter(of).cloned().collect();
        DisruptionReport::new(disruption, &own)
    };
    let rows = listed.rows.into_iter().map(report).collect();
    Ok(Listed { rows, more: listed.more, total: listed.total })
}
