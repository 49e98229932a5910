//! Explanations in Russian.
//!
//! Invariant: numbers are exact; nothing is rounded to be readable. What happened is in the
//! genitive, so that it can follow `по причине` and `на случай`; what is counted agrees with its
//! number.

use redress_core::clock::Timestamp;

use super::{Words, joined, unless_instant};
use crate::model::Notice;
use crate::step::{KnownFacts, Step};
use crate::vocabulary::{FixedFeePer, LineKind, OverrideCode, RoundingMode};

/// The forms of a word after 1, 2 and 5.
type Forms = [&'static str; 3];

const DAYS: Forms = ["день", "дня", "дней"];
const BUSINESS_DAYS: Forms = ["рабочий день", "рабочих дня", "рабочих дней"];
const HOURS: Forms = ["час", "часа", "часов"];
const PASSENGERS: Forms = ["пассажир", "пассажира", "пассажиров"];
/// In the accusative, as after `за`.
const UNITS: Forms = ["единицу", "единицы", "единиц"];

/// `step` as one sentence.
pub(super) fn sentence(step: &Step, words: &Words<'_>) -> String {
    match step {
        Step::OverrideTooLate { rule, code, until, time_zone } => format!(
            "Правилом {rule}{}, предусмотренным на случай {}, можно было воспользоваться не \
             позднее {}.",
            words.article(rule),
            happened(*code),
            local(*until, time_zone)
        ),
        Step::OverrideApplies { rule, code, evidence } => format!(
            "Правило {rule}{} применяется вместо обычных правил по причине {}{}.",
            words.article(rule),
            happened(*code),
            shown(evidence, words)
        ),
        Step::NoOverride { code } => format!(
            "Особого правила на случай {} для этой позиции нет, поэтому применяются обычные \
             правила.",
            happened(*code)
        ),
        Step::NoticeMissed { .. } | Step::NoticeMet { .. } | Step::NoticeUncertain { .. } => {
            notice_sentence(step, words)
        }
        Step::ConditionMet { rule, condition, facts } => format!(
            "Правило {rule}{} относится к этому случаю: {}{}.",
            words.article(rule),
            words.condition(rule, condition),
            here(facts, words)
        ),
        Step::ConditionNotMet { rule, condition, facts } => format!(
            "Правило {rule}{} относится к другому случаю: {}{}.",
            words.article(rule),
            words.condition(rule, condition),
            here(facts, words)
        ),
        Step::FeeKept { kind } => {
            let what = if *kind == LineKind::Tax { "налог" } else { "сбор" };
            format!("При отказе покупателя от заказа этот {what} не возвращается.")
        }
        Step::NotRegulated => {
            "Эти правила не предусматривают возврата при отказе покупателя от заказа; они касаются \
             только того, за что отвечает продавец."
                .to_owned()
        }
        Step::TooLate { time_zone, start } => {
            format!("Сроки по всем правилам истекли; начало — {}.", local(*start, time_zone))
        }
        Step::NothingHolds => {
            "Не осталось правил, условия которых выполнены, поэтому деньги не возвращаются."
                .to_owned()
        }
        _ => amount_sentence(step, words),
    }
}

fn notice_sentence(step: &Step, words: &Words<'_>) -> String {
    match step {
        Step::NoticeMissed { rule, notice: asked, until, time_zone } => format!(
            "Правило {rule}{} больше не применяется: по нему заявление нужно подать {}{}.",
            words.article(rule),
            notice(*asked, |at| local(at, time_zone)),
            unless_instant(*asked, until_words(*until, time_zone, ", и этот срок истёк "))
        ),
        Step::NoticeMet { rule, notice: asked, until, time_zone } => format!(
            "Правило {rule}{} применяется: по нему заявление нужно подать {}{}.",
            words.article(rule),
            notice(*asked, |at| local(at, time_zone)),
            unless_instant(*asked, until_words(*until, time_zone, ", то есть не позднее "))
        ),
        Step::NoticeUncertain { rule, notice: asked } => format!(
            "Правило {rule}{} считается применимым: по нему заявление нужно подать {}, а календарь \
             рабочих дней заканчивается слишком рано, чтобы это проверить.",
            words.article(rule),
            notice(*asked, |at| local(at, "UTC"))
        ),
        _ => String::new(),
    }
}

fn amount_sentence(step: &Step, words: &Words<'_>) -> String {
    match step {
        Step::Share { gross, basis_points, kept } => {
            let share = percent((*basis_points).into());
            format!("Из цены {gross} {} {share}.", goes(*kept))
        }
        Step::ShareOf { base, fact, basis_points, kept } => {
            let share = percent((*basis_points).into());
            format!("Из суммы {base} ({fact}) {} {share}.", goes(*kept))
        }
        Step::RestByDays { done, of } => {
            let done = count(*done, DAYS);
            format!("Из остатка дополнительно удерживается доля за {done} из {of}.")
        }
        Step::CostKept { cost, fact } => {
            format!("Кроме того, удерживаются расходы в размере {cost} ({fact}).")
        }
        Step::FixedFee { fee, per, units } => match per {
            FixedFeePer::Unit => format!(
                "Удерживается фиксированный сбор за возврат: {fee} за {}.",
                count(*units, UNITS)
            ),
            FixedFeePer::Line => format!("Удерживается фиксированный сбор за возврат: {fee}."),
        },
        Step::Rounded { to, step, mode } => {
            let way = rounding(*mode);
            if step.minor_units == 1 {
                return format!("Сбор за возврат округляется {way} и составляет {to}.");
            }
            format!(
                "Сбор за возврат округляется {way}, до суммы, кратной {step}, и составляет {to}."
            )
        }
        Step::Minimum { fee } => format!("Сбор за возврат составляет не менее {fee}."),
        Step::Maximum { fee } => format!("Сбор за возврат составляет не более {fee}."),
        Step::Capped { gross } => format!("Сбор за возврат не может превышать цену {gross}."),
        Step::Result { gross, fee, refund } => {
            format!("Из {gross} продавец удерживает {fee}, а {refund} возвращается покупателю.")
        }
        _ => compensation_sentence(step, words),
    }
}

fn compensation_sentence(step: &Step, words: &Words<'_>) -> String {
    match step {
        Step::NoCompensation => {
            "Компенсация для этого случая правилами не предусмотрена.".to_owned()
        }
        Step::CompensationFree { rule } => {
            format!("По правилу {rule}{} компенсация не полагается.", words.article(rule))
        }
        Step::CompensationClaimed { rule } => format!(
            "По правилу {rule}{} можно также потребовать возмещения убытков; их размер нужно \
             доказать.",
            words.article(rule)
        ),
        Step::CompensationFixed { rule, amount, per, units } => {
            let each = match per {
                FixedFeePer::Unit => {
                    format!(" на каждого пассажира ({})", count(*units, PASSENGERS))
                }
                FixedFeePer::Line => String::new(),
            };
            let article = words.article(rule);
            format!("По правилу {rule}{article} полагается компенсация {amount}{each}.")
        }
        Step::CompensationShare { rule, gross, basis_points } => format!(
            "По правилу {rule}{} полагается компенсация в размере {} от цены {gross}.",
            words.article(rule),
            percent(*basis_points)
        ),
        Step::CompensationCost { rule, cost } => format!(
            "По правилу {rule}{} возмещаются расходы в размере {cost}.",
            words.article(rule)
        ),
        Step::CompensationHalved { amount, facts } => {
            let here = here(facts, words);
            format!("Компенсация уменьшается вдвое и составляет {amount}{here}.")
        }
        Step::CompensationTooSmall { amount, least } => format!(
            "Компенсация составила бы {amount}; суммы менее {least} выплачивать не обязательно, \
             поэтому компенсация не полагается."
        ),
        Step::CompensationDue { amount } => {
            format!("Помимо возврата полагается компенсация {amount}.")
        }
        _ => String::new(),
    }
}

const fn goes(kept: bool) -> &'static str {
    if kept { "удерживается" } else { "возвращается" }
}

