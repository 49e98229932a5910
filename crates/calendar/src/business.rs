//! Business days by an explicit calendar: weekend, holidays, make-up workdays, and from when until
//! when all of that is known.
//!
//! Invariant: what lies outside the calendar's validity is never guessed. Counts then come as the
//! least and the most that they can be, and a due day as the earliest that it can be.

use std::collections::BTreeSet;

use jiff::civil;
use serde::{Deserialize, Serialize};

use crate::date::Date;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl Weekday {
    /// From Monday on.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// The name in files: `SATURDAY`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Monday => "MONDAY",
            Self::Tuesday => "TUESDAY",
            Self::Wednesday => "WEDNESDAY",
            Self::Thursday => "THURSDAY",
            Self::Friday => "FRIDAY",
            Self::Saturday => "SATURDAY",
            Self::Sunday => "SUNDAY",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|day| day.as_str() == text)
    }

    fn of(date: Date) -> Self {
        match date.civil().weekday() {
            civil::Weekday::Monday => Self::Monday,
            civil::Weekday::Tuesday => Self::Tuesday,
            civil::Weekday::Wednesday => Self::Wednesday,
            civil::Weekday::Thursday => Self::Thursday,
            civil::Weekday::Friday => Self::Friday,
            civil::Weekday::Saturday => Self::Saturday,
            civil::Weekday::Sunday => Self::Sunday,
        }
    }
}

/// Which days are business days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusinessCalendar {
    /// Days of the week on which nobody works.
    pub weekend: BTreeSet<Weekday>,
    /// Days off besides, inside the validity.
    pub holidays: BTreeSet<Date>,
    /// Weekend days on which people work, such as China's make-up days.
    pub extra_workdays: BTreeSet<Date>,
    /// The first day that the lists cover.
    pub valid_from: Date,
    /// The last day that the lists cover.
    pub valid_until: Date,
}

/// What is wrong with a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarProblem {
    /// The field, such as `holidays`.
    pub field: &'static str,
    /// What is wrong and what is expected.
    pub description: String,
}

/// A number of business days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BusinessDays {
    /// All days counted lie inside the calendar.
    Exact(i64),
    /// Some lie outside; the true number is between the two.
    OutOfRange {
        /// None of the days outside counted.
        at_least: i64,
        /// All of the days outside counted.
        at_most: i64,
    },
}

/// The day on which something falls due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueDay {
    /// All days counted lie inside the calendar.
    Exact(Date),
    /// Some lie outside. No later than the true day, whatever the missing lists say: each day
    /// outside was counted as a business day.
    OutOfRange {
        /// Who acts by this day is never late.
        earliest: Date,
    },
}

impl BusinessCalendar {
    /// Everything that is wrong with the calendar; empty when it can be used.
    pub fn problems(&self) -> Vec<CalendarProblem> {
        let mut problems = Vec::new();
        let mut report = |field, description| problems.push(CalendarProblem { field, description });
        if self.valid_until < self.valid_from {
            report("valid_until", format!("must not lie before {}", self.valid_from));
        }
        if self.weekend.len() == 7 {
            report("weekend", "leaves no day to work on".to_owned());
        }
        for (field, days) in
            [("holidays", &self.holidays), ("extra_workdays", &self.extra_workdays)]
        {
            for day in days.iter().filter(|day| !self.covers(**day)) {
                let (from, until) = (self.valid_from, self.valid_until);
                report(field, format!("{day} lies outside the validity from {from} to {until}"));
            }
        }
        for day in self.extra_workdays.iter().filter(|day| self.holidays.contains(day)) {
            report("extra_workdays", format!("{day} is also a holiday"));
        }
        for day in self.extra_workdays.iter().filter(|day| !self.is_weekend(**day)) {
            report("extra_workdays", format!("{day} is a working day already"));
        }
        problems
    }

