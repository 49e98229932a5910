//! From a situation to a decision.
//!
//! Invariant: pure; the same policy and situation always give the same decision. The first rule that
//! covers the line, whose notice is met and whose condition holds decides; where a missing fact
//! could change which one that is, nothing is priced.

mod clock;
mod compensate;
mod known;
mod line;
mod price;

use crate::facts::{BUYER_REFUNDS, BUYER_REFUNDS_QUESTION, FactKind};
use crate::model::Policy;
use crate::situation::{Decision, LinePrice, NeededFact, Refusal, Situation};
use crate::texts::Texts;
use crate::vocabulary::OverrideCode;
use line::{Found, Line};

/// The rule named when the notice is too short for every tier.
pub const TOO_LATE: &str = "too-late";
/// The rule named for a fee or tax line that the policy does not refund.
pub const FEE_KEPT: &str = "fee-kept";
/// The rule named when the policy is about what happened only, and has no tiers to withdraw by.
pub const NOT_REGULATED: &str = "not-regulated";
/// The rule named when a tier's notice is met, but no condition holds.
pub const CONDITION_NOT_MET: &str = "condition-not-met";
/// The rule named when the event itself does not take place: everything goes back, whatever the
/// tiers say, because the seller does not deliver what was paid for.
pub const EVENT_CANCELLED: &str = "event-cancelled";

impl Policy {
    /// Prices what is asked for, or tells what is missing or why it cannot be.
    pub fn price(&self, situation: &Situation<'_>) -> Decision {
        match self.decide(situation) {
            Ok(decision) => decision,
            Err(refusal) => Decision::Refused(refusal),
        }
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Refusal> {
        self.admit(situation)?;
        let mut prices = Vec::with_capacity(situation.lines.len());
        let mut missing = Vec::new();
        let mut reviews = Vec::new();
        let mut by_tiers = false;
        for facts in situation.lines {
            let found = Line::new(self, situation, *facts)?.find()?;
            by_tiers |= found.by_tiers();
            match found {
                Found::Missing { names, .. } => missing.extend(names),
                Found::Price { price, .. } => prices.push(price),
                Found::Review { review, .. } => reviews.push(review),
            }
        }
        if by_tiers {
            self.limit(situation, &mut missing)?;
        }
        if missing.is_empty() && !reviews.is_empty() {
            return Ok(Decision::Review(reviews));
        }
        Ok(self.answer(prices, &missing))
    }

    /// What can be refused without looking at the lines.
    fn admit(&self, situation: &Situation<'_>) -> Result<(), Refusal> {
        if let Some(policy) = self.currency.filter(|own| *own != situation.currency) {
            return Err(Refusal::CurrencyMismatch { policy, order: situation.currency });
        }
        for declared in &self.facts {
            let told = situation.facts.get(&declared.name).map(crate::FactValue::kind);
            if let Some(given) = told.filter(|given| *given != declared.kind) {
                let name = declared.name.clone();
                return Err(Refusal::FactMismatch { name, expected: declared.kind, given });
            }
        }
        match situation.override_code {
            Some(code) if !self.offers(code) => Err(Refusal::OverrideNotOffered(code)),
            _ => Ok(()),
        }
    }

    /// Whether the policy has a rule for what happened.
    pub fn offers(&self, code: OverrideCode) -> bool {
        self.overrides.iter().any(|offered| offered.code == code)
            || self.compensations.iter().any(|row| row.codes.contains(&code))
    }

    /// The limits of a withdrawal. An override is no withdrawal: something happened to the buyer.
    fn limit(&self, situation: &Situation<'_>, missing: &mut Vec<String>) -> Result<(), Refusal> {
        if self.whole_order && !situation.whole_order {
            return Err(Refusal::WholeOrderOnly);
        }
        if self.once_per_buyer {
            match situation.buyer_refunds {
                None => missing.push(BUYER_REFUNDS.to_owned()),
                Some(0) => {}
                Some(_) => return Err(Refusal::BuyerLimit),
            }
        }
        Ok(())
    }

    fn answer(&self, prices: Vec<LinePrice>, missing: &[String]) -> Decision {
        if missing.is_empty() {
            return Decision::Priced(prices);
        }
        let declared = self.facts.iter().map(|fact| NeededFact {
            name: fact.name.clone(),
            question: fact.question.clone(),
            kind: fact.kind,
        });
        let buyer_refunds = NeededFact {
            name: BUYER_REFUNDS.to_owned(),
            question: Texts::from(BUYER_REFUNDS_QUESTION),
            kind: FactKind::Int,
        };
        let all = declared.chain([buyer_refunds]);
        Decision::NeedsFacts(all.filter(|fact| missing.contains(&fact.name)).collect())
    }
}

#[cfg(test)]
mod tests;
