//! From the tables of a file to a policy.
//!
//! Invariant: a value of the wrong type or beyond its range is a problem, never a default.

mod examples;
mod rules;

use std::collections::BTreeMap;

use redress_calendar::{BusinessCalendar, Date, Weekday};
use redress_core::clock::Timestamp;
use redress_core::id::PolicyId;
use redress_core::money::{Currency, Money};
use toml::de::DeValue;

use super::examples::Example;
use super::section::{Read, Section, Unreadable};
use crate::declared::{Distance, Moment, Switch};
use crate::facts::{Assumption, FactDeclaration, FactKind, FactValue};
use crate::model::{Citation, Policy, PolicyCalendar, Rounding, Status};
use crate::texts::{Language, Texts};
use crate::vocabulary::{
    DayUnit, FixedFeePer, LineKind, MomentTime, OverrideCode, Repricing, RoundingMode, Tender,
};

fn not_a(expected: &str, value: &DeValue<'_>) -> String {
    format!("expected {expected}, not a {}", value.type_str())
}

pub(super) fn text(value: &DeValue<'_>) -> Read<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| not_a("a text", value))
}

pub(super) fn yes_no(value: &DeValue<'_>) -> Read<bool> {
    value.as_bool().ok_or_else(|| not_a("true or false", value))
}

pub(super) fn int(value: &DeValue<'_>) -> Read<i64> {
    let number = value.as_integer().ok_or_else(|| not_a("a whole number", value))?;
    i64::from_str_radix(number.as_str(), number.radix())
        .map_err(|_| "is a number beyond all bounds".to_owned())
}

pub(super) fn number<T: TryFrom<i64>>(value: &DeValue<'_>) -> Read<T> {
    let number = int(value)?;
    T::try_from(number).map_err(|_| format!("{number} is beyond the range of this field"))
}

pub(super) fn instant(value: &DeValue<'_>) -> Read<Timestamp> {
    let text = value.as_datetime().ok_or_else(|| not_a("an instant", value))?.to_string();
    redress_calendar::parse_instant(&text).map_err(|error| error.to_string())
}

pub(super) fn date(value: &DeValue<'_>) -> Read<Date> {
    let text = value.as_datetime().ok_or_else(|| not_a("a date", value))?.to_string();
    text.parse().map_err(|error: redress_calendar::InvalidDate| error.to_string())
}

pub(super) fn currency(value: &DeValue<'_>) -> Read<Currency> {
    text(value)?.parse().map_err(|error: redress_core::money::MoneyError| error.to_string())
}

/// A text, or a table of texts by language.
fn texts(value: &DeValue<'_>) -> Read<Texts> {
    let Some(table) = value.as_table() else {
        return value.as_str().map(Texts::from).ok_or_else(|| {
            not_a("a text, or a table such as { en = \"...\", de = \"...\" }", value)
        });
    };
    let mut read = BTreeMap::new();
    for (key, value) in table {
        let tag = key.get_ref();
        let language = Language::ALL.into_iter().find(|language| language.tag() == tag.as_ref());
        let language = language.ok_or_else(|| {
            let tags: Vec<_> = Language::ALL.iter().map(|language| language.tag()).collect();
            format!("unknown language {tag:?}; there are {}", tags.join(", "))
        })?;
        read.insert(language, text(value.get_ref())?);
    }
    if read.is_empty() { Err("has no language".to_owned()) } else { Ok(Texts::Several(read)) }
}

/// An amount such as `EUR 250.00`.
fn money(value: &DeValue<'_>) -> Read<Money> {
    let told = text(value)?;
    let shape = || format!("expected an amount such as \"EUR 250.00\", not {told:?}");
    let (currency, amount) = told.split_once(' ').ok_or_else(shape)?;
    let currency: Currency = currency.parse().map_err(|_| shape())?;
    Money::parse_decimal(currency, amount).map_err(|error| error.to_string())
}

/// How long a clock runs, such as `14 days`, `7 business days` or `1 month`.
fn period(value: &DeValue<'_>) -> Read<(u16, DayUnit)> {
    let told = text(value)?;
    let shape = "expected days or months, such as \"14 days\", \"7 business days\" or \"1 month\"";
    let (count, unit) = told.split_once(' ').ok_or_else(|| shape.to_owned())?;
    let unit = match unit {
        "day" | "days" => DayUnit::CivilDays,
        "business day" | "business days" => DayUnit::BusinessDays,
        "month" | "months" => DayUnit::Months,
        _ => return Err(shape.to_owned()),
    };
    Ok((count.parse().map_err(|_| shape.to_owned())?, unit))
}

pub(super) fn fact(value: &DeValue<'_>) -> Read<FactValue> {
    match value {
        DeValue::Boolean(told) => Ok(FactValue::Bool(*told)),
        DeValue::Integer(_) => int(value).map(FactValue::Int),
        DeValue::String(told) => Ok(FactValue::String(told.to_string())),
        DeValue::Datetime(_) => instant(value).map(FactValue::Timestamp),
        _ => Err(not_a("true or false, a whole number, a text or an instant", value)),
    }
}

