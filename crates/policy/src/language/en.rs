//! Explanations in English.
//!
//! Invariant: numbers are exact; nothing is rounded to be readable.

use redress_core::clock::Timestamp;

use super::{Words, joined, unless_instant};
use crate::model::Notice;
use crate::step::{KnownFacts, Step};
use crate::vocabulary::{FixedFeePer, LineKind, OverrideCode, RoundingMode};

/// `step` as one sentence.
pub(super) fn sentence(step: &Step, words: &Words<'_>) -> String {
    match step {
        Step::OverrideTooLate { rule, code, until, time_zone } => format!(
            "Rule {rule}{}, for when {}, could be claimed until {}.",
            words.article(rule),
            happened(*code),
            local(*until, time_zone)
        ),
        Step::OverrideApplies { rule, code, evidence } => format!(
            "Rule {rule}{} applies instead of the usual ones, because {}{}.",
            words.article(rule),
            happened(*code),
            shown(evidence, words)
        ),
        Step::NoOverride { code } => format!(
            "No special rule for the case that {} covers this line, so the usual ones apply.",
            happened(*code)
        ),
        Step::NoticeMissed { .. } | Step::NoticeMet { .. } | Step::NoticeUncertain { .. } => {
            notice_sentence(step, words)
        }
        Step::ConditionMet { rule, condition, facts } => format!(
            "Rule {rule}{} is for this case: {}{}.",
            words.article(rule),
            words.condition(rule, condition),
            here(facts, words)
        ),
        Step::ConditionNotMet { rule, condition, facts } => format!(
            "Rule {rule}{} is for another case: {}{}.",
            words.article(rule),
            words.condition(rule, condition),
            here(facts, words)
        ),
        Step::FeeKept { kind } => {
            let what = if *kind == LineKind::Tax { "tax" } else { "fee" };
            format!("This {what} is not given back when a buyer withdraws.")
        }
        Step::NotRegulated => {
            "These rules give nothing back to a buyer who withdraws; they are about what the \
             seller has to answer for."
                .to_owned()
        }
        Step::TooLate { time_zone, start } => {
            format!("It is too late for every rule; the start is on {}.", local(*start, time_zone))
        }
        Step::NothingHolds => {
            "No rule remains whose condition holds, so nothing is given back.".to_owned()
        }
        _ => amount_sentence(step, words),
    }
}

fn notice_sentence(step: &Step, words: &Words<'_>) -> String {
    match step {
        Step::NoticeMissed { rule, notice: asked, until, time_zone } => format!(
            "Rule {rule}{} does not apply any more: it asks for {}{}.",
            words.article(rule),
            notice(*asked, |at| local(at, time_zone)),
            unless_instant(*asked, until_words(*until, time_zone, ", so it ended on "))
        ),
        Step::NoticeMet { rule, notice: asked, until, time_zone } => format!(
            "Rule {rule}{} applies: it asks for {}{}.",
            words.article(rule),
            notice(*asked, |at| local(at, time_zone)),
            unless_instant(*asked, until_words(*until, time_zone, ", so until "))
        ),
        Step::NoticeUncertain { rule, notice: asked } => format!(
            "Rule {rule}{} is taken to apply: it asks for {}, and the calendar of business days \
             ends too early to be sure.",
            words.article(rule),
            notice(*asked, |at| local(at, "UTC"))
        ),
        _ => String::new(),
    }
}

fn amount_sentence(step: &Step, words: &Words<'_>) -> String {
    match step {
        Step::Share { gross, basis_points, kept } => {
            format!("Of the price of {gross}, {} {}.", percent((*basis_points).into()), goes(*kept))
        }
        Step::ShareOf { base, fact, basis_points, kept } => {
            format!("Of {base} ({fact}), {} {}.", percent((*basis_points).into()), goes(*kept))
        }
        Step::RestByDays { done, of } => {
            format!("Of the rest, {done} of {} are kept too.", count(*of, "day"))
        }
        Step::CostKept { cost, fact } => format!("A cost of {cost} ({fact}) is kept besides."),
        Step::FixedFee { fee, per, units } => match per {
            FixedFeePer::Unit => {
                format!("A fixed fee of {fee} is kept for {}.", count(*units, "unit"))
            }
            FixedFeePer::Line => format!("A fixed fee of {fee} is kept."),
        },
        Step::Rounded { to, step, mode } => {
            let way = rounding(*mode);
            if step.minor_units == 1 {
                return format!("The fee is rounded {way}, which makes {to}.");
            }
            format!("The fee is rounded {way} to a multiple of {step}, which makes {to}.")
        }
        Step::Minimum { fee } => format!("The fee is at least {fee}."),
        Step::Maximum { fee } => format!("The fee is at most {fee}."),
        Step::Capped { gross } => format!("The fee cannot be higher than the price of {gross}."),
        Step::Result { gross, fee, refund } => {
            format!("Of {gross}, the seller keeps {fee}, and {refund} goes back to the buyer.")
        }
        _ => compensation_sentence(step, words),
    }
}

