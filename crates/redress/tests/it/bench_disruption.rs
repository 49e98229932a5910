//! `redress bench disruption`: its keys, its counts, and what it refuses.

use std::env;
use std::process::{Command, Output};

use serde_json::Value;

/// Figures of every run; each is above zero.
const FIGURES: [&str; 9] = [
    "import_orders_per_s",
    "preview_s",
    "freeze_s",
    "refunds_per_s",
    "bulk_sql_per_s",
    "ratio_to_bulk_sql",
    "sandbox_alone_per_s",
    "suite_refunds_per_s",
    "provider_peak_per_s",
];

fn bench(arguments: &[&str]) -> Output {
    bench_of("60", arguments)
}

fn bench_of(orders: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redress"));
    command.args(["bench", "disruption", "--orders", orders, "--json"]);
    command.args(arguments).output().unwrap()
}

/// Whether a run may end like this because there is no PostgreSQL, and did.
fn is_without_postgres(output: &Output) -> bool {
    let complaint = String::from_utf8_lossy(&output.stderr);
    let is_required = env::var("REDRESS_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
    let is_without = complaint.contains("nor PATH has initdb and postgres") && !is_required;
    if is_without {
        assert_eq!(output.status.code(), Some(1));
    }
    is_without
}

fn report(output: &Output) -> Value {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn assert_report(report: &Value) {
    for key in FIGURES {
        assert!(report[key].as_f64().unwrap() > 0.0, "{key} in {report}");
    }
    let of = |key: &str| report[key].as_f64().unwrap();
    let ratio = of("refunds_per_s") / of("bulk_sql_per_s");
    assert!((of("ratio_to_bulk_sql") - ratio).abs() < 1e-9, "{report}");
    for key in ["orders", "bulk_orders", "suite_orders"] {
        assert_eq!(report[key], 60, "{key}");
    }
    assert!(of("provider_peak_per_s") <= 60.0, "{report}");
    assert!(report.get("peak_rss_mb").is_some(), "{report}");
    assert_eq!(report["money_matches"], true, "{report}");
    assert_eq!(report["differences"], serde_json::json!([]));
}

#[test]
fn on_sqlite_the_money_matches() {
    assert_report(&report(&bench(&["--database", "sqlite"])));
}

#[test]
fn on_a_private_postgres_the_money_matches_for_two_replicas() {
    let output = bench(&["--replicas", "2", "--provider-latency", "5"]);
    if is_without_postgres(&output) {
        return;
    }
    let report = report(&output);
    assert_report(&report);
    assert_eq!(
        (report["replicas"].as_u64(), report["provider_latency_ms"].as_u64()),
        (Some(2), Some(5))
    );
}

/// A stadium must not be held in memory.
#[test]
fn ten_thousand_orders_are_paid_without_more_memory() {
    let output = bench_of("10000", &["--suite-orders", "0"]);
    if is_without_postgres(&output) {
        return;
    }
    let report = report(&output);
    assert_eq!(report["money_matches"], true, "{report}");
    assert_eq!(report["orders"], 10_000);
    let of = |key: &str| report[key].as_f64().unwrap();
    assert!(of("peak_rss_mb") < 1.2 * of("rss_before_mb"), "{report}");
}

#[test]
fn what_is_no_database_is_refused_before_anything_starts() {
    let output = bench(&["--database", "oracle"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("expected sqlite, postgres or postgres://"), "{complaint}");
}
