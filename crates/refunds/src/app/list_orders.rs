//! Reads a page of orders.

use redress_core::id::TenantId;

use super::{RefundError, Refunds};
use crate::domain::order::Order;
use crate::store::{Listed, OrderFilter, Page};

/// A page of the orders that `filter` lets through, by id.
pub async fn list_orders(
    app: &Refunds,
    tenant: &TenantId,
    filter: &OrderFilter,
    page: &Page,
) -> Result<Listed<Order>, RefundError> {
    Ok(app.store.list_orders(tenant, filter, page).await?)
}
