//! What a policy declares besides rules: instants reckoned from others, and switches where the law
//! can be read in two ways.
//!
//! Invariant: an instant reckoned from an unknown one is unknown; a switch always has one of its
//! values.

use redress_calendar::{CalendarError, Zone};
use redress_core::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::vocabulary::MomentTime;

/// An instant reckoned from another one, in civil days or months at the place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Its name in conditions.
    pub name: String,
    /// The instant that it is reckoned from: a fact of type timestamp.
    pub from: String,
    /// How far from it.
    #[serde(flatten)]
    pub distance: Distance,
    /// The time of day.
    #[serde(default = "same_time")]
    pub at: MomentTime,
}

const fn same_time() -> MomentTime {
    MomentTime::SameTime
}

/// How far an instant lies from another one; below zero before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Distance {
    /// Civil days.
    #[serde(rename = "days")]
    Days(i32),
    /// Months, to the same day of the month or its last one.
    #[serde(rename = "months")]
    Months(i32),
}

impl Moment {
    /// The instant, for `from` seen in `zone`.
    pub(crate) fn reckon(&self, from: Timestamp, zone: &Zone) -> Result<Timestamp, CalendarError> {
        let date = zone.date(from)?;
        let there = match self.distance {
            Distance::Days(days) => date.plus_days(days.into()),
            Distance::Months(months) => date.plus_months(months.into()),
        };
        let there = there.map_err(|_| CalendarError::OutOfRange)?;
        match self.at {
            MomentTime::SameTime => zone.same_time_on(from, there),
            MomentTime::DayStart => zone.day_start(there),
            MomentTime::DayEnd => zone.day_end(there),
        }
    }
}

/// A place where the law can be read in several ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// Its name in conditions: a fact of type string.
    pub name: String,
    /// The ways of reading.
    pub values: Vec<String>,
    /// The one that applies unless somebody chooses another; examples are about this one.
    pub default: String,
    /// The one that applies.
    pub value: String,
    /// What is open, and why the default is the default.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use redress_calendar::{format_instant, parse_instant};

    use super::*;

    #[test]
    fn instants_are_reckoned_at_the_place() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let start = parse_instant("2026-03-29T08:00:00Z").unwrap();
        for (distance, at, expected) in [
            // 335 hours, because the clocks change in between.
            (Distance::Days(-14), MomentTime::SameTime, "2026-03-15T09:00:00Z"),
            (Distance::Days(-14), MomentTime::DayStart, "2026-03-14T23:00:00Z"),
            (Distance::Days(0), MomentTime::DayEnd, "2026-03-29T21:59:59.999999Z"),
            (Distance::Months(-1), MomentTime::SameTime, "2026-02-28T09:00:00Z"),
            (Distance::Months(3), MomentTime::SameTime, "2026-06-29T08:00:00Z"),
        ] {
            let moment = Moment { name: "then".to_owned(), from: "start".to_owned(), distance, at };
            let reckoned = moment.reckon(start, &berlin).unwrap();
            assert_eq!(format_instant(reckoned), expected, "{distance:?} {at:?}");
            let stored = serde_json::to_string(&moment).unwrap();
            assert_eq!(serde_json::from_str::<Moment>(&stored).unwrap(), moment);
        }
    }
}
