//! A lane that rests because its provider does not take requests.
//!
//! Invariant: failures that belong together lengthen the rest once. Thirty calls that fail to
//! connect in the same moment are one reason to wait, not thirty.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redress_core::clock::Timestamp;

use crate::domain::settle::backoff;

/// The shortest rest, also when a provider asks for none.
const SHORTEST_REST: Duration = Duration::from_millis(100);
const FIRST_REST: Duration = Duration::from_millis(500);
const LONGEST_REST: Duration = Duration::from_secs(30);

/// Until when a lane rests.
#[derive(Debug, Default)]
pub(super) struct Hold(Mutex<State>);

#[derive(Debug, Default, Clone, Copy)]
struct State {
    until: Timestamp,
    streak: i32,
}

impl Hold {
    /// Lets the lane rest from `now` for as long as the provider `asked`, or else a little longer
    /// each time; returns when it goes on.
    pub(super) fn rest(&self, now: Timestamp, asked: Option<Duration>) -> Timestamp {
        self.with(|state| {
            let rests_already = state.until > now;
            let rest = match asked {
                Some(asked) => asked.max(SHORTEST_REST),
                None if rests_already => return state.until,
                None => {
                    state.streak = state.streak.saturating_add(1);
                    backoff(state.streak - 1, FIRST_REST, LONGEST_REST)
                }
            };
            state.until = state.until.max(now.plus(rest));
            state.until
        })
    }

    /// The provider has answered: the next rest is a short one again.
    pub(super) fn answered(&self) {
        self.with(|state| state.streak = 0);
    }

    /// How long the lane still rests; zero when it does not.
    pub(super) fn left(&self, now: Timestamp) -> Duration {
        self.with(|state| state.until.since(now))
    }

    /// The state is two plain numbers, sound after any panic.
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_one_moment_count_once_and_later_ones_rest_longer() {
        let hold = Hold::default();
        let start = Timestamp(1_000_000);
        let first = hold.rest(start, None);
        assert_eq!(first, start.plus(FIRST_REST));
        assert_eq!(hold.rest(start, None), first);
        assert_eq!(hold.left(start), FIRST_REST);
        assert_eq!(hold.left(first), Duration::ZERO);
        assert_eq!(hold.rest(first, None), first.plus(2 * FIRST_REST));
        hold.answered();
        let later = first.plus(Duration::from_mins(1));
        assert_eq!(hold.rest(later, None), later.plus(FIRST_REST));
    }

    #[test]
    fn what_the_provider_asks_for_holds_and_never_shortens_a_rest() {
        let hold = Hold::default();
        let start = Timestamp(1_000_000);
        let minute = Duration::from_mins(1);
        assert_eq!(hold.rest(start, Some(minute)), start.plus(minute));
        assert_eq!(hold.rest(start, Some(Duration::from_secs(1))), start.plus(minute));
        assert_eq!(hold.rest(start, None), start.plus(minute));
        let later = start.plus(minute);
        assert_eq!(hold.rest(later, Some(Duration::ZERO)), later.plus(SHORTEST_REST));
    }
}
