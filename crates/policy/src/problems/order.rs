//! What can be wrong between rules: one that can never decide, a kind that none covers, less notice
//! that costs less.
//!
//! Invariant: each finding is proven. Rules are compared only where both cover a kind of line and
//! ask the same condition; notices of different bases only with more slack than clocks can move.

use std::collections::BTreeSet;

use super::Report;
use crate::compensation::Compensation;
use crate::fee::{Told, fee};
use crate::model::{ALL_BASIS_POINTS, Notice, Override, Policy, Rounding, Terms, Tier};
use crate::vocabulary::{FixedFeePer, LineKind};

/// By how many hours a civil day's end can move: a day that a zone skips, and a change of clocks.
const SLACK_HOURS: i64 = 26;

pub(super) fn check(policy: &Policy, report: &mut Report) {
    gaps(policy, report);
    for (later, tier) in policy.tiers.iter().enumerate() {
        let earlier = &policy.tiers[..later];
        if let Some(by) = earlier.iter().find(|earlier| hides(policy, earlier, tier)) {
            let description = format!(
                "can never apply: tier {} comes before it and applies whenever it would",
                by.rule
            );
            report.add(format!("tiers[{later}].{}", tier.notice.key()), description);
        }
        for before in earlier {
            cheaper(policy, before, tier, later, report);
        }
    }
    for (later, rule) in policy.overrides.iter().enumerate() {
        if let Some(by) = policy.overrides[..later].iter().find(|by| hides_override(by, rule)) {
            let description = format!(
                "can never apply: override {} comes before it and applies whenever it would",
                by.rule
            );
            report.add(format!("overrides[{later}].code"), description);
        }
    }
    for (later, row) in policy.compensations.iter().enumerate() {
        if let Some(by) = policy.compensations[..later].iter().find(|by| hides_row(by, row)) {
            let description = format!(
                "can never apply: row {} comes before it and applies whenever it would",
                by.rule
            );
            report.add(format!("compensations[{later}].codes"), description);
        }
    }
}

/// Whether `earlier` decides whenever `later` would.
fn hides_row(earlier: &Compensation, later: &Compensation) -> bool {
    let covers = earlier.kinds.is_empty() && later.kinds.is_empty()
        || later.kinds.iter().all(|kind| earlier.kinds.contains(kind)) && !later.kinds.is_empty();
    let weaker = earlier.condition.is_none() || earlier.condition == later.condition;
    later.codes.iter().all(|code| earlier.codes.contains(code)) && covers && weaker
}

/// Kinds that the policy is about and that no tier covers.
fn gaps(policy: &Policy, report: &mut Report) {
    if policy.tiers.is_empty() {
        return;
    }
    let about = |kind: &LineKind| policy.kinds.is_empty() || policy.kinds.contains(kind);
    let all = LineKind::ALL.iter().filter(|kind| !kind.is_fee_or_tax() && about(kind));
    let covered =
        |kind: &LineKind| policy.tiers.iter().any(|tier| policy.tier_covers(&tier.kinds, *kind));
    let open: Vec<_> = all.filter(|kind| !covered(kind)).map(|kind| kind.as_str()).collect();
    if !open.is_empty() {
        let open = open.join(", ");
        report.add(
            "tiers",
            format!(
                "no tier covers {open}: add a tier for the rest, or list in `kinds` what the \
                 policy is about"
            ),
        );
    }
}

/// Whether `earlier` decides whenever `later` would.
fn hides(policy: &Policy, earlier: &Tier, later: &Tier) -> bool {
    let weaker = earlier.condition.is_none() || earlier.condition == later.condition;
    weaker
        && policy.covered(&later.kinds).is_subset(&policy.covered(&earlier.kinds))
        && implies(later.notice, earlier.notice)
}

/// Whether who meets `asked` surely meets `weaker` too.
fn implies(asked: Notice, weaker: Notice) -> bool {
    match (asked, weaker) {
        (Notice::Hours(asked), Notice::Hours(weaker))
        | (Notice::CivilDays(asked), Notice::CivilDays(weaker)) => asked >= weaker,
        (Notice::BusinessDays(asked), Notice::BusinessDays(weaker)) => asked >= weaker,
        (Notice::Until(asked), Notice::Until(weaker)) => asked <= weaker,
        // Business days are civil days too.
        (Notice::BusinessDays(asked), Notice::CivilDays(weaker)) => u32::from(asked) >= weaker,
        (Notice::CivilDays(asked), Notice::Hours(weaker)) => days_reach(asked, weaker),
        (Notice::BusinessDays(asked), Notice::Hours(weaker)) => days_reach(asked.into(), weaker),
        (Notice::Hours(asked), Notice::CivilDays(weaker)) => {
            i64::from(asked) >= i64::from(weaker) * 24 + SLACK_HOURS
        }
        _ => false,
    }
}

