//! Worked examples in a policy file: what the policy has to answer.
//!
//! Invariant: an example passes only when everything it expects comes true.

use std::borrow::Cow;
use std::collections::BTreeMap;

use redress_calendar::{Date, civil_date};
use redress_core::clock::Timestamp;
use redress_core::money::{Currency, Money};

use crate::compensation::CompensationDue;
use crate::facts::FactValue;
use crate::language;
use crate::model::Policy;
use crate::situation::{Decision, LineFacts, LinePrice, Situation};
use crate::step::Step;
use crate::vocabulary::{LineKind, OverrideCode};

/// A question to the policy, of one line, with the answer expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// What it shows.
    pub name: String,
    /// When the refund is asked for.
    pub now: Timestamp,
    /// When the order was bought; without it, when the policy came into force.
    pub purchase: Option<Timestamp>,
    /// When the event or trip starts.
    pub start: Timestamp,
    /// The IANA zone of the place.
    pub time_zone: String,
    /// The price, in minor units of `currency`.
    pub gross: i64,
    /// The order's currency.
    pub currency: Currency,
    /// What kind of line it is.
    pub kind: LineKind,
    /// How many units are asked for.
    pub units: i64,
    /// Where the order was sold.
    pub channel: String,
    /// Id of the event.
    pub event: String,
    /// Where it takes place.
    pub place: String,
    /// Whether the whole order is asked for.
    pub whole_order: bool,
    /// How often the buyer withdrew before.
    pub buyer_refunds: Option<u32>,
    /// What happened.
    pub override_code: Option<OverrideCode>,
    /// The kinds of document shown.
    pub evidence: Vec<String>,
    /// What the caller told.
    pub facts: BTreeMap<String, FactValue>,
    /// Switches that stand otherwise than in the file, by name.
    pub choices: BTreeMap<String, String>,
    /// The answer.
    pub expect: Expected,
}

/// The answer that an example expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// A price.
    Price(ExpectedPrice),
    /// The question for these facts.
    NeedsFacts(Vec<String>),
    /// A refusal with this code.
    Refused(String),
    /// That a person decides, by this rule.
    Review(String),
}

/// The price that an example expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedPrice {
    /// The rule that decides about the refund.
    pub rule: String,
    /// What is kept, in minor units.
    pub fee: i64,
    /// What goes back, in minor units.
    pub refund: i64,
    /// What is owed besides.
    pub compensation: ExpectedCompensation,
    /// A part of the citation of a rule that decides: about the refund, or about what is owed
    /// besides, or why nothing is.
    pub article: Option<String>,
    /// The day by which the money has to be paid, at the place.
    pub pay_by: Option<Date>,
}

/// The compensation that an example expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedCompensation {
    /// None.
    None,
    /// Damages, whose amount has to be proven.
    Claim,
    /// This amount.
    Amount(Money),
}

impl Example {
    /// What the policy answers.
    pub fn decide(&self, policy: &Policy) -> Decision {
        self.ask(policy, |situation, _| policy.price(situation))
    }

