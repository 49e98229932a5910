//! What every call carries, and what becomes of one that is not answered.

use std::sync::Arc;
use std::time::Duration;

use redress_api::Deadline;
use redress_client::{
    CallOutcome, PeerChannel, TokenError, TokenSource, is_unknown_outcome, outcome,
};
use redress_core::id::TenantId;
use redress_proto::common::v1::GetTenantRequest;
use redress_proto::common::v1::tenant_service_client::TenantServiceClient;
use secrecy::SecretString;
use tonic::{Code, Request};

use crate::peers::{
    Answers, Recorder, arena, ask, connect, connect_with, serve, settings, static_token,
};

async fn recorder() -> (Recorder, PeerChannel, crate::peers::Running) {
    let recorder = Recorder::named("one");
    let running = serve(&recorder).await;
    let peer = connect(&Answers::of(&[running.address]));
    (recorder, peer, running)
}

fn milliseconds(header: &str) -> u64 {
    header.strip_suffix('m').unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_call_carries_the_token_of_its_tenant() {
    let (recorder, peer, _running) = recorder().await;
    ask(peer.for_tenant(arena())).await.unwrap();
    assert_eq!(recorder.header("authorization").unwrap(), "Bearer token-of-arena");
    ask(peer.for_tenant(TenantId::new("opera").unwrap())).await.unwrap();
    assert_eq!(recorder.header("authorization").unwrap(), "Bearer token-of-opera");
}

#[tokio::test]
async fn a_static_token_serves_every_tenant() {
    let recorder = Recorder::named("one");
    let running = serve(&recorder).await;
    let answers = Answers::of(&[running.address]);
    let peer = PeerChannel::connect(&settings(), Arc::new(answers), static_token("abc")).unwrap();
    ask(peer.for_tenant(arena())).await.unwrap();
    assert_eq!(recorder.header("authorization").unwrap(), "Bearer abc");
}

#[tokio::test]
async fn a_call_without_a_token_is_not_sent() {
    struct NoTokens;
    impl TokenSource for NoTokens {
        fn token(&self, _tenant: &TenantId) -> Result<SecretString, TokenError> {
            Err(TokenError("no key".into()))
        }
    }
    let recorder = Recorder::named("one");
    let running = serve(&recorder).await;
    let answers = Answers::of(&[running.address]);
    let peer = PeerChannel::connect(&settings(), Arc::new(answers), Arc::new(NoTokens)).unwrap();
    let status = ask(peer.for_tenant(arena())).await.unwrap_err();
    assert_eq!((status.code(), outcome(&status)), (Code::Unauthenticated, CallOutcome::NotSent));
    assert_eq!(recorder.call_count(), 0);
}

#[tokio::test]
async fn a_call_carries_the_default_deadline() {
    let (recorder, peer, _running) = recorder().await;
    ask(peer.for_tenant(arena())).await.unwrap();
    let left = milliseconds(&recorder.header("grpc-timeout").unwrap());
    assert!((4000..=5000).contains(&left), "{left} ms");
}

#[tokio::test]
async fn a_shorter_deadline_of_the_request_counts_and_a_longer_one_does_not() {
    let (recorder, peer, _running) = recorder().await;
    let mut client = TenantServiceClient::new(peer.for_tenant(arena()));
    for (asked, low, high) in [(2, 1000, 2000), (60, 4000, 5000)] {
        let mut request = Request::new(GetTenantRequest { name: "tenants/arena".to_owned() });
        request.set_timeout(Duration::from_secs(asked));
        client.get_tenant(request).await.unwrap();
        let left = milliseconds(&recorder.header("grpc-timeout").unwrap());
        assert!((low..=high).contains(&left), "asked for {asked} s, sent {left} ms");
    }
}

#[tokio::test]
async fn an_incoming_deadline_is_passed_on_less_a_tenth() {
    let (recorder, peer, _running) = recorder().await;
    let incoming = Deadline::after(Duration::from_secs(2));
    ask(peer.for_tenant(arena()).within(incoming)).await.unwrap();
    let left = milliseconds(&recorder.header("grpc-timeout").unwrap());
    assert!((1000..=1800).contains(&left), "{left} ms");
}

#[tokio::test]
async fn a_call_without_time_is_not_sent() {
    let (recorder, peer, _running) = recorder().await;
    let incoming = Deadline::after(Duration::from_millis(3));
    let status = ask(peer.for_tenant(arena()).within(incoming)).await.unwrap_err();
    assert_eq!((status.code(), outcome(&status)), (Code::DeadlineExceeded, CallOutcome::NotSent));
    assert_eq!(recorder.call_count(), 0);
}

#[tokio::test]
async fn a_silent_server_leaves_the_outcome_unknown() {
    let recorder = Recorder { silent: true, ..Recorder::named("silent") };
    let running = serve(&recorder).await;
    let peer = connect(&Answers::of(&[running.address]));
    let channel = peer.for_tenant(arena()).with_deadline(Duration::from_millis(200));
    let status = ask(channel.idempotent()).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(is_unknown_outcome(&status));
    assert_eq!(recorder.call_count(), 1);
}

#[tokio::test]
async fn a_peer_that_is_not_up_yet_is_found_when_it_comes_up() {
    let first = serve(&Recorder::named("first")).await;
    let address = first.address;
    drop(first);
    let peer = connect(&Answers::of(&[address]));
    let status = ask(peer.for_tenant(arena())).await.unwrap_err();
    assert_eq!((status.code(), outcome(&status)), (Code::Unavailable, CallOutcome::NotSent));

    let _late = crate::peers::serve_at(address, &Recorder::named("late")).await;
    assert_eq!(ask(peer.for_tenant(arena())).await.unwrap(), "late");
}

#[tokio::test]
async fn a_name_without_an_address_is_unavailable_at_once() {
    let peer = connect(&Answers::default());
    let status = ask(peer.for_tenant(arena())).await.unwrap_err();
    assert_eq!((status.code(), outcome(&status)), (Code::Unavailable, CallOutcome::NotSent));
}

#[tokio::test]
async fn a_peer_that_vanished_is_noticed_by_keepalive() {
    // A listener that accepts and never says a word: what a frozen machine looks like.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let frozen = tokio::spawn(async move {
        let mut sockets = Vec::new();
        loop {
            sockets.push(listener.accept().await.unwrap());
        }
    });
    let settings = redress_client::PeerSettings {
        keepalive_interval: Duration::from_millis(100),
        keepalive_timeout: Duration::from_millis(100),
        ..settings()
    };
    let peer = connect_with(&settings, &Answers::of(&[address]));
    // A stream has no deadline, so only keepalive can end this call.
    let status = ask(peer.for_tenant(arena()).streaming()).await.unwrap_err();
    assert!(is_unknown_outcome(&status), "{status:?}");
    frozen.abort();
}
