//! Reads a page of notifications.

use redress_core::id::{NotificationId, TenantId};
use redress_store::StoreError;

use crate::domain::notification::Notification;
use crate::store::{ListFilter, NotificationStore};

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The notifications by id, which is by age.
    pub notifications: Vec<Notification>,
    /// How many match in all; counted on the first page only.
    pub total: Option<i64>,
}

/// Up to `limit` of the tenant's notifications that match `filter`, behind `after`.
pub async fn list_notifications(
    store: &dyn NotificationStore,
    tenant: &TenantId,
    filter: &ListFilter,
    after: Option<&NotificationId>,
    limit: i64,
) -> Result<Listed, StoreError> {
    let notifications = store.list(tenant, filter, after, limit).await?;
    let total = match after {
        None => Some(store.count(tenant, filter).await?),
        Some(_) => None,
    };
    Ok(Listed { notifications, total })
}
