//! The trace goes with the call.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Instrument as _;
use tracing::instrument::WithSubscriber as _;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::peers::{Answers, Recorder, arena, ask, connect, serve};

#[tokio::test]
async fn the_peer_gets_a_span_of_the_callers_trace() {
    let recorder = Recorder::named("one");
    let running = serve(&recorder).await;
    let peer = connect(&Answers::of(&[running.address]));
    let tracer = SdkTracerProvider::builder().build().tracer("test");
    let subscriber =
        tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(tracer));

    let outer = async {
        let work = async {
            ask(peer.for_tenant(arena())).await.unwrap();
            redress_api::trace::current_traceparent().unwrap()
        };
        work.instrument(tracing::info_span!("work")).await
    };
    let outer = outer.with_subscriber(subscriber).await;

    let sent = recorder.header("traceparent").unwrap();
    let (outer, sent) = (parts(&outer), parts(&sent));
    assert_eq!(sent[0], "00");
    assert_eq!(sent[1], outer[1], "the trace is the caller's");
    assert_ne!(sent[2], outer[2], "the span is the call's own");
    assert_eq!(sent[3], "01", "sampled");
}

fn parts(traceparent: &str) -> Vec<String> {
    traceparent.split('-').map(str::to_owned).collect()
}

#[tokio::test]
async fn nothing_is_sent_when_nothing_is_traced() {
    let recorder = Recorder::named("one");
    let running = serve(&recorder).await;
    let peer = connect(&Answers::of(&[running.address]));
    ask(peer.for_tenant(arena())).await.unwrap();
    assert_eq!(recorder.header("traceparent"), None);
}
