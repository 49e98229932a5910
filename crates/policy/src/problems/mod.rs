//! Everything that is wrong with a policy, before it prices anything.
//!
//! Invariant: what passes here can be evaluated, and each of its rules can come to decide. Only what
//! is provably wrong is reported, each problem with the path of its field.

mod declared;
mod order;
mod rules;

use std::collections::BTreeSet;

use redress_calendar::BusinessCalendar;
use redress_core::id::is_valid_id;

use crate::condition::Condition;
use crate::facts::{BUILTINS, FactKind};
use crate::model::{Citation, Policy, PolicyCalendar, PolicyProblem, Rounding};
use crate::vocabulary::{DayUnit, LineKind};

/// The most rules that a policy may have of a sort.
const MAX_RULES: usize = 50;
/// What business days cannot be counted without.
const NEEDS_CALENDAR: &str =
    "working days need a calendar: a name, such as \"us-federal\", or a table";

/// Problems found so far.
#[derive(Default)]
struct Report(Vec<PolicyProblem>);

impl Report {
    fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(PolicyProblem { field: field.into(), description: description.into() });
    }
}

impl Policy {
    /// Everything that is wrong with the policy; empty when it can be stored.
    pub fn problems(&self) -> Vec<PolicyProblem> {
        let mut report = Report::default();
        self.head(&mut report);
        if rules::too_many(self, &mut report) || declared::too_many(self, &mut report) {
            // What follows compares each with each.
            return report.0;
        }
        declared::check(self, &mut report);
        rules::check(self, &mut report);
        order::check(self, &mut report);
        report.0
    }

    fn head(&self, report: &mut Report) {
        if !(1..=120).contains(&self.display_name.chars().count()) {
            report.add("display_name", "expected 1 to 120 characters");
        }
        citation(&self.citation, "citation", report);
        if self.expires.is_some_and(|expires| expires <= self.effective) {
            report.add("expires", "must lie after `effective`");
        }
        if !(1..=365).contains(&self.pay_within_days) {
            report.add("pay_within_days", "expected 1 to 365 days");
        }
        if self.pay_within_unit == DayUnit::BusinessDays && self.calendar.is_none() {
            report.add("pay_within_unit", NEEDS_CALENDAR);
        }
        if self.pay_within_rolls && self.calendar.is_none() {
            report.add("pay_within_rolls", NEEDS_CALENDAR);
        }
        rounding(self, self.rounding, "rounding.step", report);
        if let Some(own) = self.compensation_rounding {
            rounding(self, own, "compensation_rounding.step", report);
        }
        declared::printable(&self.display_name, "display_name", report);
        repeated(&self.kinds, "kinds", report);
        if let Some(at) = self.kinds.iter().position(|kind| kind.is_fee_or_tax()) {
            let why = "fees and taxes are always allowed; see `refunds_fees`";
            report.add(format!("kinds[{at}]"), why);
        }
        repeated(&self.tender_order, "tender_order", report);
        match &self.calendar {
            None => {}
            Some(PolicyCalendar::Named(name)) => {
                if let Err(error) = BusinessCalendar::named(name) {
                    report.add("calendar", error.to_string());
                }
            }
            Some(PolicyCalendar::Own(own)) => {
                for problem in own.problems() {
                    report.add(format!("calendar.{}", problem.field), problem.description);
                }
            }
        }
    }

    /// The kind of a fact that conditions may name.
    fn kind_of(&self, name: &str) -> Option<FactKind> {
        let builtin = BUILTINS.iter().find(|fact| fact.name == name).map(|fact| fact.kind);
        let moment = || self.moments.iter().any(|m| m.name == name).then_some(FactKind::Timestamp);
        let switch = || self.switches.iter().any(|s| s.name == name).then_some(FactKind::String);
        let told = || self.facts.iter().find(|f| f.name == name).map(|fact| fact.kind);
        builtin.or_else(moment).or_else(switch).or_else(told)
    }

    /// What is wrong with a condition.
    fn wrong_in(&self, condition: &Condition) -> Vec<String> {
        let values_of = |name: &str| {
            let switch = self.switches.iter().find(|switch| switch.name == name);
            switch.map(|switch| switch.values.clone()).unwrap_or_default()
        };
        condition.problems(&|name| self.kind_of(name), &values_of)
    }

    /// The kinds of line that a tier covers.
    fn covered(&self, kinds: &[LineKind]) -> BTreeSet<LineKind> {
        let all = LineKind::ALL.iter().copied();
        let about = |kind: &LineKind| {
            self.kinds.is_empty() || kind.is_fee_or_tax() || self.kinds.contains(kind)
        };
        all.filter(|kind| about(kind) && self.tier_covers(kinds, *kind)).collect()
    }
}

fn rounding(policy: &Policy, rounding: Rounding, field: &str, report: &mut Report) {
    if !(1..=MAX_STEP).contains(&rounding.step) {
        report.add(field, format!("expected 1 to {MAX_STEP} minor units"));
    } else if rounding.step > 1 && policy.currency.is_none() {
        report.add(field, "a step above 1 is an amount and needs `currency`");
    }
}

/// The largest step of a rounding, in minor units.
const MAX_STEP: i64 = 1_000_000;

fn citation(citation: &Citation, path: &str, report: &mut Report) {
    declared::printable(&citation.title, &format!("{path}.title"), report);
    if !(1..=200).contains(&citation.title.chars().count()) {
        report
            .add(format!("{path}.title"), "expected where the rule stands, in 1 to 200 characters");
    }
    if !citation.uri.is_empty() && !citation.uri.contains("://") {
        let what = "expected a URI such as https://arena.example/terms, or nothing";
        report.add(format!("{path}.uri"), what);
    }
}

fn repeated<T: PartialEq>(words: &[T], path: &str, report: &mut Report) {
    for at in 1..words.len() {
        if words[..at].contains(&words[at]) {
            report.add(format!("{path}[{at}]"), "is named before");
        }
    }
}

fn rule_id(rule: &str, field: String, report: &mut Report) {
    use crate::evaluate::{CONDITION_NOT_MET, FEE_KEPT, NOT_REGULATED, TOO_LATE};
    if !is_valid_id(rule) {
        report.add(field, "expected 1 to 64 characters of A-Z a-z 0-9 . _ ~ -");
    } else if [TOO_LATE, FEE_KEPT, CONDITION_NOT_MET, NOT_REGULATED].contains(&rule) {
        report.add(field, "is the name that quotes show where no rule applies; choose another");
    }
}

#[cfg(test)]
mod tests;
