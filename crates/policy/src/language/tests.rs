//! Every step in every language.

use std::collections::BTreeSet;

use redress_core::money::Money;

use super::*;
use crate::vocabulary::{FixedFeePer, LineKind, OverrideCode, RoundingMode};

fn euros(minor_units: i64) -> Money {
    Money::new("EUR".parse().unwrap(), minor_units).unwrap()
}

fn until() -> Timestamp {
    redress_calendar::parse_instant("2026-12-17T14:30:00Z").unwrap()
}

fn rule() -> String {
    "two-days".to_owned()
}

fn zone() -> String {
    "Europe/Berlin".to_owned()
}

fn facts() -> KnownFacts {
    KnownFacts::from([
        ("channel".to_owned(), FactValue::String("web".to_owned())),
        ("days".to_owned(), FactValue::Int(3)),
        ("ill".to_owned(), FactValue::Bool(true)),
        ("late".to_owned(), FactValue::Bool(false)),
    ])
}

/// A situation for each kind of step, in the order of the kinds.
pub(super) fn every_step() -> Vec<Step> {
    [reasons(), amounts(), compensations()].concat()
}

fn reasons() -> Vec<Step> {
    let (until, condition) = (until(), "ill && !late".to_owned());
    let code = OverrideCode::Illness;
    let evidence = vec!["DEATH_CERTIFICATE".to_owned(), "KINSHIP".to_owned()];
    vec![
        Step::OverrideTooLate { rule: rule(), code, until, time_zone: zone() },
        Step::OverrideApplies { rule: rule(), code: OverrideCode::Death, evidence },
        Step::NoOverride { code: OverrideCode::Strike },
        Step::NoticeMissed {
            rule: rule(),
            notice: Notice::Hours(48),
            until: Some(until),
            time_zone: zone(),
        },
        Step::NoticeMet {
            rule: rule(),
            notice: Notice::CivilDays(5),
            until: Some(until),
            time_zone: zone(),
        },
        Step::NoticeUncertain { rule: rule(), notice: Notice::BusinessDays(3) },
        Step::ConditionMet { rule: rule(), condition: condition.clone(), facts: facts() },
        Step::ConditionNotMet { rule: rule(), condition, facts: KnownFacts::new() },
        Step::FeeKept { kind: LineKind::Tax },
        Step::NotRegulated,
        Step::TooLate { time_zone: zone(), start: until },
        Step::NothingHolds,
    ]
}

fn amounts() -> Vec<Step> {
    let gross = euros(10_781);
    let (base, fact) = (euros(8_000), "unused_part".to_owned());
    vec![
        Step::Share { gross, basis_points: 2550, kept: true },
        Step::ShareOf { base, fact, basis_points: 3000, kept: false },
        Step::RestByDays { done: 3, of: 10 },
        Step::CostKept { cost: euros(1_200), fact: "visa_cost".to_owned() },
        Step::FixedFee { fee: euros(500), per: FixedFeePer::Unit, units: 2 },
        Step::Rounded { to: euros(2750), step: euros(50), mode: RoundingMode::HalfUp },
        Step::Minimum { fee: euros(200) },
        Step::Maximum { fee: euros(3_000) },
        Step::Capped { gross: euros(150) },
        Step::Result { gross: euros(100), fee: euros(25), refund: euros(75) },
    ]
}

fn compensations() -> Vec<Step> {
    let per = FixedFeePer::Unit;
    vec![
        Step::NoCompensation,
        Step::CompensationFree { rule: rule() },
        Step::CompensationClaimed { rule: rule() },
        Step::CompensationFixed { rule: rule(), amount: euros(25_000), per, units: 2 },
        Step::CompensationShare { rule: rule(), gross: euros(10_781), basis_points: 2500 },
        Step::CompensationCost { rule: rule(), cost: euros(3_000) },
        Step::CompensationHalved { amount: euros(12_500), facts: KnownFacts::new() },
        Step::CompensationTooSmall { amount: euros(300), least: euros(400) },
        Step::CompensationDue { amount: euros(12_500) },
    ]
}

