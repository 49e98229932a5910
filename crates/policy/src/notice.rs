//! Whether a notice is met, and until when it can be.
//!
//! Invariant: the boundary instant itself still meets the notice. Where business days lie outside
//! the calendar, the answer favours the buyer and says so.

use redress_calendar::{BusinessCalendar, BusinessDays, CalendarError, Date, DueDay, Zone};
use redress_core::clock::Timestamp;

use crate::model::Notice;

pub(crate) const MICROS_PER_HOUR: i64 = 3_600_000_000;

/// The two moments that a notice lies between, as seen at the venue.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) now: Timestamp,
    pub(crate) start: Timestamp,
    pub(crate) zone: Zone,
    today: Date,
    start_date: Date,
}

/// Whether a notice is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Met {
    Yes,
    No,
    /// It is, if enough of the days outside the calendar are business days.
    Perhaps,
}

impl Span {
    pub(crate) fn new(now: Timestamp, start: Timestamp, zone: &str) -> Result<Self, CalendarError> {
        let zone = Zone::named(zone)?;
        let (today, start_date) = (zone.date(now)?, zone.date(start)?);
        Ok(Self { now, start, zone, today, start_date })
    }

    /// Whole elapsed hours until the start, rounded down.
    pub(crate) fn hours(&self) -> i64 {
        self.start.0.saturating_sub(self.now.0).div_euclid(MICROS_PER_HOUR)
    }

    /// Days until the date of the start.
    pub(crate) fn days(&self) -> i64 {
        self.today.days_until(self.start_date)
    }

    pub(crate) fn meets(&self, notice: Notice, calendar: Option<&BusinessCalendar>) -> Met {
        let met = match notice {
            Notice::Hours(hours) => self.hours() >= i64::from(hours),
            Notice::CivilDays(days) => self.days() >= i64::from(days),
            Notice::Until(instant) => self.now <= instant,
            Notice::BusinessDays(days) => return self.meets_business_days(days, calendar),
        };
        if met { Met::Yes } else { Met::No }
    }

    fn meets_business_days(&self, days: u16, calendar: Option<&BusinessCalendar>) -> Met {
        if self.start_date < self.today {
            return Met::No;
        }
        let (at_least, at_most) = match calendar {
            // Without a calendar no day is known; a policy without one is refused on loading.
            None => (0, self.days()),
            Some(calendar) => match calendar.business_days_between(self.today, self.start_date) {
                BusinessDays::Exact(count) => (count, count),
                BusinessDays::OutOfRange { at_least, at_most } => (at_least, at_most),
            },
        };
        match i64::from(days) {
            days if days <= at_least => Met::Yes,
            days if days <= at_most => Met::Perhaps,
            _ => Met::No,
        }
    }

