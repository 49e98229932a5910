//! The files in `data/`, read one by one and asked for facts that laws and notices state.
//!
//! Invariant: what is in the folder is in the table, and what is in the table is sound.

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;

use super::*;
use crate::business::{BusinessDays, DueDay};

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn named(name: &str) -> &'static BusinessCalendar {
    BusinessCalendar::named(name).unwrap()
}

/// The days among `days` on which nobody works.
fn off<'a>(name: &str, days: &[&'a str]) -> Vec<&'a str> {
    let calendar = named(name);
    let works = |text: &str| calendar.is_business_day(day(text)).expect("the list covers it");
    days.iter().copied().filter(|text| !works(text)).collect()
}

#[test]
fn every_file_is_sound_and_names_its_source() {
    for row in &TABLE {
        for (year, text) in row.files {
            let read = read(*year, text);
            let calendar = read.unwrap_or_else(|why| panic!("{}/{year}.toml: {why}", row.name));
            assert_eq!(calendar.problems(), [], "{}/{year}.toml", row.name);
            let file: Year = toml::from_str(text).unwrap();
            assert!(file.source.iter().all(|reference| !reference.trim().is_empty()));
            let order = |days: &[Day]| days.windows(2).all(|two| two[0].date < two[1].date);
            assert!(order(&file.holidays) && order(&file.extra_workdays), "{}/{year}", row.name);
        }
        let whole = merged(row.files).unwrap_or_else(|why| panic!("{}: {why}", row.name));
        assert_eq!(&whole, row.calendar());
        assert_eq!(whole.problems(), [], "{}", row.name);
        assert_eq!(whole.valid_from, Date::new(row.files[0].0, 1, 1).unwrap());
    }
}

#[test]
fn every_file_in_the_folder_is_in_the_table() {
    let mut folder = BTreeMap::new();
    for jurisdiction in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/data")).unwrap() {
        let jurisdiction = jurisdiction.unwrap();
        let mut files: Vec<_> = fs::read_dir(jurisdiction.path())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        folder.insert(jurisdiction.file_name().into_string().unwrap(), files);
    }
    let file = |(year, _): &(i16, &str)| format!("{year}.toml");
    let table: Vec<(String, Vec<String>)> =
        TABLE.iter().map(|row| (row.name.into(), row.files.iter().map(file).collect())).collect();
    assert_eq!(table, folder.into_iter().collect::<Vec<_>>());
}

#[test]
fn a_calendar_is_read_once() {
    for name in BusinessCalendar::names() {
        assert!(std::ptr::eq(named(name), named(name)));
    }
}

#[test]
fn an_unknown_name_is_told_the_known_ones() {
    for name in ["", "US-FEDERAL", "us", "zz", "../cn"] {
        let error = BusinessCalendar::named(name).unwrap_err();
        assert_eq!(error, CalendarError::UnknownCalendar(name.to_owned()));
        let message = error.to_string();
        assert!(BusinessCalendar::names().all(|known| message.contains(known)), "{message}");
    }
    let error = BusinessCalendar::named("zz").unwrap_err().to_string();
    assert!(error.starts_with("unknown calendar \"zz\": expected one of at, be, cn,"), "{error}");
}

#[test]
fn a_bad_file_is_told_by_its_fault() {
    let file = |rest: &str| format!("weekend = [\"SUNDAY\"]\nsource = [\"Law 1\"]\n{rest}");
    let good = file("holidays = [{ date = 2026-05-01, name = \"May Day\" }]\nextra_workdays = []");
    assert!(read(2026, &good).is_ok());
    for (text, part) in [
        (good.replace("Law 1", " "), "source: expected the law"),
        (good.replace("May Day", ""), "2026-05-01 has no name"),
        (good.replace("2026-05-01", "2027-05-01"), "holidays: 2027-05-01 lies outside"),
        (good.replace("2026-05-01", "2026-05-01T10:00:00"), "2026-05-01T10:00:00: expected a date"),
        (good.replace("extra_workdays", "workdays"), "unknown field `workdays`"),
        (good.replace("SUNDAY", "Sunday"), "unknown variant `Sunday`"),
        (format!("valid_until = 2027-01-31\n{good}"), "valid_until: 2027-01-31 lies after"),
        (format!("valid_until = 2026-04-30\n{good}"), "lies outside the validity"),
    ] {
        let why = read(2026, &text).unwrap_err();
        assert!(why.contains(part), "{why}");
    }
    let twice = "holidays = [{ date = 2026-05-01, name = \"A\" }, { date = 2026-05-01, name = \
                 \"B\" }]\nextra_workdays = []";
    assert_eq!(read(2026, &file(twice)).unwrap_err(), "2026-05-01 is both A and B");
}

