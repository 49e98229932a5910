//! What can be wrong with a rule by itself.
//!
//! Invariant: every amount has a currency, every share is at most the whole, and every condition
//! can be read.

use std::collections::BTreeSet;

use super::{MAX_RULES, Report, citation, repeated, rule_id};
use crate::condition::Condition;
use crate::model::{ALL_BASIS_POINTS, Charge, Citation, Notice, Policy, Terms};
use crate::vocabulary::LineKind;

/// Ten years.
const MAX_HOURS: u32 = 87_600;
const MAX_DAYS: u32 = 3_650;
/// The most documents that an override may ask for.
const MAX_EVIDENCE: usize = 10;

pub(super) fn check(policy: &Policy, report: &mut Report) {
    if policy.tiers.is_empty() {
        report.add("tiers", "expected at least one [[tiers]]");
    }
    let (tiers, overrides) = (policy.tiers.len(), policy.overrides.len());
    for (path, count) in [("tiers", tiers), ("overrides", overrides)] {
        if count > MAX_RULES {
            report.add(path, format!("at most {MAX_RULES} are allowed"));
        }
    }
    let mut seen = BTreeSet::new();
    for (at, tier) in policy.tiers.iter().enumerate() {
        let path = format!("tiers[{at}]");
        identity(&tier.rule, &path, &mut seen, report);
        notice(policy, tier.notice, &path, report);
        let condition = tier.condition.as_ref();
        common(policy, &path, &tier.kinds, condition, tier.citation.as_ref(), report);
        terms(policy, &tier.terms, &path, report);
    }
    for (at, rule) in policy.overrides.iter().enumerate() {
        let path = format!("overrides[{at}]");
        identity(&rule.rule, &path, &mut seen, report);
        let condition = rule.condition.as_ref();
        common(policy, &path, &rule.kinds, condition, rule.citation.as_ref(), report);
        terms(policy, &rule.terms, &path, report);
        evidence(&rule.evidence, &path, report);
        if rule.until_hours_after_start.is_some_and(|hours| hours > MAX_HOURS) {
            let field = format!("{path}.until_hours_after_start");
            report.add(field, format!("must be at most {MAX_HOURS}"));
        }
    }
}

fn identity<'a>(rule: &'a str, path: &str, seen: &mut BTreeSet<&'a str>, report: &mut Report) {
    rule_id(rule, format!("{path}.rule"), report);
    if !seen.insert(rule) {
        report.add(format!("{path}.rule"), "is used by an earlier rule");
    }
}

fn notice(policy: &Policy, notice: Notice, path: &str, report: &mut Report) {
    let field = format!("{path}.{}", notice.key());
    match notice {
        Notice::Hours(hours) if hours > MAX_HOURS => {
            report.add(field, format!("must be at most {MAX_HOURS}"));
        }
        Notice::CivilDays(days) if days > MAX_DAYS => {
            report.add(field, format!("must be at most {MAX_DAYS}"));
        }
        Notice::BusinessDays(days) => {
            if u32::from(days) > MAX_DAYS {
                report.add(field.clone(), format!("must be at most {MAX_DAYS}"));
            }
            if policy.calendar.is_none() {
                report.add(field, "business days need a [calendar]");
            }
        }
        Notice::Until(instant) if instant < policy.effective => {
            report.add(field, "lies before `effective`, so the tier can never apply");
        }
        _ => {}
    }
}

fn common(
    policy: &Policy,
    path: &str,
    kinds: &[LineKind],
    condition: Option<&Condition>,
    own_citation: Option<&Citation>,
    report: &mut Report,
) {
    repeated(kinds, &format!("{path}.kinds"), report);
    for (at, kind) in kinds.iter().enumerate() {
        if !policy.kinds.is_empty() && !kind.is_fee_or_tax() && !policy.kinds.contains(kind) {
            report.add(format!("{path}.kinds[{at}]"), "is not among the policy's `kinds`");
        }
    }
    for problem in condition.iter().flat_map(|c| c.problems(&|name| policy.kind_of(name))) {
        report.add(format!("{path}.condition"), problem);
    }
    if let Some(own) = own_citation {
        citation(own, &format!("{path}.citation"), report);
    }
}

fn terms(policy: &Policy, terms: &Terms, path: &str, report: &mut Report) {
    let (Charge::Fee(points) | Charge::Refund(points)) = terms.charge;
    if points > ALL_BASIS_POINTS {
        let field = format!("{path}.{}", terms.charge.key());
        report.add(field, format!("must be at most {ALL_BASIS_POINTS}"));
    }
    let amounts = [
        ("fixed_fee", Some(terms.fixed_fee)),
        ("minimum_fee", Some(terms.minimum_fee)),
        ("maximum_fee", terms.maximum_fee),
    ];
    for (key, amount) in amounts {
        let Some(amount) = amount else { continue };
        let field = format!("{path}.{key}");
        if !(0..=redress_core::money::MAX_MINOR_UNITS).contains(&amount) {
            report.add(field, "expected minor units from 0 to 1000000000000");
        } else if policy.currency.is_none() && (amount > 0 || key == "maximum_fee") {
            report.add(field, "is an amount and needs the policy's `currency`");
        }
    }
    if terms.maximum_fee.is_some_and(|most| most < terms.minimum_fee) {
        report.add(format!("{path}.maximum_fee"), "must not be below `minimum_fee`");
    }
}

fn evidence(kinds: &[String], path: &str, report: &mut Report) {
    repeated(kinds, &format!("{path}.evidence"), report);
    if kinds.len() > MAX_EVIDENCE {
        report.add(format!("{path}.evidence"), format!("at most {MAX_EVIDENCE} are allowed"));
    }
    for (at, kind) in kinds.iter().enumerate() {
        let head = kind.chars().next().is_some_and(|c| c.is_ascii_uppercase());
        let rest = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if !head || !kind.chars().all(rest) || kind.len() > 64 {
            let what = "expected a kind of document such as DEATH_CERTIFICATE";
            report.add(format!("{path}.evidence[{at}]"), what);
        }
    }
}
