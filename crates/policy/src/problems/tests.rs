use redress_core::clock::Timestamp;
use redress_core::id::PolicyId;

use super::*;
use crate::condition::Condition;
use crate::facts::FactDeclaration;
use crate::model::{Charge, Notice, Override, PolicyCalendar, Rounding, Terms, Tier};
use crate::notice::tests::calendar;
use crate::vocabulary::{FixedFeePer, OverrideCode, RoundingMode, Tender};

fn policy() -> Policy {
    let citation = Citation { title: "Terms of sale".to_owned(), uri: String::new() };
    Policy {
        tiers: vec![Tier::hours("two-weeks", 336, 0), Tier::hours("two-days", 48, 5000)],
        ..Policy::new(PolicyId::new("standard").unwrap(), "Standard", citation)
    }
}

fn tier(rule: &str, notice: Notice) -> Tier {
    Tier { notice, ..Tier::hours(rule, 0, 5000) }
}

/// A change of [`policy`], and the fields that are wrong then.
#[track_caller]
fn wrong(change: impl FnOnce(&mut Policy), fields: &[&str]) {
    let mut policy = policy();
    change(&mut policy);
    let found = policy.problems();
    let found_fields: Vec<_> = found.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(found_fields, fields, "{found:#?}");
    assert!(found.iter().all(|problem| !problem.description.is_empty()));
}

fn euros(policy: &mut Policy) {
    policy.currency = Some("EUR".parse().unwrap());
}

#[test]
fn a_sound_policy_has_no_problems() {
    wrong(|_| {}, &[]);
}

#[test]
fn the_head_is_checked() {
    wrong(|p| p.display_name.clear(), &["display_name"]);
    wrong(|p| p.display_name = "x".repeat(121), &["display_name"]);
    wrong(|p| p.display_name = "é".repeat(120), &[]);
    wrong(|p| p.citation.title.clear(), &["citation.title"]);
    wrong(|p| p.citation.uri = "see our site".to_owned(), &["citation.uri"]);
    wrong(|p| p.expires = Some(p.effective), &["expires"]);
    wrong(|p| p.expires = Some(Timestamp(p.effective.0 + 1)), &[]);
    wrong(|p| p.pay_within_days = 0, &["pay_within_days"]);
    wrong(|p| p.pay_within_days = 366, &["pay_within_days"]);
    wrong(|p| p.pay_within_unit = DayUnit::BusinessDays, &["pay_within_unit"]);
    wrong(|p| p.tender_order = vec![Tender::Card, Tender::Card], &["tender_order[1]"]);
    wrong(|p| p.kinds = vec![LineKind::Ticket, LineKind::Tax], &["kinds[1]"]);
    wrong(|p| p.kinds = vec![LineKind::Ticket, LineKind::Ticket], &["kinds[1]"]);
    let rounding = |step| Rounding { step, mode: RoundingMode::Up };
    wrong(|p| p.rounding = rounding(0), &["rounding.step"]);
    wrong(|p| p.rounding = rounding(50), &["rounding.step"]);
    wrong(|p| p.rounding = rounding(1), &[]);
    let backwards = |p: &mut Policy| {
        let mut calendar = calendar();
        calendar.extra_workdays = calendar.holidays.clone();
        p.calendar = Some(PolicyCalendar::Own(calendar));
    };
    wrong(backwards, &["calendar.extra_workdays"; 4]);
}

#[test]
fn facts_are_checked() {
    let fact = |name: &str, question: &str| FactDeclaration {
        name: name.to_owned(),
        kind: FactKind::Bool,
        question: question.into(),
        assume: None,
        document: None,
    };
    for name in ["", "Ill", "1st", "so ill", "in", "kind", &"x".repeat(65)] {
        wrong(|p| p.facts = vec![fact(name, "Ill?")], &["facts[0].name"]);
    }
    wrong(|p| p.facts = vec![fact("ill", "")], &["facts[0].question"]);
    wrong(|p| p.facts = vec![fact("ill", "Ill?"), fact("ill", "Ill?")], &["facts[1].name"]);
    wrong(|p| p.facts = (0..51).map(|n| fact(&format!("f{n}"), "?")).collect(), &["facts"]);
    wrong(|p| p.facts = vec![fact("medical_certificate_2", "Ill?")], &[]);
}

