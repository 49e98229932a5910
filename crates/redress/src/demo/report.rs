//! What the demo prints at the end, and whether it adds up.

use std::collections::BTreeMap;
use std::time::Duration;

use redress_core::money::Money;
use redress_proto::common::v1::Money as WireMoney;
use redress_proto::feedback::v1::Rating;
use redress_proto::refunds::v1::{LedgerReport, Refund};
use serde::Serialize;

use super::provider::ProviderTotals;
use super::stage::ConsumerFigures;
use crate::commands::{Cancellation, rating};
use crate::import::ImportReport;
use crate::output;

/// The demo's result. Money is in minor units by ISO 4217 code; times are in milliseconds.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    orders_imported: u64,
    import_orders_per_s: f64,
    orders_in_scope: i64,
    succeeded: i64,
    attention: i64,
    nothing_due: i64,
    /// By Redress: the cancellation's refunds and the voluntary one.
    refunded_minor_units_by_currency: BTreeMap<String, i64>,
    /// By the provider's own count.
    provider_refunded_minor_units_by_currency: BTreeMap<String, i64>,
    provider_max_refunds_per_attempt: u64,
    messages_sent: i64,
    messages_failed: i64,
    refund_cases_opened: i64,
    invitations: i64,
    not_invited: i64,
    responses: i64,
    rating_mean: Option<f64>,
    rating_count: i64,
    rating_interval_low: Option<f64>,
    rating_interval_high: Option<f64>,
    ledger_balanced: bool,
    /// From the call that cancels to the last message, case and invitation.
    elapsed_ms: u64,
    /// Orders in scope over that time.
    orders_per_s: f64,
    #[serde(skip)]
    rating_text: String,
}

/// What a report is made from.
pub(super) struct Facts<'a> {
    pub imported: &'a ImportReport,
    pub import_elapsed: Duration,
    pub done: &'a Cancellation,
    pub voluntary: Option<&'a Refund>,
    pub figures: ConsumerFigures,
    pub responses: i64,
    pub rating: &'a Rating,
    pub ledger: &'a LedgerReport,
    pub provider: &'a ProviderTotals,
    pub elapsed: Duration,
}

impl Report {
    pub(super) fn new(facts: &Facts<'_>) -> Self {
        let counts = &facts.done.counts;
        let mut refunded = BTreeMap::new();
        let mut add = |amount: &WireMoney| {
            if amount.minor_units != 0 {
                *refunded.entry(amount.currency_code.clone()).or_insert(0) += amount.minor_units;
            }
        };
        facts.done.disruption.issued.iter().for_each(&mut add);
        facts.voluntary.iter().filter_map(|refund| refund.issued.as_ref()).for_each(&mut add);
        Self {
            orders_imported: facts.imported.total(),
            import_orders_per_s: rate(facts.imported.total(), facts.import_elapsed),
            orders_in_scope: counts.orders_in_scope,
            succeeded: counts.succeeded,
            attention: counts.attention,
            nothing_due: counts.nothing_due,
            refunded_minor_units_by_currency: refunded,
            provider_refunded_minor_units_by_currency: facts
                .provider
                .refunded_minor_units_by_currency
                .clone(),
            provider_max_refunds_per_attempt: facts.provider.max_refunds_per_attempt,
            messages_sent: facts.figures.messages_sent,
            messages_failed: facts.figures.messages_failed,
            refund_cases_opened: facts.figures.cases,
            invitations: facts.figures.invitations,
            not_invited: facts.figures.not_invited,
            responses: facts.responses,
            rating_mean: facts.rating.mean,
            rating_count: facts.rating.count,
            rating_interval_low: facts.rating.interval_low,
            rating_interval_high: facts.rating.interval_high,
            ledger_balanced: facts.ledger.balanced,
            elapsed_ms: u64::try_from(facts.elapsed.as_millis()).unwrap_or(u64::MAX),
            orders_per_s: rate(counts.orders_in_scope.unsigned_abs(), facts.elapsed),
            rating_text: rating::describe(facts.rating),
        }
    }

    /// Every figure that should be another and is not.
    pub(super) fn differences(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut expect = |what: &str, left: i64, right: i64| {
            if left != right {
                found.push(format!("{what}: {left} and {right}"));
            }
        };
        let outcomes = self.succeeded + self.attention + self.nothing_due;
        expect("orders in scope and their outcomes", self.orders_in_scope, outcomes);
        expect("orders in scope and messages sent", self.orders_in_scope, self.messages_sent);
        expect("orders for a person and cases", self.attention, self.refund_cases_opened);
        let decided = self.invitations + self.not_invited;
        expect("orders in scope and decisions to ask", self.orders_in_scope, decided);
        expect("answers given and counted", self.responses, self.rating_count);
        let (ours, theirs) = (
            &self.refunded_minor_units_by_currency,
            &self.provider_refunded_minor_units_by_currency,
        );
        for currency in ours.keys().chain(theirs.keys().filter(|c| !ours.contains_key(*c))) {
            let amount = |side: &BTreeMap<String, i64>| side.get(currency).copied().unwrap_or(0);
            expect(&format!("{currency} by us and by the provider"), amount(ours), amount(theirs));
        }
        if self.provider_max_refunds_per_attempt > 1 {
            found.push("an attempt was paid more than once".to_owned());
        }
        if !self.ledger_balanced {
            found.push("the books do not balance".to_owned());
        }
        found
    }

    /// Shows the report to people.
    pub(super) fn show(&self) {
        let row = |name: &str, value: String| [name.to_owned(), value];
        let mut rows = vec![
            row("orders imported", self.orders_imported.to_string()),
            row("orders in scope", self.orders_in_scope.to_string()),
            row("  refunded", self.succeeded.to_string()),
            row("  for a person", self.attention.to_string()),
            row("  nothing due", self.nothing_due.to_string()),
        ];
        for (code, minor_units) in &self.refunded_minor_units_by_currency {
            rows.push(row("paid back", decimal(code, *minor_units)));
        }
        for (code, minor_units) in &self.provider_refunded_minor_units_by_currency {
            rows.push(row("  by the provider's own count", decimal(code, *minor_units)));
        }
        rows.extend([
            row("messages sent", self.messages_sent.to_string()),
            row("cases opened", self.refund_cases_opened.to_string()),
            row("customers asked", self.invitations.to_string()),
            row("  not asked, with a reason", self.not_invited.to_string()),
            row("answers", self.responses.to_string()),
            row("rating", self.rating_text.clone()),
            row("books", if self.ledger_balanced { "balanced" } else { "NOT balanced" }.to_owned()),
            row("imported per second", format!("{:.0}", self.import_orders_per_s)),
            row(
                "cancellation",
                format!("{:.1} s", Duration::from_millis(self.elapsed_ms).as_secs_f64()),
            ),
            row("orders per second", format!("{:.0}", self.orders_per_s)),
        ]);
        output::table(["", "demo"], rows);
    }
}

fn decimal(code: &str, minor_units: i64) -> String {
    code.parse().map_or_else(
        |_| format!("{code} {minor_units}"),
        |currency| Money { currency, minor_units }.to_string(),
    )
}

fn rate(count: u64, elapsed: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a rate of counts below 2^52")]
    let count = count as f64;
    count / elapsed.as_secs_f64().max(0.001)
}
