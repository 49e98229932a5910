//! `redress bench unary`: its keys, its counts, and what it refuses.

use std::env;
use std::process::{Command, Output};

use serde_json::Value;

/// Calls that are measured, and the least that warm up.
const REQUESTS: u64 = 30;
const WARM_UP: u64 = 20;

fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redress"));
    command.args(["bench", "unary", "--requests", "30", "--rounds", "2", "--concurrency", "6"]);
    command.args(["--connections", "2", "--json"]).args(arguments).output().unwrap()
}

fn report(output: &Output) -> Value {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn assert_comparison(comparison: &Value) {
    for figures in [comparison, &comparison["bare"]] {
        for key in ["requests_per_s", "p50_ms", "p95_ms", "p99_ms"] {
            assert!(figures[key].as_f64().unwrap() > 0.0, "{key} in {comparison}");
        }
        let of = |key: &str| figures[key].as_f64().unwrap();
        assert!(of("p50_ms") <= of("p95_ms") && of("p95_ms") <= of("p99_ms"), "{comparison}");
    }
    let rate = |figures: &Value| figures["requests_per_s"].as_f64().unwrap();
    let ratio = rate(comparison) / rate(&comparison["bare"]);
    assert!((comparison["ratio_to_bare"].as_f64().unwrap() - ratio).abs() < 1e-9, "{comparison}");
    assert_eq!(comparison["refunds"], REQUESTS + WARM_UP);
    assert_eq!(comparison["bare"]["rows"], REQUESTS + WARM_UP);
}

#[test]
fn on_sqlite_the_counts_add_up() {
    let report = report(&bench(&["--database", "sqlite"]));
    for (key, expected) in [
        ("requests", REQUESTS),
        ("warm_up", WARM_UP),
        ("rounds", 2),
        ("concurrency", 6),
        ("connections", 2),
    ] {
        assert_eq!(report[key], expected, "{key}");
    }
    assert!(report["cores"].as_u64().unwrap() > 0);
    assert_comparison(&report["sqlite"]);
    assert!(report["postgres"].is_null());
    assert_eq!(report["not_run"], serde_json::json!({}));
}

#[test]
fn on_a_private_postgres_the_counts_add_up() {
    let output = bench(&["--database", "postgres"]);
    let complaint = String::from_utf8_lossy(&output.stderr);
    let is_required = env::var("REDRESS_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
    if complaint.contains("nor PATH has initdb and postgres") && !is_required {
        assert_eq!(output.status.code(), Some(1));
        return;
    }
    let report = report(&output);
    assert_comparison(&report["postgres"]);
    assert!(report["sqlite"].is_null());
}

#[test]
fn a_postgres_that_is_not_there_is_an_error_when_it_was_asked_for() {
    let nobody = "postgres://nobody@127.0.0.1:9/none";
    let output = bench(&["--database", "postgres", "--postgres", nobody]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("PostgreSQL was not run"), "{complaint}");
}
