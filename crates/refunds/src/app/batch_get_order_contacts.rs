//! Tells how to reach the buyers of orders.

use redress_core::id::{OrderId, TenantId};

use super::{RefundError, Refunds};
use crate::domain::order::Contact;

/// The contacts of those of `ids` that exist, each with the title of the order's first line.
pub async fn batch_get_order_contacts(
    app: &Refunds,
    tenant: &TenantId,
    ids: &[OrderId],
) -> Result<Vec<(OrderId, Contact, String)>, RefundError> {
    Ok(app.store.contacts(tenant, ids).await?)
}
