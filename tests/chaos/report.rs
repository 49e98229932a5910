//! The reconciliation of a cancellation: what the provider paid, what the ledger says and what the
//! items say, each read through its own API and compared order by order.
//!
//! Invariant: nothing is derived from a figure that it is compared with.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use redress_proto::common::v1::Money;
use redress_proto::refunds::v1::{Disruption, DisruptionItem, LedgerReport, disruption_item};

use super::crowd::{Crowd, Due};
use crate::harness::provider::{RefundLine, Totals};

/// Everything that a case has read when it is over.
pub(crate) struct Read {
    pub(crate) disruption: Disruption,
    pub(crate) items: Vec<DisruptionItem>,
    pub(crate) ledger: LedgerReport,
    /// Of each movement that paid: its refund, currency and minor units.
    pub(crate) paid: Vec<(String, String, i64)>,
    pub(crate) refunds: Vec<RefundLine>,
    pub(crate) totals: Totals,
}

/// The sums of one currency, in minor units.
#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    provider: i64,
    entries: i64,
    accounts: i64,
    items: i64,
    issued: i64,
}

/// What was found; prints as a table.
#[derive(Debug)]
pub(crate) struct Report {
    title: String,
    happened: Vec<String>,
    scope: usize,
    states: BTreeMap<&'static str, usize>,
    needs: BTreeMap<(String, String), usize>,
    sums: BTreeMap<String, Sums>,
    twice: usize,
    missing: usize,
    attempts: u64,
    faults: BTreeMap<String, u64>,
    problems: Vec<String>,
}

impl Report {
    /// Compares everything with everything.
    pub(crate) fn of(title: String, happened: Vec<String>, crowd: &Crowd, read: &Read) -> Self {
        let mut report = Self {
            title,
            happened,
            scope: crowd.due.len(),
            states: BTreeMap::new(),
            needs: BTreeMap::new(),
            sums: BTreeMap::new(),
            twice: 0,
            missing: 0,
            attempts: read.totals.refund_requests_total,
            faults: read.totals.faults_injected.clone(),
            problems: Vec::new(),
        };
        report.count_items(crowd, read);
        report.compare_each_order(crowd, read);
        report.compare_sums(read);
        report.check_provider(crowd, read);
        report
    }

    /// How many items rest in this state.
    pub(crate) fn in_state(&self, state: disruption_item::State) -> usize {
        self.states.get(state.as_str_name()).copied().unwrap_or_default()
    }

    /// How many items need a person for this reason.
    pub(crate) fn needing(&self, reason: &str) -> usize {
        self.needs.iter().filter(|((code, _), _)| code == reason).map(|(_, count)| count).sum()
    }

    /// How often the provider was made to misbehave in this way, by the sandbox's name of it.
    pub(crate) fn fault(&self, kind: &str) -> u64 {
        self.faults.get(kind).copied().unwrap_or_default()
    }

    /// Fails with the whole report when something does not fit.
    pub(crate) fn assert_sound(&self) {
        assert!(self.problems.is_empty(), "{self}");
    }

    fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    /// Each order in scope has one item, which rests, and says what to do where a person is needed.
    fn count_items(&mut self, crowd: &Crowd, read: &Read) {
        let mut seen = BTreeSet::new();
        for item in &read.items {
            if !seen.insert(item.order.as_str()) {
                self.twice += 1;
                self.problem(format!("{} has several items", item.order));
            }
            if !crowd.due.contains_key(&item.order) {
                self.problem(format!("{} is not in scope", item.order));
            }
            let state = item.state();
            *self.states.entry(state.as_str_name()).or_default() += 1;
            match state {
                disruption_item::State::Succeeded | disruption_item::State::NothingDue => {}
                disruption_item::State::Attention => {
                    let need = (item.reason_code.clone(), item.next_action.clone());
                    if need.0.is_empty() || need.1.is_empty() {
                        self.problem(format!("{} needs a person for no reason", item.order));
                    }
                    *self.needs.entry(need).or_default() += 1;
                }
                other => {
                    self.problem(format!("{} does not rest: {}", item.order, other.as_str_name()));
                }
            }
        }
        for order in crowd.due.keys().filter(|order| !seen.contains(order.as_str())) {
            self.missing += 1;
            self.problems.push(format!("{order} has no item"));
        }
        let counts = read.disruption.counts.unwrap_or_default();
        let counted = [counts.succeeded, counts.attention, counts.nothing_due];
        let listed = [
            disruption_item::State::Succeeded,
            disruption_item::State::Attention,
            disruption_item::State::NothingDue,
        ]
        .map(|state| i64::try_from(self.in_state(state)).unwrap());
        if counted != listed || usize::try_from(counts.orders_in_scope) != Ok(self.scope) {
            self.problem(format!("the disruption counts {counts:?}"));
        }
    }

