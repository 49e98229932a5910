//! Everything that is wrong with a policy, before it prices anything.
//!
//! Invariant: what passes here can be evaluated, and each of its rules can come to decide. Only what
//! is provably wrong is reported, each problem with the path of its field.

mod order;
mod rules;

use std::collections::BTreeSet;

use redress_core::id::is_valid_id;

use crate::facts::{BUILTINS, FactKind};
use crate::model::{Citation, Policy, PolicyProblem};
use crate::vocabulary::{DayUnit, LineKind};

/// The most rules that a policy may have of a sort.
const MAX_RULES: usize = 50;
/// The most facts that a policy may ask for.
const MAX_FACTS: usize = 50;
/// Words that CEL keeps for itself.
const RESERVED: [&str; 22] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
    "size",
];

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
        self.declarations(&mut report);
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
            report.add("pay_within_unit", "business days need a [calendar]");
        }
        if self.rounding.step < 1 {
            report.add("rounding.step", "expected at least 1 minor unit");
        } else if self.rounding.step > 1 && self.currency.is_none() {
            report.add("rounding.step", "a step above 1 is an amount and needs `currency`");
        }
        repeated(&self.kinds, "kinds", report);
        if let Some(at) = self.kinds.iter().position(|kind| kind.is_fee_or_tax()) {
            let why = "fees and taxes are always allowed; see `refunds_fees`";
            report.add(format!("kinds[{at}]"), why);
        }
        repeated(&self.tender_order, "tender_order", report);
        for problem in self.calendar.iter().flat_map(redress_calendar::BusinessCalendar::problems) {
            report.add(format!("calendar.{}", problem.field), problem.description);
        }
    }

    fn declarations(&self, report: &mut Report) {
        if self.facts.len() > MAX_FACTS {
            report.add("facts", format!("at most {MAX_FACTS} facts are allowed"));
        }
        for (at, fact) in self.facts.iter().enumerate() {
            let name = fact.name.as_str();
            let field = format!("facts[{at}].name");
            let head = name.chars().next().is_some_and(|c| c.is_ascii_lowercase());
            let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if !head || !name.chars().all(rest) || name.len() > 64 {
                report.add(field, "expected a name such as medical_certificate");
            } else if RESERVED.contains(&name) {
                report.add(field, "is a word of CEL; choose another name");
            } else if BUILTINS.iter().any(|builtin| builtin.name == name) {
                report.add(field, "is known to Redress already and need not be told");
            } else if self.facts[..at].iter().any(|earlier| earlier.name == name) {
                report.add(field, "is declared before");
            }
            if !(1..=500).contains(&fact.question.chars().count()) {
                let what = "expected the question that an agent asks, in 1 to 500 characters";
                report.add(format!("facts[{at}].question"), what);
            }
        }
    }

    /// The kind of a fact that conditions may name.
    fn kind_of(&self, name: &str) -> Option<FactKind> {
        let builtin = BUILTINS.iter().find(|fact| fact.name == name).map(|fact| fact.kind);
        builtin.or_else(|| self.facts.iter().find(|f| f.name == name).map(|fact| fact.kind))
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

fn citation(citation: &Citation, path: &str, report: &mut Report) {
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
    use crate::evaluate::{CONDITION_NOT_MET, FEE_KEPT, TOO_LATE};
    if !is_valid_id(rule) {
        report.add(field, "expected 1 to 64 characters of A-Z a-z 0-9 . _ ~ -");
    } else if [TOO_LATE, FEE_KEPT, CONDITION_NOT_MET].contains(&rule) {
        report.add(field, "is the name that quotes show where no rule applies; choose another");
    }
}

#[cfg(test)]
mod tests;
