//! The steps by which an answer was found, for programs and in words.
//!
//! Invariant: each step is a whole sentence by itself, true of this line, that an agent could read
//! out; instants are told in the local time of the place.

use std::collections::BTreeMap;

use redress_calendar::{Zone, format_instant};
use redress_core::clock::Timestamp;
use redress_core::money::Money;
use serde::{Deserialize, Serialize};

use crate::facts::FactValue;
use crate::model::Notice;
use crate::vocabulary::{FixedFeePer, LineKind, OverrideCode, RoundingMode};
use crate::words;

/// The facts that a condition named, with what they were.
pub type KnownFacts = BTreeMap<String, FactValue>;

/// One step on the way to an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "each field is what its name says; the steps are documented")]
pub enum Step {
    /// The override was claimed too late.
    OverrideTooLate { rule: String, code: OverrideCode, until: Timestamp, time_zone: String },
    /// The override applies and replaces the tiers.
    OverrideApplies { rule: String, code: OverrideCode, evidence: Vec<String> },
    /// No override with this code applies to the line; the tiers do.
    NoOverride { code: OverrideCode },
    /// The notice is too short for the tier.
    NoticeMissed { rule: String, notice: Notice, until: Option<Timestamp>, time_zone: String },
    /// The notice is met.
    NoticeMet { rule: String, notice: Notice, until: Option<Timestamp>, time_zone: String },
    /// The notice is taken as met, since the calendar ends too early to tell.
    NoticeUncertain { rule: String, notice: Notice },
    /// The condition of the rule holds.
    ConditionMet { rule: String, condition: String, facts: KnownFacts },
    /// The condition of the rule does not hold.
    ConditionNotMet { rule: String, condition: String, facts: KnownFacts },
    /// A fee or tax that no rule gives back.
    FeeKept { kind: LineKind },
    /// No tier's notice is met.
    TooLate { time_zone: String, start: Timestamp },
    /// A tier's notice is met, but no condition holds.
    NothingHolds,
    /// The share of the price.
    Share { gross: Money, basis_points: u16, kept: bool },
    /// A fee besides.
    FixedFee { fee: Money, per: FixedFeePer, units: i64 },
    /// The fee was rounded.
    Rounded { to: Money, step: Money, mode: RoundingMode },
    /// The fee was raised to the least that the rule takes.
    Minimum { fee: Money },
    /// The fee was lowered to the most that the rule takes.
    Maximum { fee: Money },
    /// The fee was limited by the price.
    Capped { gross: Money },
    /// What it comes to.
    Result { gross: Money, fee: Money, refund: Money },
}

/// The local time of an instant, in words.
fn local(at: Timestamp, zone: &str) -> String {
    Zone::named(zone).and_then(|zone| zone.in_words(at)).unwrap_or_else(|_| format_instant(at))
}

/// `, that is until ...`, or nothing.
fn until_words(until: Option<Timestamp>, zone: &str, lead: &str) -> String {
    until.map_or_else(String::new, |until| format!("{lead}{}", local(until, zone)))
}

fn because(facts: &KnownFacts) -> String {
    if facts.is_empty() {
        return String::new();
    }
    let told: Vec<_> = facts.iter().map(|(name, value)| format!("{name} is {value}")).collect();
    format!(", because {}", words::list(&told))
}

impl Step {
    /// The step as one sentence.
    pub fn text(&self) -> String {
        match self {
            Self::OverrideTooLate { rule, code, until, time_zone } => format!(
                "Rule {rule}, for when {}, could be claimed until {}.",
                code.in_words(),
                local(*until, time_zone)
            ),
            Self::OverrideApplies { rule, code, evidence } => {
                let shown = if evidence.is_empty() {
                    String::new()
                } else {
                    format!("; shown were {}", words::list(evidence))
                };
                let happened = code.in_words();
                format!("Rule {rule} applies instead of the usual ones, because {happened}{shown}.")
            }
            Self::NoOverride { code } => format!(
                "No special rule for the case that {} covers this line, so the usual ones apply.",
                code.in_words()
            ),
            Self::NoticeMissed { .. } | Self::NoticeMet { .. } | Self::NoticeUncertain { .. } => {
                self.notice_text()
            }
            Self::ConditionMet { rule, condition, facts } => {
                format!("The condition of rule {rule} holds ({condition}){}.", because(facts))
            }
            Self::ConditionNotMet { rule, condition, facts } => format!(
                "Rule {rule} does not apply: its condition does not hold ({condition}){}.",
                because(facts)
            ),
            Self::FeeKept { kind } => {
                let what = if *kind == LineKind::Tax { "tax" } else { "fee" };
                format!("This {what} is not given back when a buyer withdraws.")
            }
            Self::TooLate { time_zone, start } => format!(
                "It is too late for every rule; the start is on {}.",
                local(*start, time_zone)
            ),
            Self::NothingHolds => {
                "No rule remains whose condition holds, so nothing is given back.".to_owned()
            }
            _ => self.amount_text(),
        }
    }