/// What happened, as in `по причине обмена билета`.
const fn happened(code: OverrideCode) -> &'static str {
    match code {
        OverrideCode::EventCancelled => "отмены мероприятия или поездки",
        OverrideCode::EventPostponed => "переноса мероприятия или поездки на другое время",
        OverrideCode::EventMoved => "переноса мероприятия в другое место",
        OverrideCode::Illness => "болезни",
        OverrideCode::Death => "смерти",
        OverrideCode::VisaRefused => "отказа в визе",
        OverrideCode::ForceMajeure => "обстоятельств непреодолимой силы",
        OverrideCode::CarrierFault => "неисполнения перевозчиком своих обязательств",
        OverrideCode::Strike => "забастовки",
        OverrideCode::JourneyDelayed => "задержки поездки",
        OverrideCode::BoardingDenied => "отказа в посадке при действительном билете",
        OverrideCode::ClassDowngraded => "перевозки классом ниже оплаченного",
        OverrideCode::ScheduleChanged => "изменения поездки до её начала",
        OverrideCode::BaggageLate => "задержки или недоставки зарегистрированного багажа",
        OverrideCode::ServiceNotProvided => "непредоставления оплаченной услуги",
        OverrideCode::NotAsDescribed => "несоответствия купленного описанию",
        OverrideCode::PriceRaised => "повышения цены после продажи",
        OverrideCode::GroupTooSmall => "недобора группы",
        OverrideCode::TripCutShort => "досрочного окончания поездки",
        OverrideCode::TicketChanged => "обмена билета",
    }
}

