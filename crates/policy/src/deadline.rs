//! By when the money has to be paid.
//!
//! Invariant: counted from its start, a deadline is never later than the true one. Where business
//! days lie outside the calendar, it is the earliest that it can be, and says so.

use redress_calendar::{BusinessCalendar, CalendarError, Date, DueDay, Zone};
use redress_core::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Citation, Policy};
use crate::situation::Uncertainty;
use crate::vocabulary::DayUnit;

/// The clock that a law, or the terms of sale, holds over a refund. It stops when the money is
/// issued, however long the payment provider takes from there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegalClock {
    /// Since when it runs.
    pub start: Timestamp,
    /// The last instant to issue the money.
    pub due: Timestamp,
    /// The IANA zone that its days were counted in.
    pub time_zone: String,
    /// Where it stands.
    pub law: Citation,
    /// Why the true last instant may be later.
    pub uncertainty: Option<Uncertainty>,
}

/// How long a clock runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// How much it counts.
    pub(crate) count: u16,
    /// What it counts.
    pub(crate) unit: DayUnit,
    /// Whether it ends on the next working day, when it would end on a day off.
    pub(crate) rolls: bool,
}

impl Run {
    /// The last instant: the same time of day in `zone`, as much later as the clock counts. The day
    /// that it starts on does not count.
    pub(crate) fn end(
        self,
        start: Timestamp,
        zone: &Zone,
        calendar: Option<&BusinessCalendar>,
    ) -> Result<(Timestamp, Option<Uncertainty>), CalendarError> {
        let from = zone.date(start)?;
        let day = match self.unit {
            DayUnit::CivilDays => DueDay::Exact(days_after(from, self.count)?),
            DayUnit::Months => {
                let months = from.plus_months(self.count.into());
                DueDay::Exact(months.map_err(|_| CalendarError::OutOfRange)?)
            }
            DayUnit::BusinessDays => match calendar {
                // Refused on loading; without a calendar every day may be a business day.
                None => DueDay::OutOfRange { earliest: days_after(from, self.count)? },
                Some(calendar) => calendar.add_business_days(from, self.count),
            },
        };
        let day = match (day, calendar) {
            (DueDay::Exact(day), Some(calendar)) if self.rolls => calendar.on_or_after(day),
            (DueDay::Exact(day), None) if self.rolls => DueDay::OutOfRange { earliest: day },
            (day, _) => day,
        };
        let (date, uncertainty) = match day {
            DueDay::Exact(date) => (date, None),
            DueDay::OutOfRange { earliest } => (earliest, Some(Uncertainty::CalendarOutOfRange)),
        };
        Ok((zone.same_time_on(start, date)?, uncertainty))
    }
}

fn days_after(from: Date, days: u16) -> Result<Date, CalendarError> {
    from.plus_days(days.into()).map_err(|_| CalendarError::OutOfRange)
}

impl Policy {
    /// The policy's own clock, which counts where none of [`Policy::clocks`] does.
    pub(crate) const fn own_run(&self) -> Run {
        Run {
            count: self.pay_within_days,
            unit: self.pay_within_unit,
            rolls: self.pay_within_rolls,
        }
    }
}