/// Steps that have less to tell than those of [`every_step`].
pub(super) fn sparse_steps() -> [Step; 9] {
    let (gross, per) = (euros(10_781), FixedFeePer::Line);
    let (notice, until) = (Notice::Until(until()), Some(until()));
    let (one_day, arena) = (Notice::CivilDays(1), "Europe/Arena".to_owned());
    let business_day = Notice::BusinessDays(1);
    let (code, evidence) = (OverrideCode::Death, Vec::new());
    [
        Step::NoticeMissed { rule: rule(), notice, until, time_zone: zone() },
        Step::NoticeMet { rule: rule(), notice: one_day, until, time_zone: arena },
        Step::NoticeMet { rule: rule(), notice: business_day, until: None, time_zone: zone() },
        Step::OverrideApplies { rule: rule(), code, evidence },
        Step::FeeKept { kind: LineKind::Fee },
        Step::Share { gross, basis_points: 100, kept: false },
        Step::FixedFee { fee: euros(250), per, units: 2 },
        Step::Rounded { to: euros(5390), step: euros(1), mode: RoundingMode::Down },
        Step::CompensationFixed { rule: rule(), amount: euros(25_000), per, units: 2 },
    ]
}

/// A policy with words in every language.
fn bereavement() -> Policy {
    let file = r#"
        id = "terms"
        display_name = "Terms"
        effective = 2026-01-01T00:00:00Z
        pay_within = "7 days"
        [citation]
        title = "Terms"
        [documents.DEATH_CERTIFICATE]
        en = "the death certificate"
        zh = "死亡证明"
        ru = "свидетельство о смерти"
        de = "die Sterbeurkunde"
        [[overrides]]
        code = "DEATH"
        rule = "bereavement"
        article = "§ 3"
        evidence = ["DEATH_CERTIFICATE"]
        condition = "quantity > 0"
        [overrides.words]
        en = "a traveller has died"
        zh = "旅客去世"
        ru = "пассажир умер"
        de = "eine reisende Person ist verstorben"
    "#;
    let report = crate::check::report(file);
    assert_eq!(report.problems, []);
    report.policy.unwrap()
}

/// What is read of a rule with words of its own, of its evidence, and of a rule free of
/// compensation.
#[track_caller]
pub(super) fn in_own_words(language: Language, sentences: [&str; 3]) {
    let (rule, condition) = ("bereavement".to_owned(), "quantity > 0".to_owned());
    let facts = KnownFacts::from([("quantity".to_owned(), FactValue::Int(1))]);
    let evidence = vec!["DEATH_CERTIFICATE".to_owned()];
    let policy = bereavement();
    let steps = [
        Step::ConditionMet { rule: rule.clone(), condition, facts },
        Step::OverrideApplies { rule: rule.clone(), code: OverrideCode::Death, evidence },
        Step::CompensationFree { rule },
    ];
    assert_eq!(steps.map(|step| step.text(language, Some(&policy))), sentences);
}

/// The place of a step's kind. A new kind belongs here and into [`every_step`], so that it is told
/// in every language.
const fn place(step: &Step) -> usize {
    match step {
        Step::OverrideTooLate { .. } => 0,
        Step::OverrideApplies { .. } => 1,
        Step::NoOverride { .. } => 2,
        Step::NoticeMissed { .. } => 3,
        Step::NoticeMet { .. } => 4,
        Step::NoticeUncertain { .. } => 5,
        Step::ConditionMet { .. } => 6,
        Step::ConditionNotMet { .. } => 7,
        Step::FeeKept { .. } => 8,
        Step::NotRegulated => 9,
        Step::TooLate { .. } => 10,
        Step::NothingHolds => 11,
        Step::Share { .. } => 12,
        Step::ShareOf { .. } => 13,
        Step::RestByDays { .. } => 14,
        Step::CostKept { .. } => 15,
        Step::FixedFee { .. } => 16,
        Step::Rounded { .. } => 17,
        Step::Minimum { .. } => 18,
        Step::Maximum { .. } => 19,
        Step::Capped { .. } => 20,
        Step::Result { .. } => 21,
        Step::NoCompensation => 22,
        Step::CompensationFree { .. } => 23,
        Step::CompensationClaimed { .. } => 24,
        Step::CompensationFixed { .. } => 25,
        Step::CompensationShare { .. } => 26,
        Step::CompensationCost { .. } => 27,
        Step::CompensationHalved { .. } => 28,
        Step::CompensationTooSmall { .. } => 29,
        Step::CompensationDue { .. } => 30,
    }
}

