//! The use cases, one file each; gRPC and the worker share them.
//!
//! Invariant: nothing here knows a wire format or SQL; whatever belongs to a tenant is asked for
//! with that tenant, so that another tenant's resource looks exactly like a missing one.

pub mod contacts;
pub mod dispatch_batch;
pub mod get_notification;
pub mod list_notifications;
pub mod list_templates;
mod outage;
pub mod prepare_mail;
pub mod preview_template;
