//! How long evaluating takes: `cargo run --release -p redress-policy --example speed`.
//!
//! Invariant: every evaluation is a price; a question or a refusal ends the program.
#![expect(clippy::disallowed_methods, reason = "what is measured is real time")]
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

use redress_core::clock::Timestamp;
use redress_policy::check::check;
use redress_policy::{Decision, FactValue, LineFacts, LineKind, Policy, Situation};

const EVALUATIONS: i64 = 100_000;

fn elapsed(policy: &Policy) -> Result<Duration, Box<dyn Error>> {
    let start = redress_calendar::parse_instant("2026-12-19T14:30:00Z")?;
    let facts = BTreeMap::from([("medical_certificate".to_owned(), FactValue::Bool(true))]);
    let currency = "EUR".parse()?;
    let began = Instant::now();
    for at in 0..EVALUATIONS {
        let line = LineFacts {
            id: "p1",
            kind: LineKind::Ticket,
            gross: 10_000 + at,
            units: 1,
            start,
            time_zone: "Europe/Berlin",
            event: "gala",
            place: "Arena",
        };
        let decision = policy.price(&Situation {
            now: Timestamp(start.0 - at % 1_000 * 3_600_000_000),
            purchase: Timestamp(0),
            channel: "web",
            currency,
            override_code: None,
            evidence: &[],
            facts: &facts,
            buyer_refunds: Some(0),
            whole_order: true,
            lines: &[line],
        });
        if !matches!(decision, Decision::Priced(_)) {
            return Err("not priced".into());
        }
    }
    Ok(began.elapsed())
}

fn main() -> Result<(), Box<dyn Error>> {
    for (name, text) in [
        ("tiers alone", include_str!("../templates/tiered_percent.toml")),
        ("with a condition", include_str!("../tests/data/everything.toml")),
    ] {
        let policy = check(text).map_err(|problems| format!("{problems:?}"))?;
        println!("{EVALUATIONS} evaluations, {name}: {:?}", elapsed(&policy)?);
    }
    Ok(())
}
