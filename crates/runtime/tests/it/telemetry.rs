//! Traces go in, through, and out.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http_body_util::BodyExt;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use redress_runtime::config::TelemetrySettings;
use redress_runtime::{current_traceparent, span_with_parent};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::server::NamedService;
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{World, soon};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Traces on this thread, where a test and its server run.
fn traced() -> tracing::subscriber::DefaultGuard {
    let tracer = SdkTracerProvider::builder().build().tracer("test");
    let layer = tracing_opentelemetry::layer().with_tracer(tracer);
    tracing::subscriber::set_default(tracing_subscriber::registry().with(layer))
}

#[tokio::test]
async fn a_handler_works_in_the_trace_of_its_caller() {
    let _traced = traced();
    let world = World::start(|_| {}).await;
    let mut request = world.get_tenant();
    request.metadata_mut().insert("traceparent", PARENT.parse().unwrap());
    soon(world.client().await.get_tenant(request)).await.unwrap();
    let seen = world.directory.traceparent.lock().unwrap().clone().unwrap();
    assert!(seen.starts_with(&format!("00-{TRACE_ID}-")), "{seen}");
    assert_ne!(seen, PARENT, "the span is the server's own");

    world.call().await.unwrap();
    let fresh = world.directory.traceparent.lock().unwrap().clone().unwrap();
    assert!(!fresh.contains(TRACE_ID), "a call without a parent starts its own trace");
}

#[test]
fn work_on_an_event_continues_the_events_trace() {
    let _traced = traced();
    let span = span_with_parent(tracing::info_span!("apply event"), Some(PARENT));
    let seen = span.in_scope(current_traceparent).unwrap();
    assert!(seen.starts_with(&format!("00-{TRACE_ID}-")), "{seen}");
    let span = span_with_parent(tracing::info_span!("apply event"), Some("nonsense"));
    assert!(!span.in_scope(current_traceparent).unwrap().contains(TRACE_ID));
}

#[test]
fn nobody_traces_nothing() {
    assert_eq!(current_traceparent(), None);
}

/// A collector that hands on what it is sent.
#[derive(Clone)]
struct Collector(mpsc::Sender<Vec<u8>>);

impl NamedService for Collector {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl tower::Service<http::Request<Body>> for Collector {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let sender = self.0.clone();
        Box::pin(async move {
            let bytes = request.into_body().collect().await.unwrap().to_bytes();
            sender.send(bytes.to_vec()).await.unwrap();
            Ok(tonic::Status::ok("").into_http())
        })
    }
}

async fn collector() -> (SocketAddr, mpsc::Receiver<Vec<u8>>) {
    let (sender, receiver) = mpsc::channel(8);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = futures::stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    let server = tonic::transport::Server::builder().add_service(Collector(sender));
    tokio::spawn(server.serve_with_incoming(incoming));
    (address, receiver)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_are_sent_to_the_collector_before_the_process_ends() {
    let (address, mut received) = collector().await;
    let settings = TelemetrySettings {
        filter: "off,it::telemetry=info".to_owned(),
        otlp_endpoint: Some(format!("http://{address}")),
        ..TelemetrySettings::default()
    };
    let guard = redress_runtime::telemetry::init(&settings, "redress-test").unwrap();
    tracing::info_span!("a span to be collected").in_scope(|| {});
    tokio::task::spawn_blocking(move || drop(guard)).await.unwrap();
    let bytes = soon(received.recv()).await.unwrap();
    let contains = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(contains("a span to be collected"));
    assert!(contains("redress-test"));
}
