//! Where a case stands and what moves it.
//!
//! Invariant: [`State::after`] is the only way from one state to another; what it does not declare
//! is refused.

use std::fmt;
use std::str::FromStr;

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Somebody has to act.
    Open,
    /// Done: what it was about came to an end, or is being tried again, so it closed by itself.
    Settled,
    /// Done: a person said what was done.
    Resolved,
}

/// What can happen to a case that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// The fact that opened the case is told again, or another fact calls for a person about the
    /// same refund.
    AttentionRaised,
    /// What the case is about needs nobody any more.
    Settle,
    /// A person says what was done.
    Resolve,
}

/// The transition is not declared: the case is closed already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the case is {state}, not OPEN")]
pub struct NotOpen {
    /// Where the case stands.
    pub state: State,
}

/// The text is no state's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown case state: expected OPEN or RESOLVED")]
pub struct UnknownState;

impl State {
    /// All states, in the order of their declaration.
    pub const ALL: [Self; 3] = [Self::Open, Self::Settled, Self::Resolved];

    /// The state's name, in the database and in filters. Who closed a case makes no difference to
    /// who looks for closed ones.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Settled | Self::Resolved => "RESOLVED",
        }
    }

    /// The state behind this one.
    ///
    /// A repeated call for a person changes nothing, not even on a case that a person resolved:
    /// there is one case for one refund, and what was done about it stands in it. Only a case that
    /// closed by itself opens by itself again.
    pub const fn after(self, trigger: Trigger) -> Result<Self, NotOpen> {
        match (self, trigger) {
            (Self::Open | Self::Settled, Trigger::AttentionRaised) => Ok(Self::Open),
            (Self::Open | Self::Settled, Trigger::Settle) => Ok(Self::Settled),
            (Self::Resolved, Trigger::AttentionRaised | Trigger::Settle)
            | (Self::Open, Trigger::Resolve) => Ok(Self::Resolved),
            (Self::Settled | Self::Resolved, Trigger::Resolve) => Err(NotOpen { state: self }),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Self, UnknownState> {
        match name {
            "OPEN" => Ok(Self::Open),
            "RESOLVED" => Ok(Self::Resolved),
            _ => Err(UnknownState),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_the_table_is_as_declared() {
        use State::{Open, Resolved, Settled};
        use Trigger::{AttentionRaised, Resolve, Settle};
        let table = [
            (Open, AttentionRaised, Ok(Open)),
            (Open, Settle, Ok(Settled)),
            (Open, Resolve, Ok(Resolved)),
            (Settled, AttentionRaised, Ok(Open)),
            (Settled, Settle, Ok(Settled)),
            (Settled, Resolve, Err(NotOpen { state: Settled })),
            (Resolved, AttentionRaised, Ok(Resolved)),
            (Resolved, Settle, Ok(Resolved)),
            (Resolved, Resolve, Err(NotOpen { state: Resolved })),
        ];
        for (from, trigger, to) in table {
            assert_eq!(from.after(trigger), to, "{from:?} x {trigger:?}");
        }
        assert_eq!(table.len(), State::ALL.len() * 3);
    }

    #[test]
    fn names_read_back_and_others_are_refused() {
        for state in [State::Open, State::Resolved] {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert_eq!(State::Settled.as_str().parse(), Ok(State::Resolved), "closed is closed");
        for other in ["", "open", "STATE_UNSPECIFIED", "CLOSED", "SETTLED"] {
            assert_eq!(other.parse::<State>(), Err(UnknownState), "{other:?}");
        }
    }
}
