//! Seeding, the other control calls, settings and shutdown.

use std::fmt::Write as _;
use std::time::Duration;

use redress_sandbox::{Error, FaultPlan, Sandbox, SandboxConfig, WebhookConfig};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Bench, Params, unlimited};

async fn seed(bench: &Bench, body: String) -> (StatusCode, Value) {
    let request = bench.request(Method::POST, "/sandbox/payment_intents").body(body);
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

#[tokio::test]
async fn twenty_thousand_payments_are_seeded_quickly_and_idempotently() {
    let bench = Bench::start().await;
    let mut lines = String::new();
    for number in 0..20_000 {
        writeln!(
            lines,
            r#"{{"id":"pi_{number}","amount":4900,"currency":"EUR","amount_refunded":900,"payment_method_type":"card","metadata":{{"order":"O-{number}"}}}}"#
        )
        .unwrap();
    }
    let started = Instant::now();
    let (status, body) = seed(&bench, lines.clone()).await;
    assert_eq!((status, &body["created"]), (StatusCode::OK, &json!(20_000)));
    assert!(started.elapsed() < Duration::from_secs(5), "took {:?}", started.elapsed());
    let (_, body) = seed(&bench, lines).await;
    assert_eq!(body, json!({ "created": 0, "updated": 0, "unchanged": 20_000 }));
    let intent = bench.get("/v1/payment_intents/pi_19999").await.body;
    assert_eq!(
        (&intent["amount"], &intent["metadata"]["order"]),
        (&json!(4900), &json!("O-19999"))
    );
    assert_eq!(bench.get("/v1/balance").await.body["available"][0]["amount"], 20_000 * 4000);
    assert_eq!(bench.totals().await["payment_intents"], 20_000);
}

#[tokio::test]
async fn a_bad_record_is_named_and_the_ones_before_stay() {
    let bench = Bench::start().await;
    let good = r#"{"id":"pi_1","amount":5,"currency":"EUR"}"#;
    let bad = r#"{"id":"pi_2","amount":5,"currency":"EUX"}"#;
    let (status, body) = seed(&bench, format!("{good}\n{bad}\n")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let message = body["error"].as_str().unwrap();
    assert!(message.starts_with("record 2: `currency`"), "{message}");
    let (status, body) = seed(&bench, format!("[{good}")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body["error"].as_str().unwrap().contains("truncated"), "{body}");
    assert_eq!(bench.totals().await["payment_intents"], 1);

    bench.post("/v1/refunds", &[("payment_intent", "pi_1")]).await;
    let less = r#"{"id":"pi_1","amount":4,"currency":"EUR"}"#;
    let (_, body) = seed(&bench, less.to_owned()).await;
    assert!(body["error"].as_str().unwrap().contains("below the 5"), "{body}");
}

#[tokio::test]
async fn other_payment_methods_show_in_the_refund() {
    let bench = Bench::start().await;
    let record = r#"{"id":"pi_1","amount":5,"currency":"EUR","payment_method_type":"ideal"}"#;
    seed(&bench, record.to_owned()).await;
    let refund = bench.post("/v1/refunds", &[("payment_intent", "pi_1")]).await;
    assert_eq!(refund.body["destination_details"], json!({ "type": "ideal", "ideal": {} }));
}

#[tokio::test]
async fn bad_control_requests_say_what_is_accepted() {
    let bench = Bench::start().await;
    for (path, body, status, named) in [
        ("faults", json!({ "paln": {} }), 400, "paln"),
        ("faults", json!({ "plan": { "lost_answer": 1001 } }), 400, "1001 per thousand"),
        ("faults", json!({ "faults": ["none"] }), 400, "belong together"),
        ("faults", json!({ "payment_intent": "pi_x", "faults": ["none"] }), 404, "seed it first"),
        ("faults", json!({ "payment_intent": "pi_x", "faults": ["nope"] }), 400, "not as expected"),
        ("balance", json!({ "currency": "EUR" }), 400, "`amount` (set) or `top_up` (add)"),
        ("balance", json!({ "currency": "EU", "amount": 1 }), 400, "`currency`"),
        ("balance", json!({ "currency": "EUR", "amount": i64::MAX }), 400, "within"),
        ("webhook_endpoint", json!({ "url": "nowhere", "secret": "s" }), 400, "http://"),
    ] {
        let answer = bench.control(path, body.clone()).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {body}");
        let message = answer.body["error"].as_str().unwrap();
        assert!(message.contains(named), "{message}");
    }
}

#[tokio::test]
async fn the_state_of_faults_is_shown() {
    let bench = Bench::start().await;
    bench.seed("pi_1", 100, "EUR").await;
    bench.inject("pi_1", json!(["lost_answer", "none"])).await;
    bench.control("faults", json!({ "plan": { "seed": 9, "error_after": 5 } })).await;
    let state = bench.get("/sandbox/faults").await.body;
    assert_eq!((&state["queued"], &state["down"]), (&json!(2), &json!(false)));
    assert_eq!((&state["plan"]["seed"], &state["plan"]["error_after"]), (&json!(9), &json!(5)));
}

#[tokio::test]
async fn impossible_settings_do_not_start() {
    let faults = FaultPlan { lost_answer: 1001, ..FaultPlan::default() };
    let no_attempts = WebhookConfig { max_attempts: 0, ..WebhookConfig::default() };
    for config in [
        SandboxConfig { faults, ..unlimited() },
        SandboxConfig { webhooks: no_attempts, ..unlimited() },
        SandboxConfig { idempotency_window_ms: u64::MAX, ..unlimited() },
    ] {
        let refused = Sandbox::start(config).await.unwrap_err();
        assert!(matches!(refused, Error::Config { .. }), "{refused}");
    }
    let bench = Bench::start().await;
    let taken = SandboxConfig { listen: bench.sandbox.addr(), ..unlimited() };
    assert!(matches!(Sandbox::start(taken).await.unwrap_err(), Error::Bind { .. }));
}

#[test]
fn settings_are_read_from_json_and_hide_secrets() {
    let text = r#"{ "requests_per_s": 7, "faults": { "seed": 3, "lost_answer": 10 } }"#;
    let config: SandboxConfig = serde_json::from_str(text).unwrap();
    assert_eq!((config.requests_per_s, config.faults.lost_answer), (7, 10));
    assert!(serde_json::from_str::<SandboxConfig>(r#"{ "request_per_s": 7 }"#).is_err());
    assert!(!format!("{config:?}").contains(config.secret_key.expose()));
}

#[tokio::test]
async fn shutdown_sends_slow_answers_at_once_and_closes_the_port() {
    let bench = Bench::start().await;
    bench.seed("pi_1", 100, "EUR").await;
    bench.inject("pi_1", json!([{ "kind": "slow_answer", "delay_ms": 600_000 }])).await;
    let params: Params = &[("payment_intent", "pi_1")];
    let url = format!("{}/v1/refunds", bench.sandbox.base_url());
    let request = bench.client.post(&url).bearer_auth(crate::support::KEY).form(params);
    let slow = tokio::spawn(request.send());
    crate::support::eventually(async || (bench.export().await.len() == 1).then_some(())).await;
    let Bench { sandbox, client } = bench;
    tokio::time::timeout(Duration::from_secs(5), sandbox.shutdown()).await.expect("stops in time");
    assert_eq!(slow.await.unwrap().unwrap().status(), StatusCode::OK);
    assert!(client.get(&url).send().await.unwrap_err().is_connect());
}
