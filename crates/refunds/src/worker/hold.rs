//! Until when this process makes no calls of one kind to a provider.
//!
//! Invariant: what the provider asked for is never shortened.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redress_core::clock::Timestamp;

use crate::domain::lane::SHORTEST_REST;

/// Until when calls rest.
#[derive(Debug, Default)]
pub(super) struct Hold(Mutex<Timestamp>);

impl Hold {
    /// Lets calls rest from `now` for as long as the provider `asked`; returns when they go on.
    pub(super) fn rest(&self, now: Timestamp, asked: Duration) -> Timestamp {
        self.rest_until(now.plus(asked.max(SHORTEST_REST)))
    }

    /// Lets calls rest until then at least; returns when they go on.
    pub(super) fn rest_until(&self, until: Timestamp) -> Timestamp {
        self.with(|held| {
            *held = until.max(*held);
            *held
        })
    }

    /// How long calls still rest; zero when they do not.
    pub(super) fn left(&self, now: Timestamp) -> Duration {
        self.with(|until| until.since(now))
    }

    /// The state is a plain number, sound after any panic.
    fn with<T>(&self, change: impl FnOnce(&mut Timestamp) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_provider_asks_for_holds_and_never_shortens_a_rest() {
        let hold = Hold::default();
        let start = Timestamp(1_000_000);
        let minute = Duration::from_mins(1);
        assert_eq!(hold.left(start), Duration::ZERO);
        assert_eq!(hold.rest(start, minute), start.plus(minute));
        assert_eq!(hold.rest(start, Duration::from_secs(1)), start.plus(minute));
        assert_eq!(hold.rest_until(start), start.plus(minute));
        assert_eq!(hold.left(start), minute);
        let later = start.plus(minute);
        assert_eq!(hold.left(later), Duration::ZERO);
        assert_eq!(hold.rest(later, Duration::ZERO), later.plus(SHORTEST_REST));
    }
}
