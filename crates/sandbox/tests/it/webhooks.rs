//! Events to a real receiver: signatures, retries, bounds.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use redress_sandbox::{SandboxConfig, SecretKey, WebhookConfig, WebhookEndpoint};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{Bench, eventually, unlimited};

const SECRET: &str = "whsec_receiver";

/// Answers with the scripted statuses first, then 200; keeps what it got.
#[derive(Clone, Default)]
struct Receiver {
    script: Arc<Mutex<VecDeque<StatusCode>>>,
    seen: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl Receiver {
    async fn start(script: &[StatusCode]) -> (Self, WebhookEndpoint) {
        let receiver = Self::default();
        receiver.script.lock().unwrap().extend(script);
        let routes = Router::new().route("/hook", post(take)).with_state(receiver.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (receiver, WebhookEndpoint { url, secret: SecretKey::new(SECRET) })
    }

    async fn events(&self, count: usize) -> Vec<Value> {
        eventually(async || {
            let seen = self.seen.lock().unwrap();
            let parsed = seen.iter().map(|(_, body)| serde_json::from_slice(body).unwrap());
            (seen.len() >= count).then(|| parsed.collect())
        })
        .await
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    receiver.seen.lock().unwrap().push((headers, body));
    receiver.script.lock().unwrap().pop_front().unwrap_or(StatusCode::OK)
}

/// Checks a delivery as a merchant would, without the sandbox's own code.
fn verify(headers: &HeaderMap, body: &[u8]) {
    let header = headers["stripe-signature"].to_str().unwrap();
    let (time, tag) = header.split_once(",v1=").unwrap();
    let time = time.strip_prefix("t=").unwrap();
    assert!(time.parse::<i64>().unwrap() > 1_700_000_000);
    let tag: Vec<u8> = (0..tag.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&tag[at..at + 2], 16).unwrap())
        .collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hmac::verify(&key, &[time.as_bytes(), b".", body].concat(), &tag).unwrap();
}

fn config(endpoint: Option<WebhookEndpoint>) -> SandboxConfig {
    let webhooks = WebhookConfig {
        endpoint,
        initial_backoff_ms: 1,
        max_attempts: 3,
        ..WebhookConfig::default()
    };
    SandboxConfig { webhooks, ..unlimited() }
}

fn types(events: &[Value]) -> Vec<&str> {
    let mut types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    types.sort_unstable();
    types
}

#[tokio::test]
async fn changes_are_told_in_signed_events() {
    let (receiver, endpoint) = Receiver::start(&[]).await;
    let bench = Bench::with(config(Some(endpoint))).await;
    bench.seed("pi_1", 5000, "EUR").await;
    bench.inject("pi_1", json!([{ "kind": "card_closed", "delay_ms": 1 }])).await;
    let refund = bench.refund("key", &[("payment_intent", "pi_1")]).await.unwrap();
    let events = receiver.events(3).await;
    assert_eq!(types(&events), ["refund.created", "refund.failed", "refund.updated"]);
    for (headers, body) in receiver.seen.lock().unwrap().iter() {
        verify(headers, body);
    }
    let of = |kind: &str| events.iter().find(|event| event["type"] == kind).unwrap();
    let created = of("refund.created");
    assert_eq!(created["data"]["object"], refund.body);
    assert_eq!(created["object"], "event");
    assert!(created["id"].as_str().unwrap().starts_with("evt_"));
    assert_eq!(created["request"]["idempotency_key"], "key");
    assert_eq!(created["request"]["id"], refund.header("request-id").unwrap());
    let updated = of("refund.updated");
    assert_eq!(updated["data"]["previous_attributes"]["status"], "pending");
    assert_eq!(updated["data"]["object"]["status"], "failed");
    assert_eq!(updated["request"]["id"], json!(null));
}

#[tokio::test]
async fn events_come_more_than_once_and_overtake_one_another_when_asked_to() {
    let (receiver, endpoint) = Receiver::start(&[]).await;
    let mut config = config(Some(endpoint));
    (config.webhooks.copies, config.webhooks.jumble_ms) = (2, 200);
    config.webhooks.concurrency = 64;
    let bench = Bench::with(config).await;
    bench.seed("pi_1", 5000, "EUR").await;
    let mut made = Vec::new();
    for number in 0..20 {
        let params = [("payment_intent", "pi_1"), ("amount", "1")];
        made.push(bench.refund(&format!("key{number}"), &params).await.unwrap().id());
    }
    let events = receiver.events(40).await;
    let of = |event: &Value| event["data"]["object"]["id"].as_str().unwrap().to_owned();
    let told: Vec<String> = events.iter().map(of).collect();
    for id in &made {
        assert_eq!(told.iter().filter(|told| *told == id).count(), 2, "{id} in {told:?}");
    }
    let twice: Vec<String> = made.iter().flat_map(|id| [id.clone(), id.clone()]).collect();
    assert_ne!(told, twice, "no event has overtaken another");
}

#[tokio::test]
async fn an_event_is_sent_again_until_it_is_taken() {
    let script = [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::NOT_FOUND];
    let (receiver, endpoint) = Receiver::start(&script).await;
    let bench = Bench::with(config(Some(endpoint))).await;
    bench.seed("pi_1", 5000, "EUR").await;
    bench.refund("key", &[("payment_intent", "pi_1")]).await.unwrap();
    let events = receiver.events(3).await;
    assert!(events.iter().all(|event| event["id"] == events[0]["id"]), "one event, three tries");
    let counted = async || (bench.totals().await["webhooks"]["delivered"] == 1).then_some(());
    eventually(counted).await;
    assert_eq!(bench.totals().await["webhooks"]["failed_attempts"], 2);
}

#[tokio::test]
async fn an_event_that_nobody_takes_is_given_up() {
    let (receiver, endpoint) = Receiver::start(&[StatusCode::BAD_GATEWAY; 3]).await;
    let bench = Bench::with(config(Some(endpoint))).await;
    bench.seed("pi_1", 5000, "EUR").await;
    bench.refund("key", &[("payment_intent", "pi_1"), ("amount", "1")]).await.unwrap();
    let given_up = async || (bench.totals().await["webhooks"]["given_up"] == 1).then_some(());
    eventually(given_up).await;
    assert_eq!(receiver.seen.lock().unwrap().len(), 3);
    bench.refund("key2", &[("payment_intent", "pi_1"), ("amount", "1")]).await.unwrap();
    receiver.events(4).await;
}

#[tokio::test]
async fn a_full_queue_drops_events_and_never_holds_up_money() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let endpoint = WebhookEndpoint { url, secret: SecretKey::new(SECRET) };
    let mut config = config(Some(endpoint));
    (config.webhooks.queue, config.webhooks.concurrency) = (2, 1);
    let bench = Bench::with(config).await;
    bench.seed("pi_1", 5000, "EUR").await;
    for number in 0..20 {
        let params = [("payment_intent", "pi_1"), ("amount", "1")];
        bench.refund(&format!("key{number}"), &params).await.unwrap();
    }
    let totals = bench.totals().await;
    assert_eq!(totals["refunds_made"], 20);
    let dropped = totals["webhooks"]["dropped"].as_u64().unwrap();
    assert!((17..=18).contains(&dropped), "two wait, one may be under way: {dropped}");
    bench.sandbox.shutdown().await;
}

#[tokio::test]
async fn the_endpoint_can_be_set_and_removed_while_running() {
    let (first, first_endpoint) = Receiver::start(&[]).await;
    let (second, second_endpoint) = Receiver::start(&[]).await;
    let mut config = config(None);
    config.webhooks.concurrency = 1;
    let bench = Bench::with(config).await;
    bench.seed("pi_1", 5000, "EUR").await;
    let mut ids = Vec::new();
    for endpoint in [None, Some(first_endpoint), None, Some(second_endpoint)] {
        bench.control("webhook_endpoint", json!(endpoint)).await;
        let key = format!("key{}", ids.len());
        let params = [("payment_intent", "pi_1"), ("amount", "1")];
        ids.push(bench.refund(&key, &params).await.unwrap().id());
    }
    // Events leave one by one in order, so that nothing can follow what the second receiver got.
    let refund = |events: &[Value]| events[0]["data"]["object"]["id"].as_str().unwrap().to_owned();
    assert_eq!(refund(&second.events(1).await), ids[3]);
    assert_eq!(refund(&first.events(1).await), ids[1]);
    assert_eq!(first.seen.lock().unwrap().len(), 1);
}
