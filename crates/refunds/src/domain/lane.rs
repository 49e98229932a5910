//! A payment provider's lane: whether attempts may be sent on it now, decided once for all
//! processes that share a database.
//!
//! Invariant: failures that belong together lengthen the rest once, and after a rest that was no
//! wish of the provider's one attempt goes first: the others follow when it has been answered.

mod funds;
mod slots;

use std::time::Duration;

use redress_core::clock::Timestamp;

use super::settle::backoff;

pub use funds::{ArmedSum, FUNDS_GAP, FundsWait, next_check, who_waits};
pub use slots::{HORIZON, SlotLog};

/// The shortest rest, also when a provider asks for none.
pub const SHORTEST_REST: Duration = Duration::from_millis(100);
/// The first rest of a lane whose calls fail; it doubles with each probe that fails.
pub const FIRST_REST: Duration = Duration::from_millis(500);
const LONGEST_REST: Duration = Duration::from_secs(30);

/// The circuit breaker of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Breaker {
    /// Attempts are sent.
    #[default]
    Closed,
    /// Calls have failed: nothing is sent until the rest is over.
    Open,
    /// The rest is over: one attempt finds out whether the provider answers again.
    HalfOpen,
}

impl Breaker {
    /// Every state, for tables.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The name in the database and in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Open => "OPEN",
            Self::HalfOpen => "HALF_OPEN",
        }
    }

    /// Reads the stored name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// Why a lane rests, or last did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RestReason {
    /// The provider asked for time.
    AskedToWait,
    /// Calls failed in a row: no connection, no answer in time, or an answer that proves nothing.
    CallsFail,
}

impl RestReason {
    /// Every reason, for tables.
    pub const ALL: [Self; 2] = [Self::AskedToWait, Self::CallsFail];

    /// The name in the database and in reports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AskedToWait => "ASKED_TO_WAIT",
            Self::CallsFail => "CALLS_FAIL",
        }
    }

    /// Reads the stored name.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// What calls have shown of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneNews {
    /// It asks to wait so long.
    Asks(Duration),
    /// Several calls in a row failed.
    Fails,
    /// It answers.
    Answers,
}

/// The state that all processes share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lane {
    /// The circuit breaker.
    pub breaker: Breaker,
    /// Since when the breaker is in that state.
    pub since: Timestamp,
    /// Why the lane rests, or last did.
    pub reason: Option<RestReason>,
    /// How often in a row it has opened.
    pub trips: i32,
    /// Until when nothing is sent.
    pub rests_until: Timestamp,
    /// While half-open: until when the attempt that goes first is waited for.
    pub probe_until: Timestamp,
}

/// Who may send on a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Everybody.
    Open,
    /// One attempt, to find out.
    Probe,
    /// Nobody before this time.
    Shut(Timestamp),
}

impl Lane {
    /// Who may send at `now`.
    pub fn pass(&self, now: Timestamp) -> Pass {
        match self.breaker {
            _ if self.rests_until > now => Pass::Shut(self.rests_until),
            Breaker::Closed => Pass::Open,
            Breaker::HalfOpen if self.probe_until > now => Pass::Shut(self.probe_until),
            Breaker::Open | Breaker::HalfOpen => Pass::Probe,
        }
    }

    /// Lets one attempt go first, whose holder has `lease` to tell how it went.
    pub fn probe(&mut self, now: Timestamp, lease: Duration) {
        self.turn(Breaker::HalfOpen, now);
        self.probe_until = now.plus(lease);
    }

    /// Takes in what calls have shown.
    pub fn hear(&mut self, news: LaneNews, now: Timestamp) {
        match (self.breaker, news) {
            (breaker, LaneNews::Asks(wait)) => {
                self.rests_until = self.rests_until.max(now.plus(wait.max(SHORTEST_REST)));
                self.reason = Some(RestReason::AskedToWait);
                if breaker == Breaker::HalfOpen {
                    self.turn(Breaker::Open, now);
                }
            }
            (Breaker::Closed, LaneNews::Fails) if self.rests_until > now => {}
            (Breaker::Closed | Breaker::HalfOpen, LaneNews::Fails) => {
                let rest = backoff(self.trips, FIRST_REST, LONGEST_REST);
                self.trips = self.trips.saturating_add(1);
                self.rests_until = self.rests_until.max(now.plus(rest));
                self.reason = Some(RestReason::CallsFail);
                self.turn(Breaker::Open, now);
            }
            (Breaker::HalfOpen, LaneNews::Answers) => {
                self.trips = 0;
                self.turn(Breaker::Closed, now);
            }
            // Calls that were under way when the lane opened; only what goes first closes it.
            (Breaker::Open, LaneNews::Fails | LaneNews::Answers)
            | (Breaker::Closed, LaneNews::Answers) => {}
        }
    }

    fn turn(&mut self, breaker: Breaker, now: Timestamp) {
        if self.breaker != breaker {
            self.since = now;
        }
        self.breaker = breaker;
    }
}

#[cfg(test)]
mod tests;
