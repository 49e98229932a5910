//! When a call is sent again.

use std::time::Duration;

use redress_api::{ApiError, to_status};
use tonic::{Code, Status};

use crate::peers::{Answers, Recorder, arena, ask, connect, serve};

fn unavailable() -> Status {
    Status::unavailable("draining")
}

#[tokio::test]
async fn unavailable_is_retried_when_the_call_may_arrive_twice() {
    let recorder = Recorder::failing([unavailable(), unavailable()]);
    let running = serve(&recorder).await;
    let peer = connect(&Answers::of(&[running.address]));
    assert_eq!(ask(peer.for_tenant(arena()).idempotent()).await.unwrap(), "flaky");
    assert_eq!(recorder.call_count(), 3);
}

#[tokio::test]
async fn unavailable_is_not_retried_otherwise() {
    let recorder = Recorder::failing([unavailable()]);
    let running = serve(&recorder).await;
    let peer = connect(&Answers::of(&[running.address]));
    let status = ask(peer.for_tenant(arena())).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(recorder.call_count(), 1);
}

#[tokio::test]
async fn the_third_attempt_is_the_last() {
    let recorder = Recorder::failing((0..5).map(|_| unavailable()));
    let running = serve(&recorder).await;
    let peer = connect(&Answers::of(&[running.address]));
    let status = ask(peer.for_tenant(arena()).idempotent()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "draining"));
    assert_eq!(recorder.call_count(), 3);
}

#[tokio::test]
async fn other_errors_are_not_retried() {
    for code in [Code::Internal, Code::Aborted, Code::ResourceExhausted, Code::DeadlineExceeded] {
        let recorder = Recorder::failing([Status::new(code, "no")]);
        let running = serve(&recorder).await;
        let peer = connect(&Answers::of(&[running.address]));
        let status = ask(peer.for_tenant(arena()).idempotent()).await.unwrap_err();
        assert_eq!(status.code(), code);
        assert_eq!(recorder.call_count(), 1, "{code:?}");
    }
}

#[tokio::test]
async fn retries_end_with_the_budget() {
    let recorder = Recorder::failing((0..1000).map(|_| unavailable()));
    let running = serve(&recorder).await;
    let peer = connect(&Answers::of(&[running.address]));
    for _ in 0..40 {
        ask(peer.for_tenant(arena()).idempotent()).await.unwrap_err();
    }
    // Ten retries to start with and one more for each ten calls.
    assert_eq!(recorder.call_count(), 40 + 10 + 4);
}

#[tokio::test]
async fn a_pause_that_the_server_asks_for_beyond_the_deadline_ends_the_call() {
    let busy = ApiError::Unavailable { retry_after: Some(Duration::from_mins(1)), source: None };
    let recorder = Recorder::failing([to_status(busy)]);
    let running = serve(&recorder).await;
    let peer = connect(&Answers::of(&[running.address]));
    let status = ask(peer.for_tenant(arena()).idempotent()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(recorder.call_count(), 1);
}
