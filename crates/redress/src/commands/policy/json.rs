//! The answers of the policy commands for programs.
//!
//! Invariant: each answer is one JSON value, amounts are minor units, instants RFC 3339 in UTC.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use redress_calendar::format_instant;
use redress_policy::check::Report;
use redress_policy::{
    Answer, Decision, FactState, FactUse, FactValue, ImprovedBy, Improvement, Language, LinePrice,
    NeededFact, Pack, Policy, Uncertainty,
};
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

pub(super) fn pack_json(pack: &Pack) -> Value {
    let policy = pack.policy();
    json!({
        "id": pack.id,
        "display_name": policy.map(|policy| &policy.display_name),
        "citation": policy.map(|policy| &policy.citation),
        "status": policy.map(|policy| policy.status.as_str()),
        "mandatory": policy.map(|policy| policy.mandatory),
        "source": pack.source,
    })
}

fn needed_json(facts: &[NeededFact], language: Language) -> Value {
    let each = facts.iter().map(|fact| {
        let question = fact.question.in_language(language);
        json!({ "name": fact.name, "type": fact.kind.as_str(), "question": question })
    });
    Value::Array(each.collect())
}

pub(super) fn facts_json(policy: &Policy, facts: &[FactUse]) -> Value {
    let each = facts.iter().map(|fact| {
        let assumed = policy.declared(&fact.name).and_then(|fact| fact.assume.as_ref());
        match &fact.state {
            FactState::Used(value) => {
                json!({ "name": fact.name, "state": "USED", "value": fact_json(value) })
            }
            FactState::Missing => json!({ "name": fact.name, "state": "MISSING" }),
            FactState::Assumed(value) => json!({
                "name": fact.name,
                "state": "ASSUMED",
                "value": fact_json(value),
                "because": assumed.map(|assumption| &assumption.because),
            }),
        }
    });
    Value::Array(each.collect())
}

pub(super) fn improvements_json(improvements: &[Improvement]) -> Value {
    let each = improvements.iter().map(|improvement| {
        let mut told = match &improvement.by {
            ImprovedBy::Documents { code, kinds } => {
                json!({ "override": code.as_str(), "evidence": kinds })
            }
            ImprovedBy::Fact { name, document } => {
                json!({ "fact": name, "value": true, "document": document })
            }
        };
        let price = improvement.price.as_ref();
        told["refund_minor_units"] = json!(price.map(|price| price.refund));
        told["compensation"] = json!(price.and_then(|price| price.compensation.as_ref()));
        told
    });
    Value::Array(each.collect())
}

pub(super) fn decision_json(question: &Question<'_>, decision: &Decision) -> Value {
    let language = question.args.language;
    match decision {
        Decision::Priced(prices) => {
            prices.first().map_or_else(|| json!({}), |price| price_json(question, price))
        }
        Decision::NeedsFacts(facts) => json!({ "needs_facts": needed_json(facts, language) }),
        Decision::Review(reviews) => {
            let each = reviews.iter().map(|review| {
                let reason = review.reason.in_language(language);
                json!({ "rule": review.rule, "reason": reason, "citation": review.citation })
            });
            json!({ "review": each.collect::<Vec<_>>() })
        }
        Decision::Refused(refusal) => {
            json!({ "refused": { "code": refusal.code(), "message": refusal.to_string() } })
        }
    }
}

fn price_json(question: &Question<'_>, price: &LinePrice) -> Value {
    let path = price.path.iter().map(|step| {
        let mut value = json!(step);
        value["text"] = json!(step.text(question.args.language, Some(&question.policy)));
        value
    });
    json!({
        "rule": price.rule,
        "fee_minor_units": price.fee,
        "refund_minor_units": price.refund,
        "citation": price.citation,
        "compensation": price.compensation,
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
            "at": decision_json(question, before),
            "after": decision_json(question, after),
        }));
    }
    let answers = answers.iter().map(|(facts, decision)| {
        let told: BTreeMap<_, _> =
            facts.iter().map(|(name, value)| (name.as_str(), fact_json(value))).collect();
        json!({ "facts": told, "answer": decision_json(question, decision) })
    });
    Ok(json!({
        "policy": question.policy.id,
        "currency": question.args.currency,
        "time_zone": question.zone.name(),
        "boundaries": boundaries,
        "answers": answers.collect::<Vec<_>>(),
        "needs_facts": needed_json(open, question.args.language),
    }))
}

fn fact_json(value: &FactValue) -> Value {
    match value {
        FactValue::Bool(told) => json!(told),
        FactValue::Int(told) => json!(told),
        FactValue::String(told) => json!(told),
        FactValue::Timestamp(told) => json!(format_instant(*told)),
        FactValue::Duration(_) => json!(value.to_string()),
    }
}
