mod clock;
mod compensate;
mod path;

use std::collections::BTreeMap;

use proptest::prelude::*;
use redress_calendar::parse_instant;
use redress_core::clock::Timestamp;
use redress_core::id::PolicyId;

use super::*;
use crate::condition::Condition;
use crate::facts::{FactDeclaration, FactValue};
use crate::model::{Charge, Citation, Notice, Override, PolicyCalendar, Rounding, Terms, Tier};
use crate::notice::tests::calendar;
use crate::situation::{LineFacts, Uncertainty};
use crate::step::Step;
use crate::texts::Texts;
use crate::vocabulary::{LineKind, OverrideCode, RoundingMode};

fn at(text: &str) -> Timestamp {
    parse_instant(text).unwrap()
}

fn citation(title: &str) -> Citation {
    Citation { title: title.to_owned(), uri: String::new() }
}

fn fact(name: &str) -> FactDeclaration {
    let question = Texts::One(format!("{name}?"));
    let (name, kind) = (name.to_owned(), FactKind::Bool);
    FactDeclaration { name, kind, question, assume: None, document: None }
}

/// Everything until two weeks before, half until two days before.
fn policy() -> Policy {
    Policy {
        tiers: vec![Tier::hours("two-weeks", 336, 0), Tier::hours("two-days", 48, 5000)],
        facts: vec![fact("ill"), fact("member"), fact("proven")],
        ..Policy::new(PolicyId::new("standard").unwrap(), "Standard", citation("Terms"))
    }
}

/// A question to [`policy`] in a form that tests can change.
#[derive(Clone)]
struct Ask {
    now: Timestamp,
    code: Option<OverrideCode>,
    evidence: Vec<String>,
    facts: BTreeMap<String, FactValue>,
    buyer_refunds: Option<u32>,
    whole_order: bool,
    line: LineFacts<'static>,
}

/// One ticket of 107.81 EUR, three days before the start.
fn ask() -> Ask {
    Ask {
        now: at("2026-12-16T14:30:00Z"),
        code: None,
        evidence: Vec::new(),
        facts: BTreeMap::new(),
        buyer_refunds: None,
        whole_order: true,
        line: LineFacts {
            id: "p1",
            kind: LineKind::Ticket,
            gross: 10_781,
            units: 1,
            start: at("2026-12-19T14:30:00Z"),
            time_zone: "Europe/Berlin",
            event: "gala",
            place: "Arena",
        },
    }
}

impl Ask {
    fn told(mut self, name: &str, value: bool) -> Self {
        self.facts.insert(name.to_owned(), FactValue::Bool(value));
        self
    }

    fn claiming(mut self, code: OverrideCode, evidence: &[&str]) -> Self {
        self.code = Some(code);
        self.evidence = evidence.iter().map(|kind| (*kind).to_owned()).collect();
        self
    }

    fn of(&self, policy: &Policy) -> Decision {
        self.of_lines(policy, &[self.line])
    }

