//! Every fault, injected for one payment and by plan.

use std::collections::BTreeMap;

use redress_sandbox::{FaultPlan, SandboxConfig};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Bench, KEY, Params, unlimited};

const ONE: Params<'static> = &[("payment_intent", "pi_1"), ("amount", "100")];

async fn bench_with(faults: Value) -> Bench {
    let bench = Bench::start().await;
    bench.seed("pi_1", 5000, "EUR").await;
    bench.inject("pi_1", faults).await;
    bench
}

#[tokio::test]
async fn a_lost_answer_is_paid_and_cuts_the_connection() {
    let bench = bench_with(json!(["lost_answer"])).await;
    let error = bench.refund("key", ONE).await.unwrap_err();
    assert!(!error.is_timeout() && !error.is_connect() && error.status().is_none(), "{error:?}");
    let listed = bench.get("/v1/refunds?payment_intent=pi_1").await.body;
    assert_eq!(listed["data"][0]["status"], "succeeded");
    let replayed = bench.refund("key", ONE).await.unwrap();
    assert_eq!(replayed.body, listed["data"][0]);
    let totals = bench.totals().await;
    assert_eq!(totals["refunds_made"], 1);
    assert_eq!(totals["faults_injected"], json!({ "lost_answer": 1 }));
}

#[tokio::test]
async fn the_cut_comes_before_any_byte_of_a_response() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let bench = bench_with(json!(["lost_answer"])).await;
    let mut stream = tokio::net::TcpStream::connect(bench.sandbox.addr()).await.unwrap();
    let body = "payment_intent=pi_1";
    let request = format!(
        "POST /v1/refunds HTTP/1.1\r\nhost: sandbox\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        crate::support::KEY,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    let ended = stream.read_to_end(&mut received).await;
    assert!(received.is_empty(), "{}", String::from_utf8_lossy(&received));
    assert!(ended.is_ok_and(|bytes| bytes == 0), "closed in order, nothing sent");
    assert_eq!(bench.totals().await["refunds_made"], 1);
}

