//! What can be wrong with what a policy declares: facts, moments, switches, names of documents.
//!
//! Invariant: every name in a condition means one thing.

use std::collections::BTreeSet;

use super::Report;
use crate::compensation::Pays;
use crate::declared::Distance;
use crate::facts::{BUILTINS, FactKind};
use crate::model::Policy;
use crate::texts::Texts;

/// The most facts, moments or switches that a policy may have.
const MAX_DECLARED: usize = 50;
/// The most laws that a policy may promise: each is looked into at length.
const MAX_PROMISES: usize = 5;
/// Ten years.
const MAX_DAYS: u32 = 3_650;
const MAX_MONTHS: u32 = 120;
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

pub(super) fn check(policy: &Policy, report: &mut Report) {
    names(policy, report);
    facts(policy, report);
    for (at, moment) in policy.moments.iter().enumerate() {
        let path = format!("moments[{at}]");
        // A moment of a moment would hide how far it is from what is known.
        let chained = policy.moments.iter().any(|other| other.name == moment.from);
        if chained || policy.kind_of(&moment.from) != Some(FactKind::Timestamp) {
            let what = format!("{:?} is no fact of type timestamp", moment.from);
            report.add(format!("{path}.from"), what);
        }
        let (field, far) = match moment.distance {
            Distance::Days(days) => ("days", days.unsigned_abs() > MAX_DAYS),
            Distance::Months(months) => ("months", months.unsigned_abs() > MAX_MONTHS),
        };
        if far {
            report.add(format!("{path}.{field}"), "must be at most ten years");
        }
    }
    for (at, switch) in policy.switches.iter().enumerate() {
        let path = format!("switches[{at}]");
        if switch.values.len() < 2 {
            report.add(format!("{path}.values"), "expected two ways of reading or more");
        }
        super::repeated(&switch.values, &format!("{path}.values"), report);
        if !switch.values.contains(&switch.default) {
            let what = format!("is not among {}", switch.values.join(", "));
            report.add(format!("{path}.default"), what);
        }
        if !(1..=500).contains(&switch.reason.chars().count()) {
            let what = "expected what is open and why this is the default, in 1 to 500 characters";
            report.add(format!("{path}.reason"), what);
        }
    }
    for (kind, name) in &policy.documents {
        texts(name, &format!("documents.{kind}"), report);
    }
    numbers(policy, report);
}

/// Whether more is declared than is compared with each other.
pub(super) fn too_many(policy: &Policy, report: &mut Report) -> bool {
    let before = report.0.len();
    for (table, count) in [
        ("facts", policy.facts.len()),
        ("moments", policy.moments.len()),
        ("switches", policy.switches.len()),
    ] {
        if count > MAX_DECLARED {
            report.add(table, format!("at most {MAX_DECLARED} are allowed"));
        }
    }
    if policy.at_least.len() > MAX_PROMISES {
        report.add("at_least", format!("at most {MAX_PROMISES} are allowed"));
    }
    super::repeated(&policy.at_least, "at_least", report);
    report.0.len() > before
}

fn names(policy: &Policy, report: &mut Report) {
    let facts = policy.facts.iter().map(|fact| &fact.name).enumerate();
    let moments = policy.moments.iter().map(|moment| &moment.name).enumerate();
    let switches = policy.switches.iter().map(|switch| &switch.name).enumerate();
    let all = facts
        .map(|(at, name)| ("facts", at, name))
        .chain(moments.map(|(at, name)| ("moments", at, name)))
        .chain(switches.map(|(at, name)| ("switches", at, name)));
    let mut seen = BTreeSet::new();
    for (table, at, name) in all {
        let field = format!("{table}[{at}].name");
        let head = name.chars().next().is_some_and(|c| c.is_ascii_lowercase());
        let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !head || !name.chars().all(rest) || name.len() > 64 {
            report.add(field, "expected a name such as medical_certificate");
        } else if RESERVED.contains(&name.as_str()) {
            report.add(field, "is a word of CEL; choose another name");
        } else if BUILTINS.iter().any(|builtin| builtin.name == name) {
            report.add(field, "is known to Redress already and need not be told");
        } else if !seen.insert(name) {
            report.add(field, "is declared before");
        }
    }
}

fn facts(policy: &Policy, report: &mut Report) {
    for (at, fact) in policy.facts.iter().enumerate() {
        let path = format!("facts[{at}]");
        if fact.question.all().iter().any(|text| !(1..=500).contains(&text.chars().count())) {
            let what = "expected the question that an agent asks, in 1 to 500 characters";
            report.add(format!("{path}.question"), what);
        }
        let question = format!("{path}.question");
        fact.question.all().iter().for_each(|text| printable(text, &question, report));
        if let Some(assumption) = fact.assume.as_ref() {
            if assumption.value.kind() != fact.kind {
                let what = format!("expected a value of type {}", fact.kind.as_str());
                report.add(format!("{path}.assume"), what);
            }
            printable(&assumption.because, &format!("{path}.because"), report);
            if !(1..=500).contains(&assumption.because.chars().count()) {
                let what = "expected who bears the burden, and where that stands";
                report.add(format!("{path}.because"), what);
            }
        }
        if let Some(document) = &fact.document {
            super::rules::document(document, &format!("{path}.document"), report);
        }
    }
}

/// Characters that move the cursor or turn the direction of writing could make a text say what it
/// does not.
pub(super) fn printable(text: &str, path: &str, report: &mut Report) {
    let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.chars().any(|c| c.is_control() || turns(c)) {
        report.add(path, "must not have control characters, line breaks among them");
    }
}

/// A text for people, in each of its languages.
pub(super) fn texts(texts: &Texts, path: &str, report: &mut Report) {
    if texts.all().iter().any(|text| !(1..=500).contains(&text.chars().count())) {
        report.add(path, "expected 1 to 500 characters");
    }
    texts.all().iter().for_each(|text| printable(text, path, report));
}

/// Facts that amounts and clocks are taken from.
fn numbers(policy: &Policy, report: &mut Report) {
    let mut number = |name: &str, field: String| {
        if policy.kind_of(name) != Some(FactKind::Int) {
            report.add(field, format!("expected a fact of type int, not {name:?}"));
        }
    };
    let tiers = policy.tiers.iter().map(|tier| &tier.terms).enumerate();
    let overrides = policy.overrides.iter().map(|rule| &rule.terms).enumerate();
    for (table, at, terms) in
        tiers.map(|(at, t)| ("tiers", at, t)).chain(overrides.map(|(at, t)| ("overrides", at, t)))
    {
        let path = format!("{table}[{at}]");
        for (key, fact) in [
            ("share_of", &terms.share_of),
            ("fee_fact", &terms.fee_fact),
            ("minimum_fee_fact", &terms.minimum_fee_fact),
        ] {
            if let Some(name) = fact {
                number(name, format!("{path}.{key}"));
            }
        }
        if let Some(rest) = &terms.rest_by_days {
            number(&rest.done, format!("{path}.rest_by_days.done"));
            number(&rest.of, format!("{path}.rest_by_days.of"));
        }
    }
    for (at, row) in policy.compensations.iter().enumerate() {
        if let Pays::Cost { fact, .. } = &row.pays {
            number(fact, format!("compensations[{at}].cost_fact"));
        }
    }
    for (at, clock) in policy.clocks.iter().enumerate() {
        if let Some(from) = &clock.from
            && policy.kind_of(from) != Some(FactKind::Timestamp)
        {
            let what = format!("{from:?} is no fact of type timestamp, and no moment");
            report.add(format!("clocks[{at}].from"), what);
        }
    }
}
