//! Load beyond the limits is refused at once, and says when to come back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt as _;
use redress_core::caller::Role;
use redress_proto::common::v1::{ApplyTenantRequest, Tenant};
use redress_runtime::config::Settings;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_types::StatusExt;

use crate::support::{World, authorize, reason, soon};

#[tokio::test]
async fn calls_beyond_the_rate_learn_when_to_come_back() {
    let world = World::start(|settings| {
        settings.server.limits.calls_per_second = 1;
        settings.server.limits.call_burst = 1;
    })
    .await;
    world.call().await.unwrap();
    let status = world.call().await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(reason(&status), "RATE_LIMITED");
    let retry = status.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(retry > Duration::ZERO && retry <= Duration::from_secs(1), "{retry:?}");
}

#[tokio::test]
async fn calls_beyond_the_concurrency_are_shed_while_health_still_answers() {
    let world = World::start(|settings| {
        settings.server.limits.concurrent_calls = 1;
        settings.server.times.default_deadline_ms = 300;
    })
    .await;
    world.directory.hold();
    let held = world.call().await.unwrap_err();
    assert_eq!(held.code(), Code::DeadlineExceeded);

    // Its caller is gone, but the handler still works, and that is what counts.
    let shed = world.call().await.unwrap_err();
    assert_eq!(shed.code(), Code::ResourceExhausted);
    assert_eq!(reason(&shed), "SERVER_OVERLOADED");
    let mut health = HealthClient::new(world.channel().await);
    soon(health.check(HealthCheckRequest::default())).await.unwrap();

    world.directory.holds.store(false, Ordering::SeqCst);
    world.directory.release();
    world.directory.finished().await;
    soon(async {
        while world.call().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Asks once and leaves the stream of questions open.
fn one_question() -> impl futures::Stream<Item = ServerReflectionRequest> + Send + 'static {
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    futures::stream::iter([question]).chain(futures::stream::pending())
}

async fn shed(world: &World) {
    let status = world.call().await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(reason(&status), "SERVER_OVERLOADED");
}

async fn let_in(world: &World) {
    soon(async {
        while let Err(status) = world.call().await {
            assert_eq!(reason(&status), "SERVER_OVERLOADED");
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn generous(settings: &mut Settings) {
    settings.server.limits.concurrent_calls = 1;
    // The waiting below asks again and again.
    settings.server.limits.calls_per_second = 100_000;
    settings.server.limits.call_burst = 100_000;
}

#[tokio::test]
async fn an_open_stream_counts_until_it_ends() {
    let world = World::start(generous).await;
    let mut client = ServerReflectionClient::new(world.channel().await);
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let questions = one_question().take_until(ended);
    let answers = soon(client.server_reflection_info(questions)).await;
    let mut answers = answers.unwrap().into_inner();
    soon(answers.message()).await.unwrap().unwrap();
    shed(&world).await;

    end.send(()).unwrap();
    assert!(soon(answers.message()).await.unwrap().is_none());
    let_in(&world).await;
}

#[tokio::test]
async fn an_idle_stream_ends_and_makes_room() {
    let world = World::start(|settings| {
        generous(settings);
        settings.server.times.default_deadline_ms = 500;
        settings.server.times.max_deadline_ms = 500;
    })
    .await;
    let mut client = ServerReflectionClient::new(world.channel().await);
    let answers = soon(client.server_reflection_info(one_question())).await;
    let mut answers = answers.unwrap().into_inner();
    soon(answers.message()).await.unwrap().unwrap();
    let status = soon(answers.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(reason(&status), "DEADLINE_EXCEEDED");
    let_in(&world).await;
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused_unread() {
    let world = World::start(|_| {}).await;
    let tenant = Tenant { display_name: "x".repeat(256 * 1024), ..Tenant::default() };
    let mut request = Request::new(ApplyTenantRequest { tenant: Some(tenant) });
    authorize(&mut request, &world.token(Role::Platform, Duration::ZERO));
    let status = soon(world.client().await.apply_tenant(request)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(reason(&status), "MESSAGE_TOO_LARGE");
    assert!(status.message().contains("262144 bytes"), "{}", status.message());
}

#[tokio::test]
async fn headers_beyond_the_limit_are_refused_before_the_handler() {
    let world = World::start(|_| {}).await;
    let mut request = world.get_tenant();
    let long = MetadataValue::try_from("x".repeat(9 * 1024)).unwrap();
    request.metadata_mut().insert("x-long", long);
    soon(world.client().await.get_tenant(request)).await.unwrap_err();
    assert_eq!(world.directory.calls(), 0);
    world.call().await.unwrap();
}