#[tokio::test]
async fn an_error_before_does_nothing_and_is_stored() {
    let bench = bench_with(json!(["error_before"])).await;
    for replayed in [None, Some("true")] {
        let answer = bench.refund("key", ONE).await.unwrap();
        assert_eq!(answer.error(), "500 api_error - -");
        assert_eq!(answer.header("idempotent-replayed"), replayed);
    }
    assert_eq!(bench.totals().await["refunds_made"], 0);
    assert_eq!(bench.refund("key2", ONE).await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn an_error_after_has_paid_and_is_stored() {
    let bench = bench_with(json!(["error_after"])).await;
    for replayed in [None, Some("true")] {
        let answer = bench.refund("key", ONE).await.unwrap();
        assert_eq!(answer.error(), "500 api_error - -");
        assert_eq!(answer.header("idempotent-replayed"), replayed);
    }
    assert_eq!(bench.totals().await["refunded_minor_units_by_currency"], json!({ "EUR": 100 }));
}

#[tokio::test]
async fn a_slow_answer_comes_late_and_right() {
    let bench = bench_with(json!([{ "kind": "slow_answer", "delay_ms": 150 }])).await;
    let started = tokio::time::Instant::now();
    let answer = bench.refund("key", ONE).await.unwrap();
    assert!(started.elapsed().as_millis() >= 150);
    assert_eq!(answer.body["status"], "succeeded");
}

#[tokio::test]
async fn a_refund_to_a_closed_card_fails_later_and_gives_the_money_back() {
    let bench = bench_with(json!([{ "kind": "card_closed", "delay_ms": 50 }])).await;
    let all: Params = &[("payment_intent", "pi_1"), ("amount", "5000")];
    let refund = bench.refund("key", all).await.unwrap();
    assert_eq!(refund.body["status"], "pending");
    assert_eq!(refund.body["pending_reason"], "processing");
    let failed = bench.until_status(&refund.id(), "failed").await;
    assert_eq!(failed["failure_reason"], "expired_or_canceled_card");
    assert!(failed["failure_balance_transaction"].is_string());
    assert_eq!(bench.get("/v1/balance").await.body["available"][0]["amount"], 5000);
    let replayed = bench.refund("key", all).await.unwrap();
    assert_eq!(replayed.body["status"], "pending", "the stored answer does not change");
    let again = bench.refund("key2", all).await.unwrap();
    assert_eq!(again.body["status"], "succeeded");
    let totals = bench.totals().await;
    assert_eq!(totals["refunds_by_status"], json!({ "pending": 0, "succeeded": 1, "failed": 1 }));
    assert_eq!(totals["refunded_minor_units_by_currency"], json!({ "EUR": 5000 }));
    assert_eq!(totals["failed_minor_units_by_currency"], json!({ "EUR": 5000 }));
}

#[tokio::test]
async fn a_settled_refund_can_be_returned_by_the_bank() {
    let bench = bench_with(json!([{ "kind": "returned", "delay_ms": 50 }])).await;
    let refund = bench.refund("key", ONE).await.unwrap();
    assert_eq!(refund.body["status"], "succeeded");
    let failed = bench.until_status(&refund.id(), "failed").await;
    assert_eq!(failed["failure_reason"], "declined");
    assert_eq!(bench.totals().await["refunded_minor_units_by_currency"], json!({}));
}

#[tokio::test]
async fn a_lack_of_funds_is_pending_or_an_error() {
    let bench = bench_with(json!(["balance_pending", "balance_refused"])).await;
    let pending = bench.refund("key", ONE).await.unwrap();
    assert_eq!(pending.body["pending_reason"], "insufficient_funds");
    let refused = bench.refund("key2", ONE).await.unwrap();
    assert_eq!(refused.error(), "400 invalid_request_error balance_insufficient -");
    bench.control("balance", json!({ "currency": "EUR", "top_up": 1 })).await;
    bench.until_status(&pending.id(), "succeeded").await;
    assert_eq!(bench.totals().await["refunds_made"], 1);
}

#[tokio::test]
async fn a_refund_that_waits_too_long_for_funds_fails() {
    let bench = bench_with(json!([{ "kind": "balance_pending", "delay_ms": 50 }])).await;
    let refund = bench.refund("key", ONE).await.unwrap();
    let failed = bench.until_status(&refund.id(), "failed").await;
    assert_eq!(failed["failure_reason"], "insufficient_funds");
    assert_eq!(failed["balance_transaction"], json!(null), "it was never debited");
    assert_eq!(bench.get("/v1/balance").await.body["available"][0]["amount"], 5000);

    let plan = json!({ "balance_pending_fails_ms": 50 });
    bench.control("faults", json!({ "plan": plan })).await;
    bench.control("balance", json!({ "currency": "EUR", "amount": 0 })).await;
    let refund = bench.refund("key2", ONE).await.unwrap();
    bench.until_status(&refund.id(), "failed").await;
}

#[tokio::test]
async fn the_next_answers_about_paid_refunds_can_all_be_cut() {
    let bench = bench_with(json!([])).await;
    bench.control("faults", json!({ "cut_next_refund_answers": 2 })).await;
    assert!(bench.refund("key", ONE).await.is_err());
    assert!(bench.refund("key", ONE).await.is_err(), "a replay is an answer too");
    assert_eq!(bench.refund("key", ONE).await.unwrap().status, StatusCode::OK);
    let totals = bench.totals().await;
    assert_eq!(
        (&totals["refunds_made"], &totals["faults_injected"]),
        (&json!(1), &json!({ "lost_answer": 2 }))
    );
}

#[tokio::test]
async fn down_refuses_everything_and_does_nothing() {
    let bench = bench_with(json!([])).await;
    bench.control("faults", json!({ "down": true })).await;
    assert_eq!(bench.refund("key", ONE).await.unwrap().error(), "503 api_error - -");
    assert_eq!(bench.get("/v1/refunds").await.status, StatusCode::SERVICE_UNAVAILABLE);
    bench.control("faults", json!({ "down": false })).await;
    let answer = bench.refund("key", ONE).await.unwrap();
    assert_eq!(answer.header("idempotent-replayed"), None);
    assert_eq!(bench.totals().await["refunds_made"], 1);
}

/// What 60 payments with two attempts each met, by payment; `backwards` turns their order around.
async fn seeded_run(seed: u64, backwards: bool) -> BTreeMap<String, Vec<String>> {
    let faults = FaultPlan {
        seed,
        lost_answer: 200,
        error_before: 200,
        balance_refused: 200,
        card_closed: 200,
        card_closed_ms: 60_000,
        ..FaultPlan::default()
    };
    let bench = Bench::with(SandboxConfig { faults, ..unlimited() }).await;
    let mut numbers: Vec<u32> = (0..60).collect();
    if backwards {
        numbers.reverse();
    }
    let mut met: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for number in &numbers {
        bench.seed(&format!("pi_{number}"), 1000, "EUR").await;
    }
    for attempt in 0..2 {
        for number in &numbers {
            let intent = format!("pi_{number}");
            let params: Params = &[("payment_intent", &intent), ("amount", "1")];
            let outcome = match bench.refund(&format!("{intent}-{attempt}"), params).await {
                Err(_) => "cut".to_owned(),
                Ok(answer) => format!("{} {}", answer.status.as_u16(), answer.body["status"]),
            };
            met.entry(intent).or_default().push(outcome);
        }
    }
    let counted: u64 = bench.totals().await["faults_injected"]
        .as_object()
        .unwrap()
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum();
    let faulted = met.values().flatten().filter(|outcome| *outcome != "200 \"succeeded\"").count();
    assert_eq!(u64::try_from(faulted).unwrap(), counted, "every injected fault shows");
    met
}

#[tokio::test]
async fn nothing_readable_is_said_about_a_garbled_payment_and_nothing_done() {
    let bench = Bench::start().await;
    for id in ["pi_1", "pi_2"] {
        bench.seed(id, 1000, "EUR").await;
    }
    bench.control("faults", json!({ "garbled": ["pi_1"] })).await;
    let form = [("payment_intent", "pi_1")];
    let post = bench.request(reqwest::Method::POST, "/v1/refunds").form(&form);
    let list = bench.request(reqwest::Method::GET, "/v1/refunds").query(&form);
    for request in [post, list] {
        let response = request.bearer_auth(KEY).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.text().await.unwrap().starts_with("<!doctype html>"));
    }
    bench.refund("key", &[("payment_intent", "pi_2")]).await.unwrap();
    assert_eq!(bench.totals().await["refunds_made"], 1, "only the other payment was refunded");
    bench.control("faults", json!({ "garbled": [] })).await;
    bench.refund("key1", &form).await.unwrap();
    assert_eq!(bench.totals().await["refunds_made"], 2);
}

#[tokio::test]
async fn a_seed_repeats_a_run_in_any_order() {
    let first = seeded_run(42, false).await;
    assert_eq!(first, seeded_run(42, true).await);
    assert_ne!(first, seeded_run(43, false).await);
    for outcome in ["cut", "500 null", "400 null", "200 \"pending\"", "200 \"succeeded\""] {
        assert!(first.values().flatten().any(|met| met == outcome), "{outcome} in {first:?}");
    }
}
