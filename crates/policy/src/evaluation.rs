//! An answer with everything that it rests on: each fact that was looked at, and what would change
//! the answer in the buyer's favour.
//!
//! Invariant: every figure comes from [`Policy::price`]; nothing is worked out a second time. A fact
//! is listed once, as used, missing or assumed.

use std::collections::BTreeMap;

use redress_core::money::Money;

use crate::condition::Condition;
use crate::facts::{FactDeclaration, FactValue};
use crate::model::{Policy, Terms};
use crate::situation::{Decision, LinePrice, Refusal, Situation};
use crate::step::Step;
use crate::vocabulary::OverrideCode;

/// What is known of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactState {
    /// It was told, or Redress knows it by itself.
    Used(FactValue),
    /// Nobody told it, and it could change the answer.
    Missing,
    /// Nobody told it, and the policy says what holds until somebody shows otherwise.
    Assumed(FactValue),
}

/// A fact that an answer rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactUse {
    /// Its name.
    pub name: String,
    /// What is known of it.
    pub state: FactState,
}

/// Something with which the buyer would be owed more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Improvement {
    /// What would have to be shown or told.
    pub by: ImprovedBy,
    /// What would be owed then; `None` when more has to be known first.
    pub price: Option<LinePrice>,
}

/// What would change an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImprovedBy {
    /// Documents for an override.
    Documents {
        /// The override.
        code: OverrideCode,
        /// All of the kinds that it needs.
        kinds: Vec<String>,
    },
    /// A document that shows a fact of the same case.
    Fact {
        /// The fact: a yes or no, which the document shows to be yes.
        name: String,
        /// The kind of document.
        document: String,
    },
}

impl Policy {
    /// The facts that the answer `decision` to `situation` rests on, by name.
    pub fn facts_of(&self, situation: &Situation<'_>, decision: &Decision) -> Vec<FactUse> {
        let mut found: BTreeMap<String, FactState> = BTreeMap::new();
        if let Decision::Priced(prices) = decision {
            for (name, value) in prices.iter().flat_map(known) {
                found.insert(name.clone(), self.state_of(situation, &name, value));
            }
        } else {
            for name in self.names_for(situation.override_code) {
                if let Some(value) = situation.facts.get(name) {
                    found.insert(name.to_owned(), FactState::Used(value.clone()));
                } else if let Some(assumed) = self.declared(name).and_then(|f| f.assume.as_ref()) {
                    found.insert(name.to_owned(), FactState::Assumed(assumed.value.clone()));
                }
            }
        }
        if let Decision::NeedsFacts(missing) = decision {
            found.extend(missing.iter().map(|fact| (fact.name.clone(), FactState::Missing)));
        }
        found.into_iter().map(|(name, state)| FactUse { name, state }).collect()
    }

    /// The declaration of a fact.
    pub fn declared(&self, name: &str) -> Option<&FactDeclaration> {
        self.facts.iter().find(|fact| fact.name == name)
    }

    fn state_of(&self, situation: &Situation<'_>, name: &str, value: FactValue) -> FactState {
        let assumed = self.declared(name).is_some_and(|fact| fact.assume.is_some());
        if assumed && !situation.facts.contains_key(name) {
            FactState::Assumed(value)
        } else {
            FactState::Used(value)
        }
    }