/// `; предъявлено: a и b`, or nothing.
fn shown(evidence: &[String], words: &Words<'_>) -> String {
    if evidence.is_empty() {
        return String::new();
    }
    let documents: Vec<_> = evidence.iter().map(|kind| words.document(kind)).collect();
    format!("; предъявлено: {}", list(&documents))
}

/// `; исходные данные: a — 1 и b — да`, or nothing.
fn here(facts: &KnownFacts, words: &Words<'_>) -> String {
    let told = words.facts(facts, " — ", ["нет", "да"]);
    if told.is_empty() {
        return String::new();
    }
    format!("; исходные данные: {}", told.join("; "))
}

/// `19 декабря 2026 г., 15:30 (Europe/Berlin)`.
fn local(at: Timestamp, zone: &str) -> String {
    const MONTHS: [&str; 12] = [
        "января",
        "февраля",
        "марта",
        "апреля",
        "мая",
        "июня",
        "июля",
        "августа",
        "сентября",
        "октября",
        "ноября",
        "декабря",
    ];
    super::local(at, zone, |zone, at| {
        let parts = zone.local_parts(at).ok()?;
        let (day, year, time) = (parts.day, parts.year, parts.time_of_day());
        let month = MONTHS.get(usize::from(parts.month) - 1)?;
        Some(format!("{day} {month} {year} г., {time} ({})", zone.name()))
    })
}

/// The end of a notice after `lead`, or nothing.
fn until_words(until: Option<Timestamp>, zone: &str, lead: &str) -> String {
    until.map_or_else(String::new, |until| format!("{lead}{}", local(until, zone)))
}

/// `1 день`, `2 дня`, `5 дней`; `11 дней`, but `21 день`.
fn count(number: i64, [one, few, many]: Forms) -> String {
    let last_two = number.unsigned_abs() % 100;
    let form = match last_two % 10 {
        1 if last_two != 11 => one,
        2..=4 if !(12..=14).contains(&last_two) => few,
        _ => many,
    };
    format!("{number} {form}")
}

/// `a, b и c`.
fn list<T: AsRef<str>>(items: &[T]) -> String {
    joined(items, " и ")
}

/// `25,5 %` from hundredths of a percent.
fn percent(basis_points: u32) -> String {
    super::percent(basis_points, ',', " %")
}

/// What a tier asks for: `не менее чем за 2 дня (48 часов) до начала`.
fn notice(notice: Notice, local: impl Fn(Timestamp) -> String) -> String {
    match notice {
        Notice::Hours(0) => "до начала".to_owned(),
        Notice::Hours(hours) => {
            let in_hours = count(hours.into(), HOURS);
            if hours % 24 != 0 {
                return format!("не менее чем за {in_hours} до начала");
            }
            let days = count(i64::from(hours / 24), DAYS);
            format!("не менее чем за {days} ({in_hours}) до начала")
        }
        Notice::CivilDays(0) | Notice::BusinessDays(0) => "не позднее дня начала".to_owned(),
        Notice::CivilDays(days) => {
            format!("не менее чем за {} до дня начала", count(days.into(), DAYS))
        }
        Notice::BusinessDays(days) => {
            format!("не менее чем за {} до дня начала", count(days.into(), BUSINESS_DAYS))
        }
        Notice::Until(instant) => format!("не позднее {}", local(instant)),
    }
}

/// `в меньшую сторону`, `в большую сторону`, `к ближайшему значению`.
const fn rounding(mode: RoundingMode) -> &'static str {
    match mode {
        RoundingMode::Down => "в меньшую сторону",
        RoundingMode::Up => "в большую сторону",
        RoundingMode::HalfUp => "к ближайшему значению (ровно половина — в большую сторону)",
        RoundingMode::HalfEven => "к ближайшему значению (ровно половина — к чётному)",
    }
}

#[cfg(test)]
mod tests;
