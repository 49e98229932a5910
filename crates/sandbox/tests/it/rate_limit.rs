//! 429s and the peaks, under a clock that stands still.

use std::time::Duration;

use redress_sandbox::SandboxConfig;
use reqwest::StatusCode;

use crate::support::{Bench, ManualClock, Params};

const ONE: Params<'static> = &[("payment_intent", "pi_1"), ("amount", "1")];

#[tokio::test]
async fn twenty_five_a_second_and_endpoint_by_default() {
    let clock = ManualClock::new();
    let config = SandboxConfig { clock: clock.clock(), ..SandboxConfig::default() };
    let bench = Bench::with(config).await;
    bench.seed("pi_1", 5000, "EUR").await;
    let mut answers = Vec::new();
    for number in 0..30 {
        answers.push(bench.refund(&format!("key{number}"), ONE).await.unwrap());
    }
    assert!(answers[..25].iter().all(|answer| answer.status == StatusCode::OK));
    for limited in &answers[25..] {
        assert_eq!(limited.error(), "429 invalid_request_error rate_limit -");
        assert_eq!(limited.header("retry-after"), Some("1"));
        assert_eq!(limited.header("stripe-rate-limited-reason"), Some("endpoint-rate"));
    }
    assert_eq!(bench.get("/v1/refunds").await.status, StatusCode::OK, "another endpoint");

    clock.advance(Duration::from_secs(1));
    let retried = bench.refund("key29", ONE).await.unwrap();
    assert_eq!(retried.status, StatusCode::OK);
    assert_eq!(retried.header("idempotent-replayed"), None, "a 429 is not stored");

    let totals = bench.totals().await;
    for (field, value) in [
        ("refunds_made", 26),
        ("requests_total", 32),
        ("peak_requests_per_s", 31),
        ("refund_requests_total", 31),
        ("peak_refund_requests_per_s", 30),
        ("peak_refund_requests_admitted_per_s", 25),
        ("reads_total", 1),
        ("peak_reads_per_s", 1),
        ("rate_limited_total", 5),
    ] {
        assert_eq!(totals[field], value, "{field}");
    }
}

#[tokio::test]
async fn the_account_can_have_a_limit_too() {
    let clock = ManualClock::new();
    let config = SandboxConfig {
        clock: clock.clock(),
        requests_per_s: 0,
        account_requests_per_s: 1,
        ..SandboxConfig::default()
    };
    let bench = Bench::with(config).await;
    assert_eq!(bench.get("/v1/balance").await.status, StatusCode::OK);
    let limited = bench.get("/v1/refunds").await;
    assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.header("stripe-rate-limited-reason"), Some("global-rate"));
}