#[test]
fn rules_are_named_once_and_well() {
    wrong(|p| p.tiers.clear(), &["tiers"]);
    wrong(|p| p.tiers[1].rule = "two-weeks".to_owned(), &["tiers[1].rule"]);
    wrong(|p| p.tiers[0].rule = "two weeks".to_owned(), &["tiers[0].rule"]);
    for taken in ["too-late", "fee-kept", "condition-not-met"] {
        wrong(|p| p.tiers[0].rule = taken.to_owned(), &["tiers[0].rule"]);
    }
    let many = |p: &mut Policy| {
        p.tiers = (0..51).map(|n| Tier::hours(format!("t{n}"), 100 - n, 0)).collect();
    };
    wrong(many, &["tiers"]);
    let clash = |p: &mut Policy| {
        p.overrides = vec![Override::full(OverrideCode::Death, "two-days")];
    };
    wrong(clash, &["overrides[0].rule"]);
}

#[test]
fn notices_are_checked() {
    wrong(|p| p.tiers[0].notice = Notice::Hours(87_601), &["tiers[0].notice_hours"]);
    wrong(|p| p.tiers[0].notice = Notice::CivilDays(3_651), &["tiers[0].notice_civil_days"]);
    let business = |days| move |p: &mut Policy| p.tiers[0].notice = Notice::BusinessDays(days);
    wrong(business(3), &["tiers[0].notice_business_days"]);
    wrong(business(3_651), &["tiers[0].notice_business_days"; 2]);
    let with_calendar = |p: &mut Policy| {
        p.calendar = Some(PolicyCalendar::Own(calendar()));
        business(3)(p);
    };
    wrong(with_calendar, &[]);
    let past = |p: &mut Policy| {
        p.effective = Timestamp(5);
        p.tiers[0].notice = Notice::Until(Timestamp(4));
    };
    wrong(past, &["tiers[0].until"]);
}

#[test]
fn shares_and_amounts_are_checked() {
    wrong(|p| p.tiers[1].terms.charge = Charge::Fee(10_001), &["tiers[1].fee_basis_points"]);
    let too_much = |p: &mut Policy| p.tiers[0].terms.charge = Charge::Refund(10_001);
    wrong(too_much, &["tiers[0].refund_basis_points"]);
    let terms = |terms: Terms| move |p: &mut Policy| p.tiers[1].terms = terms;
    let half = || Terms { charge: Charge::Fee(5000), ..Terms::default() };
    wrong(terms(Terms { fixed_fee: 5, ..half() }), &["tiers[1].fixed_fee"]);
    wrong(terms(Terms { minimum_fee: 5, ..half() }), &["tiers[1].minimum_fee"]);
    wrong(terms(Terms { maximum_fee: Some(0), ..half() }), &["tiers[1].maximum_fee"]);
    let in_euros = |terms: Terms| {
        move |p: &mut Policy| {
            euros(p);
            p.tiers[1].terms = terms;
        }
    };
    wrong(in_euros(Terms { fixed_fee: 5, minimum_fee: 5, ..half() }), &[]);
    wrong(in_euros(Terms { fixed_fee: -1, ..half() }), &["tiers[1].fixed_fee"]);
    let crossed = Terms { minimum_fee: 6, maximum_fee: Some(5), ..half() };
    wrong(in_euros(crossed), &["tiers[1].maximum_fee"]);
    let whole_trillion = redress_core::money::MAX_MINOR_UNITS;
    wrong(in_euros(Terms { maximum_fee: Some(whole_trillion), ..half() }), &[]);
    let more = Terms { maximum_fee: Some(whole_trillion + 1), ..half() };
    wrong(in_euros(more), &["tiers[1].maximum_fee"]);
}

#[test]
fn conditions_and_citations_of_rules_are_checked() {
    let condition = |text: &'static str| {
        move |p: &mut Policy| p.tiers[0].condition = Some(Condition::new(text))
    };
    wrong(condition("quantity > 3"), &[]);
    wrong(condition("ill"), &["tiers[0].condition"]);
    wrong(condition("quantity >"), &["tiers[0].condition"]);
    let own = Citation { title: String::new(), uri: String::new() };
    wrong(|p| p.tiers[0].citation = Some(own), &["tiers[0].citation.title"]);
}

#[test]
fn overrides_are_checked() {
    let with = |change: fn(&mut Override)| {
        move |p: &mut Policy| {
            let mut rule = Override::full(OverrideCode::Death, "mourning");
            change(&mut rule);
            p.overrides.push(rule);
        }
    };
    wrong(with(|_| {}), &[]);
    wrong(
        with(|o| o.evidence = vec!["death certificate".to_owned()]),
        &["overrides[0].evidence[0]"],
    );
    wrong(
        with(|o| o.evidence = vec!["A".to_owned(), "A".to_owned()]),
        &["overrides[0].evidence[1]"],
    );
    let many = |o: &mut Override| o.evidence = (0..11).map(|n| format!("D{n}")).collect();
    wrong(with(many), &["overrides[0].evidence"]);
    wrong(
        with(|o| o.until_hours_after_start = Some(87_601)),
        &["overrides[0].until_hours_after_start"],
    );
    wrong(with(|o| o.condition = Some(Condition::new("1"))), &["overrides[0].condition"]);
    wrong(with(|o| o.terms.fixed_fee = 1), &["overrides[0].fixed_fee"]);
}

