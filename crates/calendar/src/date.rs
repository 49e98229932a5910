//! Civil dates.
//!
//! Invariant: a [`Date`] is a day of the Gregorian calendar between the years 1 and 9998, so that
//! the day before and the day after can always be named; it is written `2026-12-19`.

use std::fmt;
use std::str::FromStr;

use jiff::civil;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Not a day that a calendar knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a date such as 2026-12-19, between the years 1 and 9998")]
pub struct InvalidDate;

/// A day, wherever it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(civil::Date);

impl Date {
    /// The day with these numbers.
    pub fn new(year: i16, month: i8, day: i8) -> Result<Self, InvalidDate> {
        Self::from_civil(civil::Date::new(year, month, day).map_err(|_| InvalidDate)?)
    }

    pub(crate) fn from_civil(date: civil::Date) -> Result<Self, InvalidDate> {
        if (1..=9998).contains(&date.year()) { Ok(Self(date)) } else { Err(InvalidDate) }
    }

    pub(crate) const fn civil(self) -> civil::Date {
        self.0
    }

    /// How many days lie from this day to `other`; negative when `other` is earlier.
    pub fn days_until(self, other: Self) -> i64 {
        self.0.duration_until(other.0).as_hours() / 24
    }

    /// The day `days` later, or earlier when negative.
    pub fn plus_days(self, days: i64) -> Result<Self, InvalidDate> {
        let moved = self.0.checked_add(jiff::Span::new().try_days(days).map_err(|_| InvalidDate)?);
        Self::from_civil(moved.map_err(|_| InvalidDate)?)
    }

    /// The same day of the month `months` later, or earlier when negative; where that month has no
    /// such day, its last. So Regulation (EEC, Euratom) No 1182/71, Article 3(2)(c), ends a period
    /// of months.
    pub fn plus_months(self, months: i64) -> Result<Self, InvalidDate> {
        let span = jiff::Span::new().try_months(months).map_err(|_| InvalidDate)?;
        Self::from_civil(self.0.checked_add(span).map_err(|_| InvalidDate)?)
    }

    /// Such as `19 December 2026`.
    pub fn in_words(self) -> String {
        const MONTHS: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        let month = usize::from(self.0.month().unsigned_abs()) - 1;
        format!("{} {} {}", self.0.day(), MONTHS[month], self.0.year())
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Date {
    type Err = InvalidDate;

    fn from_str(text: &str) -> Result<Self, InvalidDate> {
        // Only the written-out form: the parser behind would also take times and week dates.
        let bytes = text.as_bytes();
        let shaped = bytes.len() == 10
            && bytes.iter().enumerate().all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !shaped {
            return Err(InvalidDate);
        }
        Self::from_civil(text.parse().map_err(|_| InvalidDate)?)
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn days_are_counted_over_leap_days_and_year_ends() {
        for (from, to, days) in [
            ("2026-12-19", "2026-12-19", 0),
            ("2026-12-19", "2026-12-20", 1),
            ("2026-12-20", "2026-12-19", -1),
            ("2026-12-31", "2027-01-01", 1),
            ("2028-02-28", "2028-03-01", 2),
            ("2027-02-28", "2027-03-01", 1),
            ("0001-01-01", "9998-12-31", 3_651_693),
        ] {
            assert_eq!(date(from).days_until(date(to)), days, "{from} to {to}");
            assert_eq!(date(from).plus_days(days), Ok(date(to)), "{from} + {days}");
        }
    }

    #[test]
    fn months_end_on_the_same_day_or_the_last() {
        for (from, months, to) in [
            ("2026-01-31", 1, "2026-02-28"),
            ("2028-01-31", 1, "2028-02-29"),
            ("2028-02-29", 12, "2029-02-28"),
            ("2028-02-29", 48, "2032-02-29"),
            ("2026-01-31", 2, "2026-03-31"),
            ("2026-03-31", 1, "2026-04-30"),
            ("2026-11-30", 3, "2027-02-28"),
            ("2026-12-31", 1, "2027-01-31"),
            ("2026-03-31", -1, "2026-02-28"),
            ("2026-01-15", -1, "2025-12-15"),
            ("2026-01-15", 0, "2026-01-15"),
        ] {
            assert_eq!(date(from).plus_months(months), Ok(date(to)), "{from} + {months}");
        }
        assert_eq!(date("9998-12-31").plus_months(1), Err(InvalidDate));
        assert_eq!(date("0001-01-31").plus_months(-1), Err(InvalidDate));
        assert_eq!(date("2026-01-31").plus_months(i64::MAX), Err(InvalidDate));
    }

    #[test]
    fn only_written_out_dates_are_read() {
        let long = ["2026-12-19T10:00:00Z", "20261219", "2026-W51-6", "2026-2-9", "", "soon"];
        let none = ["2026-02-29", "2026-13-01", "0000-01-01", "9999-01-01", "2026-12_19"];
        for text in long.iter().chain(&none) {
            assert_eq!(text.parse::<Date>(), Err(InvalidDate), "{text}");
        }
        assert_eq!(date("9998-12-31").plus_days(1), Err(InvalidDate));
        assert_eq!(date("0001-01-01").plus_days(-1), Err(InvalidDate));
        assert_eq!(date("2026-01-01").plus_days(i64::MAX), Err(InvalidDate));
    }

    #[test]
    fn a_date_is_written_as_it_is_read() {
        assert_eq!(serde_json::to_string(&date("2026-12-09")).unwrap(), "\"2026-12-09\"");
        assert_eq!(serde_json::from_str::<Date>("\"2026-12-09\"").unwrap(), date("2026-12-09"));
        assert!(serde_json::from_str::<Date>("\"2026-12-9\"").is_err());
        assert_eq!(date("2026-12-09").in_words(), "9 December 2026");
        assert_eq!(Date::new(2026, 12, 9), Ok(date("2026-12-09")));
        assert_eq!(Date::new(2026, 2, 30), Err(InvalidDate));
    }
}
