//! What can be wrong with a rule by itself.
//!
//! Invariant: every amount has a currency, every share is at most the whole, and every condition
//! can be read.

use std::collections::BTreeSet;

use super::{MAX_RULES, Report, citation, repeated, rule_id};
use crate::compensation::{Compensation, Pays};
use crate::condition::Condition;
use crate::model::{ALL_BASIS_POINTS, Charge, Citation, Notice, Policy, Terms};
use crate::texts::Texts;
use crate::vocabulary::{DayUnit, LineKind};

/// Ten years.
const MAX_HOURS: u32 = 87_600;
const MAX_DAYS: u32 = 3_650;
/// The most documents that an override may ask for.
const MAX_EVIDENCE: usize = 10;

/// Whether there are more rules than are compared with each other, or none.
pub(super) fn too_many(policy: &Policy, report: &mut Report) -> bool {
    let (tiers, overrides) = (policy.tiers.len(), policy.overrides.len());
    let (rows, clocks) = (policy.compensations.len(), policy.clocks.len());
    if tiers + overrides + rows == 0 {
        report.add(
            "tiers",
            "expected at least one of [[tiers]], [[overrides]] and [[compensations]]",
        );
    }
    for (path, count) in
        [("tiers", tiers), ("overrides", overrides), ("compensations", rows), ("clocks", clocks)]
    {
        if count > MAX_RULES {
            report.add(path, format!("at most {MAX_RULES} are allowed"));
        }
    }
    [tiers, overrides, rows, clocks].iter().any(|count| *count > MAX_RULES)
}

pub(super) fn check(policy: &Policy, report: &mut Report) {
    let mut seen = BTreeSet::new();
    for (at, tier) in policy.tiers.iter().enumerate() {
        let path = format!("tiers[{at}]");
        identity(&tier.rule, &path, &mut seen, report);
        notice(policy, tier.notice, &path, report);
        let condition = tier.condition.as_ref();
        common(policy, &path, &tier.kinds, condition, tier.citation.as_ref(), report);
        terms(policy, &tier.terms, &path, report);
        words(tier.words.as_ref(), tier.review.as_ref(), &path, report);
    }
    for (at, rule) in policy.overrides.iter().enumerate() {
        let path = format!("overrides[{at}]");
        identity(&rule.rule, &path, &mut seen, report);
        let condition = rule.condition.as_ref();
        common(policy, &path, &rule.kinds, condition, rule.citation.as_ref(), report);
        terms(policy, &rule.terms, &path, report);
        words(rule.words.as_ref(), rule.review.as_ref(), &path, report);
        evidence(&rule.evidence, &path, report);
        if rule.until_hours_after_start.is_some_and(|hours| hours > MAX_HOURS) {
            let field = format!("{path}.until_hours_after_start");
            report.add(field, format!("must be at most {MAX_HOURS}"));
        }
    }
    for (at, row) in policy.compensations.iter().enumerate() {
        let path = format!("compensations[{at}]");
        identity(&row.rule, &path, &mut seen, report);
        compensation(policy, row, &path, report);
    }
    for (at, clock) in policy.clocks.iter().enumerate() {
        let path = format!("clocks[{at}]");
        identity(&clock.rule, &path, &mut seen, report);
        let condition = clock.condition.as_ref();
        common(policy, &path, &[], condition, clock.citation.as_ref(), report);
        repeated(&clock.codes, &format!("{path}.codes"), report);
        if !(1..=365).contains(&clock.count) {
            report.add(format!("{path}.pay_within"), "expected 1 to 365");
        }
        let counts_work = clock.unit == DayUnit::BusinessDays || clock.rolls;
        if counts_work && policy.calendar.is_none() {
            report.add(format!("{path}.pay_within"), super::NEEDS_CALENDAR);
        }
    }
}

fn compensation(policy: &Policy, row: &Compensation, path: &str, report: &mut Report) {
    let (condition, own) = (row.condition.as_ref(), row.citation.as_ref());
    common(policy, path, &row.kinds, condition, own, report);
    repeated(&row.codes, &format!("{path}.codes"), report);
    if row.codes.is_empty() {
        report.add(format!("{path}.codes"), "expected what it is for");
    }
    let review = if let Pays::Review(reason) = &row.pays { Some(reason) } else { None };
    words(row.words.as_ref(), review, path, report);
    if let Some(halving) = &row.halved {
        for problem in policy.wrong_in(&halving.when) {
            report.add(format!("{path}.halved_when"), problem);
        }
        citation(&halving.citation, &format!("{path}.halved_article"), report);
    }
    match &row.pays {
        Pays::Amount { amount, .. } if amount.minor_units <= 0 => {
            report.add(format!("{path}.amount"), "expected an amount above zero");
        }
        Pays::BasisPoints(points) if !(1..=MAX_POINTS).contains(points) => {
            report.add(format!("{path}.basis_points"), "expected 1 to 100000");
        }
        Pays::Cost { maximum_basis_points: Some(points), .. }
            if !(1..=MAX_POINTS).contains(points) =>
        {
            report.add(format!("{path}.maximum_basis_points"), "expected 1 to 100000");
        }
        _ => {}
    }
    if row.nothing_below.is_some_and(|least| least.minor_units <= 0) {
        report.add(format!("{path}.nothing_below"), "expected an amount above zero");
    }
}

/// Ten times the price.
const MAX_POINTS: u32 = 100_000;

fn words(words: Option<&Texts>, review: Option<&Texts>, path: &str, report: &mut Report) {
    for (key, told) in [("words", words), ("review", review)] {
        if let Some(told) = told {
            super::declared::texts(told, &format!("{path}.{key}"), report);
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
                report.add(field, super::NEEDS_CALENDAR);
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
    for problem in condition.iter().flat_map(|c| policy.wrong_in(c)) {
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
        document(kind, &format!("{path}.evidence[{at}]"), report);
    }
}

/// A kind of document.
pub(super) fn document(kind: &str, path: &str, report: &mut Report) {
    let head = kind.chars().next().is_some_and(|c| c.is_ascii_uppercase());
    let rest = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if !head || !kind.chars().all(rest) || kind.len() > 64 {
        report.add(path, "expected a kind of document such as DEATH_CERTIFICATE");
    }
}
