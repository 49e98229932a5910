//! A service over memory, and callers of any tenant.

use std::sync::Arc;

use prost::Message as _;
use redress_core::caller::{Caller, Role};
use redress_core::clock::ManualClock;
use redress_core::id::TenantId;
use redress_proto::cases::v1::case_service_client::CaseServiceClient;
use redress_proto::cases::v1::{Case, ListCasesRequest};
use redress_proto::common::v1::Money;
use redress_proto::common::v1::tenant_service_client::TenantServiceClient;
use redress_proto::events::v1::event_sink_service_client::EventSinkServiceClient;
use redress_proto::events::v1::{DeliverRequest, DisruptionItemSettled, Event};
use redress_store::{Database, DatabaseSettings, migrate};
use redress_testkit::{clock, duplex, ids};
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::{InterceptedService, InterceptorLayer};
use tonic::transport::{Channel, Server};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

/// Names the caller's tenant on the way to the test server; a verified token does it elsewhere.
const TENANT: &str = "x-test-tenant";

/// A running service.
pub(crate) struct Api {
    channel: Channel,
    pub(crate) clock: Arc<ManualClock>,
}

/// A channel that speaks for one tenant.
pub(crate) type As = InterceptedService<Channel, Speaker>;

/// Puts the tenant on each call.
#[derive(Clone)]
pub(crate) struct Speaker(&'static str);

impl tonic::service::Interceptor for Speaker {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert(TENANT, MetadataValue::from_static(self.0));
        Ok(request)
    }
}

/// The service in the database at `url`.
pub(crate) async fn open_api(url: String) -> Api {
    let database = Database::connect(&DatabaseSettings::new(url)).await.unwrap();
    migrate(&database, &redress_cases::SCHEMA).await.unwrap();
    let clock = clock::manual();
    let service = redress_cases::build(&database, clock.clone(), ids::counting());
    let (incoming, channel) = duplex::pair();
    let server = Server::builder()
        .layer(InterceptorLayer::new(caller))
        .add_routes(service.into_routes())
        .serve_with_incoming(incoming);
    tokio::spawn(server);
    Api { channel, clock }
}

fn caller(mut request: Request<()>) -> Result<Request<()>, Status> {
    let tenant = request.metadata().get(TENANT).and_then(|tenant| tenant.to_str().ok());
    let tenant = tenant.ok_or_else(|| Status::internal("the test's channel names no tenant"))?;
    let tenant = TenantId::new(tenant).unwrap();
    request.extensions_mut().insert(Caller {
        tenant,
        subject: "agent-1".to_owned(),
        issuer: "tests".to_owned(),
        roles: Role::ALL.to_vec(),
    });
    Ok(request)
}

impl Api {
    /// `CaseService` as `tenant` calls it.
    pub(crate) fn cases(&self, tenant: &'static str) -> CaseServiceClient<As> {
        CaseServiceClient::with_interceptor(self.channel.clone(), Speaker(tenant))
    }

    /// `TenantService` as `tenant` calls it.
    pub(crate) fn tenants(&self, tenant: &'static str) -> TenantServiceClient<As> {
        TenantServiceClient::with_interceptor(self.channel.clone(), Speaker(tenant))
    }

    /// `EventSinkService` as a service calls it.
    pub(crate) fn sink(&self) -> EventSinkServiceClient<As> {
        EventSinkServiceClient::with_interceptor(self.channel.clone(), Speaker("suite"))
    }

    /// Delivers `facts` of tenant `arena` as the first ones of partition 0.
    pub(crate) async fn settle(&self, facts: Vec<DisruptionItemSettled>) {
        let events = facts.iter().zip(1..).map(|(fact, position)| event("arena", fact, position));
        let request = delivery(events.collect());
        self.sink().deliver(request).await.unwrap();
    }

    /// All cases of `tenant`.
    pub(crate) async fn all(&self, tenant: &'static str) -> Vec<Case> {
        let listed = self.cases(tenant).list_cases(ListCasesRequest::default()).await.unwrap();
        listed.into_inner().cases
    }
}

/// A delivery of partition 0.
pub(crate) fn delivery(events: Vec<Event>) -> DeliverRequest {
    DeliverRequest { source: "refunds".to_owned(), partition: 0, events }
}

/// `fact` on the wire, about its order.
pub(crate) fn event(tenant: &str, fact: &DisruptionItemSettled, position: i64) -> Event {
    Event {
        id: format!("event-{position}"),
        tenant: tenant.to_owned(),
        r#type: "redress.events.v1.DisruptionItemSettled".to_owned(),
        subject: fact.order.clone(),
        time: Some(redress_api::time::to_proto(clock::START)),
        position,
        payload_version: 1,
        payload: fact.encode_to_vec(),
        traceparent: String::new(),
    }
}

/// Order `order` of disruption `d1` needs a person: 10 euros asked for, 4 paid.
pub(crate) fn attention(order: &str) -> DisruptionItemSettled {
    let euros = |minor_units| Some(Money { currency_code: "EUR".to_owned(), minor_units });
    DisruptionItemSettled {
        disruption: "disruptions/d1".to_owned(),
        event: "events/derby".to_owned(),
        order: format!("orders/{order}"),
        customer: format!("customers/buyer-of-{order}"),
        refund: format!("refunds/of-{order}"),
        outcome: "ATTENTION".to_owned(),
        requested: euros(1000),
        issued: euros(400),
        reason_code: "NO_CONNECTOR".to_owned(),
        next_action: "PAY_BY_HAND".to_owned(),
        kind: "CANCELLED".to_owned(),
    }
}

/// A refusal as a caller sees it: code, reason, message, then its details in a fixed order.
pub(crate) fn told(status: &Status) -> String {
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    let mut lines = vec![format!("{:?} {}: {}", status.code(), info.reason, status.message())];
    let mut metadata: Vec<_> = info.metadata.iter().collect();
    metadata.sort();
    lines.extend(metadata.into_iter().map(|(key, value)| format!("{key} = {value}")));
    let bad = details.bad_request().map_or(&[][..], |bad| &bad.field_violations);
    lines.extend(bad.iter().map(|bad| format!("{}: {}", bad.field, bad.description)));
    lines.join("\n")
}
