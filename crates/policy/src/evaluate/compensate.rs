//! The search for the row of the table of compensations that applies to a line.
//!
//! Invariant: what a missing fact could change is not decided; the search goes on so that one answer
//! names every fact that could matter.

use redress_core::money::Money;

use super::line::{Line, Search};
use crate::compensation::{COMMON_ROUNDING, Compensation, CompensationDue, Pays};
use crate::condition::Outcome;
use crate::situation::{Refusal, Review};
use crate::step::Step;

/// What the search found.
pub(super) enum Owed {
    /// This compensation, or none.
    Due(Option<CompensationDue>),
    /// A person has to decide.
    Review(Review),
    /// It depends on facts that are missing; they are in the search.
    Open,
}

impl Line<'_> {
    /// What is owed besides the refund. The way to it joins `search`.
    pub(super) fn compensation(&self, search: &mut Search) -> Result<Owed, Refusal> {
        let Some(code) = self.situation.override_code else { return Ok(Owed::Due(None)) };
        let rows = self.policy.compensations.iter();
        let mut asked = false;
        for row in rows.filter(|row| row.covers(code, self.facts.kind)) {
            asked = true;
            if self.holds(&row.rule, row.condition.as_ref(), search)? {
                return self.pay(row, search);
            }
        }
        if asked && search.missing.is_empty() {
            search.path.push(Step::NoCompensation);
        }
        Ok(if search.missing.is_empty() { Owed::Due(None) } else { Owed::Open })
    }

    fn pay(&self, row: &Compensation, search: &mut Search) -> Result<Owed, Refusal> {
        let halved = self.halved(row, search)?;
        let cost = match &row.pays {
            Pays::Cost { fact, .. } => {
                let cost = self.cost(fact);
                if cost.is_none() {
                    search.missing.push(fact.clone());
                }
                cost
            }
            _ => None,
        };
        if !search.missing.is_empty() {
            return Ok(Owed::Open);
        }
        let policy = self.policy;
        let halving = row.halved.as_ref().filter(|_| halved).map(|halving| &halving.citation);
        let citation = halving.or(row.citation.as_ref()).unwrap_or(&policy.citation).clone();
        let rule = row.rule.clone();
        match &row.pays {
            Pays::Review(reason) => {
                let (line, reason) = (self.facts.id.to_owned(), reason.clone());
                return Ok(Owed::Review(Review { line, rule, reason, citation }));
            }
            Pays::Nothing => {
                search.path.push(Step::CompensationFree { rule });
                return Ok(Owed::Due(None));
            }
            Pays::Claim => {
                search.path.push(Step::CompensationClaimed { rule: rule.clone() });
                return Ok(Owed::Due(Some(CompensationDue { amount: None, rule, citation })));
            }
            Pays::Amount { .. } | Pays::BasisPoints(_) | Pays::Cost { .. } => {}
        }
        let amount = self.pay_out(row, cost, halved, search);
        Ok(Owed::Due(amount.map(|amount| CompensationDue { amount: Some(amount), rule, citation })))
    }

    /// Whether the row's amount is halved. What that lacks joins `search`.
    fn halved(&self, row: &Compensation, search: &mut Search) -> Result<bool, Refusal> {
        let Some(halving) = &row.halved else { return Ok(false) };
        match halving.when.evaluate(self) {
            Outcome::Yes => Ok(true),
            Outcome::No => Ok(false),
            Outcome::Missing(names) => {
                search.missing.extend(names);
                Ok(false)
            }
            Outcome::Failed(reason) => {
                Err(Refusal::ConditionFailed { rule: row.rule.clone(), reason })
            }
        }
    }

    /// The amount, with the steps to it; `None` when the seller need not pay so little.
    fn pay_out(
        &self,
        row: &Compensation,
        cost: Option<i64>,
        halved: bool,
        search: &mut Search,
    ) -> Option<Money> {
        let rounding = self.policy.compensation_rounding.unwrap_or(COMMON_ROUNDING);
        let (currency, gross, units) =
            (self.situation.currency, self.facts.gross, self.facts.units);
        let rule = row.rule.clone();
        search.path.push(match &row.pays {
            Pays::Amount { amount, per } => {
                Step::CompensationFixed { rule, amount: *amount, per: *per, units }
            }
            Pays::BasisPoints(points) => {
                let gross = Money { currency, minor_units: gross };
                Step::CompensationShare { rule, gross, basis_points: *points }
            }
            _ => {
                let cost = Money { currency, minor_units: cost.unwrap_or(0) };
                Step::CompensationCost { rule, cost }
            }
        });
        let amount = row.amount(rounding, currency, gross, units, cost, halved)?;
        if let Some(halving) = row.halved.as_ref().filter(|_| halved) {
            let facts = self.known(halving.when.names());
            search.path.push(Step::CompensationHalved { amount, facts });
        }
        let least = row.nothing_below.filter(|least| least.currency == amount.currency);
        if let Some(least) = least.filter(|least| amount.minor_units < least.minor_units) {
            search.path.push(Step::CompensationTooSmall { amount, least });
            return None;
        }
        search.path.push(Step::CompensationDue { amount });
        (amount.minor_units > 0).then_some(amount)
    }
}
