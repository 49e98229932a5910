//! The service over memory, with its database, its mailbox and its peer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use prost::Message as _;
use redress_core::caller::{Caller, Role};
use redress_core::clock::{Clock as _, ManualClock};
use redress_core::id::TenantId;
use redress_notifications::app::dispatch_batch::{Report, dispatch_batch};
use redress_notifications::config::{MailSettings, NotificationsSettings};
use redress_notifications::mail::SmtpSettings;
use redress_notifications::worker::DispatchWorker;
use redress_notifications::{Deps, Parts, SCHEMA};
use redress_proto::common::v1::tenant_service_client::TenantServiceClient;
use redress_proto::common::v1::tenant_service_server::TenantServiceServer;
use redress_proto::common::v1::{ApplyTenantRequest, Money, Tenant};
use redress_proto::events::v1 as events_pb;
use redress_proto::events::v1::event_sink_service_client::EventSinkServiceClient;
use redress_proto::events::v1::event_sink_service_server::EventSinkServiceServer;
use redress_proto::notifications::v1 as pb;
use redress_proto::notifications::v1::notification_service_client::NotificationServiceClient;
use redress_proto::notifications::v1::notification_service_server::NotificationServiceServer;
use redress_proto::notifications::v1::template_service_client::TemplateServiceClient;
use redress_proto::notifications::v1::template_service_server::TemplateServiceServer;
use redress_proto::refunds::v1::Contact;
use redress_store::{Database, DatabaseSettings, migrate};
use redress_testkit::{clock, duplex, ids};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::refunds::Refunds;

/// Everything one test needs. Two tenants, `arena` (English, German) and `opera`, are applied.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) refunds: Refunds,
    worker: Option<DispatchWorker>,
    channel: Channel,
    mailbox: TempDir,
}

/// A world whose mail goes into a folder.
pub(crate) async fn open_world(url: String) -> World {
    World::open(url, None).await
}

impl World {
    /// A world whose mail goes to `smtp`, or into a folder.
    pub(crate) async fn open(url: String, smtp: Option<SmtpSettings>) -> Self {
        let database = Database::connect(&DatabaseSettings::new(url)).await.unwrap();
        migrate(&database, &SCHEMA).await.unwrap();
        let (clock, refunds) = (clock::manual(), Refunds::default());
        let mailbox = tempfile::tempdir().unwrap();
        let mailbox_dir = mailbox.path().join("mail");
        let mut settings = NotificationsSettings {
            mail: MailSettings { mailbox_dir, smtp },
            ..NotificationsSettings::default()
        };
        settings.dispatch.max_attempts = 3;
        // So long that only a wake-up explains work done within a test.
        settings.dispatch.poll_interval_ms = 60_000;
        let deps = Deps {
            database,
            refunds: refunds.serve().await,
            clock: clock.clone(),
            ids: ids::counting(),
        };
        let Parts { notifications, templates, tenants, events, worker } =
            Parts::build(&settings, deps).unwrap();
        let router = Server::builder()
            .add_service(NotificationServiceServer::with_interceptor(notifications, identify))
            .add_service(TemplateServiceServer::with_interceptor(templates, identify))
            .add_service(TenantServiceServer::with_interceptor(tenants, identify))
            .add_service(EventSinkServiceServer::with_interceptor(events, identify));
        let channel = duplex::serve(router);
        let world = Self { clock, refunds, worker: Some(worker), channel, mailbox };
        world.apply_tenant("arena").await;
        world.apply_tenant("opera").await;
        world
    }

    pub(crate) fn notifications(&self) -> NotificationServiceClient<Channel> {
        NotificationServiceClient::new(self.channel.clone())
    }

    pub(crate) fn templates(&self) -> TemplateServiceClient<Channel> {
        TemplateServiceClient::new(self.channel.clone())
    }

    pub(crate) async fn apply_tenant(&self, id: &str) {
        let tenant = Tenant {
            name: format!("tenants/{id}"),
            display_name: format!("City {id}"),
            locales: vec!["de-CH".to_owned(), "en".to_owned()],
            time_zone: "Europe/Zurich".to_owned(),
            sender_email: format!("tickets@{id}.example"),
            support_url: format!("https://{id}.example/help"),
            default_policy: "policies/standard".to_owned(),
            approval_limits: Vec::new(),
            policies: Vec::new(),
            version: 0,
        };
        let request = ask(&tenant_id(id), ApplyTenantRequest { tenant: Some(tenant) });
        TenantServiceClient::new(self.channel.clone()).apply_tenant(request).await.unwrap();
    }