    /// The declared facts that rules for `code` name.
    fn names_for(&self, code: Option<OverrideCode>) -> Vec<&str> {
        let of = |condition: &'_ Option<Condition>| -> Vec<String> {
            condition.iter().flat_map(Condition::names).cloned().collect()
        };
        let amounts = |terms: &Terms| terms.facts().cloned().collect::<Vec<_>>();
        let mut names: Vec<String> = Vec::new();
        for rule in self.overrides.iter().filter(|rule| Some(rule.code) == code) {
            names.extend(of(&rule.condition).into_iter().chain(amounts(&rule.terms)));
        }
        for row in &self.compensations {
            if code.is_some_and(|code| row.codes.contains(&code)) {
                names.extend(of(&row.condition));
            }
        }
        for tier in &self.tiers {
            names.extend(of(&tier.condition).into_iter().chain(amounts(&tier.terms)));
        }
        let declared = self.facts.iter().map(|fact| fact.name.as_str());
        declared.filter(|name| names.iter().any(|named| named == name)).collect()
    }

    /// What would change the answer `decision` to `situation` in the buyer's favour: documents for
    /// an override that the policy offers, and documents that show a fact of this case.
    pub fn improvements(&self, situation: &Situation<'_>, decision: &Decision) -> Vec<Improvement> {
        let owed = match decision {
            Decision::Priced(prices) => prices.first().cloned(),
            Decision::Refused(Refusal::EvidenceRequired(_)) => None,
            _ => return Vec::new(),
        };
        let mut found = Vec::new();
        for rule in &self.overrides {
            let claimed = situation.override_code.is_none_or(|code| code == rule.code);
            let shown = rule.evidence.iter().all(|kind| situation.evidence.contains(kind));
            if rule.evidence.is_empty() || !claimed || shown {
                continue;
            }
            let evidence = [situation.evidence, &rule.evidence].concat();
            let (code, kinds) = (rule.code, rule.evidence.clone());
            let asked = Situation { override_code: Some(code), evidence: &evidence, ..*situation };
            let by = ImprovedBy::Documents { code, kinds };
            found.extend(self.improvement(by, &asked, owed.as_ref()));
        }
        for used in self.facts_of(situation, decision) {
            // A document shows that something is so, never that it is not.
            let (FactState::Used(FactValue::Bool(false))
            | FactState::Assumed(FactValue::Bool(false))) = used.state
            else {
                continue;
            };
            let document = self.declared(&used.name).and_then(|fact| fact.document.clone());
            let Some(document) = document else { continue };
            let mut facts = situation.facts.clone();
            facts.insert(used.name.clone(), FactValue::Bool(true));
            let by = ImprovedBy::Fact { name: used.name, document };
            let asked = Situation { facts: &facts, ..*situation };
            found.extend(self.improvement(by, &asked, owed.as_ref()));
        }
        found
    }

    fn improvement(
        &self,
        by: ImprovedBy,
        asked: &Situation<'_>,
        owed: Option<&LinePrice>,
    ) -> Option<Improvement> {
        match self.price(asked) {
            Decision::Priced(prices) => {
                let price = prices.into_iter().next()?;
                let better = owed.map_or(price.refund > 0, |owed| is_better(&price, owed));
                better.then_some(Improvement { by, price: Some(price) })
            }
            // What an override would give can only be told with more facts. Of a fact of the same case
            // nobody knows then whether it helps.
            Decision::NeedsFacts(_) if matches!(by, ImprovedBy::Documents { .. }) => {
                Some(Improvement { by, price: None })
            }
            Decision::NeedsFacts(_) | Decision::Review(_) | Decision::Refused(_) => None,
        }
    }
}

/// Whether `price` owes the buyer more than `other`, and nothing less.
fn is_better(price: &LinePrice, other: &LinePrice) -> bool {
    let amount = |price: &LinePrice| price.compensation.as_ref().and_then(|due| due.amount);
    let worth = |amount: Option<Money>| amount.map_or(0, |amount| amount.minor_units);
    let (mine, others) = (worth(amount(price)), worth(amount(other)));
    let comparable = match (amount(price), amount(other)) {
        (Some(a), Some(b)) => a.currency == b.currency,
        _ => true,
    };
    let claim =
        |price: &LinePrice| price.compensation.as_ref().is_some_and(|due| due.amount.is_none());
    let no_less = price.refund >= other.refund && mine >= others && (claim(price) || !claim(other));
    let more = price.refund > other.refund || mine > others || (claim(price) && !claim(other));
    comparable && no_less && more
}

/// The facts in the path of a price.
fn known(price: &LinePrice) -> Vec<(String, FactValue)> {
    let mut all = Vec::new();
    for step in &price.path {
        match step {
            Step::ConditionMet { facts, .. }
            | Step::ConditionNotMet { facts, .. }
            | Step::CompensationHalved { facts, .. } => {
                all.extend(facts.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            Step::ShareOf { fact, base: amount, .. } | Step::CostKept { fact, cost: amount } => {
                all.push((fact.clone(), FactValue::Int(amount.minor_units)));
            }
            _ => {}
        }
    }
    all
}
