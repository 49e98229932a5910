//! When a hand-over that failed for now is tried again, and when it is given up.
//!
//! Invariant: the delay doubles from attempt to attempt up to a cap, and the number of attempts is
//! bounded; the same attempt always waits equally long.

use std::time::Duration;

/// How patiently mail is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; at least 1.
    pub max_attempts: u32,
    /// The wait after the first attempt.
    pub first_delay: Duration,
    /// The longest wait.
    pub max_delay: Duration,
}

impl RetryPolicy {
    /// How long to wait after attempt number `attempt` (from 1) failed; `None` when it was the
    /// last.
    pub fn delay_after(&self, attempt: u32) -> Option<Duration> {
        if attempt >= self.max_attempts {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(31);
        Some(self.first_delay.saturating_mul(1 << doublings).min(self.max_delay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_to_its_cap_and_ends() {
        let policy = RetryPolicy {
            max_attempts: 6,
            first_delay: Duration::from_secs(30),
            max_delay: Duration::from_secs(200),
        };
        let waits: Vec<_> =
            (1..=7).map(|attempt| policy.delay_after(attempt).map(|d| d.as_secs())).collect();
        assert_eq!(waits, [Some(30), Some(60), Some(120), Some(200), Some(200), None, None]);
    }

    #[test]
    fn many_attempts_do_not_overflow() {
        let policy = RetryPolicy {
            max_attempts: u32::MAX,
            first_delay: Duration::from_hours(1),
            max_delay: Duration::from_hours(24),
        };
        assert_eq!(policy.delay_after(1_000_000), Some(Duration::from_hours(24)));
    }
}