    /// The last instant that meets the notice; `None` when no calendar reaches that far.
    pub(crate) fn last_instant(
        &self,
        notice: Notice,
        calendar: Option<&BusinessCalendar>,
    ) -> Option<Timestamp> {
        let day = match notice {
            Notice::Hours(hours) => {
                let micros = i64::from(hours) * MICROS_PER_HOUR;
                return Some(Timestamp(self.start.0.saturating_sub(micros)));
            }
            Notice::Until(instant) => return Some(instant),
            Notice::CivilDays(days) => self.start_date.plus_days(-i64::from(days)).ok()?,
            Notice::BusinessDays(days) => match calendar?.latest_with_notice(self.start_date, days)
            {
                DueDay::Exact(day) | DueDay::OutOfRange { earliest: day } => day,
            },
        };
        self.zone.day_end(day).ok()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use redress_calendar::{Weekday, format_instant, parse_instant};

    use super::*;

    fn at(text: &str) -> Timestamp {
        parse_instant(text).unwrap()
    }

    /// Saturdays and Sundays, Christmas and New Year's Day, known for 2026.
    pub(crate) fn calendar() -> BusinessCalendar {
        BusinessCalendar {
            weekend: BTreeSet::from([Weekday::Saturday, Weekday::Sunday]),
            holidays: ["2026-01-01", "2026-12-25"].map(|day| day.parse().unwrap()).into(),
            extra_workdays: BTreeSet::new(),
            valid_from: "2026-01-01".parse().unwrap(),
            valid_until: "2026-12-31".parse().unwrap(),
        }
    }

    /// Checks that `notice` is met at `last` and a microsecond later no more.
    #[track_caller]
    fn boundary(notice: Notice, start: &str, zone: &str, last: &str) {
        let calendar = calendar();
        let span = |now| Span::new(now, at(start), zone).unwrap();
        let last_instant = at(last);
        assert_eq!(span(last_instant).meets(notice, Some(&calendar)), Met::Yes, "at {last}");
        let after = span(Timestamp(last_instant.0 + 1));
        assert_eq!(after.meets(notice, Some(&calendar)), Met::No, "after {last}");
        let told = after.last_instant(notice, Some(&calendar)).map(format_instant);
        assert_eq!(told, Some(format_instant(last_instant)));
    }

    #[test]
    fn elapsed_hours_ignore_the_clocks() {
        // In Berlin the night to 29 March 2026 has 23 hours.
        boundary(
            Notice::Hours(336),
            "2026-03-29T08:00:00Z",
            "Europe/Berlin",
            "2026-03-15T08:00:00Z",
        );
        boundary(
            Notice::Hours(48),
            "2026-12-19T14:30:00Z",
            "Europe/Berlin",
            "2026-12-17T14:30:00Z",
        );
        boundary(Notice::Hours(0), "2026-12-19T14:30:00Z", "UTC", "2026-12-19T14:30:00Z");
    }

    #[test]
    fn civil_days_end_at_midnight_at_the_venue() {
        let moscow = "Europe/Moscow";
        // The rules file, RU1 and RU3: an event on 20 December 2026 at 19:00 in Moscow.
        boundary(
            Notice::CivilDays(10),
            "2026-12-20T16:00:00Z",
            moscow,
            "2026-12-10T20:59:59.999999Z",
        );
        boundary(
            Notice::CivilDays(3),
            "2026-12-20T16:00:00Z",
            moscow,
            "2026-12-17T20:59:59.999999Z",
        );
        boundary(
            Notice::CivilDays(0),
            "2026-12-20T16:00:00Z",
            moscow,
            "2026-12-20T20:59:59.999999Z",
        );
        // Over a change of clocks the day still ends at midnight.
        let berlin = "Europe/Berlin";
        boundary(
            Notice::CivilDays(14),
            "2026-03-29T08:00:00Z",
            berlin,
            "2026-03-15T22:59:59.999999Z",
        );
        boundary(
            Notice::CivilDays(1),
            "2026-03-30T08:00:00Z",
            berlin,
            "2026-03-29T21:59:59.999999Z",
        );
        boundary(
            Notice::CivilDays(1),
            "2026-10-26T08:00:00Z",
            berlin,
            "2026-10-25T22:59:59.999999Z",
        );
    }

    #[test]
    fn business_days_follow_the_calendar() {
        // Monday, 28 December: Friday is Christmas, so Thursday is one business day before.
        let start = "2026-12-28T19:00:00Z";
        boundary(Notice::BusinessDays(1), start, "UTC", "2026-12-24T23:59:59.999999Z");
        boundary(Notice::BusinessDays(2), start, "UTC", "2026-12-23T23:59:59.999999Z");
        boundary(Notice::BusinessDays(0), start, "UTC", "2026-12-28T23:59:59.999999Z");
    }

    #[test]
    fn an_instant_is_included() {
        let last = "2026-06-01T10:00:00Z";
        boundary(Notice::Until(at(last)), "2026-12-19T14:30:00Z", "UTC", last);
    }

    #[test]
    fn outside_the_calendar_the_answer_is_perhaps() {
        let calendar = calendar();
        let meets = |now: &str, days| {
            let span = Span::new(at(now), at("2027-01-05T19:00:00Z"), "UTC").unwrap();
            span.meets(Notice::BusinessDays(days), Some(&calendar))
        };
        // From Wednesday, 30 December two are known, and four days are unknown.
        assert_eq!(meets("2026-12-30T10:00:00Z", 2), Met::Yes);
        assert_eq!(meets("2026-12-30T10:00:00Z", 3), Met::Perhaps);
        assert_eq!(meets("2026-12-30T10:00:00Z", 6), Met::Perhaps);
        assert_eq!(meets("2026-12-30T10:00:00Z", 7), Met::No);
        assert_eq!(meets("2027-01-06T00:00:00Z", 0), Met::No);
        let span =
            Span::new(at("2027-01-04T10:00:00Z"), at("2027-01-05T19:00:00Z"), "UTC").unwrap();
        assert_eq!(span.meets(Notice::BusinessDays(1), None), Met::Perhaps);
        assert_eq!(span.meets(Notice::BusinessDays(2), None), Met::No);
        assert_eq!(span.last_instant(Notice::BusinessDays(1), None), None);
    }

    #[test]
    fn hours_and_days_are_counted_downwards() {
        let span = |now| Span::new(at(now), at("2026-12-19T14:30:00Z"), "Europe/Berlin").unwrap();
        assert_eq!(span("2026-12-19T12:30:01Z").hours(), 1);
        assert_eq!(span("2026-12-19T14:30:01Z").hours(), -1);
        assert_eq!(span("2026-12-17T23:30:00Z").days(), 1);
        assert_eq!(span("2026-12-20T10:00:00Z").days(), -1);
        assert!(Span::new(Timestamp(i64::MAX), Timestamp(0), "UTC").is_err());
        assert!(Span::new(Timestamp(0), Timestamp(0), "Europe/Arena").is_err());
    }
}
