//! `NotificationService`.
//!
//! Invariant: a notification of another tenant is NOT_FOUND, exactly like a missing one.

use std::sync::Arc;

use redress_api::page::Page;
use redress_api::{ApiError, Valid, to_status, validated};
use redress_core::id::NotificationId;
use redress_proto::notifications::v1 as pb;
use redress_proto::notifications::v1::notification_service_server::NotificationService;
use tonic::{Request, Response, Status};

use super::{convert, status};
use crate::app::get_notification::get_notification;
use crate::app::list_notifications::list_notifications;
use crate::store::NotificationStore;

const LIST: &str = "redress.notifications.v1.NotificationService.ListNotifications";

/// `NotificationService` over the store.
#[derive(Debug, Clone)]
pub struct NotificationGrpc {
    store: Arc<dyn NotificationStore>,
}

impl NotificationGrpc {
    /// Serves what is in `store`.
    pub const fn new(store: Arc<dyn NotificationStore>) -> Self {
        Self { store }
    }
}

#[tonic::async_trait]
impl NotificationService for NotificationGrpc {
    async fn get_notification(
        &self,
        request: Request<pb::GetNotificationRequest>,
    ) -> Result<Response<pb::Notification>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let id = convert::notification_id(&message.name)?;
        let found = get_notification(self.store.as_ref(), &caller.tenant, &id)
            .await
            .map_err(status::store)?
            .ok_or_else(|| ApiError::not_found(message.name))?;
        Ok(Response::new(convert::notification(&found)))
    }

    async fn list_notifications(
        &self,
        request: Request<pb::ListNotificationsRequest>,
    ) -> Result<Response<pb::ListNotificationsResponse>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let filter = convert::list_filter(&message.filter)?;
        let arguments = [message.filter.as_str()];
        let page =
            Page::read(&caller.tenant, LIST, &arguments, message.page_size, &message.page_token)?;
        let after = page.after_key().map(NotificationId::new).transpose();
        let after = after.map_err(|error| to_status(ApiError::Internal(Box::new(error))))?;
        let mut listed = list_notifications(
            self.store.as_ref(),
            &caller.tenant,
            &filter,
            after.as_ref(),
            page.fetch_limit(),
        )
        .await
        .map_err(status::store)?;
        let rows = &mut listed.notifications;
        let next_page_token = page.finish(rows, |row| vec![row.about.id.as_str().to_owned()]);
        Ok(Response::new(pb::ListNotificationsResponse {
            notifications: rows.iter().map(convert::notification).collect(),
            next_page_token,
            total_size: listed.total.unwrap_or_default(),
        }))
    }
}
