//! Explanations in German.
//!
//! Invariant: numbers are exact; nothing is rounded to be readable. What happened is a subordinate
//! clause, so that it can follow `weil`, `wenn` and `dass`.

use redress_core::clock::Timestamp;

use super::{Words, joined, unless_instant};
use crate::model::Notice;
use crate::step::{KnownFacts, Step};
use crate::vocabulary::{FixedFeePer, LineKind, OverrideCode, RoundingMode};

/// `step` as one sentence.
pub(super) fn sentence(step: &Step, words: &Words<'_>) -> String {
    match step {
        Step::OverrideTooLate { rule, code, until, time_zone } => format!(
            "Regel {rule}{}, die gilt, wenn {}, konnte nur bis zum {} geltend gemacht werden.",
            words.article(rule),
            happened(*code),
            local(*until, time_zone)
        ),
        Step::OverrideApplies { rule, code, evidence } => format!(
            "Regel {rule}{} gilt anstelle der üblichen Regeln, weil {}{}.",
            words.article(rule),
            happened(*code),
            shown(evidence, words)
        ),
        Step::NoOverride { code } => format!(
            "Für den Fall, dass {}, gibt es zu dieser Position keine besondere Regel; daher gelten \
             die üblichen Regeln.",
            happened(*code)
        ),
        Step::NoticeMissed { .. } | Step::NoticeMet { .. } | Step::NoticeUncertain { .. } => {
            notice_sentence(step, words)
        }
        Step::ConditionMet { rule, condition, facts } => format!(
            "Regel {rule}{} gilt für diesen Fall: {}{}.",
            words.article(rule),
            words.condition(rule, condition),
            here(facts, words)
        ),
        Step::ConditionNotMet { rule, condition, facts } => format!(
            "Regel {rule}{} gilt für einen anderen Fall: {}{}.",
            words.article(rule),
            words.condition(rule, condition),
            here(facts, words)
        ),
        Step::FeeKept { kind } => {
            let what = if *kind == LineKind::Tax { "Steuer" } else { "Gebühr" };
            format!("Diese {what} wird bei einem Rücktritt des Käufers nicht erstattet.")
        }
        Step::NotRegulated => {
            "Bei einem Rücktritt des Käufers sehen diese Regeln keine Erstattung \
                               vor; sie betreffen nur das, wofür der Anbieter einzustehen hat."
                .to_owned()
        }
        Step::TooLate { time_zone, start } => format!(
            "Die Fristen aller Regeln sind abgelaufen; Beginn ist am {}.",
            local(*start, time_zone)
        ),
        Step::NothingHolds => {
            "Es bleibt keine Regel, deren Bedingung erfüllt ist; daher wird nichts erstattet."
                .to_owned()
        }
        _ => amount_sentence(step, words),
    }
}

fn notice_sentence(step: &Step, words: &Words<'_>) -> String {
    match step {
        Step::NoticeMissed { rule, notice: asked, until, time_zone } => format!(
            "Regel {rule}{} gilt nicht mehr; sie verlangt {}{}.",
            words.article(rule),
            notice(*asked, |at| local(at, time_zone)),
            unless_instant(*asked, until_words(*until, time_zone, ", die Frist endete also am "))
        ),
        Step::NoticeMet { rule, notice: asked, until, time_zone } => format!(
            "Regel {rule}{} gilt; sie verlangt {}{}.",
            words.article(rule),
            notice(*asked, |at| local(at, time_zone)),
            unless_instant(*asked, until_words(*until, time_zone, ", also spätestens am "))
        ),
        Step::NoticeUncertain { rule, notice: asked } => format!(
            "Es wird angenommen, dass Regel {rule}{} gilt; sie verlangt {}, und der Kalender der \
             Arbeitstage reicht nicht weit genug, um sicher zu sein.",
            words.article(rule),
            notice(*asked, |at| local(at, "UTC"))
        ),
        _ => String::new(),
    }
}