    fn notice_text(&self) -> String {
        match self {
            Self::NoticeMissed { rule, notice, until, time_zone } => format!(
                "Rule {rule} does not apply any more: it asks for {}{}.",
                words::notice(*notice, |at| local(at, time_zone)),
                words::unless_instant(*notice, until_words(*until, time_zone, ", so it ended on "))
            ),
            Self::NoticeMet { rule, notice, until, time_zone } => format!(
                "Rule {rule} applies: it asks for {}{}.",
                words::notice(*notice, |at| local(at, time_zone)),
                words::unless_instant(*notice, until_words(*until, time_zone, ", so until "))
            ),
            Self::NoticeUncertain { rule, notice } => format!(
                "Rule {rule} is taken to apply: it asks for {}, and the calendar of business days \
                 ends too early to be sure.",
                words::notice(*notice, format_instant)
            ),
            _ => String::new(),
        }
    }

    fn amount_text(&self) -> String {
        match self {
            Self::Share { gross, basis_points, kept } => {
                let percent = words::percent(*basis_points);
                let verb = if *kept { "is kept" } else { "goes back" };
                format!("Of the price of {gross}, {percent} {verb}.")
            }
            Self::FixedFee { fee, per, units } => match per {
                FixedFeePer::Unit => {
                    format!("A fixed fee of {fee} is kept for {}.", words::count(*units, "unit"))
                }
                FixedFeePer::Line => format!("A fixed fee of {fee} is kept."),
            },
            Self::Rounded { to, step, mode } => {
                let way = words::rounding(*mode);
                if step.minor_units == 1 {
                    return format!("The fee is rounded {way}, which makes {to}.");
                }
                format!("The fee is rounded {way} to a multiple of {step}, which makes {to}.")
            }
            Self::Minimum { fee } => format!("The fee is at least {fee}."),
            Self::Maximum { fee } => format!("The fee is at most {fee}."),
            Self::Capped { gross } => {
                format!("The fee cannot be higher than the price of {gross}.")
            }
            Self::Result { gross, fee, refund } => {
                format!("Of {gross}, the seller keeps {fee}, and {refund} goes back to the buyer.")
            }
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn euros(minor_units: i64) -> Money {
        Money::new("EUR".parse().unwrap(), minor_units).unwrap()
    }

    fn until() -> Timestamp {
        redress_calendar::parse_instant("2026-12-17T14:30:00Z").unwrap()
    }

    #[track_caller]
    fn reads(step: &Step, sentence: &str) {
        assert_eq!(step.text(), sentence);
        let stored = serde_json::to_string(step).unwrap();
        assert_eq!(serde_json::from_str::<Step>(&stored).unwrap(), *step);
    }

    #[test]
    fn every_step_is_a_sentence() {
        let zone = "Europe/Berlin".to_owned();
        let until = until();
        let rule = || "two-days".to_owned();
        let hours = Notice::Hours(48);
        let steps = [
            (
                Step::OverrideTooLate {
                    rule: rule(),
                    code: OverrideCode::Illness,
                    until,
                    time_zone: zone.clone(),
                },
                "Rule two-days, for when someone fell ill, could be claimed until \
                 17 December 2026, 15:30 (Europe/Berlin).",
            ),
            (
                Step::OverrideApplies {
                    rule: rule(),
                    code: OverrideCode::Death,
                    evidence: vec!["DEATH_CERTIFICATE".to_owned(), "KINSHIP".to_owned()],
                },
                "Rule two-days applies instead of the usual ones, because someone died; shown were \
                 DEATH_CERTIFICATE and KINSHIP.",
            ),
            (
                Step::NoOverride { code: OverrideCode::Strike },
                "No special rule for the case that there was a strike covers this line, so the \
                 usual ones apply.",
            ),
            (
                Step::NoticeMissed {
                    rule: rule(),
                    notice: hours,
                    until: Some(until),
                    time_zone: zone.clone(),
                },
                "Rule two-days does not apply any more: it asks for 2 days (48 hours) before the \
                 start, so it ended on 17 December 2026, 15:30 (Europe/Berlin).",
            ),
            (
                Step::NoticeMet {
                    rule: rule(),
                    notice: Notice::Until(until),
                    until: Some(until),
                    time_zone: zone.clone(),
                },
                "Rule two-days applies: it asks for a request until 17 December 2026, 15:30 \
                 (Europe/Berlin).",
            ),
            (
                Step::NoticeMet {
                    rule: rule(),
                    notice: Notice::CivilDays(1),
                    until: Some(until),
                    time_zone: "Europe/Arena".to_owned(),
                },
                "Rule two-days applies: it asks for 1 day before the day of the start, so until \
                 2026-12-17T14:30:00Z.",
            ),
        ];
        for (step, sentence) in steps {
            reads(&step, sentence);
        }
    }

    #[test]
    fn every_reason_is_a_sentence() {
        let rule = || "two-days".to_owned();
        let facts = KnownFacts::from([
            ("ill".to_owned(), FactValue::Bool(true)),
            ("channel".to_owned(), FactValue::String("web".to_owned())),
        ]);
        let condition = "ill && channel == \"web\"".to_owned();
        let steps = [
            (
                Step::NoticeUncertain { rule: rule(), notice: Notice::BusinessDays(3) },
                "Rule two-days is taken to apply: it asks for 3 business days before the day of \
                 the start, and the calendar of business days ends too early to be sure.",
            ),
            (
                Step::ConditionMet {
                    rule: rule(),
                    condition: condition.clone(),
                    facts: facts.clone(),
                },
                "The condition of rule two-days holds (ill && channel == \"web\"), because channel \
                 is \"web\" and ill is true.",
            ),
            (
                Step::ConditionNotMet { rule: rule(), condition, facts: KnownFacts::new() },
                "Rule two-days does not apply: its condition does not hold (ill && channel == \
                 \"web\").",
            ),
            (
                Step::FeeKept { kind: LineKind::Tax },
                "This tax is not given back when a buyer withdraws.",
            ),
            (
                Step::FeeKept { kind: LineKind::Fee },
                "This fee is not given back when a buyer withdraws.",
            ),
            (
                Step::TooLate { time_zone: "Europe/Berlin".to_owned(), start: until() },
                "It is too late for every rule; the start is on 17 December 2026, 15:30 \
                 (Europe/Berlin).",
            ),
            (
                Step::NothingHolds,
                "No rule remains whose condition holds, so nothing is given back.",
            ),
        ];
        for (step, sentence) in steps {
            reads(&step, sentence);
        }
    }

    #[test]
    fn every_amount_is_a_sentence() {
        for (step, sentence) in [
            (
                Step::Share { gross: euros(10_781), basis_points: 2550, kept: true },
                "Of the price of EUR 107.81, 25.5 % is kept.",
            ),
            (
                Step::Share { gross: euros(10_781), basis_points: 3000, kept: false },
                "Of the price of EUR 107.81, 30 % goes back.",
            ),
            (
                Step::FixedFee { fee: euros(500), per: FixedFeePer::Unit, units: 2 },
                "A fixed fee of EUR 5.00 is kept for 2 units.",
            ),
            (
                Step::FixedFee { fee: euros(250), per: FixedFeePer::Line, units: 2 },
                "A fixed fee of EUR 2.50 is kept.",
            ),
            (
                Step::Rounded { to: euros(2750), step: euros(50), mode: RoundingMode::HalfUp },
                "The fee is rounded to the nearest (the half up) to a multiple of EUR 0.50, which \
                 makes EUR 27.50.",
            ),
            (
                Step::Rounded { to: euros(5390), step: euros(1), mode: RoundingMode::Down },
                "The fee is rounded down, which makes EUR 53.90.",
            ),
            (Step::Minimum { fee: euros(200) }, "The fee is at least EUR 2.00."),
            (Step::Maximum { fee: euros(200) }, "The fee is at most EUR 2.00."),
            (
                Step::Capped { gross: euros(150) },
                "The fee cannot be higher than the price of EUR 1.50.",
            ),
            (
                Step::Result { gross: euros(100), fee: euros(25), refund: euros(75) },
                "Of EUR 1.00, the seller keeps EUR 0.25, and EUR 0.75 goes back to the buyer.",
            ),
        ] {
            reads(&step, sentence);
        }
    }
}