    fn of_lines(&self, policy: &Policy, lines: &[LineFacts<'_>]) -> Decision {
        self.about(lines, |situation| policy.price(situation))
    }

    fn with<T>(&self, ask: impl FnOnce(&Situation<'_>) -> T) -> T {
        self.about(&[self.line], ask)
    }

    fn about<T>(&self, lines: &[LineFacts<'_>], ask: impl FnOnce(&Situation<'_>) -> T) -> T {
        ask(&Situation {
            now: self.now,
            purchase: at("2026-12-15T16:00:00Z"),
            channel: "web",
            currency: "EUR".parse().unwrap(),
            override_code: self.code,
            evidence: &self.evidence,
            facts: &self.facts,
            buyer_refunds: self.buyer_refunds,
            whole_order: self.whole_order,
            lines,
        })
    }

    #[track_caller]
    fn price(&self, policy: &Policy) -> LinePrice {
        match self.of(policy) {
            Decision::Priced(mut prices) if prices.len() == 1 => prices.remove(0),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn rule(&self, policy: &Policy) -> String {
        self.price(policy).rule
    }

    #[track_caller]
    fn needs(&self, policy: &Policy) -> Vec<String> {
        match self.of(policy) {
            Decision::NeedsFacts(facts) => facts.into_iter().map(|fact| fact.name).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn refusal(&self, policy: &Policy) -> Refusal {
        match self.of(policy) {
            Decision::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }
}

fn with_tier(change: impl FnOnce(&mut Tier)) -> Policy {
    let mut policy = policy();
    change(&mut policy.tiers[0]);
    policy
}

#[test]
fn the_first_tier_whose_notice_is_met_decides() {
    let start = ask().line.start.0;
    let hours = |hours: i64| Timestamp(start - hours * 3_600_000_000);
    for (now, rule, refund) in [
        (hours(336), "two-weeks", 10_781),
        (Timestamp(hours(336).0 + 1), "two-days", 5_391),
        (hours(48), "two-days", 5_391),
        (Timestamp(hours(48).0 + 1), TOO_LATE, 0),
        (Timestamp(start + 1), TOO_LATE, 0),
    ] {
        let price = Ask { now, ..ask() }.price(&policy());
        assert_eq!((price.rule.as_str(), price.refund), (rule, refund));
        assert_eq!(price.fee, 10_781 - refund);
        assert_eq!(price.citation, citation("Terms"));
    }
}

#[test]
fn every_basis_has_its_own_boundary() {
    for (notice, last) in [
        (Notice::CivilDays(3), "2026-12-16T22:59:59.999999Z"),
        (Notice::Until(at("2026-12-16T20:00:00Z")), "2026-12-16T20:00:00Z"),
        (Notice::BusinessDays(2), "2026-12-17T22:59:59.999999Z"),
        (Notice::Hours(72), "2026-12-16T14:30:00Z"),
    ] {
        let mut policy = with_tier(|tier| tier.notice = notice);
        policy.calendar = Some(PolicyCalendar::Own(calendar()));
        policy.tiers.truncate(1);
        let last = at(last);
        assert_eq!(Ask { now: last, ..ask() }.rule(&policy), "two-weeks", "{notice:?}");
        let after = Timestamp(last.0 + 1);
        assert_eq!(Ask { now: after, ..ask() }.rule(&policy), TOO_LATE, "{notice:?}");
    }
}

#[test]
fn fees_and_taxes_stay_unless_a_tier_names_them_or_the_policy_refunds_them() {
    let early = |kind| {
        let mut early = ask();
        early.now = at("2026-11-01T10:00:00Z");
        early.line.kind = kind;
        early
    };
    for kind in [LineKind::Fee, LineKind::Tax] {
        let kept = early(kind).price(&policy());
        assert_eq!((kept.rule.as_str(), kept.fee, kept.refund), (FEE_KEPT, 10_781, 0));
        let generous = Policy { refunds_fees: true, ..policy() };
        assert_eq!(early(kind).rule(&generous), "two-weeks");
        let named = with_tier(|tier| tier.kinds = vec![LineKind::Ticket, LineKind::Tax]);
        let expected = if kind == LineKind::Tax { "two-weeks" } else { FEE_KEPT };
        assert_eq!(early(kind).rule(&named), expected);
    }
    let tickets_only = with_tier(|tier| tier.kinds = vec![LineKind::Ticket]);
    assert_eq!(early(LineKind::Seat).rule(&tickets_only), "two-days");
}

#[test]
fn a_policy_answers_only_for_what_it_is_about() {
    let tickets = Policy { kinds: vec![LineKind::Ticket], ..policy() };
    assert_eq!(ask().rule(&tickets), "two-days");
    let mut other = ask();
    other.line.kind = LineKind::Seat;
    assert_eq!(other.refusal(&tickets), Refusal::KindNotCovered(LineKind::Seat));
    other.line.kind = LineKind::Fee;
    assert_eq!(other.rule(&tickets), FEE_KEPT);
}

#[test]
fn conditions_choose_among_tiers_whose_notice_is_met() {
    let policy = with_tier(|tier| {
        tier.notice = Notice::Hours(0);
        tier.condition = Some(Condition::new("ill && proven"));
    });
    assert_eq!(ask().told("ill", true).told("proven", true).rule(&policy), "two-weeks");
    assert_eq!(ask().told("ill", false).rule(&policy), "two-days");
    assert_eq!(ask().told("proven", false).rule(&policy), "two-days");
    assert_eq!(ask().needs(&policy), ["ill", "proven"]);
    assert_eq!(ask().told("ill", true).needs(&policy), ["proven"]);
    let mut late = ask().told("ill", false);
    late.now = late.line.start;
    assert_eq!(late.rule(&policy), CONDITION_NOT_MET);
    late.now = Timestamp(late.line.start.0 + 1);
    assert_eq!(late.rule(&policy), TOO_LATE);
}

#[test]
fn facts_are_asked_for_only_where_they_can_matter() {
    let mut policy = with_tier(|tier| tier.condition = Some(Condition::new("ill")));
    // The notice of the tier that asks is not met.
    assert_eq!(ask().rule(&policy), "two-days");
    // All that the search passes on its way is asked for at once, in the order declared.
    policy.tiers[0].notice = Notice::Hours(60);
    policy.tiers[1].condition = Some(Condition::new("member"));
    policy.tiers.push(Tier::hours("rest", 0, 9000));
    policy.tiers.push(Tier {
        condition: Some(Condition::new("proven")),
        ..Tier::hours("never-reached", 0, 9000)
    });
    assert_eq!(ask().needs(&policy), ["ill", "member"]);
    assert_eq!(ask().told("member", true).needs(&policy), ["ill"]);
    assert_eq!(ask().told("ill", true).rule(&policy), "two-weeks");
    assert_eq!(ask().told("ill", false).told("member", false).rule(&policy), "rest");
    let Decision::NeedsFacts(needed) = ask().of(&policy) else { panic!("facts are missing") };
    assert_eq!((needed[0].question.clone(), needed[0].kind), ("ill?".into(), FactKind::Bool));
}

#[test]
fn every_builtin_fact_has_its_value() {
    for condition in [
        "kind == 'TICKET'",
        "event == 'gala'",
        "place == 'Arena'",
        "channel == 'web'",
        "quantity == 1",
        "gross_minor_units == 10781",
        "currency == 'EUR'",
        "whole_order",
        "now == timestamp('2026-12-16T14:30:00Z')",
        "purchase == timestamp('2026-12-15T16:00:00Z')",
        "start - now == duration('72h')",
        "hours_before_start == 72",
        "days_before_start == 3",
        "hours_since_purchase == 22",
        "buyer_refunds == 2",
    ] {
        let policy = with_tier(|tier| {
            tier.notice = Notice::Hours(0);
            tier.condition = Some(Condition::new(condition));
        });
        let known = Ask { buyer_refunds: Some(2), ..ask() };
        assert_eq!(known.rule(&policy), "two-weeks", "{condition}");
        // The fact stands in the path as what it is.
        let name = condition.split(' ').next().unwrap();
        let told = known.price(&policy).path.into_iter().find_map(|step| match step {
            Step::ConditionMet { facts, .. } => facts.get(name).map(FactValue::kind),
            _ => None,
        });
        let builtin = crate::BUILTINS.iter().find(|fact| fact.name == name).unwrap();
        assert_eq!(told, Some(builtin.kind), "{condition}");
    }
    let policy = with_tier(|tier| {
        tier.notice = Notice::Hours(0);
        tier.condition = Some(Condition::new("buyer_refunds == 0"));
    });
    assert_eq!(ask().needs(&policy), [BUYER_REFUNDS]);
}

#[test]
fn what_cannot_be_evaluated_is_refused_with_the_rule() {
    let policy = with_tier(|tier| {
        tier.notice = Notice::Hours(0);
        tier.condition = Some(Condition::new("100 / (quantity - 1) > 3"));
    });
    let Refusal::ConditionFailed { rule, reason } = ask().refusal(&policy) else {
        panic!("nothing can be divided by zero")
    };
    assert_eq!(rule, "two-weeks");
    assert!(reason.contains("Division by zero"), "{reason}");
}

#[test]
fn overrides_replace_the_tiers_when_they_are_proven() {
    let mut policy = policy();
    policy.overrides = vec![
        Override {
            evidence: vec!["DEATH_CERTIFICATE".to_owned(), "KINSHIP_PROOF".to_owned()],
            kinds: vec![LineKind::Ticket],
            until_hours_after_start: Some(24),
            citation: Some(citation("Section 9")),
            ..Override::full(OverrideCode::Death, "mourning")
        },
        Override {
            terms: Terms { charge: Charge::Fee(1000), ..Terms::default() },
            ..Override::full(OverrideCode::EventCancelled, "cancelled")
        },
    ];
    let death = |evidence: &[&str]| ask().claiming(OverrideCode::Death, evidence);
    let both = ["KINSHIP_PROOF", "DEATH_CERTIFICATE", "LETTER"];
    let price = death(&both).price(&policy);
    assert_eq!((price.rule.as_str(), price.refund), ("mourning", 10_781));
    assert_eq!(price.citation, citation("Section 9"));
    let lacking = Refusal::EvidenceRequired(vec!["DEATH_CERTIFICATE".to_owned()]);
    assert_eq!(death(&["KINSHIP_PROOF"]).refusal(&policy), lacking);
    // The same booking without the code is unchanged.
    assert_eq!(ask().rule(&policy), "two-days");
    // Until a day after the start; then the tiers decide.
    let mut late = death(&both);
    late.now = Timestamp(late.line.start.0 + 24 * 3_600_000_000);
    assert_eq!(late.rule(&policy), "mourning");
    late.now = Timestamp(late.now.0 + 1);
    let price = late.price(&policy);
    assert_eq!(price.rule, TOO_LATE);
    assert!(matches!(price.path[0], Step::OverrideTooLate { .. }));
    assert!(matches!(price.path[1], Step::NoOverride { code: OverrideCode::Death }));
    // Lines that it does not cover are left to the tiers; without kinds it covers fees too.
    let mut fee = death(&both);
    fee.line.kind = LineKind::Fee;
    assert_eq!(fee.rule(&policy), FEE_KEPT);
    fee = fee.claiming(OverrideCode::EventCancelled, &[]);
    let price = fee.price(&policy);
    assert_eq!((price.rule.as_str(), price.fee), ("cancelled", 1_078));
    let strike = ask().claiming(OverrideCode::Strike, &[]).refusal(&policy);
    assert_eq!(strike, Refusal::OverrideNotOffered(OverrideCode::Strike));
}

#[test]
fn overrides_have_conditions_and_alternatives() {
    let mut policy = policy();
    let illness = |rule: &str| Override::full(OverrideCode::Illness, rule);
    policy.overrides = vec![
        Override { condition: Some(Condition::new("ill")), ..illness("told") },
        Override { evidence: vec!["SICK_NOTE".to_owned()], ..illness("noted") },
        Override { evidence: vec!["MEDICAL_RECORD".to_owned()], ..illness("recorded") },
    ];
    let claim = |evidence: &[&str]| ask().claiming(OverrideCode::Illness, evidence);
    assert_eq!(claim(&[]).told("ill", true).rule(&policy), "told");
    assert_eq!(claim(&["MEDICAL_RECORD"]).told("ill", false).rule(&policy), "recorded");
    assert_eq!(claim(&["SICK_NOTE"]).told("ill", false).rule(&policy), "noted");
    // Not known whether the first applies: asked for, whether there is evidence or not.
    assert_eq!(claim(&["SICK_NOTE"]).needs(&policy), ["ill"]);
    assert_eq!(claim(&[]).needs(&policy), ["ill"]);
    let first = Refusal::EvidenceRequired(vec!["SICK_NOTE".to_owned()]);
    assert_eq!(claim(&[]).told("ill", false).refusal(&policy), first);
}

#[test]
fn limits_hold_for_withdrawals_and_not_for_overrides() {
    let mut policy = Policy { whole_order: true, ..policy() };
    policy.overrides = vec![Override::full(OverrideCode::EventCancelled, "cancelled")];
    let part = Ask { whole_order: false, ..ask() };
    assert_eq!(part.refusal(&policy), Refusal::WholeOrderOnly);
    assert_eq!(ask().rule(&policy), "two-days");
    let cancelled = part.claiming(OverrideCode::EventCancelled, &[]);
    assert_eq!(cancelled.rule(&policy), "cancelled");
    // As long as the override may apply, it is not known whether the limit does.
    policy.overrides[0].condition = Some(Condition::new("proven"));
    assert_eq!(cancelled.needs(&policy), ["proven"]);
    let unproven = cancelled.told("proven", false);
    assert_eq!(unproven.refusal(&policy), Refusal::WholeOrderOnly);
    policy.overrides[0].condition = None;
    policy.whole_order = false;
    policy.once_per_buyer = true;
    assert_eq!(ask().needs(&policy), [BUYER_REFUNDS]);
    assert_eq!(Ask { buyer_refunds: Some(0), ..ask() }.rule(&policy), "two-days");
    let again = Ask { buyer_refunds: Some(1), ..ask() };
    assert_eq!(again.refusal(&policy), Refusal::BuyerLimit);
    assert_eq!(again.claiming(OverrideCode::EventCancelled, &[]).rule(&policy), "cancelled");
}

#[test]
fn amounts_and_facts_have_to_fit_the_policy() {
    let pounds = Policy { currency: Some("GBP".parse().unwrap()), ..policy() };
    let refusal = ask().refusal(&pounds);
    assert_eq!(refusal.to_string(), "the policy prices orders in GBP, not in EUR");
    let euros = Policy { currency: Some("EUR".parse().unwrap()), ..policy() };
    assert_eq!(ask().rule(&euros), "two-days");
    let mut wrong = ask();
    wrong.facts.insert("ill".to_owned(), FactValue::Int(1));
    let refusal = wrong.refusal(&policy());
    assert_eq!(refusal.to_string(), "the fact ill is of type bool, not int");
    let mut foreign = ask();
    foreign.facts.insert("other_policys_fact".to_owned(), FactValue::Int(1));
    assert_eq!(foreign.rule(&policy()), "two-days");
}

#[test]
fn a_place_without_a_known_zone_has_no_local_time() {
    let mut nowhere = ask();
    nowhere.line.time_zone = "Europe/Arena";
    let refusal = nowhere.refusal(&policy());
    assert!(matches!(&refusal, Refusal::NoLocalTime { line, .. } if line == "p1"), "{refusal}");
    assert_eq!(refusal.code(), "NO_LOCAL_TIME");
}

#[test]
fn beyond_the_calendar_the_buyer_gets_the_better_price_flagged() {
    let mut policy = with_tier(|tier| tier.notice = Notice::BusinessDays(3));
    policy.calendar = Some(PolicyCalendar::Own(calendar()));
    let mut beyond = ask();
    beyond.line.start = at("2027-01-05T14:30:00Z");
    beyond.now = at("2026-12-30T10:00:00Z");
    let price = beyond.price(&policy);
    assert_eq!(price.rule, "two-weeks");
    assert_eq!(price.uncertainty, Some(Uncertainty::CalendarOutOfRange));
    assert!(matches!(price.path[0], Step::NoticeUncertain { .. }));
    beyond.now = at("2026-12-29T10:00:00Z");
    assert_eq!(beyond.price(&policy).uncertainty, None);
}

#[test]
fn lines_are_priced_in_their_order_and_one_refusal_is_for_all() {
    let mut fee = ask().line;
    fee.kind = LineKind::Fee;
    let Decision::Priced(prices) = ask().of_lines(&policy(), &[fee, ask().line]) else {
        panic!("both can be priced")
    };
    let rules: Vec<_> = prices.iter().map(|price| price.rule.as_str()).collect();
    assert_eq!(rules, [FEE_KEPT, "two-days"]);
    let nowhere = LineFacts { time_zone: "", ..fee };
    let decision = ask().of_lines(&policy(), &[fee, nowhere]);
    assert!(matches!(decision, Decision::Refused(Refusal::NoLocalTime { .. })));
    assert_eq!(ask().of_lines(&policy(), &[]), Decision::Priced(Vec::new()));
}

proptest! {
    #[test]
    fn fee_and_refund_sum_to_the_gross(
        gross in -10..=redress_core::money::MAX_MINOR_UNITS,
        hours_before in -10..2_000_i64,
        points in 0..=10_000_u16,
        kind in prop::sample::select(LineKind::ALL),
        refunds_fees in any::<bool>(),
    ) {
        let mut policy = Policy { refunds_fees, ..policy() };
        policy.tiers[1].terms.charge = Charge::Fee(points);
        let mut ask = ask();
        ask.now = Timestamp(ask.line.start.0 - hours_before * 3_600_000_000);
        (ask.line.gross, ask.line.kind) = (gross, kind);
        let price = ask.price(&policy);
        prop_assert_eq!(price.fee + price.refund, gross.max(0));
        prop_assert!(price.fee >= 0 && price.refund >= 0);
        let last = price.path.last();
        prop_assert!(matches!(last, Some(Step::Result { .. })), "{:?}", last);
    }
}
