//! Traces go in and through.

use std::sync::Once;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use redress_runtime::{current_traceparent, span_with_parent};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{World, soon};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Traces in this whole process: subscribers that come and go with single tests would race for
/// what tracing remembers of each span's place in the code.
fn trace_this_process() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let layer = tracing_opentelemetry::layer().with_tracer(tracer);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

#[tokio::test]
async fn a_handler_works_in_the_trace_of_its_caller() {
    trace_this_process();
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
    trace_this_process();
    let span = span_with_parent(tracing::info_span!("apply event"), Some(PARENT));
    let seen = span.in_scope(current_traceparent).unwrap();
    assert!(seen.starts_with(&format!("00-{TRACE_ID}-")), "{seen}");
    let span = span_with_parent(tracing::info_span!("apply event"), Some("nonsense"));
    assert!(!span.in_scope(current_traceparent).unwrap().contains(TRACE_ID));
}

#[test]
fn outside_any_span_there_is_no_trace() {
    trace_this_process();
    assert_eq!(current_traceparent(), None);
}
