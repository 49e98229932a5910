//! IANA time zones: which day and which local time an instant is somewhere.
//!
//! Invariant: a name that the compiled-in data does not know is an error, never UTC.

use std::sync::LazyLock;

use jiff::civil;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use redress_core::clock::Timestamp;

use crate::date::Date;
use crate::named;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Why a local time or a calendar cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// Not a zone of the IANA data.
    #[error("unknown time zone {0:?}: expected an IANA name such as Europe/Berlin")]
    UnknownZone(String),
    /// Not one of the calendars in `data/`.
    #[error("unknown calendar {0:?}: expected one of {known}", known = named::known())]
    UnknownCalendar(String),
    /// The instant lies outside the years that a calendar can name.
    #[error("the instant lies outside the years 1 to 9998")]
    OutOfRange,
}

/// What calendar and clock show at an instant somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalParts {
    /// The year, from 1.
    pub year: i16,
    /// The month, from 1.
    pub month: u8,
    /// The day of the month, from 1.
    pub day: u8,
    /// The hour, to 23.
    pub hour: u8,
    /// The minute.
    pub minute: u8,
    /// The second; a fraction of it is left out.
    pub second: u8,
}

impl LocalParts {
    /// Such as `15:30` or `15:30:09`: seconds only where there are some.
    pub fn time_of_day(&self) -> String {
        let Self { hour, minute, second, .. } = self;
        let seconds = if *second == 0 { String::new() } else { format!(":{second:02}") };
        format!("{hour:02}:{minute:02}{seconds}")
    }
}

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

impl Zone {
    /// The zone with this IANA name, such as `Europe/Berlin` or `UTC`.
    pub fn named(name: &str) -> Result<Self, CalendarError> {
        let unknown = || CalendarError::UnknownZone(name.chars().take(64).collect());
        let rules = ZONES.get(name).map_err(|_| unknown())?;
        if rules.is_unknown() {
            return Err(unknown());
        }
        Ok(Self { name: name.to_owned(), rules })
    }

    /// The name it was asked for by.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn local(&self, at: Timestamp) -> Result<civil::DateTime, CalendarError> {
        let instant = jiff::Timestamp::from_microsecond(at.0);
        Ok(self.rules.to_datetime(instant.map_err(|_| CalendarError::OutOfRange)?))
    }

    /// The day that `at` falls on here.
    pub fn date(&self, at: Timestamp) -> Result<Date, CalendarError> {
        Date::from_civil(self.local(at)?.date()).map_err(|_| CalendarError::OutOfRange)
    }

    /// The first instant of `date` here; where midnight is skipped, the first that exists.
    pub fn day_start(&self, date: Date) -> Result<Timestamp, CalendarError> {
        let midnight = date.civil().to_datetime(civil::Time::midnight());
        let start = self.rules.to_timestamp(midnight).map_err(|_| CalendarError::OutOfRange)?;
        Ok(Timestamp(start.as_microsecond()))
    }

    /// The last instant of `date` here: a microsecond before the next day.
    pub fn day_end(&self, date: Date) -> Result<Timestamp, CalendarError> {
        let next = date.plus_days(1).map_err(|_| CalendarError::OutOfRange)?;
        Ok(Timestamp(self.day_start(next)?.0 - 1))
    }

    /// The time of day of `at`, on `date`; on its own date, `at` itself. A time that a change of
    /// clocks skips becomes the same distance after the gap; one that comes twice is the earlier.
    pub fn same_time_on(&self, at: Timestamp, date: Date) -> Result<Timestamp, CalendarError> {
        if self.date(at)? == date {
            return Ok(at);
        }
        let time = self.local(at)?.time();
        let there = self.rules.to_ambiguous_timestamp(date.civil().to_datetime(time));
        let there = there.compatible().map_err(|_| CalendarError::OutOfRange)?;
        Ok(Timestamp(there.as_microsecond()))
    }

    /// The same time of day, `days` civil days later, or earlier when negative: what a law or a fare
    /// means by "14 days before departure". Between the two instants lie 24 hours for each day, and
    /// an hour less or more where the clocks change.
    pub fn days_later(&self, at: Timestamp, days: i64) -> Result<Timestamp, CalendarError> {
        let date = self.date(at)?.plus_days(days).map_err(|_| CalendarError::OutOfRange)?;
        self.same_time_on(at, date)
    }

    /// The same time of day, `months` months later, or earlier when negative, by
    /// [`Date::plus_months`].
    pub fn months_later(&self, at: Timestamp, months: i64) -> Result<Timestamp, CalendarError> {
        let date = self.date(at)?.plus_months(months).map_err(|_| CalendarError::OutOfRange)?;
        self.same_time_on(at, date)
    }

    /// What calendar and clock show here, for a language to put into words.
    pub fn local_parts(&self, at: Timestamp) -> Result<LocalParts, CalendarError> {
        let (date, local) = (self.date(at)?.civil(), self.local(at)?);
        Ok(LocalParts {
            year: date.year(),
            month: date.month().unsigned_abs(),
            day: date.day().unsigned_abs(),
            hour: local.hour().unsigned_abs(),
            minute: local.minute().unsigned_abs(),
            second: local.second().unsigned_abs(),
        })
    }

    /// Such as `19 December 2026, 15:30 (Europe/Berlin)`; seconds only where there are some.
    pub fn in_words(&self, at: Timestamp) -> Result<String, CalendarError> {
        let (date, time) = (self.date(at)?.in_words(), self.local_parts(at)?.time_of_day());
        Ok(format!("{date}, {time} ({})", self.name))
    }

    /// Such as `2026-12-19 15:30:00`, for tables.
    pub fn in_figures(&self, at: Timestamp) -> Result<String, CalendarError> {
        let local = self.local(at)?;
        let date = self.date(at)?;
        Ok(format!("{date} {:02}:{:02}:{:02}", local.hour(), local.minute(), local.second()))
    }
}

