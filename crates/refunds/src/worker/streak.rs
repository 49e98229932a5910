//! Failures of the store, told once and waited out.
//!
//! Invariant: a streak of failures is one error in the log and one line when it ends, however many
//! tries lie between; the pause between tries grows to its cap and never to an end.

use std::error::Error;
use std::time::Duration;

use redress_store::StoreError;

use crate::domain::settle::backoff;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Consecutive failures of one worker.
#[derive(Debug)]
pub(super) struct Streak {
    worker: &'static str,
    failures: i32,
}

impl Streak {
    /// No failures yet, of the worker with this name.
    pub(super) const fn new(worker: &'static str) -> Self {
        Self { worker, failures: 0 }
    }

    /// Notes a failure and returns how long to wait before the next try.
    pub(super) fn failed(&mut self, error: &StoreError) -> Duration {
        let pause = backoff(self.failures, FIRST_PAUSE, LONGEST_PAUSE);
        if self.failures == 0 {
            let error: &dyn Error = error;
            tracing::error!(
                worker.name = self.worker,
                error,
                "worker cannot use its database and keeps trying"
            );
        }
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// Notes that the store works.
    pub(super) fn ended(&mut self) {
        if self.failures > 0 {
            tracing::info!(
                worker.name = self.worker,
                failures = self.failures,
                "worker can use its database again"
            );
            self.failures = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_to_its_cap_and_starts_anew_after_a_success() {
        let mut streak = Streak::new("test");
        let pauses: Vec<_> =
            (0..8).map(|_| streak.failed(&StoreError::VersionMismatch).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        streak.ended();
        assert_eq!(streak.failed(&StoreError::VersionMismatch), FIRST_PAUSE);
    }
}