    /// What the provider paid on an order's payment is what the ledger posted for its refund and
    /// what its item says, once, and not more than it was due.
    fn compare_each_order(&mut self, crowd: &Crowd, read: &Read) {
        let nothing = Due { payment: String::new(), amount: Money::default(), by_hand: false };
        let mut refunded: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for line in read.refunds.iter().filter(|line| line.status == "succeeded") {
            refunded.entry(&line.payment_intent).or_default().push(line.amount);
        }
        let mut posted_for: BTreeMap<&str, i64> = BTreeMap::new();
        for (refund, _, sum) in &read.paid {
            *posted_for.entry(refund).or_default() += sum;
        }
        for item in &read.items {
            let due = crowd.due.get(&item.order).unwrap_or(&nothing);
            let issued = item.issued.clone().unwrap_or_default();
            let paid = refunded.get(&*due.payment).cloned().unwrap_or_default();
            let at_provider: i64 = paid.iter().sum();
            let posted = posted_for.get(&*item.refund).copied().unwrap_or_default();
            if paid.len() > 1 {
                self.twice += 1;
            }
            let succeeded = item.state() == disruption_item::State::Succeeded;
            let expected = if succeeded { due.amount.minor_units } else { at_provider };
            let sound = paid.len() <= 1
                && at_provider <= due.amount.minor_units
                && at_provider == posted
                && at_provider == issued.minor_units
                && at_provider == expected;
            if !sound {
                self.problem(format!(
                    "{}: {} due, {paid:?} paid by the provider, {posted} posted, {} by its item, \
                     which is {}",
                    item.order,
                    due.amount.minor_units,
                    issued.minor_units,
                    item.state().as_str_name()
                ));
            }
        }
    }

    fn compare_sums(&mut self, read: &Read) {
        let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
        for (currency, sum) in &read.totals.refunded {
            sums.entry(currency.clone()).or_default().provider += sum;
        }
        for (_, currency, sum) in &read.paid {
            sums.entry(currency.clone()).or_default().entries += sum;
        }
        for account in read.ledger.accounts.iter().filter(|a| a.account == "provider:stripe") {
            let sums = sums.entry(account.currency_code.clone()).or_default();
            sums.accounts += account.credits - account.debits;
        }
        for issued in read.items.iter().filter_map(|item| item.issued.as_ref()) {
            sums.entry(issued.currency_code.clone()).or_default().items += issued.minor_units;
        }
        for issued in &read.disruption.issued {
            sums.entry(issued.currency_code.clone()).or_default().issued += issued.minor_units;
        }
        sums.retain(|_, sums| {
            let Sums { provider, entries, accounts, items, issued } = *sums;
            [provider, entries, accounts, items, issued].iter().any(|sum| *sum != 0)
        });
        for (currency, sums) in &sums {
            let Sums { provider, entries, accounts, items, issued } = *sums;
            if [entries, accounts, items, issued].iter().any(|sum| *sum != provider) {
                self.problems.push(format!("the sums in {currency} differ: {sums:?}"));
            }
        }
        self.sums = sums;
        let LedgerReport { differences, balanced, unchained, .. } = &read.ledger;
        if !balanced || !differences.is_empty() || *unchained != 0 {
            self.problem(format!("the books: {differences:?}, {unchained} without a place"));
        }
    }

    fn check_provider(&mut self, crowd: &Crowd, read: &Read) {
        let payments: BTreeSet<&str> = crowd.due.values().map(|due| &*due.payment).collect();
        for line in &read.refunds {
            let payment = &line.payment_intent;
            if !payments.contains(payment.as_str()) {
                self.problem(format!("{payment} is not in scope and was refunded"));
            }
            if line.status == "pending" {
                self.problem(format!("{payment} has a refund of {} without an end", line.currency));
            }
        }
        let Totals { max_refunds_per_attempt, refunds_without_attempt, .. } = &read.totals;
        if *max_refunds_per_attempt > 1 || *refunds_without_attempt > 0 {
            self.problem(format!("attempts at the provider: {:?}", read.totals));
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n== {} ==", self.title)?;
        for line in &self.happened {
            writeln!(f, "   {line}")?;
        }
        let faults = self.faults.iter().map(|(kind, count)| format!("{kind} {count}"));
        let faults = faults.collect::<Vec<_>>().join(", ");
        writeln!(f, "   provider: {} requests for refunds; faults: {faults}", self.attempts)?;
        let states = self.states.iter().map(|(state, count)| format!("{count} {state}"));
        let states = states.collect::<Vec<_>>().join(", ");
        writeln!(f, "   {} orders in scope: {states}", self.scope)?;
        for ((reason, action), count) in &self.needs {
            writeln!(f, "     {count} {reason} -> {action}")?;
        }
        writeln!(f, "   orders twice: {}, orders missing: {}", self.twice, self.missing)?;
        let names = ["provider", "ledger entries", "accounts", "items", "disruption"];
        write!(f, "   currency")?;
        for name in names {
            write!(f, "{name:>16}")?;
        }
        writeln!(f)?;
        for (currency, sums) in &self.sums {
            write!(f, "   {currency:<8}")?;
            for sum in [sums.provider, sums.entries, sums.accounts, sums.items, sums.issued] {
                write!(f, "{sum:>16}")?;
            }
            writeln!(f)?;
        }
        if self.problems.is_empty() {
            return writeln!(f, "   reconciled: provider = ledger = items, to the cent");
        }
        writeln!(f, "   NOT RECONCILED:")?;
        for problem in self.problems.iter().take(50) {
            writeln!(f, "     {problem}")?;
        }
        writeln!(f, "     ({} in all)", self.problems.len())
    }
}