/// Reads one of a list of words.
pub(super) fn word<T: Copy>(
    value: &DeValue<'_>,
    words: &[T],
    as_str: fn(T) -> &'static str,
) -> Read<T> {
    let told = text(value)?;
    let found = words.iter().copied().find(|word| as_str(*word) == told);
    found.ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|word| as_str(*word)).collect();
        format!("unknown word {told:?}; there are {}", words.join(", "))
    })
}

pub(super) fn line_kind(value: &DeValue<'_>) -> Read<LineKind> {
    word(value, LineKind::ALL, LineKind::as_str)
}

pub(super) fn override_code(value: &DeValue<'_>) -> Read<OverrideCode> {
    word(value, OverrideCode::ALL, OverrideCode::as_str)
}

fn status(value: &DeValue<'_>) -> Read<Status> {
    let told = text(value)?;
    Status::parse(&told).ok_or_else(|| "expected active, draft or disabled".to_owned())
}

/// The policy and the examples; `None` when something that they need cannot be read.
pub(super) fn file(root: Section<'_>) -> Option<(Policy, Vec<Example>)> {
    let id =
        root.must("id", |value| PolicyId::new(text(value)?).map_err(|error| error.to_string()));
    let display_name = root.must("display_name", text);
    let own_status = root.may("status", status).unwrap_or_default();
    let effective = root.must("effective", instant);
    let expires = root.may("expires", instant);
    let kinds = root.list("kinds", line_kind);
    let own_currency = root.may("currency", currency);
    let pay_within = pay_within(&root);
    let pay_within_rolls = root.may("pay_within_rolls", yes_no).unwrap_or(false);
    let mandatory = root.may("mandatory", yes_no).unwrap_or(false);
    let at_least = root
        .list("at_least", |value| PolicyId::new(text(value)?).map_err(|error| error.to_string()));
    let refunds_fees = root.may("refunds_fees", yes_no).unwrap_or(false);
    let whole_order = root.may("whole_order", yes_no).unwrap_or(false);
    let once_per_buyer = root.may("once_per_buyer", yes_no).unwrap_or(false);
    let repricing = root.may("repricing", |value| word(value, Repricing::ALL, Repricing::as_str));
    let tender_order = root.list("tender_order", |value| word(value, Tender::ALL, Tender::as_str));
    if !root.has("citation") {
        root.report("citation", "is missing: where do the rules stand?");
    }
    let own_citation = root.section("citation").and_then(citation);
    let rounding = root.section("rounding").map(rounding);
    let fees_per = root.may("fees_per", |value| word(value, FixedFeePer::ALL, FixedFeePer::as_str));
    let compensation_rounding = optional(root.section("compensation_rounding"), self::rounding);
    let calendar = calendar(&root);
    let facts: Vec<_> = root.sections("facts").into_iter().map(declaration).collect();
    let moments: Vec<_> = root.sections("moments").into_iter().map(moment).collect();
    let switches = switches(&root);
    let names = root.section("documents").map(|names| names.entries(texts)).unwrap_or_default();
    let read = rules::all_rows(&root, own_citation.as_ref());
    let examples = examples::all(&root);
    root.finish();
    let (pay_within_days, pay_within_unit) = pay_within?;
    let rules::Rules { tiers, overrides, compensations, clocks } = read?;
    let policy = Policy {
        status: own_status,
        effective: effective?,
        expires,
        kinds,
        currency: own_currency,
        tiers,
        overrides,
        compensations,
        clocks,
        refunds_fees,
        whole_order,
        once_per_buyer,
        repricing: repricing.unwrap_or(Repricing::Keep),
        tender_order,
        rounding: rounding.unwrap_or(Some(Rounding::default()))?,
        fees_per: fees_per.unwrap_or(FixedFeePer::Line),
        compensation_rounding: compensation_rounding.ok()?,
        calendar: calendar.ok()?,
        facts: all(facts)?,
        moments: all(moments)?,
        switches: switches?,
        documents: names,
        mandatory,
        at_least,
        pay_within_days,
        pay_within_unit,
        pay_within_rolls,
        ..Policy::new(id?, display_name?, own_citation?)
    };
    Some((policy, all(examples)?))
}

/// A table that may be missing, and otherwise can be read.
fn optional<'a, T>(
    section: Option<Section<'a>>,
    read: impl FnOnce(Section<'a>) -> Option<T>,
) -> Result<Option<T>, Unreadable> {
    section.map(|section| read(section).ok_or(Unreadable)).transpose()
}

