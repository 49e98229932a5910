//! Whether a policy gives less than a law somewhere, and by how much.
//!
//! Invariant: what is reported is a case in which [`Policy::price`] of both says so; nothing is
//! worked out a second time. Conditions that a trial cannot see through are refused, so that a promise
//! does not rest on what was not tried. The same policies always get the same cases.

pub(crate) mod cases;

use std::fmt;

use redress_core::money::Money;

use crate::condition::Condition;
use crate::facts::FactKind;
use crate::model::{Policy, PolicyProblem, Terms};
use cases::{Cases, Dice};

/// How many cases are tried.
const CASES: usize = 12_000;

/// A case in which a policy gives less than a law.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// What the case is, in words.
    pub case: String,
    /// What the law gives, with the rule and where it stands.
    pub law: String,
    /// What the policy gives instead, with the rule or the reason.
    pub own: String,
    /// By how much less; `None` where it is no amount.
    pub gap: Option<Money>,
}

impl Shortfall {
    fn size(&self) -> i64 {
        self.gap.map_or(0, |gap| gap.minor_units)
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, the law gives {} and this policy {}", self.case, self.law, self.own)?;
        self.gap.map_or(Ok(()), |gap| write!(f, ": {gap} less"))
    }
}

impl Policy {
    /// The worst case found in which the policy gives less than `law`; `None` when there is none.
    /// Ask [`Policy::unprovable`] first.
    pub fn shortfall(&self, law: &Self) -> Option<Shortfall> {
        let cases = Cases::new(self, law)?;
        let mut dice = Dice(0x005e_ed0f_1a35);
        let mut worst: Option<Shortfall> = None;
        for _ in 0..CASES {
            let Some(found) = cases.draw(&mut dice).compare(self, law) else { continue };
            if worst.as_ref().is_none_or(|worst| found.size() > worst.size()) {
                worst = Some(found);
            }
        }
        worst
    }

    /// What makes it impossible to tell whether the policy gives less than `law`: each with the path
    /// of its field. A rule that does not give everything back can ask facts of type bool, and
    /// otherwise only what the law asks, word for word: between two cases that were tried, nothing
    /// else could then change the answer.
    pub fn unprovable(&self, law: &Self) -> Vec<PolicyProblem> {
        let mut found = Vec::new();
        let mut report = |field: String, description: &str| {
            found.push(PolicyProblem { field, description: description.to_owned() });
        };
        let asked: Vec<&str> = law.conditions().map(Condition::as_str).collect();
        let is_bool = |name: &String| {
            let declared = self.declared(name).or_else(|| law.declared(name));
            declared.is_some_and(|fact| fact.kind == FactKind::Bool)
        };
        let is_plain = |condition: Option<&Condition>| {
            condition.is_none_or(|condition| {
                asked.contains(&condition.as_str()) || condition.names().iter().all(is_bool)
            })
        };
        for (at, tier) in self.tiers.iter().enumerate() {
            if !is_plain(tier.condition.as_ref()) && !gives_all(&tier.terms, tier.review.is_some())
            {
                report(format!("tiers[{at}].condition"), OTHER_CONDITION);
            }
        }
        for (at, rule) in self.overrides.iter().enumerate() {
            // An override that does not hold leaves the line to the tiers, so it has to be plain
            // whatever it gives.
            if !is_plain(rule.condition.as_ref()) {
                report(format!("overrides[{at}].condition"), OTHER_CONDITION);
            }
        }
        for (at, row) in self.compensations.iter().enumerate() {
            let halved = row.halved.as_ref().map(|halving| &halving.when);
            if !is_plain(row.condition.as_ref()) || !is_plain(halved) {
                report(format!("compensations[{at}].condition"), OTHER_CONDITION);
            }
        }
        for (at, clock) in self.clocks.iter().enumerate() {
            if !is_plain(clock.condition.as_ref()) {
                report(format!("clocks[{at}].condition"), OTHER_CONDITION);
            }
        }
        if self.currency.is_some() && self.currency != law.currency {
            report("currency".to_owned(), "refuses orders that the law is about; leave it out");
        }
        if self.repricing != law.repricing {
            report("repricing".to_owned(), "takes back from what the law gives; leave it out");
        }
        found
    }
}

/// Whether a rule gives everything back.
fn gives_all(terms: &Terms, review: bool) -> bool {
    !review
        && *terms == Terms { charge: terms.charge, ..Terms::default() }
        && terms.charge.fee_basis_points() == 0
}

const OTHER_CONDITION: &str = "a policy that promises a law can ask facts of type bool here, or what \
    the law itself asks, word for word; with anything else nobody could tell that it gives no less";

#[cfg(test)]
mod tests;
