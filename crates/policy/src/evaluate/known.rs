//! What is known about a line: what Redress knows by itself, what the caller told, what follows
//! from either, and what is assumed as long as nobody shows otherwise.
//!
//! Invariant: a fact that is none of these is unknown. What a caller tells never replaces what
//! Redress knows, nor a switch of the policy.

use redress_core::clock::Timestamp;
use redress_core::money::split_by_largest_remainder;

use super::line::Line;
use crate::condition::{Facts, Value};
use crate::facts::{BUILTINS, FactKind, FactValue};
use crate::fee::Told;
use crate::model::Terms;
use crate::notice::MICROS_PER_HOUR;
use crate::situation::LineFacts;
use crate::step::KnownFacts;

impl Line<'_> {
    /// The facts with these names, as far as they are known.
    pub(super) fn known(&self, names: &[String]) -> KnownFacts {
        let told = |name: &String| Some((name.clone(), self.fact(name)?));
        names.iter().filter_map(told).collect()
    }

    fn fact(&self, name: &str) -> Option<FactValue> {
        Some(match self.value(name)? {
            Value::Bool(value) => FactValue::Bool(value),
            Value::Text(value) => FactValue::String(value.to_owned()),
            Value::Int(value) => match self.kind(name) {
                FactKind::Timestamp => FactValue::Timestamp(Timestamp(value)),
                FactKind::Duration => FactValue::Duration(value),
                FactKind::Bool | FactKind::Int | FactKind::String => FactValue::Int(value),
            },
        })
    }

    /// What a number stands for.
    fn kind(&self, name: &str) -> FactKind {
        if let Some(declared) = self.policy.declared(name) {
            return declared.kind;
        }
        let builtin = BUILTINS.iter().find(|fact| fact.name == name).map(|fact| fact.kind);
        // What else has the type of a number is a moment.
        builtin.unwrap_or(FactKind::Timestamp)
    }

    fn number(&self, name: &str) -> Option<i64> {
        match self.value(name)? {
            Value::Int(value) => Some(value),
            Value::Bool(_) | Value::Text(_) => None,
        }
    }

    /// The amounts that a fee depends on, or the names of those that nobody told.
    pub(super) fn amounts(&self, terms: &Terms) -> Result<Told, Vec<String>> {
        let missing: Vec<String> =
            terms.facts().filter(|name| self.number(name).is_none()).cloned().collect();
        if !missing.is_empty() {
            return Err(missing);
        }
        let told = |name: &Option<String>| {
            name.as_deref().and_then(|name| self.number(name)).map(|amount| self.part_of(amount))
        };
        let days = terms.rest_by_days.as_ref();
        Ok(Told {
            base: told(&terms.share_of),
            cost: told(&terms.fee_fact).unwrap_or(0),
            minimum: told(&terms.minimum_fee_fact).unwrap_or(0),
            days: days.and_then(|rest| Some((self.number(&rest.done)?, self.number(&rest.of)?))),
        })
    }

    /// This line's part of a cost that a fact tells.
    pub(super) fn cost(&self, name: &str) -> Option<i64> {
        self.number(name).map(|amount| self.part_of(amount))
    }

    /// This line's part of an amount that was told for all that is asked for: by price, among lines
    /// that are fees or taxes as this one is, or none as this one is none. So nothing is counted
    /// twice, and the parts sum to the whole.
    fn part_of(&self, amount: i64) -> i64 {
        let lines = self.situation.lines;
        if lines.len() < 2 || amount <= 0 {
            return amount;
        }
        let alike =
            |line: &&LineFacts<'_>| line.kind.is_fee_or_tax() == self.facts.kind.is_fee_or_tax();
        let alike: Vec<_> = lines.iter().filter(alike).collect();
        let prices: Vec<i64> = alike.iter().map(|line| line.gross.max(0)).collect();
        let own = alike.iter().position(|line| line.id == self.facts.id);
        let parts = split_by_largest_remainder(amount, &prices);
        // Lines that cost nothing have nothing to take an amount from.
        parts.zip(own).and_then(|(parts, own)| parts.get(own).copied()).unwrap_or(0)
    }

    fn builtin(&self, name: &str) -> Option<Value<'_>> {
        let (situation, line) = (self.situation, &self.facts);
        Some(match name {
            "kind" => Value::Text(line.kind.as_str()),
            "event" => Value::Text(line.event),
            "place" => Value::Text(line.place),
            "channel" => Value::Text(situation.channel),
            "quantity" => Value::Int(line.units),
            "gross_minor_units" => Value::Int(line.gross),
            "currency" => Value::Text(situation.currency.code()),
            "whole_order" => Value::Bool(situation.whole_order),
            "now" => Value::Int(situation.now.0),
            "purchase" => Value::Int(situation.purchase.0),
            "start" => Value::Int(line.start.0),
            "hours_before_start" => Value::Int(self.span.hours()),
            "days_before_start" => Value::Int(self.span.days()),
            "hours_since_purchase" => {
                let elapsed = situation.now.0.saturating_sub(situation.purchase.0);
                Value::Int(elapsed.div_euclid(MICROS_PER_HOUR))
            }
            "buyer_refunds" => Value::Int(situation.buyer_refunds?.into()),
            _ => return None,
        })
    }

    /// What was told of a fact, or is assumed of it.
    fn told(&self, name: &str) -> Option<&FactValue> {
        let assumed = || {
            let assumption = self.policy.declared(name)?.assume.as_ref()?;
            Some(&assumption.value)
        };
        self.situation.facts.get(name).or_else(assumed)
    }

    /// The instant of a moment of the policy; unknown when what it is reckoned from is.
    fn moment(&self, name: &str) -> Option<Value<'_>> {
        let at = self.policy.moments.iter().position(|moment| moment.name == name)?;
        let moment = &self.policy.moments[at];
        let reckoned = || {
            let from = match self.builtin(&moment.from) {
                Some(Value::Int(micros)) => Timestamp(micros),
                _ => match self.told(&moment.from)? {
                    FactValue::Timestamp(at) => *at,
                    _ => return None,
                },
            };
            moment.reckon(from, &self.span.zone).ok()
        };
        self.moments.get(at)?.get_or_init(reckoned).map(|at| Value::Int(at.0))
    }
}

impl Facts for Line<'_> {
    fn value(&self, name: &str) -> Option<Value<'_>> {
        let policy = self.policy;
        if let Some(known) = self.builtin(name) {
            return Some(known);
        }
        if let Some(switch) = policy.switches.iter().find(|switch| switch.name == name) {
            return Some(Value::Text(&switch.value));
        }
        if let Some(moment) = self.moment(name) {
            return Some(moment);
        }
        Some(match self.told(name)? {
            FactValue::Bool(value) => Value::Bool(*value),
            FactValue::Int(value) | FactValue::Duration(value) => Value::Int(*value),
            FactValue::String(value) => Value::Text(value),
            FactValue::Timestamp(value) => Value::Int(value.0),
        })
    }

    /// A moment is unknown because of what it is reckoned from.
    fn missing(&self, name: &str) -> String {
        let moment = self.policy.moments.iter().find(|moment| moment.name == name);
        moment.map_or(name, |moment| moment.from.as_str()).to_owned()
    }
}
