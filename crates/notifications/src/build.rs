//! From settings and connections to a service that can run.
//!
//! Invariant: everything that can be wrong with the settings is found here, before a port is
//! bound; nothing is sent before the service runs.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use redress_api::events::EventSinkGrpc;
use redress_api::ports::{EventHandler, HandleError, TenantDirectory};
use redress_api::tenants::TenantGrpc;
use redress_client::PeerChannel;
use redress_core::clock::Clock;
use redress_core::event::EventBatch;
use redress_core::id::Ids;
use redress_proto::common::v1::tenant_service_server::TenantServiceServer;
use redress_proto::events::v1::event_sink_service_server::EventSinkServiceServer;
use redress_proto::notifications::v1::notification_service_server::NotificationServiceServer;
use redress_proto::notifications::v1::template_service_server::TemplateServiceServer;
use redress_runtime::config::Findings;
use redress_runtime::{MAX_SEND_BYTES, Service, Worker};
use redress_store::inbox::Inbox;
use redress_store::{Database, Tenants};
use tokio::sync::{Notify, Semaphore};

use crate::app::dispatch_batch::Dispatcher;
use crate::config::{MailSettings, NotificationsSettings};
use crate::grpc::{GrpcContacts, NotificationGrpc, TemplateGrpc};
use crate::mail::{MailboxMailer, Mailer, SmtpMailer, SmtpSetupError};
use crate::render::{RenderError, Renderer};
use crate::store::{self, FactConsumer};
use crate::worker::DispatchWorker;

/// What the service needs from outside.
#[derive(Clone)]
pub struct Deps {
    /// Its database, whose schema ([`crate::SCHEMA`]) has been checked.
    pub database: Database,
    /// The refunds service, which knows how to reach the buyers.
    pub refunds: PeerChannel,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub ids: Ids,
}

/// Why the service cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Settings that cannot be used, all of them.
    #[error(transparent)]
    Settings(#[from] Findings),
    /// The shipped texts cannot be read; a defect of this build.
    #[error("the shipped texts cannot be read")]
    Texts(#[from] RenderError),
    /// The mailbox folder cannot be created.
    #[error("service.mail.mailbox_dir: the folder cannot be created")]
    Mailbox(#[source] io::Error),
    /// The mail server's TLS cannot be set up.
    #[error(transparent)]
    Smtp(#[from] SmtpSetupError),
}

/// The service taken apart: its interfaces and its worker, not yet served by anything.
pub struct Parts {
    /// `NotificationService`
    pub notifications: NotificationGrpc,
    /// `TemplateService`
    pub templates: TemplateGrpc,
    /// `TenantService`
    pub tenants: TenantGrpc,
    /// `EventSinkService`
    pub events: EventSinkGrpc,
    /// Sends what is due.
    pub worker: DispatchWorker,
}

impl Parts {
    /// Builds every part on the same store. Checks `settings` first.
    pub fn build(settings: &NotificationsSettings, deps: Deps) -> Result<Self, BuildError> {
        settings.check()?;
        let renderer = Arc::new(Renderer::new()?);
        let mailer = mailer(&settings.mail)?;
        let Deps { database, refunds, clock, ids } = deps;
        let store = store::open(&database);
        let tenants: Arc<dyn TenantDirectory> =
            Arc::new(Tenants::new(database.clone(), Arc::clone(&clock)));
        let wake = Arc::new(Notify::new());
        let consumer = FactConsumer::new(Arc::clone(&clock), Arc::clone(&ids));
        let inbox = Inbox::new(database, Arc::clone(&clock), consumer);
        let inbox = WakingInbox { inbox, wake: Arc::clone(&wake) };
        let dispatch = settings.dispatch_settings();
        let dispatcher = Dispatcher {
            store: Arc::clone(&store),
            tenants: Arc::clone(&tenants),
            contacts: Arc::new(GrpcContacts::new(refunds)),
            mailer,
            renderer: Arc::clone(&renderer),
            clock,
            ids,
            turns: Semaphore::new(dispatch.concurrency),
            settings: dispatch,
        };
        Ok(Self {
            notifications: NotificationGrpc::new(store),
            templates: TemplateGrpc::new(renderer, Arc::clone(&tenants)),
            tenants: TenantGrpc::new(tenants),
            events: EventSinkGrpc::new(Arc::new(inbox)),
            worker: DispatchWorker::new(dispatcher, wake, settings.poll_interval()),
        })
    }
}

/// Puts the service together: its gRPC interfaces, and the worker that sends.
pub fn build(settings: &NotificationsSettings, deps: Deps) -> Result<Service, BuildError> {
    let Parts { notifications, templates, tenants, events, worker } = Parts::build(settings, deps)?;
    let notifications = NotificationServiceServer::new(notifications);
    let templates = TemplateServiceServer::new(templates);
    let tenants = TenantServiceServer::new(tenants);
    let events = EventSinkServiceServer::new(events);
    Ok(Service::new(store::SCHEMA.service)
        .serve(notifications.max_encoding_message_size(MAX_SEND_BYTES))
        .serve(templates.max_encoding_message_size(MAX_SEND_BYTES))
        .serve(tenants.max_encoding_message_size(MAX_SEND_BYTES))
        .serve(events.max_encoding_message_size(MAX_SEND_BYTES))
        .work(Worker::new("notification dispatch", move |stop| async move {
            worker.run(stop).await;
            Ok(())
        })))
}

fn mailer(settings: &MailSettings) -> Result<Arc<dyn Mailer>, BuildError> {
    Ok(match &settings.smtp {
        Some(smtp) => Arc::new(SmtpMailer::new(smtp)?),
        None => Arc::new(MailboxMailer::open(&settings.mailbox_dir).map_err(BuildError::Mailbox)?),
    })
}

/// An inbox that wakes the sender once its transaction is committed.
struct WakingInbox {
    inbox: Inbox<FactConsumer>,
    wake: Arc<Notify>,
}

#[async_trait]
impl EventHandler for WakingInbox {
    async fn handle(&self, batch: EventBatch) -> Result<i64, HandleError> {
        let position = self.inbox.handle(batch).await?;
        self.wake.notify_one();
        Ok(position)
    }
}