    /// Delivers facts of `tenant` as events of partition 0, the first at `position`.
    pub(crate) async fn deliver(
        &self,
        tenant: &str,
        position: i64,
        facts: Vec<events_pb::DisruptionItemSettled>,
    ) -> Result<i64, Status> {
        let events = facts.iter().zip(position..).map(|(fact, position)| events_pb::Event {
            id: format!("e{position}"),
            tenant: tenant.to_owned(),
            r#type: "redress.events.v1.DisruptionItemSettled".to_owned(),
            subject: format!("disruptions/{position}"),
            time: Some(redress_api::time::to_proto(self.clock.now())),
            position,
            payload_version: 1,
            payload: fact.encode_to_vec(),
            traceparent: String::new(),
        });
        let request = events_pb::DeliverRequest {
            source: "refunds".to_owned(),
            partition: 0,
            events: events.collect(),
        };
        let mut sink = EventSinkServiceClient::new(self.channel.clone());
        let answer = sink.deliver(ask(&tenant_id("suite"), request)).await?;
        Ok(answer.into_inner().position)
    }

    /// Sends what is due, once.
    pub(crate) async fn dispatch(&self) -> Report {
        self.dispatch_until(&CancellationToken::new()).await
    }

    /// Sends what is due, once, unless `stop` is cancelled.
    pub(crate) async fn dispatch_until(&self, stop: &CancellationToken) -> Report {
        let worker = self.worker.as_ref().unwrap();
        dispatch_batch(worker.dispatcher(), stop).await.unwrap()
    }

    /// The worker, to run on its own.
    pub(crate) fn take_worker(&mut self) -> DispatchWorker {
        self.worker.take().unwrap()
    }

    pub(crate) async fn list(&self, tenant: &str) -> Vec<pb::Notification> {
        let request = pb::ListNotificationsRequest { page_size: 1000, ..Default::default() };
        let request = ask(&tenant_id(tenant), request);
        let answer = self.notifications().list_notifications(request).await;
        answer.unwrap().into_inner().notifications
    }

    /// The only notification of `tenant`.
    pub(crate) async fn only(&self, tenant: &str) -> pb::Notification {
        let mut all = self.list(tenant).await;
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    /// The folder that mail goes into.
    pub(crate) fn mailbox(&self) -> PathBuf {
        self.mailbox.path().join("mail")
    }

    /// The messages in the mailbox, by file name.
    pub(crate) fn mails(&self) -> BTreeMap<String, String> {
        let files = std::fs::read_dir(self.mailbox()).unwrap().map(Result::unwrap);
        let read = |file: std::fs::DirEntry| {
            let text = std::fs::read_to_string(file.path()).unwrap();
            (file.file_name().into_string().unwrap(), text)
        };
        files.map(read).collect()
    }

    /// The message that a notification became.
    pub(crate) fn mail_of(&self, notification: &pb::Notification) -> String {
        let id = notification.name.strip_prefix("notifications/").unwrap();
        self.mails().remove(&format!("{id}.eml")).unwrap()
    }
}

/// What the runtime's auth layer does: here the tenant in the metadata is taken at its word.
fn identify(mut request: Request<()>) -> Result<Request<()>, Status> {
    if let Some(tenant) = request.metadata().get("tenant") {
        let tenant = tenant.to_str().map_err(|error| Status::internal(error.to_string()))?;
        let tenant = tenant_id(tenant);
        let (subject, issuer) = ("test".to_owned(), "test".to_owned());
        let caller = Caller { tenant, subject, issuer, roles: vec![Role::Platform] };
        request.extensions_mut().insert(caller);
    }
    Ok(request)
}

/// A request in the name of `tenant`.
pub(crate) fn ask<T>(tenant: &TenantId, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("tenant", tenant.as_str().parse().unwrap());
    request
}

pub(crate) fn tenant_id(id: &str) -> TenantId {
    TenantId::new(id).unwrap()
}

pub(crate) fn eur(minor_units: i64) -> Money {
    Money { currency_code: "EUR".to_owned(), minor_units }
}

/// Disruption d1 is done with `order`: paid in full.
pub(crate) fn settled(order: &str) -> events_pb::DisruptionItemSettled {
    events_pb::DisruptionItemSettled {
        disruption: "disruptions/d1".to_owned(),
        event: "events/derby".to_owned(),
        order: format!("orders/{order}"),
        customer: format!("customers/of-{order}"),
        refund: format!("refunds/of-{order}"),
        outcome: "SUCCEEDED".to_owned(),
        requested: Some(eur(10_781)),
        issued: Some(eur(10_781)),
        ..Default::default()
    }
}

pub(crate) fn contact(email: &str, locale: &str) -> Contact {
    let display_name = "Ada Lovelace".to_owned();
    Contact { email: email.to_owned(), display_name, locale: locale.to_owned() }
}

/// Code, reason and message of an error, as a caller sees them.
pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String, String) {
    let status = answer.unwrap_err();
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    (status.code(), reason, status.message().to_owned())
}
