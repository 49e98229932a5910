//! How long evaluating takes: `cargo run --release -p redress-policy --example speed`.
//!
//! Invariant: each law is asked in the situations of its own examples, in turn, and every answer is
//! one; a law that needs more than a second for 100,000 orders ends the program with a failure.
#![expect(clippy::disallowed_methods, reason = "what is measured is real time")]
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::error::Error;
use std::time::{Duration, Instant};

use redress_policy::check::{Report, report};
use redress_policy::{Decision, LineFacts, Pack, Situation};

const ORDERS: i64 = 100_000;
const LIMIT: Duration = Duration::from_secs(1);

/// The time for [`ORDERS`] orders, each dearer than the one before.
fn elapsed(report: &Report) -> Result<Duration, Box<dyn Error>> {
    let policy = report.policy.as_ref().ok_or("a policy that cannot be read")?;
    let cases = &report.cases;
    let rounds = ORDERS / i64::try_from(cases.len())?.max(1) + 1;
    let mut took = Duration::ZERO;
    let mut priced = 0_i64;
    for example in cases {
        example.ask(policy, |situation, line| {
            let began = Instant::now();
            for round in 0..rounds {
                let line = LineFacts { gross: line.gross + round, ..*line };
                let asked = Situation { lines: &[line], ..*situation };
                priced += i64::from(matches!(policy.price(&asked), Decision::Priced(_)));
            }
            took += began.elapsed();
        });
    }
    if priced == 0 { Err("nothing was priced".into()) } else { Ok(took) }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut reports = vec![
        ("tiers alone", report(include_str!("../templates/tiered_percent.toml"))),
        ("every key once", report(include_str!("../tests/data/everything.toml"))),
    ];
    reports.extend(Pack::all().iter().map(|pack| (pack.id, pack.report().clone())));
    let mut slowest = Duration::ZERO;
    println!("{:<24} {:>12} of them in", "", "orders");
    for (name, report) in reports {
        let took = elapsed(&report)?;
        slowest = slowest.max(took);
        println!("{name:<24} {ORDERS:>12} {:>8} ms", took.as_millis());
    }
    println!("slowest: {} ms, on one core", slowest.as_millis());
    if slowest > LIMIT { Err("slower than a second".into()) } else { Ok(()) }
}
