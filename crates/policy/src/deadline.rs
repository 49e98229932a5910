//! By when the money has to be paid.
//!
//! Invariant: the deadline is never later than the true one. Where business days lie outside the
//! calendar, it is the earliest that it can be, and says so.

use redress_calendar::{CalendarError, DueDay, Zone};
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

impl Policy {
    /// By when a refund that was asked for at `requested` has to be paid: the same time of day in
    /// `zone`, as many days later as the policy says. The day of the request does not count.
    pub fn pay_by(&self, requested: Timestamp, zone: &str) -> Result<LegalClock, CalendarError> {
        let time_zone = zone.to_owned();
        let zone = Zone::named(zone)?;
        let from = zone.date(requested)?;
        let days = self.pay_within_days;
        let civil = || from.plus_days(days.into()).map_err(|_| CalendarError::OutOfRange);
        let uncertain = Some(Uncertainty::CalendarOutOfRange);
        let (date, uncertainty) = match (self.pay_within_unit, &self.calendar) {
            (DayUnit::CivilDays, _) => (civil()?, None),
            // Refused on loading; without a calendar every day may be a business day.
            (DayUnit::BusinessDays, None) => (civil()?, uncertain),
            (DayUnit::BusinessDays, Some(calendar)) => match calendar.add_business_days(from, days)
            {
                DueDay::Exact(date) => (date, None),
                DueDay::OutOfRange { earliest } => (earliest, uncertain),
            },
        };
        Ok(LegalClock {
            start: requested,
            due: zone.same_time_on(requested, date)?,
            time_zone,
            law: self.citation.clone(),
            uncertainty,
        })
    }
}

#[cfg(test)]
mod tests {
    use redress_calendar::{format_instant, parse_instant};
    use redress_core::id::PolicyId;

    use super::*;
    use crate::notice::tests::calendar;

    fn policy(days: u16, unit: DayUnit) -> Policy {
        let citation = Citation { title: "Terms".to_owned(), uri: String::new() };
        Policy {
            pay_within_days: days,
            pay_within_unit: unit,
            calendar: Some(calendar()),
            ..Policy::new(PolicyId::new("p").unwrap(), "P", citation)
        }
    }

    fn pay_by(policy: &Policy, requested: &str, zone: &str) -> (String, bool) {
        let requested = parse_instant(requested).unwrap();
        let clock = policy.pay_by(requested, zone).unwrap();
        assert_eq!((clock.start, clock.time_zone.as_str()), (requested, zone));
        assert_eq!(clock.law, policy.citation);
        (format_instant(clock.due), clock.uncertainty.is_some())
    }

    #[test]
    fn civil_days_end_at_the_same_time_of_day() {
        let policy = policy(14, DayUnit::CivilDays);
        for (requested, due) in [
            ("2026-11-21T10:00:00Z", "2026-12-05T10:00:00Z"),
            ("2026-10-20T10:00:00Z", "2026-11-03T11:00:00Z"),
            ("2030-01-01T10:00:00Z", "2030-01-15T10:00:00Z"),
        ] {
            assert_eq!(pay_by(&policy, requested, "Europe/Berlin"), (due.to_owned(), false));
        }
    }

    #[test]
    fn business_days_skip_what_the_calendar_says() {
        let mut policy = policy(2, DayUnit::BusinessDays);
        let due = |policy: &Policy, requested| pay_by(policy, requested, "UTC");
        let exact = ("2026-12-28T10:00:00Z".to_owned(), false);
        assert_eq!(due(&policy, "2026-12-23T10:00:00Z"), exact);
        let early = ("2027-01-02T10:00:00Z".to_owned(), true);
        assert_eq!(due(&policy, "2026-12-31T10:00:00Z"), early);
        policy.calendar = None;
        assert_eq!(due(&policy, "2026-12-31T10:00:00Z"), early);
    }

    #[test]
    fn an_unknown_zone_is_an_error() {
        let zone = policy(2, DayUnit::CivilDays).pay_by(Timestamp(0), "Europe/Arena");
        assert_eq!(zone, Err(CalendarError::UnknownZone("Europe/Arena".to_owned())));
    }
}