#[test]
fn a_rule_that_can_never_decide_is_found() {
    let pair = |first: Tier, second: Tier| move |p: &mut Policy| p.tiers = vec![first, second];
    let hours = |rule: &str, hours| tier(rule, Notice::Hours(hours));
    wrong(pair(hours("a", 48), hours("b", 48)), &["tiers[1].notice_hours"]);
    wrong(pair(hours("a", 48), hours("b", 72)), &["tiers[1].notice_hours"]);
    wrong(pair(hours("a", 48), hours("b", 47)), &[]);
    let days = |rule: &str, days| tier(rule, Notice::CivilDays(days));
    wrong(pair(days("a", 3), days("b", 3)), &["tiers[1].notice_civil_days"]);
    wrong(pair(days("a", 3), days("b", 2)), &[]);
    let until = |rule: &str, at| tier(rule, Notice::Until(Timestamp(at)));
    wrong(pair(until("a", 9), until("b", 9)), &["tiers[1].until"]);
    wrong(pair(until("a", 9), until("b", 10)), &[]);
    // Between bases, only what no clock can change: 10 days' notice are at least 190 hours.
    wrong(pair(hours("a", 190), days("b", 10)), &["tiers[1].notice_civil_days"]);
    wrong(pair(hours("a", 191), days("b", 10)), &[]);
    wrong(pair(days("a", 10), hours("b", 266)), &["tiers[1].notice_hours"]);
    wrong(pair(days("a", 10), hours("b", 265)), &[]);
    let business = |first: Tier, days| {
        move |p: &mut Policy| {
            p.calendar = Some(PolicyCalendar::Own(calendar()));
            p.tiers = vec![first, tier("b", Notice::BusinessDays(days))];
        }
    };
    wrong(business(days("a", 3), 3), &["tiers[1].notice_business_days"]);
    wrong(business(days("a", 4), 3), &[]);
    wrong(business(hours("a", 190), 10), &["tiers[1].notice_business_days"]);
    wrong(business(tier("a", Notice::BusinessDays(3)), 3), &["tiers[1].notice_business_days"]);
    wrong(business(tier("a", Notice::BusinessDays(4)), 3), &[]);
    wrong(business(until("a", 3), 3), &[]);
}

#[test]
fn kinds_and_conditions_keep_rules_apart() {
    use LineKind::{Fee, Seat, Ticket};
    let with = |kinds: &[LineKind], condition: Option<&str>| Tier {
        kinds: kinds.to_vec(),
        condition: condition.map(Condition::new),
        ..Tier::hours(format!("{}-{}", kinds.len(), condition.is_some()), 48, 5000)
    };
    let apart = |first: Tier, second: Tier| {
        move |p: &mut Policy| p.tiers = vec![first, second, Tier::hours("rest", 0, 5000)]
    };
    wrong(apart(with(&[Ticket], None), with(&[], None)), &[]);
    wrong(apart(with(&[Ticket, Seat], None), with(&[Ticket], None)), &["tiers[1].notice_hours"]);
    wrong(apart(with(&[], None), with(&[Ticket], None)), &["tiers[1].notice_hours"]);
    wrong(apart(with(&[], None), with(&[Fee], None)), &[]);
    let web = Some("channel == 'web'");
    wrong(apart(with(&[], web), with(&[Ticket], None)), &[]);
    wrong(apart(with(&[], web), with(&[Ticket], web)), &["tiers[1].notice_hours"]);
    wrong(apart(with(&[], None), with(&[Ticket], web)), &["tiers[1].notice_hours"]);
}