#[test]
fn years_follow_each_other_or_are_refused() {
    let file = |rest: &str| {
        format!(
            "weekend = [\"SUNDAY\"]\nsource = [\"Law 1\"]\nholidays = []\nextra_workdays = []\n{rest}"
        )
    };
    let (year, half) = (file(""), file("valid_until = 2026-06-30"));
    let whole = merged(&[(2025, &year), (2026, &half)]).unwrap();
    assert_eq!((whole.valid_from, whole.valid_until), (day("2025-01-01"), day("2026-06-30")));
    let gap = merged(&[(2026, &half), (2027, &year)]).unwrap_err();
    assert_eq!(gap, "a gap between 2026-06-30 and 2027-01-01");
    assert!(merged(&[(2024, &year), (2026, &year)]).unwrap_err().starts_with("a gap"));
    assert!(merged(&[(2026, &year), (2025, &year)]).unwrap_err().starts_with("a gap"));
    let other = year.replace("SUNDAY", "FRIDAY");
    let changed = merged(&[(2025, &year), (2026, &other)]).unwrap_err();
    assert_eq!(changed, "another weekend from 2026-01-01 on");
    assert_eq!(merged(&[]).unwrap_err(), "no year at all");
}

#[test]
fn us_federal_days_off_are_observed_on_weekdays() {
    let days = ["2026-07-03", "2027-06-18", "2027-07-05", "2027-12-24", "2027-12-31", "2028-11-10"];
    assert_eq!(off("us-federal", &days), days);
    // Inauguration Day, the Friday after Thanksgiving, and a Friday that only feels like one.
    assert_eq!(off("us-federal", &["2029-01-22", "2026-11-27", "2028-01-03"]), [""; 0]);
    // Seven business days after Friday, 20 November 2026, with Thanksgiving between.
    let due = named("us-federal").add_business_days(day("2026-11-20"), 7);
    assert_eq!(due, DueDay::Exact(day("2026-12-02")));
    // New Year's Day of 2028 is off in 2027.
    let due = named("us-federal").add_business_days(day("2027-12-30"), 1);
    assert_eq!(due, DueDay::Exact(day("2028-01-03")));
}

#[test]
fn chinese_weekends_are_worked_when_the_notice_says_so() {
    let worked =
        ["2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"];
    assert_eq!(off("cn", &worked), [""; 0]);
    let made_up = named("cn").extra_workdays.range(day("2026-01-01")..).count();
    assert_eq!(made_up, worked.len());
    let festival = ["2026-02-16", "2026-02-20", "2026-02-23", "2026-10-07", "2024-02-09"];
    assert_eq!(off("cn", &festival), festival[..4]);
    // Seven working days from Wednesday, 30 September: Saturday, 10 October counts.
    let due = named("cn").add_business_days(day("2026-09-30"), 7);
    assert_eq!(due, DueDay::Exact(day("2026-10-15")));
    // The notice for 2027 is not out: nothing is exact from there on.
    let due = named("cn").add_business_days(day("2026-12-30"), 3);
    assert_eq!(due, DueDay::OutOfRange { earliest: day("2027-01-02") });
    let count = named("cn").business_days_between(day("2026-12-30"), day("2027-01-04"));
    assert_eq!(count, BusinessDays::OutOfRange { at_least: 2, at_most: 5 });
}

#[test]
fn russian_days_off_move_as_the_government_says() {
    let moved =
        ["2026-01-09", "2026-03-09", "2026-05-11", "2026-12-31", "2025-05-08", "2027-02-22"];
    assert_eq!(off("ru", &moved), moved);
    let saturdays = ["2024-04-27", "2024-11-02", "2024-12-28", "2025-11-01", "2027-02-20"];
    assert_eq!(off("ru", &saturdays), [""; 0]);
    assert_eq!(named("ru").extra_workdays.len(), saturdays.len());
    // Civil Code, article 193: a term that ends on a day off ends on the next working day.
    let due = named("ru").on_or_after(day("2026-01-01"));
    assert_eq!(due, DueDay::Exact(day("2026-01-12")));
}

#[test]
fn the_three_bank_holiday_lists_of_the_united_kingdom_differ() {
    let uk = |text| ["gb-eng", "gb-sct", "gb-nir"].map(|name| off(name, &[text]).len() == 1);
    for (date, expected) in [
        ("2026-01-01", [true, true, true]),
        ("2026-01-02", [false, true, false]),
        ("2027-01-04", [false, true, false]),
        ("2026-03-17", [false, false, true]),
        ("2026-04-06", [true, false, true]),
        ("2026-06-15", [false, true, false]),
        ("2027-07-12", [false, false, true]),
        ("2026-07-13", [false, false, true]),
        ("2026-08-03", [false, true, false]),
        ("2026-08-31", [true, false, true]),
        ("2026-11-30", [false, true, false]),
        ("2025-12-01", [false, true, false]),
        ("2026-12-28", [true, true, true]),
        ("2027-12-27", [true, true, true]),
        ("2028-01-03", [true, true, true]),
    ] {
        assert_eq!(uk(date), expected, "{date}");
    }
    let due = named("gb-eng").add_business_days(day("2026-12-24"), 1);
    assert_eq!(due, DueDay::Exact(day("2026-12-29")));
}

