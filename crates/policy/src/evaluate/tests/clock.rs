use redress_calendar::format_instant;

use super::*;
use crate::deadline::LegalClock;
use crate::model::PayClock;
use crate::vocabulary::DayUnit;

fn policy(count: u16, unit: DayUnit) -> Policy {
    Policy {
        pay_within_days: count,
        pay_within_unit: unit,
        calendar: Some(PolicyCalendar::Own(calendar())),
        ..super::policy()
    }
}

impl Ask {
    fn clock(&self, policy: &Policy) -> LegalClock {
        self.with(|situation| policy.legal_clock(situation, &self.line).unwrap())
    }

    fn due(&self, policy: &Policy) -> (String, Option<Uncertainty>) {
        let clock = self.clock(policy);
        (format_instant(clock.due), clock.uncertainty)
    }
}

fn asked(now: &str) -> Ask {
    Ask { now: at(now), ..ask() }
}

fn clock(rule: &str, condition: &str, count: u16) -> PayClock {
    PayClock {
        rule: rule.to_owned(),
        codes: Vec::new(),
        condition: Some(Condition::new(condition)),
        from: None,
        count,
        unit: DayUnit::CivilDays,
        rolls: false,
        citation: Some(citation(rule)),
    }
}

#[test]
fn civil_days_and_months_end_at_the_same_time_of_day() {
    for (count, unit, requested, due) in [
        (14, DayUnit::CivilDays, "2026-11-21T10:00:00Z", "2026-12-05T10:00:00Z"),
        (14, DayUnit::CivilDays, "2026-10-20T10:00:00Z", "2026-11-03T11:00:00Z"),
        (14, DayUnit::CivilDays, "2030-01-01T10:00:00Z", "2030-01-15T10:00:00Z"),
        (1, DayUnit::Months, "2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z"),
        (1, DayUnit::Months, "2028-01-31T10:00:00Z", "2028-02-29T10:00:00Z"),
    ] {
        let clock = asked(requested).clock(&policy(count, unit));
        assert_eq!(format_instant(clock.due), due, "{requested}");
        assert_eq!((clock.start, clock.time_zone.as_str()), (at(requested), "Europe/Berlin"));
        assert_eq!((clock.law, clock.uncertainty), (citation("Terms"), None));
    }
}

#[test]
fn business_days_skip_what_the_calendar_says() {
    let mut policy = policy(2, DayUnit::BusinessDays);
    let exact = ("2026-12-28T10:00:00Z".to_owned(), None);
    assert_eq!(asked("2026-12-23T10:00:00Z").due(&policy), exact);
    let early = ("2027-01-02T10:00:00Z".to_owned(), Some(Uncertainty::CalendarOutOfRange));
    assert_eq!(asked("2026-12-31T10:00:00Z").due(&policy), early);
    policy.calendar = None;
    assert_eq!(asked("2026-12-31T10:00:00Z").due(&policy), early);
    policy.calendar = Some(PolicyCalendar::Named("us-federal".to_owned()));
    let far = ("2027-01-05T10:00:00Z".to_owned(), None);
    assert_eq!(asked("2026-12-31T10:00:00Z").due(&policy), far);
}

#[test]
fn a_clock_that_rolls_ends_on_a_working_day() {
    let mut policy = Policy { pay_within_rolls: true, ..policy(1, DayUnit::Months) };
    // 28 February 2026 is a Saturday.
    let monday = ("2026-03-02T10:00:00Z".to_owned(), None);
    assert_eq!(asked("2026-01-31T10:00:00Z").due(&policy), monday);
    let unknown = ("2027-01-31T10:00:00Z".to_owned(), Some(Uncertainty::CalendarOutOfRange));
    assert_eq!(asked("2026-12-31T10:00:00Z").due(&policy), unknown);
    policy.pay_within_rolls = false;
    let saturday = ("2026-02-28T10:00:00Z".to_owned(), None);
    assert_eq!(asked("2026-01-31T10:00:00Z").due(&policy), saturday);
}

#[test]
fn the_first_clock_whose_condition_holds_runs() {
    let mut policy = policy(20, DayUnit::CivilDays);
    policy.clocks = vec![clock("ill", "ill", 3), clock("member", "member", 9)];
    let now = asked("2026-11-01T10:00:00Z");
    let due = |ask: &Ask| (ask.due(&policy), ask.clock(&policy).law.title);
    let (ill, member) = (now.clone().told("ill", true), now.clone().told("ill", false));
    assert_eq!(due(&ill), (("2026-11-04T10:00:00Z".to_owned(), None), "ill".to_owned()));
    let own = member.clone().told("member", false);
    assert_eq!(due(&own), (("2026-11-21T10:00:00Z".to_owned(), None), "Terms".to_owned()));
    let member = member.told("member", true);
    assert_eq!(due(&member), (("2026-11-10T10:00:00Z".to_owned(), None), "member".to_owned()));
    // Nobody said whether someone is ill: the clock that ends first, flagged.
    let open = now.told("member", true);
    let early = ("2026-11-04T10:00:00Z".to_owned(), Some(Uncertainty::FactsMissing));
    assert_eq!(due(&open), (early, "ill".to_owned()));
}

#[test]
fn a_clock_can_be_for_what_happened_and_start_at_a_fact() {
    let mut policy = policy(20, DayUnit::CivilDays);
    policy.facts.push(FactDeclaration { kind: FactKind::Timestamp, ..fact("told") });
    let codes = vec![OverrideCode::Death];
    let from = Some("told".to_owned());
    policy.clocks = vec![PayClock { codes, from, condition: None, ..clock("death", "ill", 2) }];
    policy.overrides = vec![Override::full(OverrideCode::Death, "mourning")];
    let mut ask = asked("2026-11-01T10:00:00Z");
    assert_eq!(ask.clock(&policy).law.title, "Terms", "it is for a death only");
    ask.code = Some(OverrideCode::Death);
    let unknown = ("2026-11-03T10:00:00Z".to_owned(), Some(Uncertainty::FactsMissing));
    assert_eq!(ask.due(&policy), unknown);
    let told = FactValue::Timestamp(at("2026-10-30T10:00:00Z"));
    ask.facts.insert("told".to_owned(), told);
    assert_eq!(ask.due(&policy), ("2026-11-01T10:00:00Z".to_owned(), None));
}

#[test]
fn an_unknown_zone_is_refused() {
    let mut nowhere = ask();
    nowhere.line.time_zone = "Europe/Arena";
    let policy = policy(2, DayUnit::CivilDays);
    let refusal = nowhere.with(|situation| policy.legal_clock(situation, &nowhere.line));
    assert!(matches!(refusal, Err(Refusal::NoLocalTime { .. })), "{refusal:?}");
}