#[test]
fn an_override_that_can_never_decide_is_found() {
    fn evidence(rule: &mut Override) {
        rule.evidence = vec!["SICK_NOTE".to_owned()];
    }
    fn plain(_: &mut Override) {}
    fn seats(rule: &mut Override) {
        rule.kinds = vec![LineKind::Seat];
    }
    fn until(rule: &mut Override) {
        rule.until_hours_after_start = Some(24);
    }
    fn later(rule: &mut Override) {
        rule.until_hours_after_start = Some(25);
    }
    fn web(rule: &mut Override) {
        rule.condition = Some(Condition::new("channel == 'web'"));
    }
    let pair = |first: fn(&mut Override), second: fn(&mut Override)| {
        move |p: &mut Policy| {
            for (rule, change) in [("a", first), ("b", second)] {
                let mut made = Override::full(OverrideCode::Illness, rule);
                change(&mut made);
                p.overrides.push(made);
            }
        }
    };
    let never: &[&str] = &["overrides[1].code"];
    for (first, second, fields) in [
        (plain as fn(&mut Override), plain as fn(&mut Override), never),
        (plain, evidence, never),
        (evidence, plain, &[]),
        (plain, seats, never),
        (seats, plain, &[]),
        (seats, seats, never),
        (plain, until, never),
        (until, plain, &[]),
        (later, until, never),
        (until, later, &[]),
        (web, web, never),
        (plain, web, never),
        (web, plain, &[]),
        (plain, |rule| rule.code = OverrideCode::Death, &[]),
    ] {
        wrong(pair(first, second), fields);
    }
}

#[test]
fn a_kind_without_a_tier_is_a_gap() {
    let only = |kinds: &'static [LineKind]| {
        move |p: &mut Policy| p.tiers.iter_mut().for_each(|tier| tier.kinds = kinds.to_vec())
    };
    wrong(only(&[LineKind::Ticket]), &["tiers"]);
    let declared = |p: &mut Policy| {
        p.kinds = vec![LineKind::Ticket];
        only(&[LineKind::Ticket])(p);
    };
    wrong(declared, &[]);
    let foreign = |p: &mut Policy| {
        p.kinds = vec![LineKind::Ticket];
        p.tiers[0].kinds = vec![LineKind::Seat, LineKind::Fee];
    };
    wrong(foreign, &["tiers[0].kinds[0]"]);
}

#[test]
fn less_notice_never_costs_less() {
    let terms = |first: Terms, second: Terms| {
        move |p: &mut Policy| {
            euros(p);
            p.tiers[0].terms = first;
            p.tiers[1].terms = second;
        }
    };
    let share = |points| Terms { charge: Charge::Fee(points), ..Terms::default() };
    wrong(terms(share(5000), share(4999)), &["tiers[1].fee_basis_points"]);
    wrong(terms(share(5000), share(5000)), &[]);
    let refund = Terms { charge: Charge::Refund(6000), ..Terms::default() };
    wrong(terms(share(5000), refund), &["tiers[1].refund_basis_points"]);
    let fixed = |fixed_fee| Terms { fixed_fee, ..share(0) };
    wrong(terms(fixed(500), fixed(499)), &["tiers[1].fixed_fee"]);
    wrong(terms(fixed(500), fixed(500)), &[]);
    // A share is below a fixed fee only where prices are low.
    wrong(terms(fixed(500), share(5000)), &["tiers[1].fixed_fee"]);
    wrong(terms(share(5000), fixed(500)), &["tiers[1].fee_basis_points"]);
    wrong(terms(fixed(500), Terms { fixed_fee: 500, ..share(5000) }), &[]);
    let minimum = |minimum_fee| Terms { minimum_fee, ..share(1000) };
    wrong(terms(minimum(300), minimum(299)), &["tiers[1].minimum_fee"]);
    wrong(terms(minimum(300), minimum(300)), &[]);
    wrong(terms(minimum(300), Terms { fixed_fee: 300, ..share(1000) }), &[]);
    let maximum = |most| Terms { maximum_fee: Some(most), ..share(1000) };
    wrong(terms(maximum(300), maximum(299)), &["tiers[1].maximum_fee"]);
    wrong(terms(share(1000), maximum(300)), &["tiers[1].maximum_fee"]);
    wrong(terms(maximum(300), share(1000)), &[]);
    let per_unit = Terms { fixed_fee_per: FixedFeePer::Unit, ..fixed(500) };
    wrong(terms(per_unit.clone(), fixed(500)), &["tiers[1].fixed_fee"]);
    wrong(terms(fixed(500), per_unit), &[]);
    // Another condition, or other lines, is another matter.
    let member = |p: &mut Policy| {
        p.tiers[0].terms = share(5000);
        p.tiers[1].terms = share(0);
        p.tiers[1].condition = Some(Condition::new("channel == 'club'"));
    };
    wrong(member, &[]);
    let others = |p: &mut Policy| {
        p.tiers[0].terms = share(5000);
        p.tiers[0].kinds = vec![LineKind::Ticket];
        p.tiers[1].terms = share(0);
        p.tiers[1].kinds = LineKind::ALL[1..].to_vec();
    };
    wrong(others, &[]);
}

#[test]
fn tiers_must_fall_in_notice_and_not_in_fee() {
    wrong(|p| p.tiers.swap(0, 1), &["tiers[1].notice_hours", "tiers[1].fee_basis_points"]);
}