    /// The policy with the example's choices; what is wrong with these otherwise.
    fn chosen<'a>(&self, policy: &'a Policy) -> Result<Cow<'a, Policy>, String> {
        let mut chosen = Cow::Borrowed(policy);
        if policy.switches.iter().any(|switch| switch.value != switch.default) {
            for switch in &mut chosen.to_mut().switches {
                switch.value.clone_from(&switch.default);
            }
        }
        for (name, value) in &self.choices {
            let mut switches = chosen.to_mut().switches.iter_mut();
            let switch = switches.find(|s| s.name == *name && s.values.contains(value));
            let switch =
                switch.ok_or_else(|| format!("not to be had: no switch {name} = {value}"))?;
            switch.value.clone_from(value);
        }
        Ok(chosen)
    }

    /// Asks something about the example's situation, whose only line comes with it.
    pub fn ask<T>(
        &self,
        policy: &Policy,
        ask: impl FnOnce(&Situation<'_>, &LineFacts<'_>) -> T,
    ) -> T {
        let line = LineFacts {
            id: "example",
            kind: self.kind,
            gross: self.gross,
            units: self.units,
            start: self.start,
            time_zone: &self.time_zone,
            event: &self.event,
            place: &self.place,
        };
        let kind = |name: &str| policy.facts.iter().find(|fact| fact.name == name).map(|f| f.kind);
        let told = self.facts.clone().into_iter().map(|(name, value)| {
            let value = match kind(&name) {
                Some(kind) => value.read_as(kind),
                None => value,
            };
            (name, value)
        });
        let facts: BTreeMap<String, FactValue> = told.collect();
        let situation = Situation {
            now: self.now,
            purchase: self.purchase.unwrap_or(policy.effective),
            channel: &self.channel,
            currency: self.currency,
            override_code: self.override_code,
            evidence: &self.evidence,
            facts: &facts,
            buyer_refunds: self.buyer_refunds,
            whole_order: self.whole_order,
            lines: &[line],
        };
        ask(&situation, &line)
    }

    /// Whether a price is expected and no article named for it.
    pub fn is_unnamed(&self) -> bool {
        matches!(&self.expect, Expected::Price(expected) if expected.article.is_none())
    }

    /// How the answer differs from the expected one; `None` when it does not.
    pub fn failure(&self, policy: &Policy) -> Option<String> {
        let unlike = self.chosen(policy).map_or_else(Some, |chosen| self.difference(&chosen));
        let expected = self.expect.in_words();
        let tell = |answer| {
            format!("example {:?} fails: expected {expected}, the answer is {answer}", self.name)
        };
        unlike.map(tell)
    }

    fn difference(&self, policy: &Policy) -> Option<String> {
        let found = self.decide(policy);
        match (&self.expect, &found) {
            (Expected::Price(expected), Decision::Priced(prices)) => {
                prices.iter().find_map(|price| self.price_failure(policy, expected, price))
            }
            (Expected::NeedsFacts(names), Decision::NeedsFacts(facts)) => {
                let needed: Vec<_> = facts.iter().map(|fact| fact.name.as_str()).collect();
                let met = needed.len() == names.len()
                    && names.iter().all(|n| needed.contains(&n.as_str()));
                (!met).then(|| told(&found))
            }
            (Expected::Refused(code), Decision::Refused(refusal)) => {
                (refusal.code() != code).then(|| told(&found))
            }
            (Expected::Review(rule), Decision::Review(reviews)) => {
                reviews.iter().any(|review| review.rule != *rule).then(|| told(&found))
            }
            _ => Some(told(&found)),
        }
    }

    fn price_failure(
        &self,
        policy: &Policy,
        expected: &ExpectedPrice,
        price: &LinePrice,
    ) -> Option<String> {
        let owed = match &price.compensation {
            None => ExpectedCompensation::None,
            Some(due) => {
                due.amount.map_or(ExpectedCompensation::Claim, ExpectedCompensation::Amount)
            }
        };
        let met = (&price.rule, price.fee, price.refund, owed)
            == (&expected.rule, expected.fee, expected.refund, expected.compensation);
        if !met {
            return Some(told_price(price));
        }
        let titles = decisive(policy, price);
        let named = |article: &&String| titles.iter().any(|title| title.contains(article.as_str()));
        if let Some(article) = expected.article.as_ref().filter(|article| !named(article)) {
            return Some(format!("by {}, not by {article}", language::list(&titles)));
        }
        let pay_by = expected.pay_by?;
        let due = self.ask(policy, |situation, line| policy.legal_clock(situation, line));
        let day = due
            .map_err(|refusal| refusal.to_string())
            .and_then(|clock| civil_date(clock.due, &self.time_zone).map_err(|e| e.to_string()));
        match day {
            Ok(day) if day == pay_by => None,
            Ok(day) => Some(format!("to be paid by {day}")),
            Err(reason) => Some(reason),
        }
    }
}

impl Expected {
    fn in_words(&self) -> String {
        match self {
            Self::Price(price) => {
                let owed = match price.compensation {
                    ExpectedCompensation::None => String::new(),
                    ExpectedCompensation::Claim => ", compensation a claim".to_owned(),
                    ExpectedCompensation::Amount(amount) => format!(", compensation {amount}"),
                };
                let by = price.pay_by.map_or_else(String::new, |day| format!(", paid by {day}"));
                let (rule, fee, refund) = (&price.rule, price.fee, price.refund);
                format!("rule {rule}, fee {fee}, refund {refund}{owed}{by}")
            }
            Self::NeedsFacts(names) => format!("that it needs {}", language::list(names)),
            Self::Refused(code) => code.clone(),
            Self::Review(rule) => format!("that a person decides, by {rule}"),
        }
    }
}

/// Where the rules stand that decide about a price.
fn decisive<'a>(policy: &'a Policy, price: &'a LinePrice) -> Vec<&'a str> {
    let free = price.path.iter().filter_map(|step| match step {
        Step::CompensationFree { rule } => Some(policy.citation_of(rule)),
        _ => None,
    });
    let owed = price.compensation.iter().map(|due| &due.citation);
    owed.chain(free).chain([&price.citation]).map(|citation| citation.title.as_str()).collect()
}

fn told_price(price: &LinePrice) -> String {
    let owed = match &price.compensation {
        None => String::new(),
        Some(CompensationDue { amount, rule, .. }) => {
            let amount = amount.map_or_else(|| "a claim".to_owned(), |amount| amount.to_string());
            format!(", compensation {amount} by {rule}")
        }
    };
    format!("rule {}, fee {}, refund {}{owed}", price.rule, price.fee, price.refund)
}

fn told(decision: &Decision) -> String {
    match decision {
        Decision::Priced(prices) => prices.iter().map(told_price).collect::<Vec<_>>().join("; "),
        Decision::NeedsFacts(facts) => {
            let names: Vec<_> = facts.iter().map(|fact| fact.name.as_str()).collect();
            format!("that it needs {}", language::list(&names))
        }
        Decision::Review(reviews) => {
            let rules: Vec<_> = reviews.iter().map(|review| review.rule.as_str()).collect();
            format!("that a person decides, by {}", language::list(&rules))
        }
        Decision::Refused(refusal) => format!("{}: {refusal}", refusal.code()),
    }
}
