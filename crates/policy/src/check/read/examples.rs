//! From a file's examples to questions with their answers.
//!
//! Invariant: an example that expects no compensation expects that none is owed.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::super::examples::{Example, Expected, ExpectedCompensation, ExpectedPrice};
use super::super::section::{Read, Section};
use super::{
    currency, date, fact, instant, int, line_kind, money, number, override_code, text, yes_no,
};
use crate::facts::FactValue;
use crate::vocabulary::LineKind;

/// What examples may have in common: everything but their names and answers.
const COMMON: [&str; 17] = [
    "now",
    "purchase",
    "start",
    "time_zone",
    "gross",
    "currency",
    "kind",
    "units",
    "channel",
    "event",
    "place",
    "whole_order",
    "buyer_refunds",
    "override",
    "evidence",
    "facts",
    "choices",
];

/// The most examples of a file: each is run.
const MAX_EXAMPLES: usize = 300;

/// The examples of a file, each with what `[example_defaults]` says of all.
pub(super) fn all(root: &Section<'_>) -> Vec<Option<Example>> {
    let defaults = root.section("example_defaults");
    if let Some(defaults) = &defaults {
        defaults.only(&COMMON);
    }
    let examples = root.sections("examples");
    if examples.len() > MAX_EXAMPLES {
        root.report("examples", format!("at most {MAX_EXAMPLES} are allowed"));
        return Vec::new();
    }
    let examples = examples.into_iter();
    examples.map(|section| example(section.or_from(defaults.as_ref()))).collect()
}

/// An example; `None` when it cannot be read.
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
    let told = section.both("facts").into_iter().flatten();
    let facts: BTreeMap<String, FactValue> = told.flat_map(|facts| facts.entries(fact)).collect();
    let choices = section.section("choices").map(|c| c.entries(text)).unwrap_or_default();
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
        choices,
        expect: expect?,
    })
}

fn expected(section: Section<'_>) -> Option<Expected> {
    let expected = if section.has("needs_facts") {
        Some(Expected::NeedsFacts(section.list("needs_facts", text)))
    } else if section.has("refused") {
        section.may("refused", text).map(Expected::Refused)
    } else if section.has("review") {
        section.may("review", text).map(Expected::Review)
    } else {
        let rule = section.must("rule", text);
        let fee = section.must("fee", int);
        let refund = section.must("refund", int);
        let owed = section.may("compensation", compensation);
        let article = section.may("article", text);
        let pay_by = section.may("pay_by", date);
        rule.zip(fee).zip(refund).map(|((rule, fee), refund)| {
            let compensation = owed.unwrap_or(ExpectedCompensation::None);
            Expected::Price(ExpectedPrice { rule, fee, refund, compensation, article, pay_by })
        })
    };
    section.finish();
    expected
}

/// `none`, `claim`, or an amount.
fn compensation(value: &DeValue<'_>) -> Read<ExpectedCompensation> {
    Ok(match text(value)?.as_str() {
        "none" => ExpectedCompensation::None,
        "claim" => ExpectedCompensation::Claim,
        _ => ExpectedCompensation::Amount(money(value)?),
    })
}
