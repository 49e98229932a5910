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
    /// Done.
    Resolved,
}

/// What can happen to a case that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// The fact that opened the case is told again, or a second fact tells of the same refund.
    AttentionRaised,
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
    pub const ALL: [Self; 2] = [Self::Open, Self::Resolved];

    /// The state's name, in the database and in filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Resolved => "RESOLVED",
        }
    }

    /// The state behind this one.
    ///
    /// A repeated call for a person changes nothing, not even on a resolved case: there is one
    /// case for one refund, and what was done about it stands in it.
    pub const fn after(self, trigger: Trigger) -> Result<Self, NotOpen> {
        match (self, trigger) {
            (state, Trigger::AttentionRaised) => Ok(state),
            (Self::Open, Trigger::Resolve) => Ok(Self::Resolved),
            (Self::Resolved, Trigger::Resolve) => Err(NotOpen { state: self }),
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
        Self::ALL.into_iter().find(|state| state.as_str() == name).ok_or(UnknownState)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_the_table_is_as_declared() {
        use State::{Open, Resolved};
        use Trigger::{AttentionRaised, Resolve};
        let table = [
            (Open, AttentionRaised, Ok(Open)),
            (Open, Resolve, Ok(Resolved)),
            (Resolved, AttentionRaised, Ok(Resolved)),
            (Resolved, Resolve, Err(NotOpen { state: Resolved })),
        ];
        for (from, trigger, to) in table {
            assert_eq!(from.after(trigger), to, "{from} x {trigger:?}");
        }
        assert_eq!(table.len(), State::ALL.len() * 2);
    }

    #[test]
    fn names_read_back_and_others_are_refused() {
        for state in State::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        for other in ["", "open", "STATE_UNSPECIFIED", "CLOSED"] {
            assert_eq!(other.parse::<State>(), Err(UnknownState), "{other:?}");
        }
    }
}
