//! A caller gets its answer in time, and a handler gets to its end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{World, reason, soon};

#[tokio::test]
async fn malformed_timeouts_are_refused_and_not_ignored() {
    let world = World::start(|_| {}).await;
    for timeout in ["soon", "", "-1S", "123456789m"] {
        let mut request = world.get_tenant();
        request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
        let mut client = world.client().await;
        let status = soon(client.get_tenant(request)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{timeout:?}");
        assert_eq!(
            status.get_details_bad_request().unwrap().field_violations[0].field,
            "grpc-timeout"
        );
    }
    assert_eq!(world.directory.calls(), 0);
}

#[tokio::test]
async fn the_answer_comes_in_time_while_the_handler_finishes() {
    // The cap stands in for a short timeout, so that the client's own timer cannot be first.
    let world = World::start(|settings| {
        settings.server.times.max_deadline_ms = 300;
        settings.server.times.default_deadline_ms = 300;
    })
    .await;
    world.directory.hold();
    let mut request = world.get_tenant();
    request.set_timeout(Duration::from_mins(1));
    let mut client = world.client().await;
    let status = soon(client.get_tenant(request)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(reason(&status), "DEADLINE_EXCEEDED");
    world.directory.started().await;
    world.directory.release();
    world.directory.finished().await;
}

#[tokio::test]
async fn a_call_without_a_deadline_gets_the_default() {
    let world = World::start(|settings| settings.server.times.default_deadline_ms = 300).await;
    world.directory.hold();
    let status = world.call().await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    world.directory.release();
    world.directory.finished().await;
}

#[tokio::test]
async fn a_cancelled_call_does_not_cut_off_the_handler() {
    let world = World::start(|_| {}).await;
    world.directory.hold();
    let mut client = world.client().await;
    let request = world.get_tenant();
    let mut same_connection = client.clone();
    let call = tokio::spawn(async move { client.get_tenant(request).await });
    world.directory.started().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    // Once a later call on the connection is answered, the server has seen the end of this one.
    world.directory.holds.store(false, Ordering::SeqCst);
    soon(same_connection.get_tenant(world.get_tenant())).await.unwrap();
    world.directory.release();
    world.directory.finished().await;
}
