//! `redress policy check`, `explain` and `what-if`: policy files on this machine, without a server.
//!
//! Invariant: every figure comes from the policy crate; what is shown here is only laid out here.

mod json;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use redress_calendar::{Zone, format_instant};
use redress_core::clock::{Clock as _, SystemClock, Timestamp};
use redress_core::money::Money;
use redress_policy::check::{Problem, Report, report};
use redress_policy::{
    Answer, Decision, FactKind, FactState, FactUse, FactValue, Improvement, Language, LineFacts,
    LinePrice, NeededFact, Pack, Policy, Situation, Status,
};
use serde_json::json;

use crate::cli::{AskArgs, CheckArgs, PacksArgs};
use crate::output;
use json::{check_json, decision_json, facts_json, improvements_json, pack_json, what_if_json};

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn problem_line(file: &Path, problem: &Problem) -> String {
    let path = if problem.path.is_empty() { String::new() } else { format!("{} ", problem.path) };
    format!("{}:{}: {path}{}", file.display(), problem.line, problem.reason)
}

/// The text of a policy file, or of the law that comes with Redress under this id.
pub(super) fn source(file: &Path) -> Result<String> {
    let pack = file.to_str().and_then(Pack::find).filter(|_| !file.exists());
    pack.map_or_else(|| read(file), |pack| Ok(pack.source.to_owned()))
}

/// The file, or the id, under which a report is told.
type Checked<'a> = (&'a Path, Report);

