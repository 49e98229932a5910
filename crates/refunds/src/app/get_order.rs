//! Reads one order.

use redress_core::id::{OrderId, TenantId};

use super::{RefundError, Refunds};
use crate::domain::order::Order;

/// The order of this id.
pub async fn get_order(
    app: &Refunds,
    tenant: &TenantId,
    id: &OrderId,
) -> Result<Order, RefundError> {
    let found = app.store.orders(tenant, std::slice::from_ref(id)).await?;
    found.into_iter().next().ok_or_else(|| RefundError::not_found(id.resource_name()))
}
