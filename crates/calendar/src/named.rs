//! The calendars that are compiled in: one folder a jurisdiction, one file a year, in `data/`.
//!
//! Invariant: a calendar covers the years that have a file, without a gap, and nothing else. Every
//! file names the law or the notice that it was made from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde::Deserialize;

use crate::business::{BusinessCalendar, Weekday};
use crate::date::Date;
use crate::zone::CalendarError;

/// One jurisdiction: its name, its files by year, and what they come to, read on first use.
struct Named {
    name: &'static str,
    files: &'static [(i16, &'static str)],
    calendar: OnceLock<BusinessCalendar>,
}

/// The row of a jurisdiction: `named!("cn": 2024 2025)` compiles in `data/cn/2024.toml` and
/// `data/cn/2025.toml`.
macro_rules! named {
    ($name:literal: $($year:literal)+) => {
        Named {
            name: $name,
            files: &[$(($year, include_str!(concat!("../data/", $name, "/", $year, ".toml")))),+],
            calendar: OnceLock::new(),
        }
    };
}

/// In the order of the alphabet.
static TABLE: [Named; 25] = [
    named!("at": 2024 2025 2026 2027 2028),
    named!("be": 2024 2025 2026 2027 2028),
    named!("cn": 2024 2025 2026),
    named!("cz": 2024 2025 2026 2027 2028),
    named!("de": 2024 2025 2026 2027 2028),
    named!("ee": 2024 2025 2026 2027 2028),
    named!("es": 2024 2025 2026),
    named!("fi": 2024 2025 2026 2027 2028),
    named!("fr": 2024 2025 2026 2027 2028),
    named!("gb-eng": 2024 2025 2026 2027 2028),
    named!("gb-nir": 2024 2025 2026 2027 2028),
    named!("gb-sct": 2024 2025 2026 2027 2028),
    named!("hr": 2024 2025 2026 2027 2028),
    named!("ie": 2024 2025 2026 2027 2028),
    named!("it": 2024 2025 2026 2027 2028),
    named!("lt": 2024 2025 2026 2027 2028),
    named!("lu": 2024 2025 2026 2027 2028),
    named!("mt": 2024 2025 2026 2027 2028),
    named!("nl": 2024 2025 2026 2027 2028),
    named!("pl": 2024 2025 2026 2027 2028),
    named!("pt": 2024 2025 2026 2027 2028),
    named!("ru": 2024 2025 2026 2027),
    named!("se": 2024 2025 2026 2027 2028),
    named!("si": 2024 2025 2026 2027 2028),
    named!("us-federal": 2024 2025 2026 2027 2028 2029 2030),
];

impl Named {
    fn calendar(&self) -> &BusinessCalendar {
        // The files are constants, and a test reads every one of them.
        let read = || merged(self.files).unwrap_or_else(|why| panic!("data/{}: {why}", self.name));
        self.calendar.get_or_init(read)
    }
}

impl BusinessCalendar {
    /// The calendar of a jurisdiction, such as `us-federal`. It is read once; after that this is a
    /// look-up. [`names`](Self::names) has those that there are.
    pub fn named(name: &str) -> Result<&'static Self, CalendarError> {
        let found = TABLE.binary_search_by_key(&name, |named| named.name);
        let unknown = |_| CalendarError::UnknownCalendar(name.chars().take(64).collect());
        Ok(TABLE[found.map_err(unknown)?].calendar())
    }

    /// The names that [`named`](Self::named) knows, in the order of the alphabet.
    pub fn names() -> impl ExactSizeIterator<Item = &'static str> {
        TABLE.iter().map(|named| named.name)
    }
}

/// The names as one line, for errors.
pub(crate) fn known() -> String {
    BusinessCalendar::names().collect::<Vec<_>>().join(", ")
}

/// A file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Year {
    weekend: BTreeSet<Weekday>,
    holidays: Vec<Day>,
    extra_workdays: Vec<Day>,
    /// The laws and official notices, with their numbers, and an address.
    source: Vec<String>,
    /// The last day that is known, when that is not the last of the year.
    valid_until: Option<toml::value::Datetime>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Day {
    date: toml::value::Datetime,
    name: String,
}

fn date(written: &toml::value::Datetime) -> Result<Date, String> {
    written.to_string().parse().map_err(|problem| format!("{written}: {problem}"))
}

/// Each day once, each with its name.
fn dates(days: &[Day]) -> Result<BTreeSet<Date>, String> {
    let mut dates = BTreeMap::new();
    for day in days {
        if day.name.trim().is_empty() {
            return Err(format!("{} has no name", day.date));
        }
        if let Some(first) = dates.insert(date(&day.date)?, &day.name) {
            return Err(format!("{} is both {first} and {}", day.date, day.name));
        }
    }
    Ok(dates.into_keys().collect())
}

/// Reads the file of one year.
fn read(year: i16, text: &str) -> Result<BusinessCalendar, String> {
    let file: Year = toml::from_str(text).map_err(|problem| problem.to_string())?;
    if file.source.iter().all(|reference| reference.trim().is_empty()) {
        return Err("source: expected the law or the notice that the days come from".to_owned());
    }
    let day = |month, day| Date::new(year, month, day).map_err(|problem| problem.to_string());
    let last = day(12, 31)?;
    let valid_until = file.valid_until.as_ref().map(date).transpose()?.unwrap_or(last);
    if valid_until > last {
        return Err(format!("valid_until: {valid_until} lies after {last}"));
    }
    let calendar = BusinessCalendar {
        weekend: file.weekend,
        holidays: dates(&file.holidays)?,
        extra_workdays: dates(&file.extra_workdays)?,
        valid_from: day(1, 1)?,
        valid_until,
    };
    match calendar.problems().first() {
        Some(problem) => Err(format!("{}: {}", problem.field, problem.description)),
        None => Ok(calendar),
    }
}

/// One calendar out of the years, which have to follow each other with the same weekend.
fn merged(files: &[(i16, &str)]) -> Result<BusinessCalendar, String> {
    let mut years = files
        .iter()
        .map(|(year, text)| read(*year, text).map_err(|problem| format!("{year}.toml: {problem}")));
    let mut whole = years.next().ok_or("no year at all")??;
    for next in years {
        let mut next = next?;
        if whole.valid_until.plus_days(1) != Ok(next.valid_from) {
            return Err(format!("a gap between {} and {}", whole.valid_until, next.valid_from));
        }
        if whole.weekend != next.weekend {
            return Err(format!("another weekend from {} on", next.valid_from));
        }
        whole.holidays.append(&mut next.holidays);
        whole.extra_workdays.append(&mut next.extra_workdays);
        whole.valid_until = next.valid_until;
    }
    Ok(whole)
}

#[cfg(test)]
mod tests;
