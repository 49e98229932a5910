//! The answers of the policy commands for programs.
//!
//! Invariant: each answer is one JSON value, amounts are minor units, instants RFC 3339 in UTC.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use redress_calendar::format_instant;
use redress_policy::check::Report;
use redress_policy::{Answer, Decision, FactValue, LinePrice, NeededFact, Uncertainty};
use serde_json::{Value, json};

use super::{Question, Row};

pub(super) fn check_json(reports: &[(&Path, Report)]) -> Value {
    let pack = |report: &Report| {
        let policy = report.policy.as_ref()?;
        Some(json!({
            "id": policy.id,
            "citation": policy.citation.title,
            "status": policy.status.as_str(),
            "examples": report.examples,
            "examples_passed": report.examples_passed,
        }))
    };
    let packs: Vec<_> = reports.iter().filter_map(|(_, report)| pack(report)).collect();
    let problems = reports.iter().flat_map(|(file, report)| {
        report.problems.iter().map(move |problem| {
            json!({
                "file": file.display().to_string(),
                "line": problem.line,
                "path": problem.path,
                "reason": problem.reason,
            })
        })
    });
    json!({ "packs": packs, "problems": problems.collect::<Vec<_>>() })
}

fn needed_json(facts: &[NeededFact]) -> Value {
    let each = facts.iter().map(
        |fact| json!({ "name": fact.name, "type": fact.kind.as_str(), "question": fact.question }),
    );
    Value::Array(each.collect())
}

pub(super) fn decision_json(decision: &Decision) -> Value {
    match decision {
        Decision::Priced(prices) => prices.first().map_or_else(|| json!({}), price_json),
        Decision::NeedsFacts(facts) => json!({ "needs_facts": needed_json(facts) }),
        Decision::Refused(refusal) => {
            json!({ "refused": { "code": refusal.code(), "message": refusal.to_string() } })
        }
    }
}

fn price_json(price: &LinePrice) -> Value {
    let path = price.path.iter().map(|step| {
        let mut value = json!(step);
        value["text"] = json!(step.text());
        value
    });
    json!({
        "rule": price.rule,
        "fee_minor_units": price.fee,
        "refund_minor_units": price.refund,
        "citation": price.citation,
        "uncertainty": price.uncertainty.map(Uncertainty::as_str),
        "path": path.collect::<Vec<_>>(),
    })
}

pub(super) fn what_if_json(
    question: &Question<'_>,
    rows: &[Row],
    answers: &[Answer],
    open: &[NeededFact],
) -> Result<Value> {
    let mut boundaries = Vec::new();
    for (at, before, after) in rows {
        boundaries.push(json!({
            "until": format_instant(*at),
            "until_local": question.zone.in_figures(*at)?,
            "at": decision_json(before),
            "after": decision_json(after),
        }));
    }
    let answers = answers.iter().map(|(facts, decision)| {
        let told: BTreeMap<_, _> =
            facts.iter().map(|(name, value)| (name.as_str(), fact_json(value))).collect();
        json!({ "facts": told, "answer": decision_json(decision) })
    });
    Ok(json!({
        "policy": question.policy.id,
        "currency": question.args.currency,
        "time_zone": question.zone.name(),
        "boundaries": boundaries,
        "answers": answers.collect::<Vec<_>>(),
        "needs_facts": needed_json(open),
    }))
}

fn fact_json(value: &FactValue) -> Value {
    match value {
        FactValue::Bool(told) => json!(told),
        FactValue::Int(told) => json!(told),
        FactValue::String(told) => json!(told),
        FactValue::Timestamp(told) => json!(format_instant(*told)),
    }
}