/// Whether so many days' notice is at least so many hours: the first day may be as good as over.
fn days_reach(days: u32, hours: u32) -> bool {
    (i64::from(days) - 1) * 24 - SLACK_HOURS >= i64::from(hours)
}

/// Whether `earlier` decides whenever `later` would.
fn hides_override(earlier: &Override, later: &Override) -> bool {
    let covers = earlier.kinds.is_empty()
        || (!later.kinds.is_empty() && later.kinds.iter().all(|kind| earlier.kinds.contains(kind)));
    let weaker = earlier.condition.is_none() || earlier.condition == later.condition;
    let evidence = earlier.evidence.iter().all(|kind| later.evidence.contains(kind));
    let longer = match (earlier.until_hours_after_start, later.until_hours_after_start) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(earlier), Some(later)) => earlier >= later,
    };
    earlier.code == later.code && covers && weaker && evidence && longer
}

/// Reports a later tier that costs less than an earlier one: who waits would pay less.
fn cheaper(policy: &Policy, earlier: &Tier, later: &Tier, at: usize, report: &mut Report) {
    let both: BTreeSet<_> = policy
        .covered(&earlier.kinds)
        .intersection(&policy.covered(&later.kinds))
        .copied()
        .collect();
    let decided = earlier.review.is_none() && later.review.is_none();
    if both.is_empty() || earlier.condition != later.condition || !decided {
        return;
    }
    let Some(key) = cheaper_by(&earlier.terms, &later.terms) else { return };
    let description = format!(
        "must not cost less than tier {} before it: less notice cannot cost less",
        earlier.rule
    );
    report.add(format!("tiers[{at}].{key}"), description);
}

/// The key of the terms that makes `later` cheaper than `earlier` for some price; `None` when it
/// never is.
fn cheaper_by(earlier: &Terms, later: &Terms) -> Option<&'static str> {
    // What a fact tells can be anything, so nothing is proven.
    if earlier.facts().chain(later.facts()).next().is_some() {
        return None;
    }
    let exact = Rounding::default();
    let amount =
        |terms: &Terms, gross, units| fee(terms, Told::default(), exact, gross, units).amount;
    let cheaper =
        |gross: i64, units: i64| amount(later, gross, units) < amount(earlier, gross, units);
    // Fees are made of straight pieces: if one is below the other anywhere, it is at a joint.
    let found = [1_i64, 100].into_iter().any(|units| {
        let joints = joints(earlier, units).chain(joints(later, units));
        joints.chain([redress_core::money::MAX_MINOR_UNITS]).any(|gross| cheaper(gross, units))
    });
    if !found {
        return None;
    }
    let per_line = |terms: &Terms| terms.fixed_fee_per == FixedFeePer::Line;
    Some(if later.charge.fee_basis_points() < earlier.charge.fee_basis_points() {
        later.charge.key()
    } else if later.fixed_fee < earlier.fixed_fee || per_line(later) != per_line(earlier) {
        "fixed_fee"
    } else if later.minimum_fee < earlier.minimum_fee {
        "minimum_fee"
    } else {
        "maximum_fee"
    })
}

/// Prices around which the slope of a fee changes: where the minimum ends, the maximum begins, and
/// the fee exceeds the price.
fn joints(terms: &Terms, units: i64) -> impl Iterator<Item = i64> {
    let whole = i128::from(ALL_BASIS_POINTS);
    let share = i128::from(terms.charge.fee_basis_points());
    let count = if terms.fixed_fee_per == FixedFeePer::Unit { units } else { 1 };
    let fixed = i128::from(terms.fixed_fee) * i128::from(count);
    let reaches = move |fee: i64| (i128::from(fee) - fixed) * whole / share.max(1);
    let own_price = fixed * whole / (whole - share).max(1);
    let most = terms.maximum_fee.unwrap_or(0);
    let exact = [
        fixed,
        own_price,
        i128::from(terms.minimum_fee),
        reaches(terms.minimum_fee),
        i128::from(most),
        reaches(most),
    ];
    let around = exact.into_iter().flat_map(|gross| [gross - 1, gross, gross + 1, gross + 100]);
    let limit = redress_core::money::MAX_MINOR_UNITS;
    around.filter_map(move |gross| {
        i64::try_from(gross).ok().filter(|gross| (0..=limit).contains(gross))
    })
}
