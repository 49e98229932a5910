//! Reads a page of disruptions with their counts.

use futures::{StreamExt, TryStreamExt, stream};
use redress_core::id::TenantId;

use super::get_disruption::report;
use super::{DisruptionReport, RefundError, Refunds};
use crate::store::{DisruptionFilter, Listed, Page};

/// Disruptions counted at a time, fewer than the database has connections.
const CONCURRENT_COUNTS: usize = 4;

/// A page of the disruptions that `filter` lets through, by id.
pub async fn list_disruptions(
    app: &Refunds,
    tenant: &TenantId,
    filter: &DisruptionFilter,
    page: &Page,
) -> Result<Listed<DisruptionReport>, RefundError> {
    let listed = app.store.list_disruptions(tenant, filter, page).await?;
    let counted = stream::iter(listed.rows).map(|disruption| report(app, disruption));
    let rows = counted.buffered(CONCURRENT_COUNTS).try_collect().await?;
    Ok(Listed { rows, more: listed.more, total: listed.total })
}