    /// Whether the lists cover `date`.
    pub fn covers(&self, date: Date) -> bool {
        (self.valid_from..=self.valid_until).contains(&date)
    }

    fn is_weekend(&self, date: Date) -> bool {
        self.weekend.contains(&Weekday::of(date))
    }

    /// Whether people work on `date`; `None` when the lists do not cover it.
    pub fn is_business_day(&self, date: Date) -> Option<bool> {
        let works = self.extra_workdays.contains(&date)
            || !(self.is_weekend(date) || self.holidays.contains(&date));
        self.covers(date).then_some(works)
    }

    /// How many business days there are from `from` until before `to`: `from` counts when it is
    /// one, `to` does not. So a notice on the last business day before an event is one business
    /// day. Negative, and counted from `to` on, when `to` is the earlier.
    pub fn business_days_between(&self, from: Date, to: Date) -> BusinessDays {
        if to < from {
            return match self.business_days_between(to, from) {
                BusinessDays::Exact(days) => BusinessDays::Exact(-days),
                BusinessDays::OutOfRange { at_least, at_most } => {
                    BusinessDays::OutOfRange { at_least: -at_most, at_most: -at_least }
                }
            };
        }
        // The part that the lists cover, as [first, end).
        let end_of_validity = self.valid_until.plus_days(1).unwrap_or(self.valid_until);
        let first = from.max(self.valid_from).min(to);
        let end = to.min(end_of_validity).max(first);
        let known = self.count_known(first, end);
        match from.days_until(to) - first.days_until(end) {
            0 => BusinessDays::Exact(known),
            outside => BusinessDays::OutOfRange { at_least: known, at_most: known + outside },
        }
    }

    /// Counts in [first, end), all of which the lists cover.
    fn count_known(&self, first: Date, end: Date) -> i64 {
        let days = first.days_until(end);
        let weekend = i64::try_from(self.weekend.len()).unwrap_or(7);
        let mut count = (days / 7) * (7 - weekend);
        let mut day = first;
        for _ in 0..days % 7 {
            count += i64::from(!self.is_weekend(day));
            day = day.plus_days(1).unwrap_or(day);
        }
        let off = self.holidays.range(first..end).filter(|day| !self.is_weekend(**day)).count();
        let extra = self.extra_workdays.range(first..end).count();
        count + i64::try_from(extra).unwrap_or(0) - i64::try_from(off).unwrap_or(0)
    }

    /// `date` when it is a business day, or the next that is: a period that would end on a day off
    /// ends on the working day that follows (Regulation (EEC, Euratom) No 1182/71, Article 3(4)).
    /// Who acts by the bound outside the calendar is never late.
    pub fn on_or_after(&self, date: Date) -> DueDay {
        let mut day = date;
        while self.is_business_day(day) == Some(false) {
            let Ok(next) = day.plus_days(1) else {
                return DueDay::OutOfRange { earliest: day };
            };
            day = next;
        }
        if self.covers(day) { DueDay::Exact(day) } else { DueDay::OutOfRange { earliest: day } }
    }

    /// The `days`-th business day after `from`, which itself does not count.
    pub fn add_business_days(&self, from: Date, days: u16) -> DueDay {
        self.walk(from, days, 1)
    }

    /// The last day from which on there are at least `days` business days until before `to`: the
    /// `days`-th business day before `to`, or `to` itself for none. The bound outside the calendar
    /// is the latest such day, since each day outside was counted.
    pub fn latest_with_notice(&self, to: Date, days: u16) -> DueDay {
        self.walk(to, days, -1)
    }

