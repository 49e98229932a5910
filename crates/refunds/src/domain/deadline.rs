//! The law's clock over a refund: while it runs, and what is announced about it.
//!
//! Invariant: a clock stops when nothing is left to issue, or nobody is to issue it any more; of a
//! clock that has stopped nothing is announced, and of one that runs each thing once.

use std::time::Duration;

use redress_core::clock::Timestamp;
use redress_core::id::{CustomerId, DisruptionId, OrderId, RefundId};
use redress_policy::{Citation, LegalClock};

use super::disruption::Terms;
use super::fact::Amounts;
use super::refund::RefundState;

/// Where days are counted when nobody kept the place.
pub const UNKNOWN_ZONE: &str = "UTC";

/// What has become of a refund's clock, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClockState {
    /// It runs, and nothing was announced.
    Runs,
    /// It runs, and it was announced that it ends soon.
    EndsSoon,
    /// It has run out, and that was announced.
    Missed,
    /// The refund has ended.
    Stopped,
}

impl ClockState {
    const ALL: [Self; 4] = [Self::Runs, Self::EndsSoon, Self::Missed, Self::Stopped];

    /// Reads the stored number.
    pub fn parse(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The number in the database.
    pub const fn code(self) -> i16 {
        match self {
            Self::Runs => 0,
            Self::EndsSoon => 1,
            Self::Missed => 2,
            Self::Stopped => 3,
        }
    }

    /// How the clock of a refund begins that is stored in `state`.
    pub const fn first(state: RefundState) -> Self {
        if state.is_open() { Self::Runs } else { Self::Stopped }
    }
}

/// An open refund as far as its clock is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundDeadline {
    /// The refund.
    pub refund: RefundId,
    /// Its order.
    pub order: OrderId,
    /// The buyer.
    pub customer: CustomerId,
    /// The disruption behind it.
    pub disruption: Option<DisruptionId>,
    /// Where it stands.
    pub state: RefundState,
    /// What was to be paid and what has been.
    pub amounts: Amounts,
    /// The clock.
    pub clock: LegalClock,
}

impl RefundDeadline {
    /// Whether the clock has run out at `now`; its end is the last instant in time.
    pub fn is_missed(&self, now: Timestamp) -> bool {
        self.clock.due < now
    }
}

impl RefundState {
    /// Whether money may still have to be issued.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::PendingApproval | Self::Queued | Self::Processing | Self::Attention)
    }
}

impl Terms {
    /// The clock of a refund that a disruption starts at `start`, for something in `zone`.
    pub fn clock(&self, start: Timestamp, pay_within: Duration, zone: &str) -> LegalClock {
        let unknown = || Citation { title: String::new(), uri: String::new() };
        LegalClock {
            start,
            due: start.plus(pay_within),
            time_zone: if zone.is_empty() { UNKNOWN_ZONE } else { zone }.to_owned(),
            law: self.law.clone().unwrap_or_else(unknown),
            uncertainty: None,
        }
    }
}

/// The clock of what was paid before anybody heard of it: it stops as it starts.
pub fn stopped_clock(at: Timestamp) -> LegalClock {
    Terms::default().clock(at, Duration::ZERO, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_stops_with_the_refund() {
        let open = RefundState::ALL.into_iter().filter(|state| state.is_open());
        let names: Vec<&str> = open.map(RefundState::as_str).collect();
        assert_eq!(names, ["QUEUED", "PROCESSING", "ATTENTION", "PENDING_APPROVAL"]);
        assert_eq!(ClockState::first(RefundState::Attention), ClockState::Runs);
        for state in ClockState::ALL {
            assert_eq!(ClockState::parse(state.code()), Some(state));
        }
        assert_eq!(ClockState::parse(4), None);
        assert_eq!(ClockState::first(RefundState::Succeeded), ClockState::Stopped);
    }

    #[test]
    fn a_disruption_gives_its_law_and_the_place_of_its_line() {
        let law = Citation { title: "Terms".to_owned(), uri: "https://example.com".to_owned() };
        let terms = Terms { law: Some(law.clone()), ..Terms::default() };
        let clock = terms.clock(Timestamp(5), Duration::from_micros(7), "Europe/Berlin");
        assert_eq!((clock.start, clock.due), (Timestamp(5), Timestamp(12)));
        assert_eq!((clock.time_zone.as_str(), clock.law), ("Europe/Berlin", law));
        let unknown = Terms::default().clock(Timestamp(5), Duration::ZERO, "");
        assert_eq!((unknown.time_zone.as_str(), unknown.law.title.as_str()), ("UTC", ""));
    }
}
