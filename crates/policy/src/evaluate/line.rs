//! The search for the rule that decides about one line.
//!
//! Invariant: a rule whose condition rests on missing facts stops nothing: the search goes on to
//! the rule that surely decides, so that one answer names every fact that could matter.

use std::sync::OnceLock;

use redress_core::clock::Timestamp;

use super::compensate::Owed;
use super::price::{charge, keep_all};
use super::{CONDITION_NOT_MET, FEE_KEPT, NOT_REGULATED, TOO_LATE};
use crate::condition::{Condition, Outcome};
use crate::model::{Override, Policy, Terms, Tier};
use crate::notice::{MICROS_PER_HOUR, Met, Span};
use crate::situation::{LineFacts, LinePrice, Refusal, Review, Situation, Uncertainty};
use crate::step::Step;
use crate::texts::Texts;

/// What the search found.
pub(super) enum Found {
    Price { price: LinePrice, by_tiers: bool },
    Review { review: Review, by_tiers: bool },
    Missing { names: Vec<String>, by_tiers: bool },
}

impl Found {
    /// Whether the line is withdrawn from by the tiers, as far as can be told.
    pub(super) const fn by_tiers(&self) -> bool {
        match self {
            Self::Price { by_tiers, .. }
            | Self::Review { by_tiers, .. }
            | Self::Missing { by_tiers, .. } => *by_tiers,
        }
    }
}

/// A line in its situation.
pub(super) struct Line<'a> {
    pub(super) policy: &'a Policy,
    pub(super) situation: &'a Situation<'a>,
    pub(super) facts: LineFacts<'a>,
    pub(super) span: Span,
    /// The policy's moments, each reckoned when a rule first asks for it.
    pub(super) moments: Vec<OnceLock<Option<Timestamp>>>,
}

