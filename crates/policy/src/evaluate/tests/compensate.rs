use super::*;
use crate::check::check;
use crate::compensation::CompensationDue;
use crate::declared::Switch;

/// Compensation by delay, in each way of paying.
fn rail() -> Policy {
    check(
        r#"
id = "rail"
display_name = "Rail"
effective = 2026-01-01T00:00:00Z
pay_within = "1 month"
[citation]
title = "Law"
[[facts]]
name = "late"
type = "duration"
question = "How late?"
[[facts]]
name = "force"
type = "bool"
question = "Force majeure?"
assume = false
because = "The carrier proves it"
[[facts]]
name = "cost"
type = "int"
question = "What did it cost?"
[[compensations]]
codes = ["JOURNEY_DELAYED"]
rule = "force"
article = "Art. 1"
condition = "force"
nothing = true
[[compensations]]
codes = ["JOURNEY_DELAYED", "BOARDING_DENIED"]
rule = "lost"
article = "Art. 2"
condition = "late >= duration(\"24h\")"
claim = true
[[compensations]]
codes = ["JOURNEY_DELAYED"]
rule = "half"
article = "Art. 3"
condition = "late >= duration(\"2h\")"
basis_points = 5000
nothing_below = "EUR 4.00"
[[compensations]]
codes = ["JOURNEY_DELAYED"]
rule = "odd"
article = "Art. 4"
condition = "late == duration(\"61m\")"
review = "sixty-one minutes are odd"
[[compensations]]
codes = ["JOURNEY_DELAYED"]
rule = "fixed"
article = "Art. 5"
condition = "late >= duration(\"1h\")"
amount = "GBP 12.50"
halved_when = "late < duration(\"90m\")"
halved_article = "Art. 6"
[[compensations]]
codes = ["STRIKE"]
rule = "hotel"
article = "Art. 7"
cost_fact = "cost"
maximum_basis_points = 5000
"#,
    )
    .unwrap()
}

fn late(text: &str) -> Ask {
    let mut ask = ask().claiming(OverrideCode::JourneyDelayed, &[]);
    ask.line.units = 3;
    let late = FactKind::Duration.value(text).unwrap();
    ask.facts.insert("late".to_owned(), late);
    ask
}

#[track_caller]
fn owed(ask: &Ask) -> Option<(String, String, Option<String>)> {
    let due: Option<CompensationDue> = ask.price(&rail()).compensation;
    due.map(|due| (due.rule, due.citation.title, due.amount.map(|amount| amount.to_string())))
}

fn row(rule: &str, title: &str, amount: &str) -> (String, String, Option<String>) {
    (rule.to_owned(), format!("Law, {title}"), Some(amount.to_owned()))
}

#[test]
fn the_first_row_that_is_for_the_case_decides() {
    assert_eq!(owed(&late("0:59:59")), None);
    assert_eq!(owed(&late("1:00:00")), Some(row("fixed", "Art. 6", "GBP 18.75")));
    assert_eq!(owed(&late("1:30:00")), Some(row("fixed", "Art. 5", "GBP 37.50")));
    assert_eq!(owed(&late("2:00:00")), Some(row("half", "Art. 3", "EUR 53.91")));
    assert_eq!(owed(&late("24h")).unwrap().2, None, "a claim has no amount");
    assert_eq!(owed(&late("2:00:00").told("force", true)), None);
}

#[test]
fn what_need_not_be_paid_is_not_owed() {
    let mut small = late("2:00:00");
    small.line.gross = 799;
    assert_eq!(
        owed(&small),
        Some(row("half", "Art. 3", "EUR 4.00")),
        "half of 7.99 is rounded first"
    );
    small.line.gross = 798;
    assert_eq!(owed(&small), None);
    assert!(
        small.price(&rail()).path.iter().any(|s| matches!(s, Step::CompensationTooSmall { .. }))
    );
}

#[test]
fn a_cost_is_made_good_up_to_its_bound() {
    let mut strike = ask().claiming(OverrideCode::Strike, &[]);
    assert_eq!(strike.needs(&rail()), ["cost"]);
    for (cost, amount) in [(100, "EUR 1.00"), (5_391, "EUR 53.91"), (9_999, "EUR 53.91")] {
        strike.facts.insert("cost".to_owned(), FactValue::Int(cost));
        assert_eq!(owed(&strike), Some(row("hotel", "Art. 7", amount)));
    }
    strike.facts.insert("cost".to_owned(), FactValue::Int(-1));
    assert_eq!(owed(&strike), None);
}

#[test]
fn a_person_decides_where_a_row_says_so() {
    let Decision::Review(reviews) = late("1:01:00").of(&rail()) else { panic!("no review") };
    assert_eq!((reviews[0].rule.as_str(), reviews[0].line.as_str()), ("odd", "p1"));
    assert_eq!(reviews[0].citation.title, "Law, Art. 4");
}

