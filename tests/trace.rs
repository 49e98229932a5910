//! One trace, from the caller through gRPC and the outbox to whoever listens.
//!
//! The service is a process, because traces belong to a process; the listener is the test's own
//! server in the place of feedback.

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::pending;
use redress::cli::ServiceName;
use redress::services::AnySettings;
use redress_proto::events::v1::event_sink_service_server::{
    EventSinkService, EventSinkServiceServer,
};
use redress_proto::events::v1::{DeliverRequest, DeliverResponse, Event};
use redress_proto::refunds::v1::disruption_service_client::DisruptionServiceClient;
use redress_proto::refunds::v1::refund_service_client::RefundServiceClient;
use redress_proto::refunds::v1::{CreateRefundRequest, QuoteRefundRequest, StartDisruptionRequest};
use redress_sandbox::SandboxConfig;
use redress_testkit::Backend;
use tokio::sync::watch;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::harness::orders::paid_by_card;
use crate::harness::suite::Suite;
use crate::harness::{calls, tokens};

const LIMIT: Duration = Duration::from_secs(30);
const CREATE_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const START_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_carry_the_trace_of_the_call_that_caused_them() {
    let sandbox = SandboxConfig::default();
    let services = [ServiceName::Refunds];
    let Some(mut suite) = Suite::start(Backend::Sqlite, sandbox, &services).await else { return };
    let settings = suite.home.settings_file(ServiceName::Feedback);
    let feedback = AnySettings::load(ServiceName::Feedback, &settings, []).unwrap().listen();
    let mut seen = Listener::serve(feedback);

    let orders = [
        paid_by_card("orders/T1", "events/gala", "ada", 4_000),
        paid_by_card("orders/T2", "events/opera", "ben", 5_000),
    ];
    suite.provider.seed(&orders).await;
    calls::apply_tenant_to(ServiceName::Refunds, &suite.platform, "Arena Tickets").await;
    calls::apply_policy(&suite.platform, calls::policy(1_000)).await;
    calls::import(&suite.platform, &orders).await;

    refund_one(&suite, "orders/T2").await;
    let name = calls::prepare(&suite.platform, "events/gala").await;
    let request = StartDisruptionRequest {
        name: name.clone(),
        etag: String::new(),
        request_id: calls::request_id(),
        ..Default::default()
    };
    let mut disruptions = DisruptionServiceClient::new(raw(&suite).await);
    disruptions.start_disruption(traced(&suite, request, START_TRACE)).await.unwrap();

    let expected = [
        (CREATE_TRACE, "orders/T2", "RefundStateChanged", 2),
        (START_TRACE, "orders/T1", "RefundStateChanged", 2),
        (START_TRACE, "orders/T1", "DisruptionItemSettled", 1),
        // It ran and was completed.
        (START_TRACE, &name, "DisruptionStateChanged", 2),
    ];
    for (trace, subject, fact, count) in expected {
        let what = format!("{count} {fact} of {subject} in trace {trace}");
        let is_it = |event: &&Event| {
            event.subject == subject
                && event.r#type.ends_with(fact)
                && event.traceparent.split('-').nth(1) == Some(trace)
        };
        let arrived = seen.wait_for(|events| events.iter().filter(is_it).count() == count);
        let outcome = tokio::time::timeout(LIMIT, arrived).await.map(drop);
        assert!(outcome.is_ok(), "{what} did not arrive; seen: {:#?}", told(&seen));
    }
    let strangers: Vec<_> = told(&seen).into_iter().filter(|event| event.2.is_empty()).collect();
    assert!(strangers.is_empty(), "events without a trace: {strangers:?}");
}

async fn refund_one(suite: &Suite, order: &str) {
    let mut refunds = RefundServiceClient::new(raw(suite).await);
    let quote = QuoteRefundRequest {
        order: order.to_owned(),
        request_id: calls::request_id(),
        ..Default::default()
    };
    let quote = refunds.quote_refund(traced(suite, quote, CREATE_TRACE)).await.unwrap();
    let create = CreateRefundRequest {
        quote: quote.into_inner().name,
        request_id: calls::request_id(),
        entitlement_voided: true,
        ..Default::default()
    };
    refunds.create_refund(traced(suite, create, CREATE_TRACE)).await.unwrap();
}

/// Events as subject, type and `traceparent`.
fn told(seen: &watch::Receiver<Vec<Event>>) -> Vec<(String, String, String)> {
    let events = seen.borrow();
    let tell = |e: &Event| (e.subject.clone(), e.r#type.clone(), e.traceparent.clone());
    events.iter().map(tell).collect()
}

/// A connection to refunds that adds nothing of its own.
async fn raw(suite: &Suite) -> tonic::transport::Channel {
    let settings = suite.home.settings_file(ServiceName::Refunds);
    let address = AnySettings::load(ServiceName::Refunds, &settings, []).unwrap().listen();
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect().await.unwrap()
}

/// A call by the platform that belongs to a trace.
fn traced<T>(suite: &Suite, message: T, trace: &str) -> Request<T> {
    use secrecy::ExposeSecret as _;
    let token = tokens::of_people(
        &suite.home,
        crate::harness::ARENA,
        &[redress_core::caller::Role::Platform],
    );
    let mut request = Request::new(message);
    let bearer = format!("Bearer {}", token.expose_secret());
    request.metadata_mut().insert("authorization", bearer.parse().unwrap());
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    request
}

/// Takes every event, in the order of each partition.
struct Listener {
    events: watch::Sender<Vec<Event>>,
}

impl Listener {
    /// Serves on `address` until the test ends; returns what has arrived so far.
    fn serve(address: SocketAddr) -> watch::Receiver<Vec<Event>> {
        let (events, seen) = watch::channel(Vec::new());
        let server = Server::builder().add_service(EventSinkServiceServer::new(Self { events }));
        tokio::spawn(async move {
            server.serve_with_shutdown(address, pending()).await.unwrap();
        });
        seen
    }
}

#[tonic::async_trait]
impl EventSinkService for Listener {
    async fn deliver(
        &self,
        request: Request<DeliverRequest>,
    ) -> Result<Response<DeliverResponse>, Status> {
        let events = request.into_inner().events;
        let position = events.last().map_or(0, |event| event.position);
        self.events.send_modify(|seen| seen.extend(events));
        Ok(Response::new(DeliverResponse { position }))
    }
}
