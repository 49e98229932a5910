//! Worked examples in a policy file: what the policy has to answer.
//!
//! Invariant: an example passes only when everything it expects comes true.

use std::collections::BTreeMap;

use redress_core::clock::Timestamp;
use redress_core::money::Currency;

use crate::facts::FactValue;
use crate::model::Policy;
use crate::situation::{Decision, LineFacts, Situation};
use crate::vocabulary::{LineKind, OverrideCode};
use crate::words;

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
    /// The answer.
    pub expect: Expected,
}

/// The answer that an example expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// A price.
    Price {
        /// The rule that decides.
        rule: String,
        /// What is kept, in minor units.
        fee: i64,
        /// What goes back, in minor units.
        refund: i64,
    },
    /// The question for these facts.
    NeedsFacts(Vec<String>),
    /// A refusal with this code.
    Refused(String),
}

impl Example {
    /// What the policy answers.
    pub fn decide(&self, policy: &Policy) -> Decision {
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
        policy.price(&Situation {
            now: self.now,
            purchase: self.purchase.unwrap_or(policy.effective),
            channel: &self.channel,
            currency: self.currency,
            override_code: self.override_code,
            evidence: &self.evidence,
            facts: &self.facts,
            buyer_refunds: self.buyer_refunds,
            whole_order: self.whole_order,
            lines: &[line],
        })
    }

    /// How the answer differs from the expected one; `None` when it does not.
    pub fn failure(&self, policy: &Policy) -> Option<String> {
        let found = self.decide(policy);
        let met = match (&self.expect, &found) {
            (Expected::Price { rule, fee, refund }, Decision::Priced(prices)) => prices
                .iter()
                .all(|price| (&price.rule, price.fee, price.refund) == (rule, *fee, *refund)),
            (Expected::NeedsFacts(names), Decision::NeedsFacts(facts)) => {
                let needed: Vec<_> = facts.iter().map(|fact| fact.name.as_str()).collect();
                needed.len() == names.len() && names.iter().all(|n| needed.contains(&n.as_str()))
            }
            (Expected::Refused(code), Decision::Refused(refusal)) => refusal.code() == code,
            _ => false,
        };
        (!met).then(|| format!("example {:?} fails: the answer is {}", self.name, told(&found)))
    }
}

fn told(decision: &Decision) -> String {
    match decision {
        Decision::Priced(prices) => {
            let each = prices.iter().map(|price| {
                format!("rule {}, fee {}, refund {}", price.rule, price.fee, price.refund)
            });
            each.collect::<Vec<_>>().join("; ")
        }
        Decision::NeedsFacts(facts) => {
            let names: Vec<_> = facts.iter().map(|fact| fact.name.as_str()).collect();
            format!("that it needs {}", words::list(&names))
        }
        Decision::Refused(refusal) => format!("{}: {refusal}", refusal.code()),
    }
}
