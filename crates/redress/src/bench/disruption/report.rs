//! What `redress bench disruption` prints.
//!
//! Invariant: every figure was measured in this run; one that could not be is `null`.

use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::Plan;
use super::provider::Totals;
use crate::output;

/// The result of a run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub database: &'static str,
    pub orders: usize,
    pub replicas: usize,
    /// Calls of the provider that each replica may have under way.
    pub concurrency: usize,
    pub provider_latency_ms: u64,
    /// Requests that the provider takes in a calendar second; 0 is no limit.
    pub rate_limit: u32,
    /// Processors that this process may use; the provider and PostgreSQL use them, too.
    pub cores: usize,
    /// To write one block to the disk of temporary files and flush it.
    pub flush_p50_ms: f64,
    pub import_orders_per_s: f64,
    pub preview_s: f64,
    pub freeze_s: f64,
    /// From the start of the disruption until it was completed.
    pub run_s: f64,
    pub refunds_per_s: f64,
    /// After that, until three subscribers had every event.
    pub events_behind_s: f64,
    pub bulk_orders: usize,
    /// The same rows, written by hand.
    pub bulk_sql_per_s: f64,
    pub ratio_to_bulk_sql: f64,
    /// The provider at the same concurrency, with nothing behind the calls; without its limit.
    pub sandbox_alone_per_s: f64,
    pub suite_orders: usize,
    /// Until the last message was sent and the last invitation decided.
    pub suite_refunds_per_s: f64,
    /// Of this process, which holds the service and not the provider, while it paid.
    pub peak_rss_mb: Option<f64>,
    /// The same, just before.
    pub rss_before_mb: Option<f64>,
    /// `POST /v1/refunds` that the provider let through in one calendar second, at most.
    pub provider_peak_per_s: u32,
    /// The same with those that it refused.
    pub provider_peak_received_per_s: u32,
    /// Of the limit, in the mean over the run; `null` without a limit.
    pub rate_budget_used: Option<f64>,
    /// Requests that the provider refused for their rate.
    pub rate_limited: u64,
    /// Whether provider, books and items agree, in both runs.
    pub money_matches: bool,
    pub differences: Vec<String>,
}

impl Report {
    pub(super) fn new(plan: &Plan, database: &'static str, flush: Duration) -> Self {
        Self {
            database,
            orders: plan.orders,
            replicas: plan.replicas,
            concurrency: plan.concurrency,
            provider_latency_ms: plan.manner.latency_ms,
            rate_limit: plan.manner.rate,
            // A system that does not tell runs at least one thread.
            cores: thread::available_parallelism().map_or(1, Into::into),
            flush_p50_ms: flush.as_secs_f64() * 1_000.0,
            import_orders_per_s: 0.0,
            preview_s: 0.0,
            freeze_s: 0.0,
            run_s: 0.0,
            refunds_per_s: 0.0,
            events_behind_s: 0.0,
            bulk_orders: plan.bulk_orders,
            bulk_sql_per_s: 0.0,
            ratio_to_bulk_sql: 0.0,
            sandbox_alone_per_s: 0.0,
            suite_orders: plan.suite_orders,
            suite_refunds_per_s: 0.0,
            peak_rss_mb: None,
            rss_before_mb: None,
            provider_peak_per_s: 0,
            provider_peak_received_per_s: 0,
            rate_budget_used: None,
            rate_limited: 0,
            money_matches: false,
            differences: Vec::new(),
        }
    }

    /// Notes what the provider has counted while `count` refunds took `elapsed`.
    pub(super) fn provider(&mut self, totals: &Totals) {
        self.provider_peak_per_s = totals.peak_refund_requests_admitted_per_s;
        self.provider_peak_received_per_s = totals.peak_refund_requests_per_s;
        self.rate_limited = totals.rate_limited_total;
        self.rate_budget_used =
            (self.rate_limit > 0).then(|| self.refunds_per_s / f64::from(self.rate_limit));
    }

    /// Shows the report to people.
    pub(super) fn show(&self) {
        let row = |what: &str, figure: String| [what.to_owned(), figure];
        let per_s = |figure: f64| format!("{figure:.0}/s");
        let mebibytes =
            |size: Option<f64>| size.map_or("-".to_owned(), |mb| format!("{mb:.0} MiB"));
        let rows = [
            row("orders imported", per_s(self.import_orders_per_s)),
            row("preview", format!("{:.2} s", self.preview_s)),
            row("approval, amounts frozen", format!("{:.2} s", self.freeze_s)),
            row("refunds, until completed", per_s(self.refunds_per_s)),
            row("events behind that", format!("{:.2} s", self.events_behind_s)),
            row("the same rows in hand-written SQL", per_s(self.bulk_sql_per_s)),
            row("ratio to it", format!("{:.2}", self.ratio_to_bulk_sql)),
            row("the sandbox alone", per_s(self.sandbox_alone_per_s)),
            row("whole suite, until all have caught up", per_s(self.suite_refunds_per_s)),
            row("peak memory while paying", mebibytes(self.peak_rss_mb)),
            row("memory before", mebibytes(self.rss_before_mb)),
            row("most refunds at the provider in a second", self.provider_peak_per_s.to_string()),
        ];
        output::table([self.database, "figure"], rows);
        if let Some(used) = self.rate_budget_used {
            output::line(format!(
                "{:.0} % of the provider's {} a second were used; {} requests were refused.",
                used * 100.0,
                self.rate_limit,
                self.rate_limited
            ));
        }
        output::line(format!(
            "{} orders, {} by hand, {} through the suite; {} replicas of {} calls at once, {} \
             cores, {:.2} ms a flush.",
            self.orders,
            self.bulk_orders,
            self.suite_orders,
            self.replicas,
            self.concurrency,
            self.cores,
            self.flush_p50_ms
        ));
        if self.money_matches {
            output::line("The money matches: provider, books and items agree, no order twice.");
        }
        for difference in &self.differences {
            output::note(format!("does not add up: {difference}"));
        }
    }
}
