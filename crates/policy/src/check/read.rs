//! From the tables of a file to a policy.
//!
//! Invariant: a value of the wrong type or beyond its range is a problem, never a default.

use redress_calendar::{BusinessCalendar, Date, Weekday};
use redress_core::clock::Timestamp;
use redress_core::id::PolicyId;
use redress_core::money::Currency;
use toml::de::DeValue;

use super::examples::{Example, Expected};
use super::section::{Read, Section};
use crate::condition::Condition;
use crate::facts::{FactDeclaration, FactKind, FactValue};
use crate::model::{Charge, Citation, Notice, Override, Policy, Rounding, Status, Terms, Tier};
use crate::vocabulary::{
    DayUnit, FixedFeePer, LineKind, OverrideCode, Repricing, RoundingMode, Tender,
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

fn date(value: &DeValue<'_>) -> Read<Date> {
    let text = value.as_datetime().ok_or_else(|| not_a("a date", value))?.to_string();
    text.parse().map_err(|error: redress_calendar::InvalidDate| error.to_string())
}

pub(super) fn currency(value: &DeValue<'_>) -> Read<Currency> {
    text(value)?.parse().map_err(|error: redress_core::money::MoneyError| error.to_string())
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
macro_rules! word {
    ($value:expr, $words:ty) => {{
        let told = text($value)?;
        <$words>::parse(&told).ok_or_else(|| {
            let words: Vec<_> = <$words>::ALL.iter().map(|word| word.as_str()).collect();
            format!("unknown word {told:?}; there are {}", words.join(", "))
        })
    }};
}

pub(super) fn line_kind(value: &DeValue<'_>) -> Read<LineKind> {
    word!(value, LineKind)
}

pub(super) fn override_code(value: &DeValue<'_>) -> Read<OverrideCode> {
    word!(value, OverrideCode)
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
    let pay_within_days = root.must("pay_within_days", number);
    let pay_within_unit = root.may("pay_within_unit", |value| word!(value, DayUnit));
    let refunds_fees = root.may("refunds_fees", yes_no).unwrap_or(false);
    let whole_order = root.may("whole_order", yes_no).unwrap_or(false);
    let once_per_buyer = root.may("once_per_buyer", yes_no).unwrap_or(false);
    let repricing = root.may("repricing", |value| word!(value, Repricing));
    let tender_order = root.list("tender_order", |value| word!(value, Tender));
    if !root.has("citation") {
        root.report("citation", "is missing: where do the rules stand?");
    }
    let own_citation = root.section("citation").and_then(citation);
    let rounding = root.section("rounding").map(rounding);
    let calendar = root.section("calendar").map(calendar);
    let facts: Vec<_> = root.sections("facts").into_iter().map(declaration).collect();
    let tiers: Vec<_> = root.sections("tiers").into_iter().map(tier).collect();
    let overrides: Vec<_> = root.sections("overrides").into_iter().map(replacement).collect();
    let examples: Vec<_> = root.sections("examples").into_iter().map(example).collect();
    root.finish();
    let policy = Policy {
        status: own_status,
        effective: effective?,
        expires,
        kinds,
        currency: own_currency,
        tiers: all(tiers)?,
        overrides: all(overrides)?,
        refunds_fees,
        whole_order,
        once_per_buyer,
        repricing: repricing.unwrap_or(Repricing::Keep),
        tender_order,
        rounding: rounding.unwrap_or(Some(Rounding::default()))?,
        calendar: calendar.map_or(Some(None), |calendar| calendar.map(Some))?,
        facts: all(facts)?,
        pay_within_days: pay_within_days?,
        pay_within_unit: pay_within_unit.unwrap_or(DayUnit::CivilDays),
        ..Policy::new(id?, display_name?, own_citation?)
    };
    Some((policy, all(examples)?))
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
    let mode = section.must("mode", |value| word!(value, RoundingMode));
    section.finish();
    Some(Rounding { step, mode: mode? })
}

fn calendar(section: Section<'_>) -> Option<BusinessCalendar> {
    let weekend = section.list("weekend", |value| word!(value, Weekday));
    let holidays = section.list("holidays", date);
    let extra_workdays = section.list("extra_workdays", date);
    let valid_from = section.must("valid_from", date);
    let valid_until = section.must("valid_until", date);
    section.finish();
    Some(BusinessCalendar {
        weekend: weekend.into_iter().collect(),
        holidays: holidays.into_iter().collect(),
        extra_workdays: extra_workdays.into_iter().collect(),
        valid_from: valid_from?,
        valid_until: valid_until?,
    })
}

fn declaration(section: Section<'_>) -> Option<FactDeclaration> {
    let name = section.must("name", text);
    let kind = section.must("type", |value| word!(value, FactKind));
    let question = section.must("question", text);
    section.finish();
    Some(FactDeclaration { name: name?, kind: kind?, question: question? })
}

fn tier(section: Section<'_>) -> Option<Tier> {
    let rule = section.must("rule", text);
    let bases = [
        section.may("notice_hours", |value| number(value).map(Notice::Hours)),
        section.may("notice_civil_days", |value| number(value).map(Notice::CivilDays)),
        section.may("notice_business_days", |value| number(value).map(Notice::BusinessDays)),
        section.may("until", |value| instant(value).map(Notice::Until)),
    ];
    let keys = ["notice_hours", "notice_civil_days", "notice_business_days", "until"];
    let notice = one_of(&section, keys, bases);
    let kinds = section.list("kinds", line_kind);
    let condition = section.may("condition", text).map(Condition::new);
    if !section.has("fee_basis_points") && !section.has("refund_basis_points") {
        section.report("", "expected fee_basis_points or refund_basis_points");
    }
    let terms = terms(&section);
    let own_citation = section.section("citation").map(citation);
    section.finish();
    Some(Tier {
        rule: rule?,
        notice: notice?,
        kinds,
        condition,
        terms: terms?,
        citation: own_citation.map_or(Some(None), |own| own.map(Some))?,
    })
}

/// Exactly one of four values.
fn one_of<T>(section: &Section<'_>, keys: [&str; 4], values: [Option<T>; 4]) -> Option<T> {
    let told: Vec<_> = keys.into_iter().filter(|key| section.has(key)).collect();
    match told.as_slice() {
        [_] => values.into_iter().flatten().next(),
        [] => {
            section.report("", format!("expected one of {}", keys.join(", ")));
            None
        }
        [_, second, ..] => {
            section.report(second, format!("only one of {} can be given", keys.join(", ")));
            None
        }
    }
}

fn terms(section: &Section<'_>) -> Option<Terms> {
    let fee = section.may("fee_basis_points", number);
    let refund = section.may("refund_basis_points", number);
    let fixed_fee = section.may("fixed_fee", int).unwrap_or(0);
    let per = section.may("fixed_fee_per", |value| word!(value, FixedFeePer));
    let minimum_fee = section.may("minimum_fee", int).unwrap_or(0);
    let maximum_fee = section.may("maximum_fee", int);
    if section.has("fee_basis_points") && section.has("refund_basis_points") {
        section.report("refund_basis_points", "stands beside fee_basis_points; give one of them");
    }
    if section.has("fixed_fee_per") && !section.has("fixed_fee") {
        section.report("fixed_fee_per", "needs `fixed_fee`");
    }
    let charge = match (fee, refund) {
        (Some(fee), None) => Charge::Fee(fee),
        (None, Some(refund)) => Charge::Refund(refund),
        _ if section.has("fee_basis_points") || section.has("refund_basis_points") => return None,
        _ => Charge::Fee(0),
    };
    let fixed_fee_per = per.unwrap_or(FixedFeePer::Line);
    Some(Terms { charge, fixed_fee, fixed_fee_per, minimum_fee, maximum_fee })
}

fn replacement(section: Section<'_>) -> Option<Override> {
    let code = section.must("code", override_code);
    let rule = section.must("rule", text);
    let evidence = section.list("evidence", text);
    let kinds = section.list("kinds", line_kind);
    let condition = section.may("condition", text).map(Condition::new);
    let until_hours_after_start = section.may("until_hours_after_start", number);
    let needs_approval = section.may("needs_approval", yes_no).unwrap_or(false);
    let terms = terms(&section);
    let own_citation = section.section("citation").map(citation);
    section.finish();
    Some(Override {
        code: code?,
        rule: rule?,
        evidence,
        kinds,
        condition,
        until_hours_after_start,
        needs_approval,
        terms: terms?,
        citation: own_citation.map_or(Some(None), |own| own.map(Some))?,
    })
}

fn example(section: Section<'_>) -> Option<Example> {
    let name = section.must("name", text);
    let now = section.must("now", instant);
    let start = section.must("start", instant);
    let time_zone = section.must("time_zone", text);
    let gross = section.must("gross", int);
    let own_currency = section.must("currency", currency);
    let kind = section.may("kind", line_kind).unwrap_or(LineKind::Ticket);
    let units = section.may("units", int).unwrap_or(1);
    let purchase = section.may("purchase", instant);
    let channel = section.may("channel", text).unwrap_or_else(|| "web".to_owned());
    let event = section.may("event", text).unwrap_or_default();
    let place = section.may("place", text).unwrap_or_default();
    let whole_order = section.may("whole_order", yes_no).unwrap_or(true);
    let buyer_refunds = section.may("buyer_refunds", number);
    let code = section.may("override", override_code);
    let evidence = section.list("evidence", text);
    let facts = section.section("facts").map(|facts| facts.entries(fact)).unwrap_or_default();
    if !section.has("expect") {
        section.report("expect", "is missing");
    }
    let expect = section.section("expect").and_then(expected);
    section.finish();
    Some(Example {
        name: name?,
        now: now?,
        purchase,
        start: start?,
        time_zone: time_zone?,
        gross: gross?,
        currency: own_currency?,
        kind,
        units,
        channel,
        event,
        place,
        whole_order,
        buyer_refunds,
        override_code: code,
        evidence,
        facts,
        expect: expect?,
    })
}

fn expected(section: Section<'_>) -> Option<Expected> {
    let expected = if section.has("needs_facts") {
        Some(Expected::NeedsFacts(section.list("needs_facts", text)))
    } else if section.has("refused") {
        section.may("refused", text).map(Expected::Refused)
    } else {
        let rule = section.must("rule", text);
        let fee = section.must("fee", int);
        let refund = section.must("refund", int);
        rule.zip(fee).zip(refund).map(|((rule, fee), refund)| Expected::Price { rule, fee, refund })
    };
    section.finish();
    expected
}
