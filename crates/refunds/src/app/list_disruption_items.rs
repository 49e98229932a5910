//! Reads a page of a disruption's items.

use redress_core::id::{DisruptionId, TenantId};

use super::{RefundError, Refunds};
use crate::domain::disruption::{DisruptionState, Item};
use crate::store::{ItemFilter, Listed, Page};

/// A page of the items that `filter` lets through, by order. A draft has none: what an interrupted
/// approval left is not frozen.
pub async fn list_disruption_items(
    app: &Refunds,
    tenant: &TenantId,
    id: &DisruptionId,
    filter: &ItemFilter,
    page: &Page,
) -> Result<Listed<Item>, RefundError> {
    let found = app.store.disruption(tenant, id).await?;
    let disruption = found.ok_or_else(|| RefundError::not_found(id.resource_name()))?;
    if disruption.state == DisruptionState::Draft {
        return Ok(Listed { rows: Vec::new(), more: false, total: None });
    }
    Ok(app.store.list_items(tenant, id, filter, page).await?)
}
