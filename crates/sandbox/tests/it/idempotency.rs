//! Idempotency keys over HTTP.

use std::time::Duration;

use redress_sandbox::SandboxConfig;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{Bench, ManualClock, Params, eventually, unlimited};

const ONE: Params<'static> = &[("payment_intent", "pi_1"), ("amount", "100")];
const OTHER: Params<'static> = &[("payment_intent", "pi_1"), ("amount", "101")];

#[tokio::test]
async fn the_same_request_is_replayed_and_paid_once() {
    let bench = Bench::start().await;
    bench.seed("pi_1", 5000, "EUR").await;
    let first = bench.refund("key", ONE).await.unwrap();
    assert_eq!(first.header("idempotent-replayed"), None);
    let again = bench.refund("key", ONE).await.unwrap();
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.header("original-request"), first.header("request-id"));
    assert_ne!(again.header("request-id"), first.header("request-id"));
    assert_eq!(bench.totals().await["refunds_made"], 1);
}

#[tokio::test]
async fn a_key_belongs_to_its_parameters_and_endpoint() {
    let bench = Bench::start().await;
    bench.seed("pi_1", 5000, "EUR").await;
    bench.refund("key", ONE).await.unwrap();
    assert_eq!(bench.refund("key", OTHER).await.unwrap().error(), "400 idempotency_error - -");
    let request = bench.request(reqwest::Method::POST, "/v1/payment_intents");
    let request = request.bearer_auth(crate::support::KEY).header("idempotency-key", "key");
    assert_eq!(request.form(ONE).send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    let long = "k".repeat(256);
    assert_eq!(bench.refund(&long, ONE).await.unwrap().error(), "400 idempotency_error - -");
    assert_eq!(bench.totals().await["refunds_made"], 1);
}

#[tokio::test]
async fn a_key_in_use_is_a_conflict_and_is_stored_after_the_client_hung_up() {
    let bench = Bench::start().await;
    bench.seed("pi_1", 5000, "EUR").await;
    bench.inject("pi_1", json!([{ "kind": "slow_answer", "delay_ms": 400 }])).await;
    {
        let hangs_up = bench.refund("key", ONE);
        let paid = eventually(async || (bench.export().await.len() == 1).then_some(()));
        tokio::select! {
            answer = hangs_up => panic!("answered before its time: {answer:?}"),
            () = paid => {}
        }
    }
    let conflict = bench.refund("key", ONE).await.unwrap();
    assert_eq!(conflict.error(), "409 idempotency_error idempotency_key_in_use -");
    let replayed = eventually(async || {
        let answer = bench.refund("key", ONE).await.unwrap();
        (answer.status == StatusCode::OK).then_some(answer)
    })
    .await;
    assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
    assert_eq!(bench.totals().await["refunds_made"], 1);
}

#[tokio::test]
async fn many_at_once_under_one_key_pay_once() {
    let bench = Bench::start().await;
    bench.seed("pi_1", 5000, "EUR").await;
    let answers = futures::future::join_all((0..50).map(|_| bench.refund("key", ONE))).await;
    for answer in answers {
        let answer = answer.unwrap();
        assert!(matches!(answer.status.as_u16(), 200 | 409), "{answer:?}");
    }
    assert_eq!(bench.totals().await["refunds_made"], 1);
}

#[tokio::test]
async fn validation_errors_free_the_key_and_executed_refusals_keep_it() {
    let bench = Bench::start().await;
    bench.seed("pi_1", 5000, "EUR").await;
    let invalid: Params = &[("payment_intent", "pi_1"), ("amount", "0")];
    assert_eq!(bench.refund("key", invalid).await.unwrap().status, StatusCode::BAD_REQUEST);
    assert_eq!(bench.refund("key", ONE).await.unwrap().status, StatusCode::OK);

    let above: Params = &[("payment_intent", "pi_1"), ("amount", "5000")];
    let refused = bench.refund("above", above).await.unwrap();
    let again = bench.refund("above", above).await.unwrap();
    assert_eq!(again.body, refused.body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
}

#[tokio::test]
async fn an_expired_key_is_a_new_request() {
    let clock = ManualClock::new();
    let config =
        SandboxConfig { clock: clock.clock(), idempotency_window_ms: 60_000, ..unlimited() };
    let bench = Bench::with(config).await;
    bench.seed("pi_1", 5000, "EUR").await;
    bench.refund("key", ONE).await.unwrap();
    clock.advance(Duration::from_millis(59_999));
    bench.refund("key", ONE).await.unwrap();
    assert_eq!(bench.totals().await["refunds_made"], 1);
    clock.advance(Duration::from_millis(1));
    let fresh = bench.refund("key", ONE).await.unwrap();
    assert_eq!(fresh.header("idempotent-replayed"), None);
    assert_eq!(bench.totals().await["refunds_made"], 2);
}