pub(super) fn check(args: &CheckArgs) -> Result<ExitCode> {
    let mut reports: Vec<Checked<'_>> = Vec::new();
    for file in &args.files {
        reports.push((file.as_path(), report(&source(file)?)));
    }
    if args.files.is_empty() {
        let all = Pack::all().iter();
        reports.extend(all.map(|pack| (Path::new(pack.id), pack.report().clone())));
    }
    let sound = reports.iter().all(|(_, report)| report.problems.is_empty());
    if args.json {
        output::json(&check_json(&reports))?;
    } else {
        for (file, report) in &reports {
            let name = file.display();
            if report.problems.is_empty() {
                let (passed, all) = (report.examples_passed, report.examples);
                output::line(format!("{name}: OK, {passed} of {all} examples"));
            }
            for problem in &report.problems {
                output::line(problem_line(file, problem));
            }
        }
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(super) fn packs(args: &PacksArgs) -> Result<()> {
    if let Some(id) = &args.id {
        let pack = Pack::find(id).with_context(|| {
            let ids: Vec<_> = Pack::all().iter().map(|pack| pack.id).collect();
            format!("no law with the id {id:?} comes with Redress; there are {}", ids.join(", "))
        })?;
        if args.json {
            return output::json(&pack_json(pack));
        }
        output::line(pack.source.trim_end());
        return Ok(());
    }
    if args.json {
        let all: Vec<_> = Pack::all().iter().map(pack_json).collect();
        return output::json(&json!({ "packs": all }));
    }
    let rows = Pack::all().iter().filter_map(|pack| {
        let policy = pack.policy()?;
        let status = policy.status.as_str().to_owned();
        Some([pack.id.to_owned(), status, policy.citation.title.clone()])
    });
    output::table(["id", "status", "citation"], rows);
    Ok(())
}

/// The policy of a file. One whose examples alone do not come true can be asked too, to see why.
fn usable(file: &Path, source: &str) -> Result<Policy> {
    let Report { policy, problems, .. } = report(source);
    let lines: Vec<_> = problems.iter().map(|problem| problem_line(file, problem)).collect();
    match policy {
        Some(policy) if problems.iter().all(|problem| problem.path.starts_with("examples[")) => {
            lines.iter().for_each(output::note);
            Ok(policy)
        }
        _ => bail!("the policy cannot be used\n{}", lines.join("\n")),
    }
}

/// The file with the switches as they are chosen.
pub(super) fn chosen(mut source: String, choices: &[String]) -> Result<String> {
    if choices.is_empty() {
        return Ok(source);
    }
    if source.lines().any(|line| line.trim() == "[choices]") {
        bail!("--choose: the file has [choices] of its own; change them there");
    }
    source.push_str("\n[choices]\n");
    for choice in choices {
        let (name, value) = choice.split_once('=').context("--choose: expected name=value")?;
        let pair = toml::Table::from_iter([(name.to_owned(), toml::Value::from(value))]);
        source.push_str(&pair.to_string());
    }
    Ok(source)
}

/// The question of a command, with what it is asked of.
struct Question<'a> {
    args: &'a AskArgs,
    policy: Policy,
    zone: Zone,
    at: Timestamp,
    gross: i64,
    facts: BTreeMap<String, FactValue>,
}

impl<'a> Question<'a> {
    fn read(args: &'a AskArgs) -> Result<Self> {
        let policy = usable(&args.file, &chosen(source(&args.file)?, &args.choices)?)?;
        let gross = Money::parse_decimal(args.currency, &args.price).context("--price")?;
        if gross.minor_units < 0 {
            bail!("--price: expected an amount that is not below zero");
        }
        let facts =
            args.facts.iter().map(|told| read_fact(&policy, told)).collect::<Result<_>>()?;
        let zone = Zone::named(&args.zone).context("--zone")?;
        let at = args.at.unwrap_or_else(|| SystemClock.now());
        Ok(Self { args, policy, zone, at, gross: gross.minor_units, facts })
    }

    fn line(&self) -> LineFacts<'_> {
        let args = self.args;
        LineFacts {
            id: "line",
            kind: args.kind,
            gross: self.gross,
            units: args.units,
            start: args.start,
            time_zone: self.zone.name(),
            event: &args.event,
            place: &args.place,
        }
    }

    fn with<T>(&self, at: Timestamp, ask: impl FnOnce(&Situation<'_>) -> T) -> T {
        let args = self.args;
        ask(&Situation {
            now: at,
            purchase: args.purchase.unwrap_or(self.policy.effective),
            channel: &args.channel,
            currency: args.currency,
            override_code: args.override_code,
            evidence: &args.evidence,
            facts: &self.facts,
            buyer_refunds: args.buyer_refunds,
            whole_order: !args.part,
            lines: &[self.line()],
        })
    }

    fn decide(&self, at: Timestamp) -> Decision {
        self.with(at, |situation| self.policy.price(situation))
    }

    fn amount(&self, minor_units: i64) -> String {
        Money { currency: self.args.currency, minor_units }.to_string()
    }

    /// What a reader should know of the policy before trusting its answer.
    fn remarks(&self) -> Vec<String> {
        let policy = &self.policy;
        let mut remarks = Vec::new();
        if policy.status != Status::Active {
            remarks.push(format!("The policy's status is {}.", policy.status.as_str()));
        }
        let purchase = self.args.purchase.unwrap_or(policy.effective);
        let outside =
            purchase < policy.effective || policy.expires.is_some_and(|until| purchase >= until);
        if outside {
            let from = format_instant(policy.effective);
            let until = policy.expires.map(|at| format!(" until before {}", format_instant(at)));
            let until = until.unwrap_or_default();
            remarks.push(format!("It applies to orders bought from {from} on{until}."));
        }
        remarks
    }
}

/// Reads `name=value` as the kind that the policy declares.
fn read_fact(policy: &Policy, told: &str) -> Result<(String, FactValue)> {
    let (name, value) = told.split_once('=').context("--fact: expected name=value")?;
    let Some(fact) = policy.facts.iter().find(|fact| fact.name == name) else {
        let known: Vec<_> = policy.facts.iter().map(|fact| fact.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        bail!("--fact: the policy has no fact {name:?}; it has {known}");
    };
    let expected = match fact.kind {
        FactKind::Bool => "true or false",
        FactKind::Int => "a whole number",
        FactKind::String => "a text",
        FactKind::Timestamp => "an instant such as 2026-12-19T14:30:00Z",
        FactKind::Duration => "a length of time such as 3:00:01 or 2h30m",
    };
    let value = fact.kind.value(value);
    let value = value.with_context(|| format!("--fact: {name} is {expected}"))?;
    Ok((name.to_owned(), value))
}

pub(super) fn explain(args: &AskArgs) -> Result<ExitCode> {
    let question = Question::read(args)?;
    let decision = question.decide(question.at);
    let priced = matches!(decision, Decision::Priced(_));
    if args.json {
        let mut answer = decision_json(&question, &decision);
        answer["facts"] = question.with(question.at, |situation| {
            facts_json(&question.policy, &question.policy.facts_of(situation, &decision))
        });
        answer["improvements"] = question.with(question.at, |situation| {
            improvements_json(&question.policy.improvements(situation, &decision))
        });
        answer["policy"] = json!(question.policy.id);
        answer["currency"] = json!(args.currency);
        answer["at"] = json!(format_instant(question.at));
        output::json(&answer)?;
    } else {
        question.remarks().iter().for_each(output::line);
        show(&question, &decision)?;
    }
    Ok(if priced { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(question: &Question<'_>, decision: &Decision) -> Result<()> {
    let language = question.args.language;
    match decision {
        Decision::Priced(prices) => {
            for price in prices {
                question.policy.explain(price, language).iter().for_each(output::line);
                output::line(format!("Rule: {} ({})", price.rule, citation(price)));
                output::line(format!("Fee: {}", question.amount(price.fee)));
                output::line(format!("Refund: {}", question.amount(price.refund)));
                if let Some(due) = &price.compensation {
                    let amount =
                        due.amount.map_or_else(|| "to be claimed".to_owned(), |a| a.to_string());
                    output::line(format!("Compensation: {amount} (rule {})", due.rule));
                }
                if let Some(uncertainty) = price.uncertainty {
                    output::line(format!("Uncertain: {}", uncertainty.as_str()));
                }
            }
            let ask = |situation: &Situation<'_>| {
                let facts = question.policy.facts_of(situation, decision);
                let better = question.policy.improvements(situation, decision);
                (question.policy.legal_clock(situation, &question.line()), facts, better)
            };
            let (clock, facts, better) = question.with(question.at, ask);
            let clock = clock?;
            show_assumed(question, &facts);
            show_improvements(question, &better);
            let by = question.zone.in_words(clock.due)?;
            let earliest = if clock.uncertainty.is_some() { ", or later" } else { "" };
            let asked = question.zone.in_words(question.at)?;
            output::line(format!("Asked for on {asked}, it is to be paid by {by}{earliest}."));
        }
        Decision::NeedsFacts(facts) => {
            output::line("The answer depends on what nobody has told yet:");
            facts.iter().map(|fact| needed(fact, language)).for_each(output::line);
        }
        Decision::Review(reviews) => {
            for review in reviews {
                let (rule, title) = (&review.rule, &review.citation.title);
                output::line(format!("A person has to decide, by rule {rule} ({title}):"));
                output::line(format!("  {}", review.reason.in_language(language)));
            }
        }
        Decision::Refused(refusal) => {
            output::line(format!("Not priced ({}): {refusal}.", refusal.code()));
        }
    }
    Ok(())
}

/// What the answer rests on as long as nobody shows otherwise.
fn show_assumed(question: &Question<'_>, facts: &[FactUse]) {
    for fact in facts {
        let FactState::Assumed(value) = &fact.state else { continue };
        let declared = question.policy.declared(&fact.name);
        let because = declared.and_then(|fact| fact.assume.as_ref());
        let because = because.map_or("", |assumption| assumption.because.as_str());
        output::line(format!("Assumed: {} is {value} ({because}).", fact.name));
    }
}

/// What would change the answer in the buyer's favour.
fn show_improvements(question: &Question<'_>, improvements: &[Improvement]) {
    let (currency, language) = (question.args.currency, question.args.language);
    let texts =
        improvements.iter().map(|i| question.policy.improvement_text(i, currency, language));
    texts.for_each(output::line);
}

fn citation(price: &LinePrice) -> String {
    let uri = &price.citation.uri;
    let uri = if uri.is_empty() { String::new() } else { format!(", {uri}") };
    format!("{}{uri}", price.citation.title)
}

/// A question, and the option that answers it.
fn needed(fact: &NeededFact, language: Language) -> String {
    let option = if fact.name == redress_policy::BUYER_REFUNDS {
        "--buyer-refunds N".to_owned()
    } else {
        format!("--fact {}=<{}>", fact.name, fact.kind.as_str())
    };
    format!("  {} ({option})", fact.question.in_language(language))
}

pub(super) fn what_if(args: &AskArgs) -> Result<ExitCode> {
    let question = Question::read(args)?;
    let boundaries = question
        .with(question.at, |situation| question.policy.boundaries(situation, &question.line()))?;
    let (answers, open) =
        question.with(question.at, |situation| question.policy.answers(situation));
    // A single answer that needs no telling is what the first table shows already.
    let asked = answers.iter().any(|(facts, _)| facts.len() > question.facts.len());
    let answers = if asked { answers } else { Vec::new() };
    let rows: Vec<_> = boundaries
        .into_iter()
        .map(|at| (at, question.decide(at), question.decide(Timestamp(at.0.saturating_add(1)))))
        .collect();
    if args.json {
        output::json(&what_if_json(&question, &rows, &answers, &open)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    question.remarks().iter().for_each(output::line);
    show_boundaries(&question, &rows)?;
    show_answers(&question, &answers);
    if !open.is_empty() {
        output::line("Answers to these cannot be tried one by one; tell them:");
        let language = question.args.language;
        open.iter().map(|fact| needed(fact, language)).for_each(output::line);
    }
    Ok(ExitCode::SUCCESS)
}

/// A boundary, and what is answered at it and right after it.
type Row = (Timestamp, Decision, Decision);

/// Rule, fee and refund, or what stands in their way; with what is owed besides.
fn cells(question: &Question<'_>, decision: &Decision) -> [String; 3] {
    match decision {
        Decision::Priced(prices) => prices.first().map_or_else(Default::default, |price| {
            let owed = price.compensation.as_ref().map_or_else(String::new, |due| {
                let amount = due.amount.map_or_else(|| "a claim".to_owned(), |a| a.to_string());
                format!(", {amount} by {}", due.rule)
            });
            let refund = format!("{}{owed}", question.amount(price.refund));
            [price.rule.clone(), question.amount(price.fee), refund]
        }),
        Decision::NeedsFacts(facts) => {
            let names: Vec<_> = facts.iter().map(|fact| fact.name.as_str()).collect();
            [format!("depends on {}", names.join(", ")), String::new(), String::new()]
        }
        Decision::Review(reviews) => {
            let rules: Vec<_> = reviews.iter().map(|review| review.rule.as_str()).collect();
            [format!("a person decides: {}", rules.join(", ")), String::new(), String::new()]
        }
        Decision::Refused(refusal) => [refusal.code().to_owned(), String::new(), String::new()],
    }
}

fn show_boundaries(question: &Question<'_>, rows: &[Row]) -> Result<()> {
    let until = format!("up to and including ({})", question.zone.name());
    let mut table = Vec::new();
    for (at, before, after) in rows {
        let [rule, fee, refund] = cells(question, before);
        let [then, then_fee, then_refund] = cells(question, after);
        let local = question.zone.in_figures(*at)?;
        table.push([local, rule, fee, refund, then, then_fee, then_refund]);
    }
    output::table([&until, "rule", "fee", "refund", "after it", "fee", "refund"], table);
    Ok(())
}

fn show_answers(question: &Question<'_>, answers: &[Answer]) {
    if answers.is_empty() {
        return;
    }
    let rows = answers.iter().map(|(facts, decision)| {
        let told = facts.iter().filter(|(name, _)| !question.facts.contains_key(*name));
        let told: Vec<_> = told.map(|(name, value)| format!("{name} = {value}")).collect();
        let [rule, fee, refund] = cells(question, decision);
        [told.join(", "), rule, fee, refund]
    });
    output::table(["asked for at the time, if", "rule", "fee", "refund"], rows);
}

#[cfg(test)]
mod tests;