#[test]
fn missing_facts_of_refund_and_compensation_are_asked_for_at_once() {
    let mut policy = rail();
    policy.overrides = vec![Override {
        condition: Some(Condition::new("ill")),
        ..Override::full(OverrideCode::JourneyDelayed, "given-up")
    }];
    policy.facts.push(fact("ill"));
    let delayed = ask().claiming(OverrideCode::JourneyDelayed, &[]);
    assert_eq!(delayed.needs(&policy), ["late", "ill"]);
}

#[test]
fn nothing_is_owed_without_a_cause_and_nothing_goes_back_that_is_not_regulated() {
    let withdrawn = ask().price(&rail());
    assert_eq!((withdrawn.rule.as_str(), withdrawn.refund), (NOT_REGULATED, 0));
    assert_eq!(withdrawn.compensation, None);
    let other = ask().claiming(OverrideCode::Death, &[]).refusal(&rail());
    assert_eq!(other, Refusal::OverrideNotOffered(OverrideCode::Death));
}

#[test]
fn a_rule_can_leave_it_to_a_person() {
    let policy = with_tier(|tier| {
        tier.notice = Notice::Hours(0);
        tier.review = Some(Texts::from("the law is silent"));
    });
    let Decision::Review(reviews) = ask().of(&policy) else { panic!("no review") };
    assert_eq!(reviews[0].reason, Texts::from("the law is silent"));
    let strict = Override {
        review: Some("too late?".into()),
        ..Override::full(OverrideCode::Illness, "ill")
    };
    let policy = Policy { overrides: vec![strict], ..policy };
    let Decision::Review(reviews) = ask().claiming(OverrideCode::Illness, &[]).of(&policy) else {
        panic!("no review")
    };
    assert_eq!(reviews[0].rule, "ill");
}

#[test]
fn a_switch_is_what_the_policy_says_whatever_the_caller_tells() {
    let mut policy = with_tier(|tier| {
        tier.notice = Notice::Hours(0);
        tier.condition = Some(Condition::new("basis == \"days\""));
    });
    let values = vec!["days".to_owned(), "hours".to_owned()];
    policy.switches = vec![Switch {
        name: "basis".to_owned(),
        values,
        default: "days".to_owned(),
        value: "hours".to_owned(),
        reason: "open".to_owned(),
    }];
    let mut asked = ask();
    asked.facts.insert("basis".to_owned(), FactValue::String("days".to_owned()));
    assert_eq!(asked.rule(&policy), "two-days");
    policy.switches[0].value = "days".to_owned();
    assert_eq!(asked.rule(&policy), "two-weeks");
}

#[test]
fn a_moment_is_unknown_because_of_what_it_is_reckoned_from() {
    let mut policy = with_tier(|tier| {
        tier.notice = Notice::Hours(0);
        tier.condition = Some(Condition::new("now <= deadline"));
    });
    policy.facts.push(FactDeclaration { kind: FactKind::Timestamp, ..fact("announced") });
    policy.moments = vec![crate::declared::Moment {
        name: "deadline".to_owned(),
        from: "announced".to_owned(),
        distance: crate::declared::Distance::Days(14),
        at: crate::vocabulary::MomentTime::SameTime,
    }];
    let mut asked = ask();
    assert_eq!(asked.needs(&policy), ["announced"]);
    asked.facts.insert("announced".to_owned(), FactValue::Timestamp(at("2026-12-02T14:30:00Z")));
    let price = asked.price(&policy);
    assert_eq!(price.rule, "two-weeks");
    let Step::ConditionMet { facts, .. } = &price.path[1] else { panic!("{:?}", price.path) };
    assert_eq!(facts["deadline"], FactValue::Timestamp(asked.now));
    asked.now = Timestamp(asked.now.0 + 1);
    assert_eq!(asked.rule(&policy), "two-days");
}

#[test]
fn an_amount_that_is_told_is_shared_by_the_lines() {
    let mut policy = with_tier(|tier| {
        tier.notice = Notice::Hours(0);
        tier.terms =
            Terms { charge: Charge::Fee(0), fee_fact: Some("cost".to_owned()), ..Terms::default() };
    });
    policy.facts.push(FactDeclaration { kind: FactKind::Int, ..fact("cost") });
    let mut asked = ask();
    assert_eq!(asked.needs(&policy), ["cost"]);
    asked.facts.insert("cost".to_owned(), FactValue::Int(1_001));
    let line = |id, gross| LineFacts { id, gross, ..asked.line };
    let lines = [line("a", 2_000), line("b", 1_000), line("c", 0)];
    let Decision::Priced(prices) = asked.of_lines(&policy, &lines) else { panic!("not priced") };
    let fees: Vec<_> = prices.iter().map(|price| price.fee).collect();
    assert_eq!(fees, [667, 334, 0]);
    assert_eq!(asked.price(&policy).fee, 1_001);
}