/// The rule ids and amounts inside a stored step.
fn named(stored: &serde_json::Value, found: &mut BTreeSet<String>) {
    if let Ok(amount) = serde_json::from_value::<Money>(stored.clone()) {
        found.insert(amount.to_string());
    } else if let Some(fields) = stored.as_object() {
        found.extend(fields.get("rule").and_then(|id| id.as_str()).map(ToOwned::to_owned));
        fields.values().for_each(|field| named(field, found));
    }
}

#[track_caller]
pub(super) fn reads(language: Language, step: &Step, sentence: &str) {
    assert_eq!(step.text(language, None), sentence);
    let stored = serde_json::to_string(step).unwrap();
    assert_eq!(serde_json::from_str::<Step>(&stored).unwrap(), *step);
}

/// Each of `steps` reads as the sentence in its place.
#[track_caller]
pub(super) fn all_read(language: Language, steps: &[Step], sentences: &[&str]) {
    assert_eq!(steps.len(), sentences.len());
    for (step, sentence) in steps.iter().zip(sentences) {
        reads(language, step, sentence);
    }
}

#[test]
fn every_kind_of_step_is_there() {
    let places: Vec<_> = every_step().iter().map(place).collect();
    assert_eq!(places, (0..31).collect::<Vec<_>>());
}

#[test]
fn every_step_is_a_sentence_in_every_language() {
    for language in Language::ALL {
        let stop = if language == Language::Zh { '。' } else { '.' };
        for step in every_step() {
            let text = step.text(language, None);
            assert!(text.ends_with(stop), "{language:?} {step:?}: {text}");
            assert_eq!(text.matches("  ").count(), 0, "{language:?}: {text}");
            let mut told = BTreeSet::new();
            named(&serde_json::to_value(&step).unwrap(), &mut told);
            for word in told {
                assert!(text.contains(&word), "{language:?} {word}: {text}");
            }
        }
    }
}

#[test]
fn everything_that_happens_has_words_of_its_own() {
    for language in Language::ALL {
        let text = |code: &OverrideCode| Step::NoOverride { code: *code }.text(language, None);
        let told: BTreeSet<_> = OverrideCode::ALL.iter().map(text).collect();
        assert_eq!(told.len(), OverrideCode::ALL.len(), "{language:?}");
    }
}

#[test]
fn figures_are_exact() {
    for (points, text) in [
        (0, "0 %"),
        (2500, "25 %"),
        (2550, "25.5 %"),
        (2505, "25.05 %"),
        (1, "0.01 %"),
        (30_000, "300 %"),
    ] {
        assert_eq!(percent(points, '.', " %"), text);
        assert_eq!(percent(points, ',', "%"), text.replace('.', ",").replace(' ', ""));
    }
}

#[test]
fn lists_end_with_and() {
    assert_eq!(joined::<&str>(&[], " and "), "");
    assert_eq!(joined(&["a"], " und "), "a");
    assert_eq!(joined(&["a", "b", "c"], " и "), "a, b и c");
}

#[test]
fn an_instant_is_told_once() {
    assert_eq!(unless_instant(Notice::Hours(1), "x".to_owned()), "x");
    assert_eq!(unless_instant(Notice::Until(Timestamp(0)), "x".to_owned()), "");
}
