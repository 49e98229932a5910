//! The end of a server.

use std::sync::Arc;

use redress_runtime::{StopError, Worker};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{World, soon};

#[tokio::test]
async fn calls_in_progress_are_answered_and_new_connections_refused() {
    let world = World::start(|_| {}).await;
    world.directory.hold();
    let mut client = world.client().await;
    let request = world.get_tenant();
    let call = tokio::spawn(async move { client.get_tenant(request).await });
    world.directory.started().await;

    world.stop.cancel();
    soon(async {
        while TcpStream::connect(world.addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.directory.release();
    soon(call).await.unwrap().expect("the call in progress is answered");
    soon(world.running.stopped()).await.unwrap();
}

#[tokio::test]
async fn a_health_watch_sees_the_end_coming_and_does_not_hold_it_up() {
    let world = World::start(|_| {}).await;
    let mut health = HealthClient::new(world.channel().await);
    let mut watch = soon(health.watch(HealthCheckRequest::default())).await.unwrap().into_inner();
    assert_eq!(soon(watch.message()).await.unwrap().unwrap().status(), ServingStatus::Serving);
    world.stop.cancel();
    assert_eq!(soon(watch.message()).await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!(soon(watch.message()).await.unwrap_err().code(), Code::Unavailable);
    soon(world.running.stopped()).await.unwrap();
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_off_and_reported() {
    let world = World::start(|settings| settings.server.drain_timeout_s = 1).await;
    world.directory.hold();
    let mut client = world.client().await;
    let request = world.get_tenant();
    let call = tokio::spawn(async move { client.get_tenant(request).await });
    world.directory.started().await;
    world.stop.cancel();
    let error = soon(world.running.stopped()).await.unwrap_err();
    assert!(matches!(error, StopError::DrainTimeout { calls: 1, workers: 0 }), "{error:?}");
    soon(call).await.unwrap().unwrap_err();
}

#[tokio::test]
async fn workers_are_asked_to_stop_and_waited_for() {
    let done = Arc::new(Notify::new());
    let signal = Arc::clone(&done);
    let worker = Worker::new("patient", async move |stop: tokio_util::sync::CancellationToken| {
        stop.cancelled().await;
        signal.notify_one();
        Ok(())
    });
    let world = World::start_service(|_| {}, |service| service.work(worker)).await;
    world.call().await.unwrap();
    world.stop.cancel();
    soon(world.running.stopped()).await.unwrap();
    soon(done.notified()).await;
}

#[tokio::test]
async fn a_worker_that_gives_up_takes_its_service_down() {
    let worker = Worker::new("weak", async |_stop| Err("the database is gone".into()));
    let world = World::start_service(|_| {}, |service| service.work(worker)).await;
    let error = soon(world.running.stopped()).await.unwrap_err();
    assert!(matches!(error, StopError::Worker { worker: "weak", .. }), "{error:?}");
    assert!(!world.stop.is_cancelled(), "other services in the process go on");

    let worker = Worker::new("idle", async |_stop| Ok(()));
    let world = World::start_service(|_| {}, |service| service.work(worker)).await;
    let error = soon(world.running.stopped()).await.unwrap_err();
    assert!(matches!(error, StopError::WorkerEnded { worker: "idle" }), "{error:?}");
}