    fn walk(&self, from: Date, days: u16, step: i64) -> DueDay {
        let (mut day, mut left, mut guessed) = (from, days, false);
        while left > 0 {
            let Ok(next) = day.plus_days(step) else {
                return DueDay::OutOfRange { earliest: day };
            };
            day = next;
            let works = self.is_business_day(day);
            guessed |= works.is_none();
            left -= u16::from(works.unwrap_or(true));
        }
        if guessed { DueDay::OutOfRange { earliest: day } } else { DueDay::Exact(day) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn dates(texts: &[&str]) -> BTreeSet<Date> {
        texts.iter().map(|text| date(text)).collect()
    }

    /// China around the National Day of 2026, as the rules file has it.
    fn china() -> BusinessCalendar {
        BusinessCalendar {
            weekend: BTreeSet::from([Weekday::Saturday, Weekday::Sunday]),
            holidays: dates(&[
                "2026-10-01",
                "2026-10-02",
                "2026-10-03",
                "2026-10-04",
                "2026-10-05",
                "2026-10-06",
                "2026-10-07",
            ]),
            extra_workdays: dates(&["2026-09-20", "2026-10-10"]),
            valid_from: date("2026-01-01"),
            valid_until: date("2026-12-31"),
        }
    }

    /// Counted one by one, as a person would.
    fn by_hand(calendar: &BusinessCalendar, from: Date, to: Date) -> i64 {
        let days = (0..from.days_until(to)).map(|n| from.plus_days(n).unwrap());
        i64::try_from(days.filter(|day| calendar.is_business_day(*day) == Some(true)).count())
            .unwrap()
    }

    #[test]
    fn holidays_and_make_up_days_count_as_they_should() {
        for (from, to, days) in [
            ("2026-09-28", "2026-10-01", 3),
            ("2026-10-01", "2026-10-08", 0),
            ("2026-10-08", "2026-10-12", 3),
            ("2026-10-10", "2026-10-11", 1),
            ("2026-10-11", "2026-10-12", 0),
            ("2026-10-12", "2026-10-12", 0),
            ("2026-10-12", "2026-10-08", -3),
            ("2026-01-01", "2027-01-01", 258),
        ] {
            let counted = china().business_days_between(date(from), date(to));
            assert_eq!(counted, BusinessDays::Exact(days), "{from} to {to}");
        }
    }

    #[test]
    fn due_days_count_from_the_day_after() {
        // Seven working days from Wednesday, 30 September: Saturday, 10 October counts.
        let due = china().add_business_days(date("2026-09-30"), 7);
        assert_eq!(due, DueDay::Exact(date("2026-10-15")));
        let same = china().add_business_days(date("2026-10-03"), 0);
        assert_eq!(same, DueDay::Exact(date("2026-10-03")));
        let notice = china().latest_with_notice(date("2026-10-12"), 3);
        assert_eq!(notice, DueDay::Exact(date("2026-10-08")));
        let none = china().latest_with_notice(date("2026-10-12"), 0);
        assert_eq!(none, DueDay::Exact(date("2026-10-12")));
    }

    #[test]
    fn a_period_that_ends_on_a_day_off_ends_on_the_next_working_day() {
        for (ends, due) in [
            ("2026-09-30", DueDay::Exact(date("2026-09-30"))),
            ("2026-10-01", DueDay::Exact(date("2026-10-08"))),
            ("2026-10-10", DueDay::Exact(date("2026-10-10"))),
            ("2026-10-11", DueDay::Exact(date("2026-10-12"))),
            ("2027-01-01", DueDay::OutOfRange { earliest: date("2027-01-01") }),
            ("2025-12-31", DueDay::OutOfRange { earliest: date("2025-12-31") }),
        ] {
            assert_eq!(china().on_or_after(date(ends)), due, "{ends}");
        }
        let mut closed = china();
        closed.holidays.insert(date("2026-12-31"));
        let due = DueDay::OutOfRange { earliest: date("2027-01-01") };
        assert_eq!(closed.on_or_after(date("2026-12-31")), due);
        closed.valid_until = date("9998-12-31");
        closed.holidays.insert(date("9998-12-31"));
        let due = DueDay::OutOfRange { earliest: date("9998-12-31") };
        assert_eq!(closed.on_or_after(date("9998-12-31")), due);
    }

    #[test]
    fn outside_the_lists_both_bounds_are_told() {
        let count = |from, to| china().business_days_between(date(from), date(to));
        let bounds = |at_least, at_most| BusinessDays::OutOfRange { at_least, at_most };
        assert_eq!(count("2026-12-30", "2027-01-04"), bounds(2, 5));
        assert_eq!(count("2025-12-30", "2026-01-02"), bounds(1, 3));
        assert_eq!(count("2027-01-04", "2026-12-30"), bounds(-5, -2));
        assert_eq!(count("2028-01-01", "2028-01-03"), bounds(0, 2));
        assert_eq!(count("2025-01-01", "2025-01-03"), bounds(0, 2));
        assert_eq!(count("2025-12-31", "2027-01-02"), bounds(258, 260));
        let due = china().add_business_days(date("2026-12-30"), 3);
        assert_eq!(due, DueDay::OutOfRange { earliest: date("2027-01-02") });
        let due = china().add_business_days(date("2026-12-30"), 1);
        assert_eq!(due, DueDay::Exact(date("2026-12-31")));
        let notice = china().latest_with_notice(date("2027-01-03"), 1);
        assert_eq!(notice, DueDay::OutOfRange { earliest: date("2027-01-02") });
        assert_eq!(china().is_business_day(date("2027-01-01")), None);
    }

    #[test]
    fn the_end_of_all_calendars_ends_the_count() {
        let last = date("9998-12-31");
        let due = china().add_business_days(last, 5);
        assert_eq!(due, DueDay::OutOfRange { earliest: last });
    }

    #[test]
    fn a_bad_calendar_is_told_field_by_field() {
        assert_eq!(china().problems(), []);
        let mut bad = china();
        bad.weekend = Weekday::ALL.into_iter().collect();
        bad.valid_until = date("2025-12-31");
        bad.holidays = dates(&["2024-01-01"]);
        bad.extra_workdays = dates(&["2024-01-01"]);
        let fields: Vec<_> = bad.problems().iter().map(|problem| problem.field).collect();
        let expected = ["valid_until", "weekend", "holidays", "extra_workdays", "extra_workdays"];
        assert_eq!(fields, expected);
        let mut idle = china();
        idle.extra_workdays = dates(&["2026-10-12"]);
        assert_eq!(idle.problems()[0].description, "2026-10-12 is a working day already");
    }

    #[test]
    fn weekdays_are_read_by_name() {
        for day in Weekday::ALL {
            assert_eq!(Weekday::parse(day.as_str()), Some(day));
        }
        assert_eq!(Weekday::parse("Saturday"), None);
        assert_eq!(Weekday::of(date("2026-12-19")), Weekday::Saturday);
    }

    proptest! {
        #[test]
        fn counting_agrees_with_counting_by_hand(from in 0..364_i64, length in 0..364_i64) {
            let from = date("2026-01-01").plus_days(from).unwrap();
            let to = from.plus_days(length).unwrap().min(date("2027-01-01"));
            let counted = china().business_days_between(from, to);
            prop_assert_eq!(counted, BusinessDays::Exact(by_hand(&china(), from, to)));
        }

        #[test]
        fn the_nth_business_day_is_the_nth(from in 0..364_i64, days in 1..40_u16) {
            let from = date("2026-01-01").plus_days(from).unwrap();
            if let DueDay::Exact(due) = china().add_business_days(from, days) {
                let next = from.plus_days(1).unwrap();
                prop_assert_eq!(by_hand(&china(), next, due), i64::from(days) - 1);
                prop_assert_eq!(china().is_business_day(due), Some(true));
            }
            if let DueDay::Exact(latest) = china().latest_with_notice(from, days) {
                prop_assert_eq!(by_hand(&china(), latest, from), i64::from(days));
                let later = latest.plus_days(1).unwrap();
                prop_assert_eq!(by_hand(&china(), later, from), i64::from(days) - 1);
            }
        }
    }
}
