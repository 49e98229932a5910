//! The search for the rule that decides about one line.
//!
//! Invariant: a rule whose condition rests on missing facts stops nothing: the search goes on to
//! the rule that surely decides, so that one answer names every fact that could matter.

use redress_core::clock::Timestamp;

use super::price::{charge, keep_all};
use super::{CONDITION_NOT_MET, FEE_KEPT, TOO_LATE};
use crate::condition::{Condition, Facts, Outcome, Value};
use crate::facts::{BUILTINS, FactKind, FactValue};
use crate::model::{Override, Policy, Terms, Tier};
use crate::notice::{MICROS_PER_HOUR, Met, Span};
use crate::situation::{LineFacts, LinePrice, Refusal, Situation, Uncertainty};
use crate::step::{KnownFacts, Step};

/// What the search found.
pub(super) enum Found {
    Price { price: LinePrice, by_tiers: bool },
    Missing { names: Vec<String>, by_tiers: bool },
}

impl Found {
    /// Whether the line is withdrawn from by the tiers, as far as can be told.
    pub(super) const fn by_tiers(&self) -> bool {
        match self {
            Self::Price { by_tiers, .. } | Self::Missing { by_tiers, .. } => *by_tiers,
        }
    }
}

/// A line in its situation.
pub(super) struct Line<'a> {
    policy: &'a Policy,
    situation: &'a Situation<'a>,
    facts: LineFacts<'a>,
    span: Span,
}

/// A search under way.
#[derive(Default)]
struct Search {
    path: Vec<Step>,
    missing: Vec<String>,
}

impl<'a> Line<'a> {
    pub(super) fn new(
        policy: &'a Policy,
        situation: &'a Situation<'a>,
        facts: LineFacts<'a>,
    ) -> Result<Self, Refusal> {
        let about = &policy.kinds;
        if !about.is_empty() && !facts.kind.is_fee_or_tax() && !about.contains(&facts.kind) {
            return Err(Refusal::KindNotCovered(facts.kind));
        }
        let span = Span::new(situation.now, facts.start, facts.time_zone).map_err(|error| {
            Refusal::NoLocalTime { line: facts.id.to_owned(), reason: error.to_string() }
        })?;
        let facts = LineFacts { gross: facts.gross.max(0), ..facts };
        Ok(Self { policy, situation, facts, span })
    }

    pub(super) fn find(&self) -> Result<Found, Refusal> {
        let mut search = Search::default();
        if let Some(found) = self.overrides(&mut search)? {
            return Ok(found);
        }
        self.tiers(search)
    }

    /// The override that applies; `None` when the tiers may have to decide.
    fn overrides(&self, search: &mut Search) -> Result<Option<Found>, Refusal> {
        let Some(code) = self.situation.override_code else { return Ok(None) };
        let mut unproven: Option<Vec<String>> = None;
        for rule in self.policy.overrides.iter().filter(|rule| rule.code == code) {
            if !rule.kinds.is_empty() && !rule.kinds.contains(&self.facts.kind) {
                continue;
            }
            if let Some(step) = self.claimed_too_late(rule) {
                search.path.push(step);
                continue;
            }
            if !self.holds(&rule.rule, rule.condition.as_ref(), search)? {
                continue;
            }
            let lacking = |kind: &&String| !self.situation.evidence.contains(kind);
            let lacking: Vec<_> = rule.evidence.iter().filter(lacking).cloned().collect();
            if lacking.is_empty() {
                return Ok(Some(self.apply(rule, std::mem::take(search))));
            }
            unproven.get_or_insert(lacking);
        }
        match unproven {
            // Only when nothing is missing: with the facts another override may need no evidence.
            Some(lacking) if search.missing.is_empty() => Err(Refusal::EvidenceRequired(lacking)),
            _ => {
                search.path.push(Step::NoOverride { code });
                Ok(None)
            }
        }
    }

    fn apply(&self, rule: &Override, mut search: Search) -> Found {
        if !search.missing.is_empty() {
            return Found::Missing { names: search.missing, by_tiers: false };
        }
        search.path.push(Step::OverrideApplies {
            rule: rule.rule.clone(),
            code: rule.code,
            evidence: rule.evidence.clone(),
        });
        let citation = rule.citation.as_ref();
        let price = self.charge(&rule.rule, &rule.terms, citation, None, search.path);
        Found::Price { price, by_tiers: false }
    }

    fn claimed_too_late(&self, rule: &Override) -> Option<Step> {
        let hours = i64::from(rule.until_hours_after_start?);
        let micros = hours.saturating_mul(MICROS_PER_HOUR);
        let until = Timestamp(self.facts.start.0.saturating_add(micros));
        (self.situation.now > until).then(|| Step::OverrideTooLate {
            rule: rule.rule.clone(),
            code: rule.code,
            until,
            time_zone: self.facts.time_zone.to_owned(),
        })
    }