#[test]
fn periods_of_regulation_1182_71_end_on_a_working_day() {
    // A month from 31 January ends on 28 February, a Saturday.
    let ends = day("2026-01-31").plus_months(1).unwrap();
    for (name, ends, due) in [
        ("de", ends, "2026-03-02"),
        ("fr", ends, "2026-03-02"),
        // Fourteen days from 21 November: a Saturday.
        ("de", day("2026-11-21").plus_days(14).unwrap(), "2026-12-07"),
        // Easter: closed on Good Friday in Germany, not in France.
        ("de", day("2026-04-03"), "2026-04-07"),
        ("fr", day("2026-04-03"), "2026-04-03"),
        ("nl", day("2026-05-14"), "2026-05-18"),
        ("se", day("2026-12-24"), "2026-12-28"),
        ("fi", day("2026-06-19"), "2026-06-22"),
        ("pl", day("2025-12-24"), "2025-12-29"),
        ("pl", day("2024-12-24"), "2024-12-24"),
        ("es", day("2026-01-06"), "2026-01-07"),
        ("it", day("2027-10-04"), "2027-10-05"),
        ("it", day("2025-10-04"), "2025-10-06"),
        ("ie", day("2027-02-01"), "2027-02-02"),
        ("at", day("2028-02-29"), "2028-02-29"),
    ] {
        assert_eq!(named(name).on_or_after(ends), DueDay::Exact(day(due)), "{name} {ends}");
    }
}

/// The calendar with `margin` invented days on both sides of its lists: each works or does not as
/// the bits say, whatever the day of the week.
fn completed(known: &BusinessCalendar, margin: i64, bits: &[bool]) -> BusinessCalendar {
    let mut whole = known.clone();
    let before = (1..=margin).map(|n| known.valid_from.plus_days(-n).unwrap());
    let after = (1..=margin).map(|n| known.valid_until.plus_days(n).unwrap());
    whole.weekend.clear();
    for (day, works) in before.chain(after).zip(bits.iter().cycle()) {
        if !works {
            whole.holidays.insert(day);
        }
    }
    // With no weekend by rule, the known ones are days off one by one.
    let mut day = known.valid_from;
    while day <= known.valid_until {
        if known.is_business_day(day) == Some(false) {
            whole.holidays.insert(day);
        }
        day = day.plus_days(1).unwrap();
    }
    whole.extra_workdays.clear();
    whole.valid_from = known.valid_from.plus_days(-margin).unwrap();
    whole.valid_until = known.valid_until.plus_days(margin).unwrap();
    whole
}

const MARGIN: i64 = 300;

proptest! {
    #[test]
    fn no_list_that_is_still_missing_makes_a_bound_wrong(
        row in 0..TABLE.len(),
        at_end in any::<bool>(),
        offset in -60..60_i64,
        count in 1..40_u16,
        bits in prop::collection::vec(prop::bool::weighted(0.7), 31..97),
    ) {
        let known = TABLE[row].calendar();
        let whole = completed(known, MARGIN, &bits);
        let edge = if at_end { known.valid_until } else { known.valid_from };
        let from = edge.plus_days(offset).unwrap();

        for (told, truth) in [
            (known.add_business_days(from, count), whole.add_business_days(from, count)),
            (known.on_or_after(from), whole.on_or_after(from)),
        ] {
            let DueDay::Exact(truth) = truth else {
                return Err(TestCaseError::reject("the invented days do not reach far enough"));
            };
            match told {
                DueDay::Exact(due) => {
                    prop_assert!(known.covers(due));
                    prop_assert_eq!(due, truth);
                    prop_assert_eq!(known.is_business_day(due), Some(true));
                }
                DueDay::OutOfRange { earliest } => {
                    prop_assert!(earliest <= truth, "{} is later than {}", earliest, truth);
                    prop_assert!(!known.covers(earliest) || !known.covers(from));
                }
            }
        }

        // Backwards the bound is the latest day.
        let DueDay::Exact(truth) = whole.latest_with_notice(from, count) else {
            return Err(TestCaseError::reject("the invented days do not reach far enough"));
        };
        match known.latest_with_notice(from, count) {
            DueDay::Exact(latest) => prop_assert_eq!(latest, truth),
            DueDay::OutOfRange { earliest } => prop_assert!(earliest >= truth),
        }

        let to = from.plus_days(i64::from(count)).unwrap();
        let BusinessDays::Exact(truth) = whole.business_days_between(from, to) else {
            return Err(TestCaseError::reject("the invented days do not reach far enough"));
        };
        match known.business_days_between(from, to) {
            BusinessDays::Exact(days) => prop_assert_eq!(days, truth),
            BusinessDays::OutOfRange { at_least, at_most } => {
                prop_assert!((at_least..=at_most).contains(&truth));
            }
        }
    }
}