/// A search under way.
#[derive(Default)]
pub(super) struct Search {
    pub(super) path: Vec<Step>,
    pub(super) missing: Vec<String>,
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
        Self::located(policy, situation, facts)
    }

    /// The line, whatever its kind.
    pub(super) fn located(
        policy: &'a Policy,
        situation: &'a Situation<'a>,
        facts: LineFacts<'a>,
    ) -> Result<Self, Refusal> {
        let span = Span::new(situation.now, facts.start, facts.time_zone).map_err(|error| {
            Refusal::NoLocalTime { line: facts.id.to_owned(), reason: error.to_string() }
        })?;
        let facts = LineFacts { gross: facts.gross.max(0), ..facts };
        let moments = policy.moments.iter().map(|_| OnceLock::new()).collect();
        Ok(Self { policy, situation, facts, span, moments })
    }

    /// What goes back, and what is owed besides.
    pub(super) fn find(&self) -> Result<Found, Refusal> {
        let found = self.refund()?;
        let mut search = Search::default();
        let owed = self.compensation(&mut search)?;
        Ok(match (found, owed) {
            (Found::Price { mut price, by_tiers }, Owed::Due(due)) => {
                price.path.append(&mut search.path);
                price.compensation = due;
                Found::Price { price, by_tiers }
            }
            (Found::Price { by_tiers, .. }, Owed::Review(review)) => {
                Found::Review { review, by_tiers }
            }
            (Found::Missing { mut names, by_tiers }, Owed::Open) => {
                names.append(&mut search.missing);
                Found::Missing { names, by_tiers }
            }
            (found, Owed::Open) => {
                Found::Missing { by_tiers: found.by_tiers(), names: search.missing }
            }
            (found, _) => found,
        })
    }

    fn refund(&self) -> Result<Found, Refusal> {
        let mut search = Search::default();
        if let Some(found) = self.overrides(&mut search)? {
            return Ok(found);
        }
        self.tiers(search)
    }

    fn review(&self, rule: &str, reason: &Texts, citation: Option<&crate::Citation>) -> Review {
        Review {
            line: self.facts.id.to_owned(),
            rule: rule.to_owned(),
            reason: reason.clone(),
            citation: citation.unwrap_or(&self.policy.citation).clone(),
        }
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
        let citation = rule.citation.as_ref();
        if let Some(reason) = &rule.review {
            let review = self.review(&rule.rule, reason, citation);
            return Found::Review { review, by_tiers: false };
        }
        search.path.push(Step::OverrideApplies {
            rule: rule.rule.clone(),
            code: rule.code,
            evidence: rule.evidence.clone(),
        });
        match self.charge(&rule.rule, &rule.terms, citation, None, search.path) {
            Ok(price) => Found::Price { price, by_tiers: false },
            Err(names) => Found::Missing { names, by_tiers: false },
        }
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
        let calendar = self.policy.business_days();
        for tier in &self.policy.tiers {
            if !self.policy.tier_covers(&tier.kinds, self.facts.kind) {
                continue;
            }
            covered = true;
            let met = self.span.meets(tier.notice, calendar);
            if met == Met::No {
                search.path.push(self.notice_step(tier, met));
                continue;
            }
            in_time = true;
            // Told in the order in which they were asked, and taken back if the tier drops out.
            let before = search.path.len();
            search.path.push(self.notice_step(tier, met));
            if self.holds(&tier.rule, tier.condition.as_ref(), &mut search)? {
                return Ok(self.apply_tier(tier, met, search));
            }
            search.path.remove(before);
        }
        let (rule, step) = if self.policy.tiers.is_empty() {
            (NOT_REGULATED, Step::NotRegulated)
        } else if !covered {
            (FEE_KEPT, Step::FeeKept { kind: self.facts.kind })
        } else if in_time {
            (CONDITION_NOT_MET, Step::NothingHolds)
        } else {
            let (time_zone, start) = (self.facts.time_zone.to_owned(), self.facts.start);
            (TOO_LATE, Step::TooLate { time_zone, start })
        };
        if !search.missing.is_empty() {
            return Ok(self.missing(search));
        }
        search.path.push(step);
        let (currency, gross) = (self.situation.currency, self.facts.gross);
        let price = keep_all(currency, gross, rule, &self.policy.citation, search.path);
        Ok(Found::Price { price, by_tiers: true })
    }

    /// With an override pending, the tiers may not come to decide.
    fn missing(&self, search: Search) -> Found {
        Found::Missing { names: search.missing, by_tiers: self.situation.override_code.is_none() }
    }

    fn apply_tier(&self, tier: &Tier, met: Met, mut search: Search) -> Found {
        if !search.missing.is_empty() {
            return self.missing(search);
        }
        let citation = tier.citation.as_ref();
        if let Some(reason) = &tier.review {
            let review = self.review(&tier.rule, reason, citation);
            return Found::Review { review, by_tiers: true };
        }
        let uncertainty = (met == Met::Perhaps).then_some(Uncertainty::CalendarOutOfRange);
        let path = std::mem::take(&mut search.path);
        match self.charge(&tier.rule, &tier.terms, citation, uncertainty, path) {
            Ok(price) => Found::Price { price, by_tiers: true },
            Err(names) => self.missing(Search { missing: names, ..search }),
        }
    }

    /// The price by the terms of a rule, or the names of the facts that the fee lacks.
    fn charge(
        &self,
        rule: &str,
        terms: &Terms,
        citation: Option<&crate::Citation>,
        uncertainty: Option<Uncertainty>,
        path: Vec<Step>,
    ) -> Result<LinePrice, Vec<String>> {
        let told = self.amounts(terms)?;
        let mut price = LinePrice {
            fee: 0,
            refund: 0,
            rule: rule.to_owned(),
            citation: citation.unwrap_or(&self.policy.citation).clone(),
            uncertainty,
            compensation: None,
            path,
        };
        let (gross, units) = (self.facts.gross, self.facts.units);
        let way = (self.policy.rounding, self.policy.fees_per);
        charge(&mut price, terms, told, way, self.situation.currency, gross, units);
        Ok(price)
    }

    fn notice_step(&self, tier: &Tier, met: Met) -> Step {
        let (rule, notice) = (tier.rule.clone(), tier.notice);
        let time_zone = self.facts.time_zone.to_owned();
        let until = || self.span.last_instant(notice, self.policy.business_days());
        match met {
            Met::Yes => Step::NoticeMet { rule, notice, until: until(), time_zone },
            Met::No => Step::NoticeMissed { rule, notice, until: until(), time_zone },
            Met::Perhaps => Step::NoticeUncertain { rule, notice },
        }
    }

    /// Whether a rule's condition surely holds. What it lacks joins `search`.
    pub(super) fn holds(
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
}
