//! The whole service on a port, as a process runs it: settings, tokens, roles, health of its parts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use redress_core::caller::Role;
use redress_notifications::config::NotificationsSettings;
use redress_notifications::{BuildError, Deps, SCHEMA, build};
use redress_proto::events::v1 as events_pb;
use redress_proto::events::v1::event_sink_service_client::EventSinkServiceClient;
use redress_proto::notifications::v1 as pb;
use redress_proto::notifications::v1::template_service_client::TemplateServiceClient;
use redress_runtime::Bound;
use redress_runtime::config::{AuthSettings, IssuerSettings, Settings};
use redress_runtime::token::{Claims, SigningKey, mint};
use redress_store::{Database, DatabaseSettings, migrate};
use redress_testkit::{TestDatabase, clock, ids};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::refunds::Refunds;
use crate::support::{refusal, tenant_id};

const ISSUER: &str = "https://issuer.test";

async fn deps(url: &str) -> Deps {
    let database = Database::connect(&DatabaseSettings::new(url)).await.unwrap();
    migrate(&database, &SCHEMA).await.unwrap();
    let refunds = Refunds::default().serve().await;
    Deps { database, refunds, clock: clock::manual(), ids: ids::counting() }
}

fn settings(mailbox: &TempDir) -> NotificationsSettings {
    let mut settings = NotificationsSettings::default();
    settings.mail.mailbox_dir = mailbox.path().join("mail");
    settings
}

/// The settings of a server that trusts `key`, in the form they have in a file.
fn server_settings(key: &SigningKey) -> Settings<NotificationsSettings> {
    let issuer = IssuerSettings {
        issuer: ISSUER.to_owned(),
        public_key: Some(key.public_pem().unwrap()),
        public_key_file: None,
        roles: vec![Role::Platform, Role::Finance],
        tenants: vec!["*".to_owned()],
    };
    let auth = AuthSettings { issuers: vec![issuer], ..AuthSettings::default() };
    Settings { auth, ..Settings::default() }
}

async fn connect(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

#[tokio::test]
async fn the_service_runs_behind_its_own_rules() {
    let (test_database, mailbox) = (TestDatabase::sqlite(), tempfile::tempdir().unwrap());
    let deps = deps(test_database.url()).await;
    let clock = Arc::clone(&deps.clock);
    let key = SigningKey::generate().unwrap();
    let server = server_settings(&key);
    let audience = server.auth.audience.clone();
    let plan = server.check(Arc::clone(&clock)).unwrap();
    let bound = Bound::bind(plan).await.unwrap();
    let address = bound.addr();
    let stop = CancellationToken::new();
    let running = bound.start(build(&settings(&mailbox), deps).unwrap(), &stop);

    let token = |role: Role| {
        let claims = Claims {
            issuer: ISSUER.to_owned(),
            audience: audience.clone(),
            subject: "test".to_owned(),
            tenant: tenant_id("arena"),
            roles: vec![role],
            issued_at: clock.now(),
            lifetime: Duration::from_mins(5),
        };
        format!("Bearer {}", mint(&key, &claims).unwrap().expose_secret())
    };
    let channel = connect(address).await;
    let ask = |role: Role| {
        let mut request = Request::new(pb::ListTemplatesRequest::default());
        request.metadata_mut().insert("authorization", token(role).parse().unwrap());
        request
    };
    let mut templates = TemplateServiceClient::new(channel.clone());
    let listed = templates.list_templates(ask(Role::Platform)).await.unwrap().into_inner();
    assert_eq!(listed.templates.len(), 4);
    let (code, ..) = refusal(templates.list_templates(ask(Role::Finance)).await);
    assert_eq!(code, Code::PermissionDenied);
    let mut deliver = Request::new(events_pb::DeliverRequest::default());
    deliver.metadata_mut().insert("authorization", token(Role::Platform).parse().unwrap());
    let (code, ..) = refusal(EventSinkServiceClient::new(channel).deliver(deliver).await);
    assert_eq!(code, Code::PermissionDenied, "only services deliver");

    stop.cancel();
    running.stopped().await.unwrap();
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_all_named_before_anything_is_opened() {
    let (test_database, mailbox) = (TestDatabase::sqlite(), tempfile::tempdir().unwrap());
    let mut settings = settings(&mailbox);
    settings.dispatch.concurrency = 0;
    settings.dispatch.max_attempts = 0;
    let error = build(&settings, deps(test_database.url()).await).unwrap_err();
    assert!(matches!(error, BuildError::Settings(_)));
    let text = error.to_string();
    assert!(text.contains("service.dispatch.concurrency: is 0, must be 1 to 1000"), "{text}");
    assert!(text.contains("service.dispatch.max_attempts: is 0, must be 1 to 100"), "{text}");
    assert!(!settings.mail.mailbox_dir.exists());
}