/// The day that `at` falls on in the zone with this name.
pub fn civil_date(at: Timestamp, zone: &str) -> Result<Date, CalendarError> {
    Zone::named(zone)?.date(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instant::{format_instant, parse_instant};

    fn at(text: &str) -> Timestamp {
        parse_instant(text).unwrap()
    }

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn the_day_is_the_venues() {
        for (instant, zone, day) in [
            ("2026-12-09T20:59:59Z", "Europe/Moscow", "2026-12-09"),
            ("2026-12-09T21:00:00Z", "Europe/Moscow", "2026-12-10"),
            ("2026-03-28T22:59:59Z", "Europe/Berlin", "2026-03-28"),
            ("2026-03-28T23:00:00Z", "Europe/Berlin", "2026-03-29"),
            ("2026-03-29T21:59:59.999999Z", "Europe/Berlin", "2026-03-29"),
            ("2026-03-29T22:00:00Z", "Europe/Berlin", "2026-03-30"),
            ("2026-01-01T09:59:59Z", "Pacific/Kiritimati", "2026-01-01"),
            ("2026-01-01T10:00:00Z", "Pacific/Kiritimati", "2026-01-02"),
            ("2026-01-01T10:00:00Z", "Pacific/Pago_Pago", "2025-12-31"),
            ("2026-01-01T10:00:00Z", "UTC", "2026-01-01"),
        ] {
            assert_eq!(civil_date(at(instant), zone), Ok(date(day)), "{instant} in {zone}");
        }
    }

    #[test]
    fn an_unknown_zone_is_an_error() {
        for name in ["Europe/Arena", "CEST", "", "Etc/Unknown", "+01:00", "etc/unknown"] {
            let unknown = CalendarError::UnknownZone(name.to_owned());
            assert_eq!(civil_date(Timestamp(0), name), Err(unknown));
        }
        assert_eq!(civil_date(Timestamp(i64::MAX), "UTC"), Err(CalendarError::OutOfRange));
    }

    #[test]
    fn days_are_as_long_as_the_clocks_make_them() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        for (day, hours) in [("2026-03-29", 23), ("2026-10-25", 25), ("2026-12-19", 24)] {
            let (start, end) =
                (berlin.day_start(date(day)).unwrap(), berlin.day_end(date(day)).unwrap());
            assert_eq!(end.0 + 1 - start.0, hours * 3_600_000_000, "{day}");
        }
        // In Havana the clocks skip midnight.
        let havana = Zone::named("America/Havana").unwrap();
        let start = havana.day_start(date("2026-03-08")).unwrap();
        assert_eq!(format_instant(start), "2026-03-08T05:00:00Z");
    }

    #[test]
    fn the_same_time_on_another_day_minds_the_clocks() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        for (from, day, expected) in [
            ("2026-03-15T09:00:00Z", "2026-03-29", "2026-03-29T08:00:00Z"),
            ("2026-03-15T01:30:00Z", "2026-03-29", "2026-03-29T01:30:00Z"),
            ("2026-10-11T00:30:00Z", "2026-10-25", "2026-10-25T00:30:00Z"),
        ] {
            let moved = berlin.same_time_on(at(from), date(day)).unwrap();
            assert_eq!(format_instant(moved), expected, "{from}");
        }
    }

    #[test]
    fn on_its_own_date_an_instant_stays_what_it_is() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        // Half past two comes twice; this is the second.
        let second = at("2026-10-25T01:30:00.000001Z");
        assert_eq!(berlin.days_later(second, 0), Ok(second));
        assert_eq!(berlin.months_later(second, 0), Ok(second));
    }

    #[test]
    fn civil_days_later_is_the_same_time_of_day() {
        for (zone, from, days, expected, hours) in [
            // The clocks go forward: 14 days before departure is 335 hours.
            ("Europe/Berlin", "2026-03-29T08:00:00Z", -14, "2026-03-15T09:00:00Z", -335),
            ("Europe/Berlin", "2026-03-15T09:00:00Z", 14, "2026-03-29T08:00:00Z", 335),
            // They go back.
            ("Europe/Berlin", "2026-10-25T09:00:00Z", -14, "2026-10-11T08:00:00Z", -337),
            ("Europe/Berlin", "2026-10-25T09:00:00Z", -1, "2026-10-24T08:00:00Z", -25),
            // 02:30 does not exist on 29 March, and comes twice on 25 October.
            ("Europe/Berlin", "2026-03-28T01:30:00Z", 1, "2026-03-29T01:30:00Z", 24),
            ("Europe/Berlin", "2026-10-24T00:30:00Z", 1, "2026-10-25T00:30:00Z", 24),
            // Kiritimati is a day ahead of Honolulu at the same time of day.
            ("Pacific/Kiritimati", "2026-01-01T10:00:00Z", -1, "2025-12-31T10:00:00Z", -24),
            ("Pacific/Honolulu", "2026-01-01T10:00:00Z", -1, "2025-12-31T10:00:00Z", -24),
            // Samoa had no 30 December 2011: the day at which the clocks arrive is the next.
            ("Pacific/Apia", "2011-12-29T22:00:00Z", 1, "2011-12-30T22:00:00Z", 24),
            // Leap day and year's end.
            ("UTC", "2028-02-28T23:59:59Z", 1, "2028-02-29T23:59:59Z", 24),
            ("UTC", "2028-03-01T00:00:00Z", -1, "2028-02-29T00:00:00Z", -24),
            ("UTC", "2026-12-31T23:59:59.999999Z", 1, "2027-01-01T23:59:59.999999Z", 24),
        ] {
            let zone = Zone::named(zone).unwrap();
            let moved = zone.days_later(at(from), days).unwrap();
            assert_eq!(format_instant(moved), expected, "{from} {days}");
            assert_eq!(moved.0 - at(from).0, hours * 3_600_000_000, "{from} {days}");
        }
        let utc = Zone::named("UTC").unwrap();
        for far in [i64::MIN, i64::MAX] {
            assert_eq!(utc.days_later(Timestamp(0), far), Err(CalendarError::OutOfRange));
            assert_eq!(utc.months_later(Timestamp(0), far), Err(CalendarError::OutOfRange));
        }
    }

    #[test]
    fn months_later_is_the_same_day_or_the_last() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        for (from, months, expected) in [
            ("2026-01-31T22:59:59Z", 1, "2026-02-28T22:59:59Z"),
            ("2026-01-31T23:00:00Z", 1, "2026-02-28T23:00:00Z"),
            ("2026-02-28T09:00:00Z", 1, "2026-03-28T09:00:00Z"),
            ("2026-03-15T09:00:00Z", 1, "2026-04-15T08:00:00Z"),
            ("2026-04-29T09:00:00Z", -2, "2026-02-28T10:00:00Z"),
        ] {
            let moved = berlin.months_later(at(from), months).unwrap();
            assert_eq!(format_instant(moved), expected, "{from} {months}");
        }
    }

    #[test]
    fn local_times_come_apart() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let parts = |instant: &str| berlin.local_parts(at(instant)).unwrap();
        let (year, month, day) = (2027, 1, 1);
        let new_year = LocalParts { year, month, day, hour: 0, minute: 5, second: 9 };
        assert_eq!(parts("2026-12-31T23:05:09.999999Z"), new_year);
        assert_eq!(new_year.time_of_day(), "00:05:09");
        assert_eq!(parts("2026-07-19T21:59:00Z").time_of_day(), "23:59");
        assert_eq!(berlin.local_parts(Timestamp(i64::MAX)), Err(CalendarError::OutOfRange));
    }

    #[test]
    fn local_times_are_readable() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let words = |instant: &str| berlin.in_words(at(instant)).unwrap();
        assert_eq!(words("2026-12-19T14:30:00Z"), "19 December 2026, 15:30 (Europe/Berlin)");
        assert_eq!(words("2026-07-19T21:59:59Z"), "19 July 2026, 23:59:59 (Europe/Berlin)");
        assert_eq!(berlin.in_figures(at("2026-12-19T23:05:09Z")).unwrap(), "2026-12-20 00:05:09");
        assert_eq!(berlin.name(), "Europe/Berlin");
    }
}