/// `pay_within = "7 business days"`, or the same in two keys.
fn pay_within(root: &Section<'_>) -> Option<(u16, DayUnit)> {
    if root.has("pay_within") {
        for key in ["pay_within_days", "pay_within_unit"] {
            if root.has(key) {
                root.report(key, "stands beside pay_within; give one of them");
            }
        }
        let read = root.may("pay_within", period)?;
        if !(1..=365).contains(&read.0) {
            root.report("pay_within", "expected 1 to 365 of them");
        }
        return Some(read);
    }
    let days = root.must("pay_within_days", number);
    let unit = root.may("pay_within_unit", |value| word(value, DayUnit::ALL, DayUnit::as_str));
    Some((days?, unit.unwrap_or(DayUnit::CivilDays)))
}

/// The switches, each at the value that `[choices]` names, or at its default.
fn switches(root: &Section<'_>) -> Option<Vec<Switch>> {
    let read: Vec<_> = root.sections("switches").into_iter().map(switch).collect();
    let mut switches = all(read)?;
    let Some(section) = root.section("choices") else { return Some(switches) };
    for (name, value) in section.entries(text) {
        match switches.iter_mut().find(|switch| switch.name == name) {
            None => section.report(&name, "is no switch of this policy"),
            Some(switch) if !switch.values.contains(&value) => {
                section.report(&name, format!("expected one of {}", switch.values.join(", ")));
            }
            Some(switch) => switch.value = value,
        }
    }
    Some(switches)
}

fn switch(section: Section<'_>) -> Option<Switch> {
    let name = section.must("name", text);
    let values = section.list("values", text);
    let default = section.must("default", text);
    let reason = section.must("reason", text);
    section.finish();
    let default = default?;
    Some(Switch { name: name?, values, value: default.clone(), default, reason: reason? })
}

fn moment(section: Section<'_>) -> Option<Moment> {
    let name = section.must("name", text);
    let from = section.must("from", text);
    let days = section.may("days", |value| number(value).map(Distance::Days));
    let months = section.may("months", |value| number(value).map(Distance::Months));
    let distance = rules::one_of(&section, ["days", "months"], [days, months]);
    let at = section
        .may("at", |value| word(value, MomentTime::ALL, MomentTime::as_str))
        .unwrap_or(MomentTime::SameTime);
    section.finish();
    Some(Moment { name: name?, from: from?, distance: distance?, at })
}

fn all<T>(items: Vec<Option<T>>) -> Option<Vec<T>> {
    items.into_iter().collect()
}

fn citation(section: Section<'_>) -> Option<Citation> {
    let title = section.must("title", text);
    let uri = section.may("uri", text).unwrap_or_default();
    section.finish();
    Some(Citation { title: title?, uri })
}

fn rounding(section: Section<'_>) -> Option<Rounding> {
    let step = section.may("step", int).unwrap_or(1);
    let mode = section.must("mode", |value| word(value, RoundingMode::ALL, RoundingMode::as_str));
    section.finish();
    Some(Rounding { step, mode: mode? })
}

/// `calendar = "us-federal"`, or a table of the policy's own.
fn calendar(root: &Section<'_>) -> Result<Option<PolicyCalendar>, Unreadable> {
    if root.is_text("calendar") {
        return Ok(root.may("calendar", |value| text(value).map(PolicyCalendar::Named)));
    }
    optional(root.section("calendar"), own_calendar)
}

fn own_calendar(section: Section<'_>) -> Option<PolicyCalendar> {
    let weekend = section.list("weekend", |value| word(value, &Weekday::ALL, Weekday::as_str));
    let holidays = section.list("holidays", date);
    let extra_workdays = section.list("extra_workdays", date);
    let valid_from = section.must("valid_from", date);
    let valid_until = section.must("valid_until", date);
    section.finish();
    Some(PolicyCalendar::Own(BusinessCalendar {
        weekend: weekend.into_iter().collect(),
        holidays: holidays.into_iter().collect(),
        extra_workdays: extra_workdays.into_iter().collect(),
        valid_from: valid_from?,
        valid_until: valid_until?,
    }))
}

fn declaration(section: Section<'_>) -> Option<FactDeclaration> {
    let name = section.must("name", text);
    let kind = section.must("type", |value| word(value, &FactKind::ALL, FactKind::as_str));
    let question = section.must("question", texts);
    let assumed = section.may("assume", fact);
    let because = section.may("because", text);
    let document = section.may("document", text);
    if section.has("assume") != section.has("because") {
        let (there, missing) =
            if section.has("assume") { ("assume", "because") } else { ("because", "assume") };
        section.report(
            there,
            format!("needs `{missing}`: what may be assumed, and who bears the burden"),
        );
    }
    section.finish();
    let kind = kind?;
    let assume = assumed.zip(because);
    let assume = assume.map(|(value, because)| Assumption { value: value.read_as(kind), because });
    Some(FactDeclaration { name: name?, kind, question: question?, assume, document })
}