    fn tiers(&self, mut search: Search) -> Result<Found, Refusal> {
        let (mut covered, mut in_time) = (false, false);
        for tier in &self.policy.tiers {
            if !self.policy.tier_covers(&tier.kinds, self.facts.kind) {
                continue;
            }
            covered = true;
            let met = self.span.meets(tier.notice, self.policy.calendar.as_ref());
            if met == Met::No {
                search.path.push(self.notice_step(tier, met));
                continue;
            }
            in_time = true;
            // Told in the order in which they were asked, and taken back if the tier drops out.
            let before = search.path.len();
            search.path.push(self.notice_step(tier, met));
            if self.holds(&tier.rule, tier.condition.as_ref(), &mut search)? {
                return Ok(self.settle(search, |path| self.apply_tier(tier, met, path)));
            }
            search.path.remove(before);
        }
        let (rule, step) = if !covered {
            (FEE_KEPT, Step::FeeKept { kind: self.facts.kind })
        } else if in_time {
            (CONDITION_NOT_MET, Step::NothingHolds)
        } else {
            let (time_zone, start) = (self.facts.time_zone.to_owned(), self.facts.start);
            (TOO_LATE, Step::TooLate { time_zone, start })
        };
        search.path.push(step);
        Ok(self.settle(search, |path| {
            keep_all(self.situation.currency, self.facts.gross, rule, &self.policy.citation, path)
        }))
    }

    fn settle(&self, search: Search, price: impl FnOnce(Vec<Step>) -> LinePrice) -> Found {
        if search.missing.is_empty() {
            Found::Price { price: price(search.path), by_tiers: true }
        } else {
            // With an override pending, the tiers may not come to decide.
            let by_tiers = self.situation.override_code.is_none();
            Found::Missing { names: search.missing, by_tiers }
        }
    }

    fn apply_tier(&self, tier: &Tier, met: Met, path: Vec<Step>) -> LinePrice {
        let uncertainty = (met == Met::Perhaps).then_some(Uncertainty::CalendarOutOfRange);
        self.charge(&tier.rule, &tier.terms, tier.citation.as_ref(), uncertainty, path)
    }

    fn charge(
        &self,
        rule: &str,
        terms: &Terms,
        citation: Option<&crate::Citation>,
        uncertainty: Option<Uncertainty>,
        path: Vec<Step>,
    ) -> LinePrice {
        let mut price = LinePrice {
            fee: 0,
            refund: 0,
            rule: rule.to_owned(),
            citation: citation.unwrap_or(&self.policy.citation).clone(),
            uncertainty,
            path,
        };
        let (gross, units) = (self.facts.gross, self.facts.units);
        charge(&mut price, terms, self.policy.rounding, self.situation.currency, gross, units);
        price
    }

    fn notice_step(&self, tier: &Tier, met: Met) -> Step {
        let (rule, notice) = (tier.rule.clone(), tier.notice);
        let time_zone = self.facts.time_zone.to_owned();
        let until = || self.span.last_instant(notice, self.policy.calendar.as_ref());
        match met {
            Met::Yes => Step::NoticeMet { rule, notice, until: until(), time_zone },
            Met::No => Step::NoticeMissed { rule, notice, until: until(), time_zone },
            Met::Perhaps => Step::NoticeUncertain { rule, notice },
        }
    }

    /// Whether a rule's condition surely holds. What it lacks joins `search`.
    fn holds(
        &self,
        rule: &str,
        condition: Option<&Condition>,
        search: &mut Search,
    ) -> Result<bool, Refusal> {
        let Some(condition) = condition else { return Ok(true) };
        let step = |met: bool| {
            let (rule, condition, facts) =
                (rule.to_owned(), condition.as_str().to_owned(), self.known(condition.names()));
            if met {
                Step::ConditionMet { rule, condition, facts }
            } else {
                Step::ConditionNotMet { rule, condition, facts }
            }
        };
        match condition.evaluate(self) {
            Outcome::Yes => {
                search.path.push(step(true));
                Ok(true)
            }
            Outcome::No => {
                search.path.push(step(false));
                Ok(false)
            }
            Outcome::Missing(names) => {
                search.missing.extend(names);
                Ok(false)
            }
            Outcome::Failed(reason) => {
                Err(Refusal::ConditionFailed { rule: rule.to_owned(), reason })
            }
        }
    }

    fn known(&self, names: &[String]) -> KnownFacts {
        let told = |name: &String| Some((name.clone(), self.told(name)?));
        names.iter().filter_map(told).collect()
    }

    fn told(&self, name: &str) -> Option<FactValue> {
        let builtin = BUILTINS.iter().find(|fact| fact.name == name);
        match self.value(name)? {
            Value::Int(micros) if builtin.is_some_and(|fact| fact.kind == FactKind::Timestamp) => {
                Some(FactValue::Timestamp(Timestamp(micros)))
            }
            _ if builtin.is_none() => self.situation.facts.get(name).cloned(),
            Value::Bool(value) => Some(FactValue::Bool(value)),
            Value::Int(value) => Some(FactValue::Int(value)),
            Value::Text(value) => Some(FactValue::String(value.to_owned())),
        }
    }
}

impl Facts for Line<'_> {
    fn value(&self, name: &str) -> Option<Value<'_>> {
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
            _ => match situation.facts.get(name)? {
                FactValue::Bool(value) => Value::Bool(*value),
                FactValue::Int(value) => Value::Int(*value),
                FactValue::String(value) => Value::Text(value),
                FactValue::Timestamp(value) => Value::Int(value.0),
            },
        })
    }
}