fn compensation_sentence(step: &Step, words: &Words<'_>) -> String {
    match step {
        Step::NoCompensation => "No rule gives compensation for this case.".to_owned(),
        Step::CompensationFree { rule } => {
            format!("By rule {rule}{}, no compensation is owed.", words.article(rule))
        }
        Step::CompensationClaimed { rule } => format!(
            "By rule {rule}{}, damages can be claimed besides; their amount has to be proven.",
            words.article(rule)
        ),
        Step::CompensationFixed { rule, amount, per, units } => {
            let each = match per {
                FixedFeePer::Unit if *units != 1 => {
                    format!(" for each of {}", count(*units, "passenger"))
                }
                FixedFeePer::Unit | FixedFeePer::Line => String::new(),
            };
            format!("Rule {rule}{} gives compensation of {amount}{each}.", words.article(rule))
        }
        Step::CompensationShare { rule, gross, basis_points } => format!(
            "Rule {rule}{} gives {} of the price of {gross} as compensation.",
            words.article(rule),
            percent(*basis_points)
        ),
        Step::CompensationCost { rule, cost } => {
            format!("Rule {rule}{} makes good a cost of {cost}.", words.article(rule))
        }
        Step::CompensationHalved { amount, facts } => {
            let here = here(facts, words);
            format!("The compensation is halved, which makes {amount}{here}.")
        }
        Step::CompensationTooSmall { amount, least } => format!(
            "That would be {amount}; less than {least} need not be paid, so no compensation is \
             owed."
        ),
        Step::CompensationDue { amount } => {
            format!("Compensation of {amount} is owed besides the refund.")
        }
        _ => String::new(),
    }
}

const fn goes(kept: bool) -> &'static str {
    if kept { "is kept" } else { "goes back" }
}

/// What happened, as in `because the event was cancelled`.
const fn happened(code: OverrideCode) -> &'static str {
    match code {
        OverrideCode::EventCancelled => "the event or trip was cancelled",
        OverrideCode::EventPostponed => "the event or trip was postponed",
        OverrideCode::EventMoved => "the event was moved to another place",
        OverrideCode::Illness => "someone fell ill",
        OverrideCode::Death => "someone died",
        OverrideCode::VisaRefused => "a visa was refused",
        OverrideCode::ForceMajeure => "extraordinary circumstances made it impossible",
        OverrideCode::CarrierFault => "the carrier did not do its part",
        OverrideCode::Strike => "there was a strike",
        OverrideCode::JourneyDelayed => "the journey was delayed",
        OverrideCode::BoardingDenied => "someone with a valid ticket was not taken along",
        OverrideCode::ClassDowngraded => "the journey was in a lower class than was paid for",
        OverrideCode::ScheduleChanged => "the journey was changed before it began",
        OverrideCode::BaggageLate => "checked baggage came late or not at all",
        OverrideCode::ServiceNotProvided => "something that was paid for was not provided",
        OverrideCode::NotAsDescribed => "what was sold is not what was described",
        OverrideCode::PriceRaised => "the price was raised after the sale",
        OverrideCode::GroupTooSmall => "too few people booked",
        OverrideCode::TripCutShort => "the trip ended before its last day",
        OverrideCode::TicketChanged => "the ticket was exchanged for another one",
    }
}

/// `; shown: a and b`, or nothing.
fn shown(evidence: &[String], words: &Words<'_>) -> String {
    if evidence.is_empty() {
        return String::new();
    }
    let documents: Vec<_> = evidence.iter().map(|kind| words.document(kind)).collect();
    format!("; shown: {}", list(&documents))
}

/// `; here, a is 1 and b is 2`, or nothing.
fn here(facts: &KnownFacts, words: &Words<'_>) -> String {
    let told = words.facts(facts, " is ", ["no", "yes"]);
    if told.is_empty() {
        return String::new();
    }
    format!("; here, {}", told.join("; "))
}

/// `19 December 2026, 15:30 (Europe/Berlin)`.
fn local(at: Timestamp, zone: &str) -> String {
    super::local(at, zone, |zone, at| zone.in_words(at).ok())
}

/// `, so until ...`, or nothing.
fn until_words(until: Option<Timestamp>, zone: &str, lead: &str) -> String {
    until.map_or_else(String::new, |until| format!("{lead}{}", local(until, zone)))
}

/// `1 day`, `2 days`.
fn count(number: i64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// `a, b and c`.
pub(crate) fn list<T: AsRef<str>>(items: &[T]) -> String {
    joined(items, " and ")
}

/// `25.5 %` from hundredths of a percent.
fn percent(basis_points: u32) -> String {
    super::percent(basis_points, '.', " %")
}

/// What a tier asks for: `2 days (48 hours) before the start`.
fn notice(notice: Notice, local: impl Fn(Timestamp) -> String) -> String {
    match notice {
        Notice::Hours(0) => "a request before the start".to_owned(),
        Notice::Hours(hours) if hours % 24 == 0 => {
            let days = count(i64::from(hours / 24), "day");
            format!("{days} ({hours} hours) before the start")
        }
        Notice::Hours(hours) => format!("{} before the start", count(hours.into(), "hour")),
        Notice::CivilDays(0) | Notice::BusinessDays(0) => {
            "a request no later than the day of the start".to_owned()
        }
        Notice::CivilDays(days) => {
            format!("{} before the day of the start", count(days.into(), "day"))
        }
        Notice::BusinessDays(days) => {
            format!("{} before the day of the start", count(days.into(), "business day"))
        }
        Notice::Until(instant) => format!("a request until {}", local(instant)),
    }
}

/// `down`, `up`, `to the nearest`.
const fn rounding(mode: RoundingMode) -> &'static str {
    match mode {
        RoundingMode::Down => "down",
        RoundingMode::Up => "up",
        RoundingMode::HalfUp => "to the nearest (the half up)",
        RoundingMode::HalfEven => "to the nearest (the half to the even one)",
    }
}

#[cfg(test)]
mod tests;