fn amount_sentence(step: &Step, words: &Words<'_>) -> String {
    match step {
        Step::Share { gross, basis_points, kept } => {
            format!("Vom Preis von {gross} {}.", goes(*basis_points, *kept))
        }
        Step::ShareOf { base, fact, basis_points, kept } => {
            format!("Von {base} ({fact}) {}.", goes(*basis_points, *kept))
        }
        Step::RestByDays { done, of } => format!(
            "Vom Rest wird außerdem der Anteil für {done} von {} einbehalten.",
            count(*of, "Tag", "Tagen")
        ),
        Step::CostKept { cost, fact } => {
            format!("Zusätzlich werden Kosten von {cost} ({fact}) einbehalten.")
        }
        Step::FixedFee { fee, per, units } => match per {
            FixedFeePer::Unit => format!(
                "Für {} wird eine Pauschale von insgesamt {fee} einbehalten.",
                count(*units, "Einheit", "Einheiten")
            ),
            FixedFeePer::Line => format!("Es wird eine Pauschale von {fee} einbehalten."),
        },
        Step::Rounded { to, step, mode } => {
            let way = rounding(*mode);
            if step.minor_units == 1 {
                return format!("Die Stornogebühr wird {way}; das ergibt {to}.");
            }
            format!("Die Stornogebühr wird auf ein Vielfaches von {step} {way}; das ergibt {to}.")
        }
        Step::Minimum { fee } => format!("Die Stornogebühr beträgt mindestens {fee}."),
        Step::Maximum { fee } => format!("Die Stornogebühr beträgt höchstens {fee}."),
        Step::Capped { gross } => {
            format!("Die Stornogebühr kann nicht höher sein als der Preis von {gross}.")
        }
        Step::Result { gross, fee, refund } => {
            format!("Von {gross} behält der Anbieter {fee} ein; der Käufer erhält {refund} zurück.")
        }
        _ => compensation_sentence(step, words),
    }
}

fn compensation_sentence(step: &Step, words: &Words<'_>) -> String {
    match step {
        Step::NoCompensation => {
            "Für diesen Fall sieht keine Regel eine Ausgleichszahlung vor.".to_owned()
        }
        Step::CompensationFree { rule } => {
            format!(
                "Nach Regel {rule}{} ist keine Ausgleichszahlung zu leisten.",
                words.article(rule)
            )
        }
        Step::CompensationClaimed { rule } => format!(
            "Nach Regel {rule}{} kann außerdem Schadensersatz verlangt werden; seine Höhe ist \
             nachzuweisen.",
            words.article(rule)
        ),
        Step::CompensationFixed { rule, amount, per, units } => {
            let each = match per {
                FixedFeePer::Unit => {
                    format!(" pro Person ({})", count(*units, "Person", "Personen"))
                }
                FixedFeePer::Line => String::new(),
            };
            let article = words.article(rule);
            format!(
                "Nach Regel {rule}{article} ist eine Ausgleichszahlung von {amount}{each} zu \
                 leisten."
            )
        }
        Step::CompensationShare { rule, gross, basis_points } => format!(
            "Nach Regel {rule}{} beträgt die Ausgleichszahlung {} des Preises von {gross}.",
            words.article(rule),
            percent(*basis_points)
        ),
        Step::CompensationCost { rule, cost } => {
            format!("Nach Regel {rule}{} werden Kosten von {cost} ersetzt.", words.article(rule))
        }
        Step::CompensationHalved { amount, facts } => {
            let here = here(facts, words);
            format!("Die Ausgleichszahlung wird halbiert; das ergibt {amount}{here}.")
        }
        Step::CompensationTooSmall { amount, least } => format!(
            "Das wären {amount}; weniger als {least} muss nicht gezahlt werden, daher ist keine \
             Ausgleichszahlung zu leisten."
        ),
        Step::CompensationDue { amount } => {
            format!("Zusätzlich zur Erstattung ist eine Ausgleichszahlung von {amount} zu leisten.")
        }
        _ => String::new(),
    }
}

/// `werden 25,5 % einbehalten`.
fn goes(basis_points: u16, kept: bool) -> String {
    let are = if basis_points == 100 { "wird" } else { "werden" };
    let done = if kept { "einbehalten" } else { "erstattet" };
    format!("{are} {} {done}", percent(basis_points.into()))
}

/// What happened, as in `weil das Ticket umgetauscht wurde`.
const fn happened(code: OverrideCode) -> &'static str {
    match code {
        OverrideCode::EventCancelled => "die Veranstaltung oder Reise abgesagt wurde",
        OverrideCode::EventPostponed => "die Veranstaltung oder Reise verschoben wurde",
        OverrideCode::EventMoved => "die Veranstaltung an einen anderen Ort verlegt wurde",
        OverrideCode::Illness => "jemand erkrankt ist",
        OverrideCode::Death => "jemand verstorben ist",
        OverrideCode::VisaRefused => "ein Visum verweigert wurde",
        OverrideCode::ForceMajeure => "unvermeidbare, außergewöhnliche Umstände eingetreten sind",
        OverrideCode::CarrierFault => "der Beförderer seine Leistung nicht erbracht hat",
        OverrideCode::Strike => "gestreikt wurde",
        OverrideCode::JourneyDelayed => "sich die Reise verspätet hat",
        OverrideCode::BoardingDenied => {
            "jemandem trotz gültigen Tickets die Beförderung verweigert wurde"
        }
        OverrideCode::ClassDowngraded => {
            "die Beförderung in einer niedrigeren als der bezahlten Klasse erfolgte"
        }
        OverrideCode::ScheduleChanged => "die Reise vor ihrem Beginn geändert wurde",
        OverrideCode::BaggageLate => "aufgegebenes Gepäck verspätet oder gar nicht angekommen ist",
        OverrideCode::ServiceNotProvided => "eine bezahlte Leistung nicht erbracht wurde",
        OverrideCode::NotAsDescribed => "die gekaufte Leistung nicht der Beschreibung entspricht",
        OverrideCode::PriceRaised => "der Preis nach dem Kauf erhöht wurde",
        OverrideCode::GroupTooSmall => "die Mindestteilnehmerzahl nicht erreicht wurde",
        OverrideCode::TripCutShort => "die Reise vor ihrem letzten Tag endete",
        OverrideCode::TicketChanged => "das Ticket umgetauscht wurde",
    }
}

