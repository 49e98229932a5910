//! What a policy answers over time: the boundaries of its rules, and what facts change.
//!
//! Invariant: every figure comes from [`Policy::price`]; nothing is worked out a second time.

use std::collections::{BTreeMap, BTreeSet};

use redress_calendar::CalendarError;
use redress_core::clock::Timestamp;

use crate::facts::{FactKind, FactValue};
use crate::model::Policy;
use crate::notice::{MICROS_PER_HOUR, Span};
use crate::situation::{Decision, LineFacts, NeededFact, Situation};

/// The most answers that [`Policy::answers`] tries: four questions of yes or no.
const MAX_ANSWERED: usize = 4;

/// The facts told, with what the policy answers then.
pub type Answer = (BTreeMap<String, FactValue>, Decision);

impl Policy {
    /// The last instants at which rules can apply to a line, in order: a microsecond after each,
    /// another rule may decide. The end of an override counts when `situation` claims its code.
    pub fn boundaries(
        &self,
        situation: &Situation<'_>,
        line: &LineFacts<'_>,
    ) -> Result<Vec<Timestamp>, CalendarError> {
        let span = Span::new(situation.now, line.start, line.time_zone)?;
        let calendar = self.business_days();
        let tiers = self.tiers.iter().filter(|tier| self.tier_covers(&tier.kinds, line.kind));
        let mut found: BTreeSet<Timestamp> =
            tiers.filter_map(|tier| span.last_instant(tier.notice, calendar)).collect();
        let claimed = self.overrides.iter().filter(|o| Some(o.code) == situation.override_code);
        found.extend(claimed.filter_map(|rule| {
            let micros = i64::from(rule.until_hours_after_start?).saturating_mul(MICROS_PER_HOUR);
            Some(Timestamp(line.start.0.saturating_add(micros)))
        }));
        Ok(found.into_iter().collect())
    }

    /// What the policy answers to each way of answering the questions that it has. Only questions
    /// of yes or no can be tried; the others are returned.
    pub fn answers(&self, situation: &Situation<'_>) -> (Vec<Answer>, Vec<NeededFact>) {
        let mut open = Vec::new();
        let mut told = Vec::new();
        let mut waiting = vec![situation.facts.clone()];
        while let Some(facts) = waiting.pop() {
            let decision = self.price(&Situation { facts: &facts, ..*situation });
            let extra = facts.len() - situation.facts.len();
            let question = match &decision {
                Decision::NeedsFacts(needed) => {
                    let yes_or_no = needed.iter().find(|fact| fact.kind == FactKind::Bool);
                    let others = needed.iter().filter(|fact| fact.kind != FactKind::Bool);
                    for other in others {
                        if !open.contains(other) {
                            open.push(other.clone());
                        }
                    }
                    yes_or_no.filter(|_| extra < MAX_ANSWERED).map(|fact| fact.name.clone())
                }
                _ => None,
            };
            let Some(name) = question else {
                told.push((facts, decision));
                continue;
            };
            // Yes is tried first, so it is pushed last.
            for value in [false, true] {
                let mut facts = facts.clone();
                facts.insert(name.clone(), FactValue::Bool(value));
                waiting.push(facts);
            }
        }
        (told, open)
    }
}

#[cfg(test)]
mod tests {
    use redress_calendar::{format_instant, parse_instant};

    use super::*;
    use crate::check::check;
    use crate::vocabulary::{LineKind, OverrideCode};

