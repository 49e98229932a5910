//! How many calls to one provider this process has under way at once.
//!
//! Invariant: between 1 and the provider's own limit. Calls that fail halve it, those of one moment
//! once; as many good answers in a row as it is wide make it wider by one.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The width of the way to one provider.
#[derive(Debug)]
pub(super) struct Width {
    permits: Arc<Semaphore>,
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    allowed: usize,
    /// Permits that are out and do not come back.
    owed: usize,
    /// Good answers in a row.
    good: usize,
    /// Counts the narrowings: a call that began before the last one says nothing new.
    era: u64,
}

/// The right to make one call.
#[derive(Debug)]
#[must_use = "the call is over when this is dropped"]
pub(super) struct Permit {
    width: Arc<Width>,
    era: u64,
    held: Option<OwnedSemaphorePermit>,
}

impl Width {
    /// A way for at most `most` calls, as wide as that at first.
    pub(super) fn new(most: usize) -> Arc<Self> {
        let most = most.max(1);
        let state = State { allowed: most, owed: 0, good: 0, era: 0 };
        let permits = Arc::new(Semaphore::new(most));
        Arc::new(Self { permits, most, state: Mutex::new(state) })
    }

    /// How many calls may be under way now.
    pub(super) fn allowed(&self) -> usize {
        self.with(|state| state.allowed)
    }

    /// Waits until one more call may be made.
    pub(super) async fn permit(self: Arc<Self>) -> Permit {
        // It is never closed, so that there is a permit.
        let held = Arc::clone(&self.permits).acquire_owned().await.ok();
        let era = self.with(|state| state.era);
        Permit { width: self, era, held }
    }

    fn good(&self) {
        let wider = self.with(|state| {
            state.good += 1;
            let wider = state.good >= state.allowed && state.allowed < self.most;
            if wider {
                state.good = 0;
                state.allowed += 1;
            }
            let owed = wider && state.owed > 0;
            state.owed -= usize::from(owed);
            wider && !owed
        });
        if wider {
            self.permits.add_permits(1);
        }
    }

    fn bad(&self, era: u64) {
        self.with(|state| {
            state.good = 0;
            if state.era != era {
                return;
            }
            state.era += 1;
            let fewer = state.allowed / 2;
            state.allowed -= fewer;
            state.owed += fewer - self.permits.forget_permits(fewer);
        });
    }

    /// The state is plain numbers, sound after any panic.
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Permit {
    /// The call was answered well.
    pub(super) fn good(&self) {
        self.width.good();
    }

    /// The call failed in a way that may come of there being too many.
    pub(super) fn bad(&self) {
        self.width.bad(self.era);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let owed = self.width.with(|state| {
            let owed = state.owed > 0;
            state.owed -= usize::from(owed);
            owed
        });
        if let Some(permit) = self.held.take().filter(|_| owed) {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    /// As many calls as may be made now.
    fn calls(width: &Arc<Width>) -> Vec<Permit> {
        std::iter::from_fn(|| Arc::clone(width).permit().now_or_never()).collect()
    }

    #[test]
    fn calls_that_fail_together_halve_the_width_once() {
        let width = Width::new(8);
        let crowd = calls(&width);
        assert_eq!(crowd.len(), 8);
        crowd.iter().for_each(Permit::bad);
        assert_eq!(width.allowed(), 4);
        drop(crowd);
        for allowed in [4, 2, 1, 1] {
            let calls = calls(&width);
            assert_eq!((calls.len(), width.allowed()), (allowed, allowed));
            calls[0].bad();
        }
    }

    #[test]
    fn good_answers_widen_it_by_one_a_window_and_never_beyond_the_limit() {
        let width = Width::new(3);
        for _ in 0..2 {
            calls(&width)[0].bad();
        }
        assert_eq!(width.allowed(), 1);
        let mut widths = Vec::new();
        for _ in 0..6 {
            calls(&width)[0].good();
            widths.push(width.allowed());
        }
        assert_eq!(widths, [2, 2, 3, 3, 3, 3]);
        assert_eq!(calls(&width).len(), 3);
    }

    #[test]
    fn it_grows_back_while_calls_from_before_are_still_under_way() {
        let width = Width::new(4);
        let old = calls(&width);
        old[0].bad();
        assert_eq!(width.allowed(), 2);
        for _ in 0..2 {
            old[1].good();
        }
        assert_eq!(width.allowed(), 3);
        drop(old);
        assert_eq!(calls(&width).len(), 3);
    }
}