/// `; vorgelegt wurden: a und b`, or nothing.
fn shown(evidence: &[String], words: &Words<'_>) -> String {
    let were = match evidence {
        [] => return String::new(),
        [_] => "wurde",
        _ => "wurden",
    };
    let documents: Vec<_> = evidence.iter().map(|kind| words.document(kind)).collect();
    format!("; vorgelegt {were}: {}", list(&documents))
}

/// `; Angaben dazu: a = 1 und b = ja`, or nothing.
fn here(facts: &KnownFacts, words: &Words<'_>) -> String {
    let told = words.facts(facts, " = ", ["nein", "ja"]);
    if told.is_empty() {
        return String::new();
    }
    format!("; Angaben dazu: {}", told.join("; "))
}

/// `19. Dezember 2026, 15:30 Uhr (Europe/Berlin)`.
fn local(at: Timestamp, zone: &str) -> String {
    const MONTHS: [&str; 12] = [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ];
    super::local(at, zone, |zone, at| {
        let parts = zone.local_parts(at).ok()?;
        let (day, year, time) = (parts.day, parts.year, parts.time_of_day());
        let month = MONTHS.get(usize::from(parts.month) - 1)?;
        Some(format!("{day}. {month} {year}, {time} Uhr ({})", zone.name()))
    })
}

/// The end of a notice after `lead`, or nothing.
fn until_words(until: Option<Timestamp>, zone: &str, lead: &str) -> String {
    until.map_or_else(String::new, |until| format!("{lead}{}", local(until, zone)))
}

/// `1 Tag`, `2 Tage`.
fn count(number: i64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// `a, b und c`.
fn list<T: AsRef<str>>(items: &[T]) -> String {
    joined(items, " und ")
}

/// `25,5 %` from hundredths of a percent.
fn percent(basis_points: u32) -> String {
    super::percent(basis_points, ',', " %")
}

/// What a tier asks for: `einen Antrag mindestens 2 Tage (48 Stunden) vor Beginn`.
fn notice(notice: Notice, local: impl Fn(Timestamp) -> String) -> String {
    match notice {
        Notice::Hours(0) => "einen Antrag vor Beginn".to_owned(),
        Notice::Hours(hours) if hours % 24 == 0 => {
            let days = count(i64::from(hours / 24), "Tag", "Tage");
            format!("einen Antrag mindestens {days} ({hours} Stunden) vor Beginn")
        }
        Notice::Hours(hours) => {
            let hours = count(hours.into(), "Stunde", "Stunden");
            format!("einen Antrag mindestens {hours} vor Beginn")
        }
        Notice::CivilDays(0) | Notice::BusinessDays(0) => {
            "einen Antrag spätestens am Tag des Beginns".to_owned()
        }
        Notice::CivilDays(days) => {
            let days = count(days.into(), "Tag", "Tage");
            format!("einen Antrag mindestens {days} vor dem Tag des Beginns")
        }
        Notice::BusinessDays(days) => {
            let days = count(days.into(), "Arbeitstag", "Arbeitstage");
            format!("einen Antrag mindestens {days} vor dem Tag des Beginns")
        }
        Notice::Until(instant) => format!("einen Antrag bis zum {}", local(instant)),
    }
}

/// `abgerundet`, `aufgerundet`, `kaufmännisch gerundet`.
const fn rounding(mode: RoundingMode) -> &'static str {
    match mode {
        RoundingMode::Down => "abgerundet",
        RoundingMode::Up => "aufgerundet",
        RoundingMode::HalfUp => "kaufmännisch gerundet (genau die Hälfte nach oben)",
        RoundingMode::HalfEven => "zum nächsten Wert gerundet (genau die Hälfte zum geraden Wert)",
    }
}

#[cfg(test)]
mod tests;
