//! What `redress bench unary` prints.
//!
//! Invariant: a rate is the median of its rounds; a percentile is taken over the calls of all
//! rounds; nothing is estimated.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::super::load::{Round, percentile};
use crate::cli::UnaryArgs;
use crate::output;

/// The result of a run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Measured calls to each server, on each database.
    requests: u32,
    /// Calls before them, which are made and not measured.
    warm_up: usize,
    rounds: u32,
    concurrency: u32,
    connections: u32,
    /// Processors that this process may use.
    cores: usize,
    /// To write one block to the disk of temporary files and flush it.
    flush_p50_ms: f64,
    /// `null` when it was not asked for.
    pub sqlite: Option<Comparison>,
    /// `null` when it was not asked for, or not run.
    pub postgres: Option<Comparison>,
    /// Why a database is missing, by its name.
    pub not_run: BTreeMap<&'static str, String>,
}

/// CreateRefund beside the baseline, on one database.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    #[serde(flatten)]
    pub figures: Figures,
    /// Rate by rate.
    pub ratio_to_bare: f64,
    /// Refunds that the service has, warm-up included; its books agree with them.
    pub refunds: usize,
    pub bare: BareFigures,
}

/// The baseline.
#[derive(Debug, Serialize)]
pub(super) struct BareFigures {
    #[serde(flatten)]
    pub figures: Figures,
    /// Rows that it has stored, warm-up included.
    pub rows: usize,
}

/// What one server gave.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Figures {
    pub requests_per_s: f64,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
}

impl Figures {
    pub(super) fn of(rounds: &[Round]) -> Self {
        let mut latencies: Vec<Duration> =
            rounds.iter().flat_map(|round| &round.latencies).copied().collect();
        latencies.sort_unstable();
        let at = |percent| millis(percentile(&latencies, percent));
        Self {
            requests_per_s: median(rounds.iter().map(Round::per_second).collect()),
            p50_ms: at(50),
            p95_ms: at(95),
            p99_ms: at(99),
        }
    }

    fn row(&self, name: String, ratio: String) -> [String; 6] {
        [
            name,
            format!("{:.0}", self.requests_per_s),
            format!("{:.2}", self.p50_ms),
            format!("{:.2}", self.p95_ms),
            format!("{:.2}", self.p99_ms),
            ratio,
        ]
    }
}

impl Report {
    pub(super) fn new(args: &UnaryArgs, warm_up: usize, flush: Duration) -> Self {
        Self {
            requests: args.requests,
            warm_up,
            rounds: args.rounds.min(args.requests),
            concurrency: args.concurrency,
            connections: args.connections,
            // A system that does not tell runs at least one thread.
            cores: thread::available_parallelism().map_or(1, Into::into),
            flush_p50_ms: millis(flush),
            sqlite: None,
            postgres: None,
            not_run: BTreeMap::new(),
        }
    }

    /// Shows the report to people.
    pub(super) fn show(&self) {
        let measured = [("SQLite", &self.sqlite), ("PostgreSQL", &self.postgres)];
        let mut rows = Vec::new();
        for (name, comparison) in measured {
            let Some(comparison) = comparison else { continue };
            let bare = format!("{name}, one INSERT");
            rows.push(comparison.bare.figures.row(bare, "1.00".to_owned()));
            let ratio = format!("{:.2}", comparison.ratio_to_bare);
            rows.push(comparison.figures.row(format!("{name}, CreateRefund"), ratio));
        }
        output::table(["", "requests/s", "p50 ms", "p95 ms", "p99 ms", "ratio to bare"], rows);
        for (name, reason) in &self.not_run {
            output::line(format!("{name} not run: {reason}"));
        }
        output::line(format!(
            "{} calls to each after {} to warm up, {} callers on {} connections, {} rounds, {} \
             cores, {:.2} ms a flush. Every refund was found again and the books balance.",
            self.requests,
            self.warm_up,
            self.concurrency,
            self.connections,
            self.rounds,
            self.cores,
            self.flush_p50_ms,
        ));
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// The middle of `values`; of an even number, the mean of the two in the middle. 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (None, _) => 0.0,
        (Some(value), 1) => *value,
        (Some(value), _) => f64::midpoint(values[middle - 1], *value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    #[test]
    fn a_median_is_the_middle() {
        assert!(close(median(vec![]), 0.0));
        assert!(close(median(vec![7.0]), 7.0));
        assert!(close(median(vec![9.0, 1.0, 2.0]), 2.0));
        assert!(close(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5));
    }

    #[test]
    fn one_slow_round_moves_the_tail_and_not_the_rate() {
        let round = |millis: u64| Round {
            latencies: vec![Duration::from_millis(millis); 100],
            elapsed: Duration::from_millis(100 * millis),
        };
        let figures = Figures::of(&[round(2), round(50), round(2)]);
        assert!(close(figures.requests_per_s, 500.0));
        assert!(close(figures.p50_ms, 2.0));
        assert!(close(figures.p95_ms, 50.0));
    }
}
