//! How many reads a second this process may ask of one provider.
//!
//! Invariant: in no second, wherever it begins, does the provider see more reads of this process
//! than the budget allows: a place is given again one second after the answer to the read that held
//! it, so that no delay on the way can push two of its reads together.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

/// The time that the budget counts by.
const SECOND: Duration = Duration::from_secs(1);

/// The budget of one account at one provider. A connector keeps it and waits for its [`Turn`]
/// before each read, also for each page of a list.
#[derive(Debug)]
pub struct ReadBudget {
    /// One permit for each place, so that reads wait in the order in which they came.
    queue: Semaphore,
    /// From when on each place that nobody holds is free; the earliest is in front.
    free: Mutex<VecDeque<Instant>>,
}

/// The right to make one read: keep it until its answer is there.
#[derive(Debug)]
#[must_use = "the place is given to the next read one second after this is dropped"]
pub struct Turn<'a> {
    budget: &'a ReadBudget,
    /// From when on the place is free when this ends.
    next: Option<Instant>,
    _permit: Option<SemaphorePermit<'a>>,
}

impl ReadBudget {
    /// A budget of `per_second` reads; at least one.
    pub fn new(per_second: u32) -> Self {
        let places = usize::try_from(per_second.max(1)).unwrap_or(usize::MAX);
        let places = places.min(Semaphore::MAX_PERMITS);
        let free = Mutex::new(VecDeque::from(vec![Instant::now(); places]));
        Self { queue: Semaphore::new(places), free }
    }

    /// Waits until one more read is within the budget. Who stops waiting gives the place back
    /// untouched.
    pub async fn turn(&self) -> Turn<'_> {
        // It is never closed, so that there is a permit; and as many permits as places, so that
        // whoever has one finds a place.
        let permit = self.queue.acquire().await.ok();
        let free = self.with(VecDeque::pop_front);
        let mut turn = Turn { budget: self, next: free, _permit: permit };
        if let Some(free) = free.filter(|free| *free > Instant::now()) {
            sleep_until(free).await;
        }
        turn.next = None;
        turn
    }

    /// The places are plain instants, sound after any panic.
    fn with<T>(&self, change: impl FnOnce(&mut VecDeque<Instant>) -> T) -> T {
        change(&mut self.free.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        match self.next {
            Some(unused) => self.budget.with(|free| free.push_front(unused)),
            None => self.budget.with(|free| free.push_back(Instant::now() + SECOND)),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const BUDGET: usize = 5;

    fn budget() -> ReadBudget {
        ReadBudget::new(u32::try_from(BUDGET).unwrap())
    }

    /// When each of `count` reads, all wanted at `start`, begins, if each takes `latency`: what
    /// [`ReadBudget::turn`] and dropping a turn do, with a time of our own.
    fn begun(budget: &ReadBudget, start: Instant, count: usize, latency: Duration) -> Vec<Instant> {
        let mut begun: Vec<Instant> = Vec::new();
        for nth in 0..count {
            if let Some(first) = nth.checked_sub(BUDGET) {
                budget.with(|free| free.push_back(begun[first] + latency + SECOND));
            }
            let free = budget.with(VecDeque::pop_front).unwrap();
            begun.push(free.max(start));
        }
        begun
    }

    #[test]
    fn no_second_has_more_reads_than_the_budget() {
        for latency in [Duration::ZERO, Duration::from_millis(70), Duration::from_millis(2_500)] {
            let start = Instant::now() + SECOND;
            let begun = begun(&budget(), start, 23, latency);
            assert_eq!(begun[BUDGET - 1], start, "what fits goes at once");
            for pair in begun.windows(BUDGET + 1) {
                // Wherever in its latency the provider sees either of them.
                let apart = pair[BUDGET] - (pair[0] + latency);
                assert!(apart >= SECOND, "{apart:?}");
            }
            assert_eq!(begun[22], start + 4 * (SECOND + latency), "and no slower than needed");
        }
    }

    #[tokio::test]
    async fn a_place_is_free_a_second_after_its_read_and_at_once_after_a_wait() {
        let budget = ReadBudget::new(1);
        let begun = Instant::now();
        let turn = budget.turn().now_or_never().unwrap();
        assert!(budget.turn().now_or_never().is_none(), "the only place is taken");
        drop(turn);
        let free = budget.with(|free| free[0]);
        assert!(free >= begun + SECOND);
        // Whoever waits for the second to pass has the place, and gives it back unused.
        for _ in 0..3 {
            assert!(budget.turn().now_or_never().is_none());
            assert_eq!(budget.with(|free| free.clone()), [free]);
        }
        budget.with(|free| free[0] = begun);
        assert!(budget.turn().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_budget_of_nothing_still_moves() {
        assert!(ReadBudget::new(0).turn().now_or_never().is_some());
    }
}
