//! Which clock for paying runs, and until when.
//!
//! Invariant: the clock ends no later than the true one, as far as its start is known. Where facts
//! are missing that decide which clock runs, the one that ends first does, and says so. A start that
//! nobody told is taken to be the request, flagged: the true clock may then have ended before.

use redress_core::clock::Timestamp;

use super::line::{Line, Search};
use crate::condition::{Facts as _, Value};
use crate::deadline::{LegalClock, Run};
use crate::model::{Citation, PayClock, Policy};
use crate::situation::{LineFacts, Refusal, Situation, Uncertainty};

impl Policy {
    /// By when a refund that `situation` asks for has to be paid, counted in the zone of `line`.
    pub fn legal_clock(
        &self,
        situation: &Situation<'_>,
        line: &LineFacts<'_>,
    ) -> Result<LegalClock, Refusal> {
        let line = Line::located(self, situation, *line)?;
        let mut open: Vec<LegalClock> = Vec::new();
        for clock in &self.clocks {
            let other = |code| !clock.codes.contains(&code);
            if !clock.codes.is_empty() && situation.override_code.is_none_or(other) {
                continue;
            }
            let mut search = Search::default();
            let holds = line.holds(&clock.rule, clock.condition.as_ref(), &mut search)?;
            if holds {
                open.push(line.clock(clock)?);
                break;
            }
            if !search.missing.is_empty() {
                let uncertainty = Some(Uncertainty::FactsMissing);
                open.push(LegalClock { uncertainty, ..line.clock(clock)? });
            }
        }
        let certain = open.last().is_some_and(|last| last.uncertainty.is_none());
        if !certain {
            let uncertain = open.last().is_some();
            let own = line.run(self.own_run(), situation.now, &self.citation)?;
            let uncertainty = uncertain.then_some(Uncertainty::FactsMissing).or(own.uncertainty);
            open.push(LegalClock { uncertainty, ..own });
        }
        let uncertainty = open.iter().find_map(|clock| clock.uncertainty);
        let first = open.into_iter().min_by_key(|clock| clock.due);
        // There is one at least: the policy's own, unless another one surely runs.
        let clock = first.ok_or_else(|| Refusal::NoLocalTime {
            line: line.facts.id.to_owned(),
            reason: "no clock for paying".to_owned(),
        })?;
        Ok(LegalClock { uncertainty, ..clock })
    }
}

impl Line<'_> {
    fn clock(&self, clock: &PayClock) -> Result<LegalClock, Refusal> {
        let told = clock.from.as_deref().map(|from| self.value(from));
        let (start, known) = match told {
            Some(Some(Value::Int(micros))) => (Timestamp(micros), true),
            Some(_) => (self.situation.now, false),
            None => (self.situation.now, true),
        };
        let run = Run { count: clock.count, unit: clock.unit, rolls: clock.rolls };
        let citation = clock.citation.as_ref().unwrap_or(&self.policy.citation);
        let found = self.run(run, start, citation)?;
        let missing = (!known).then_some(Uncertainty::FactsMissing);
        Ok(LegalClock { uncertainty: missing.or(found.uncertainty), ..found })
    }

    fn run(&self, run: Run, start: Timestamp, law: &Citation) -> Result<LegalClock, Refusal> {
        let end = run.end(start, &self.span.zone, self.policy.business_days());
        let (due, uncertainty) = end.map_err(|error| Refusal::NoLocalTime {
            line: self.facts.id.to_owned(),
            reason: error.to_string(),
        })?;
        let time_zone = self.facts.time_zone.to_owned();
        Ok(LegalClock { start, due, time_zone, law: law.clone(), uncertainty })
    }
}