    fn line(kind: LineKind) -> LineFacts<'static> {
        LineFacts {
            id: "p1",
            kind,
            gross: 10_000,
            units: 1,
            start: parse_instant("2026-12-19T14:30:00Z").unwrap(),
            time_zone: "Europe/Berlin",
            event: "",
            place: "",
        }
    }

    fn situation<'a>(
        lines: &'a [LineFacts<'a>],
        facts: &'a BTreeMap<String, FactValue>,
    ) -> Situation<'a> {
        Situation {
            now: parse_instant("2026-12-10T10:00:00Z").unwrap(),
            purchase: Timestamp(0),
            channel: "web",
            currency: "EUR".parse().unwrap(),
            override_code: None,
            evidence: &[],
            facts,
            buyer_refunds: None,
            whole_order: true,
            lines,
        }
    }

    #[test]
    fn boundaries_are_the_last_instants_of_the_rules_that_cover_the_line() {
        let policy = check(include_str!("../tests/data/everything.toml")).unwrap();
        let facts = BTreeMap::new();
        let told = |kind, code| {
            let lines = [line(kind)];
            let asked = Situation { override_code: code, ..situation(&lines, &facts) };
            let found = policy.boundaries(&asked, &lines[0]).unwrap();
            found.into_iter().map(format_instant).collect::<Vec<_>>()
        };
        let tiers = [
            "2026-03-01T00:00:00Z",
            // Ten business days before Saturday, 19 December, which is itself a make-up day.
            "2026-12-07T22:59:59.999999Z",
            "2026-12-17T14:30:00Z",
        ];
        assert_eq!(told(LineKind::Seat, None), tiers);
        let ticket = [&tiers[..], &["2026-12-18T22:59:59.999999Z"]].concat();
        assert_eq!(told(LineKind::Ticket, None), ticket);
        let death = [&ticket[..], &["2027-01-02T14:30:00Z"]].concat();
        assert_eq!(told(LineKind::Ticket, Some(OverrideCode::Death)), death);
        let nowhere = LineFacts { time_zone: "Europe/Arena", ..line(LineKind::Ticket) };
        assert!(policy.boundaries(&situation(&[], &facts), &nowhere).is_err());
    }

    #[test]
    fn each_answer_to_the_open_questions_is_tried() {
        let mut policy = check(include_str!("../tests/data/everything.toml")).unwrap();
        let facts = BTreeMap::new();
        let lines = [line(LineKind::Ticket)];
        // How often the buyer withdrew is no question of yes or no.
        let (told, open) = policy.answers(&situation(&lines, &facts));
        assert_eq!(open.len(), 1);
        assert!(told.iter().all(|(_, decision)| matches!(decision, Decision::NeedsFacts(_))));
        policy.once_per_buyer = false;
        let (told, open) = policy.answers(&situation(&lines, &facts));
        assert_eq!(open, []);
        let rules: Vec<_> = told
            .iter()
            .map(|(facts, decision)| match decision {
                Decision::Priced(prices) => (facts.clone(), prices[0].rule.as_str()),
                other => panic!("{other:?}"),
            })
            .collect();
        let ill =
            |value| BTreeMap::from([("medical_certificate".to_owned(), FactValue::Bool(value))]);
        assert_eq!(rules, [(ill(true), "ill"), (ill(false), "two-days")]);
    }

    #[test]
    fn the_number_of_answers_is_bounded() {
        let names = ["a", "b", "c", "d", "e", "f"];
        let mut facts = String::new();
        for name in names {
            let fact = format!("name = \"{name}\"\ntype = \"bool\"\nquestion = \"{name}?\"");
            facts = format!("{facts}[[facts]]\n{fact}\n");
        }
        let text = format!(
            "id = \"p\"\ndisplay_name = \"P\"\neffective = 2026-01-01T00:00:00Z\n\
             pay_within_days = 14\n[citation]\ntitle = \"T\"\n{facts}[[tiers]]\nrule = \"r\"\n\
             notice_hours = 0\nfee_basis_points = 0\ncondition = \"{}\"",
            names.join(" && ")
        );
        let policy = check(&text).unwrap();
        let lines = [line(LineKind::Ticket)];
        let facts = BTreeMap::new();
        let (told, _) = policy.answers(&situation(&lines, &facts));
        assert_eq!(told.len(), 5, "no at any of four, and four times yes");
    }
}
