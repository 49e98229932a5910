//! Reads one notification.

use redress_core::id::{NotificationId, TenantId};
use redress_store::StoreError;

use crate::domain::notification::Notification;
use crate::store::NotificationStore;

/// The tenant's notification of this id; `None` when the tenant has none.
pub async fn get_notification(
    store: &dyn NotificationStore,
    tenant: &TenantId,
    id: &NotificationId,
) -> Result<Option<Notification>, StoreError> {
    store.get(tenant, id).await
}
