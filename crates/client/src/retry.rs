//! When and how often a call is sent again.
//!
//! Invariant: over time at most one call in ten is a repetition, so that retries never double the
//! load on a peer that is already in trouble.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A call is sent at most this often.
pub(crate) const MAX_ATTEMPTS: u32 = 3;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Retries are paid from a budget that each call fills by a tenth of what a retry costs.
#[derive(Debug)]
pub(crate) struct RetryBudget(AtomicI64);

impl RetryBudget {
    const PRICE: i64 = 10;
    const START: i64 = 10 * Self::PRICE;
    const MOST: i64 = 100 * Self::PRICE;

    pub(crate) const fn new() -> Self {
        Self(AtomicI64::new(Self::START))
    }

    /// Notes a call's first sending.
    pub(crate) fn deposit(&self) {
        self.change(|tokens| Some((tokens + 1).min(Self::MOST)));
    }

    /// Pays for one retry; false when nothing is left.
    pub(crate) fn withdraw(&self) -> bool {
        self.change(|tokens| (tokens >= Self::PRICE).then(|| tokens - Self::PRICE))
    }

    fn change(&self, step: impl FnMut(i64) -> Option<i64>) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).is_ok()
    }
}

/// The pauses between attempts: doubling, each cut by a different share up to the whole (full
/// jitter), so that many callers do not return at once. The shares follow from the seed.
#[derive(Debug)]
pub(crate) struct Backoff(AtomicU64);

impl Backoff {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The pause before attempt number `attempt` (the first repetition is 2).
    pub(crate) fn pause(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(2).min(16);
        let longest = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        longest.mul_f64(self.share())
    }

    /// The next number in [0, 1): splitmix64 over a counter.
    fn share(&self) -> f64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact in an f64")]
        let share = (z >> 11) as f64 / (1_u64 << 53) as f64;
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_calls_pay_for_ten_retries() {
        let budget = RetryBudget::new();
        while budget.withdraw() {}
        for _ in 0..100 {
            budget.deposit();
        }
        assert_eq!((0..20).filter(|_| budget.withdraw()).count(), 10);
    }

    #[test]
    fn the_budget_does_not_grow_without_end() {
        let budget = RetryBudget::new();
        for _ in 0..1_000_000 {
            budget.deposit();
        }
        assert_eq!((0..1000).filter(|_| budget.withdraw()).count(), 100);
    }

    #[test]
    fn pauses_stay_below_their_step_and_differ() {
        let backoff = Backoff::new(7);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let pause = backoff.pause(2);
            assert!(pause < FIRST_PAUSE);
            assert!(backoff.pause(3) < FIRST_PAUSE * 2);
            assert!(backoff.pause(40) < LONGEST_PAUSE);
            seen.insert(pause);
        }
        assert!(seen.len() > 90, "{} different pauses of 100", seen.len());
    }

    #[test]
    fn the_same_seed_gives_the_same_pauses() {
        let pauses = |seed| {
            let backoff = Backoff::new(seed);
            (2..10).map(|attempt| backoff.pause(attempt)).collect::<Vec<_>>()
        };
        assert_eq!(pauses(1), pauses(1));
        assert_ne!(pauses(1), pauses(2));
    }
}
