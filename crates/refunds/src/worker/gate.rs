//! What this process knows of the lane that it shares with others, and what it tells of it.
//!
//! Invariant: a call that fails is one of a series before it is news; the news goes to the lane's
//! row, where it holds for every process, and while the lane rests no more of the kind is told.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redress_core::clock::Timestamp;

use super::Workshop;
use super::hold::Hold;
use crate::domain::lane::{Breaker, FIRST_REST, Lane, LaneNews};
use crate::provider::SharedProvider;

/// So many calls in a row that fail shut the lane.
const SERIES: u32 = 5;
/// Failures that lie further apart are of two series.
const SERIES_GAP: Duration = Duration::from_secs(30);

/// One process's side of a lane.
pub(super) struct Gate {
    provider: SharedProvider,
    workshop: Workshop,
    hold: Hold,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Failures in a row.
    failures: u32,
    /// When the last one was.
    failed: Timestamp,
    /// Whether the breaker was not closed when the lane was last seen.
    is_tripped: bool,
}

impl Seen {
    /// Counts a failure; whether it is news.
    fn fail(&mut self, now: Timestamp) -> bool {
        if now.since(self.failed) > SERIES_GAP {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.failed = now;
        self.is_tripped || self.failures >= SERIES
    }
}

impl Gate {
    pub(super) fn new(provider: SharedProvider, workshop: Workshop) -> Self {
        Self { provider, workshop, hold: Hold::default(), seen: Mutex::default() }
    }

    /// Until when nothing is sent, as far as this process knows.
    pub(super) fn hold(&self) -> &Hold {
        &self.hold
    }

    /// Takes in how the lane stands; `None` when it is open.
    pub(super) fn see(&self, lane: Option<&Lane>) {
        let is_tripped = lane.is_some_and(|lane| lane.breaker != Breaker::Closed);
        self.with(|seen| seen.is_tripped = is_tripped);
        if let Some(lane) = lane {
            self.hold.rest_until(lane.rests_until);
        }
    }

    /// A call has failed, or the provider `asked` for time. Returns when to try again.
    pub(super) async fn failed(&self, now: Timestamp, asked: Option<Duration>) -> Timestamp {
        let rests = self.hold.left(now);
        let news = match asked {
            Some(asked) => (asked > rests || rests.is_zero()).then_some(LaneNews::Asks(asked)),
            // Failures of one moment count once.
            None => {
                (self.with(|seen| seen.fail(now)) && rests.is_zero()).then_some(LaneNews::Fails)
            }
        };
        if let Some(news) = news {
            // At once, so that others of this moment do not tell the same.
            self.hold.rest(now, asked.unwrap_or(FIRST_REST));
            self.tell(news, now).await;
        }
        now.plus(self.hold.left(now).max(FIRST_REST))
    }

    /// The provider has answered.
    pub(super) async fn answered(&self, now: Timestamp) {
        let was_tripped = self.with(|seen| {
            seen.failures = 0;
            std::mem::take(&mut seen.is_tripped)
        });
        if was_tripped {
            self.tell(LaneNews::Answers, now).await;
        }
    }

    async fn tell(&self, news: LaneNews, now: Timestamp) {
        let name = self.provider.name();
        match self.workshop.store.tell_lane(name, news, now).await {
            Ok((before, after)) => {
                self.see(Some(&after));
                note_change(name, &before, &after, now);
            }
            Err(error) => {
                // This process keeps to it; others find out by themselves.
                if news == LaneNews::Answers {
                    self.with(|seen| seen.is_tripped = true);
                }
                let error: &dyn Error = &error;
                tracing::error!(
                    provider.name = name,
                    error,
                    "what a provider's calls have shown cannot be shared with other processes"
                );
            }
        }
    }

    /// The state is plain numbers, sound after any panic.
    fn with<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn note_change(provider: &str, before: &Lane, after: &Lane, now: Timestamp) {
    if after.breaker == Breaker::Closed && before.breaker != Breaker::Closed {
        tracing::info!(
            provider.name = provider,
            lane.breaker = after.breaker.as_str(),
            "provider answers again, its lane goes on"
        );
    } else if after.rests_until > before.rests_until {
        tracing::warn!(
            provider.name = provider,
            lane.breaker = after.breaker.as_str(),
            lane.reason = after.reason.map(crate::domain::lane::RestReason::code),
            pause_ms = after.rests_until.since(now).as_millis(),
            "provider takes no refunds for the moment, its lane pauses"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_news_when_they_are_a_series_or_the_lane_is_being_tried() {
        let (mut seen, start) = (Seen::default(), Timestamp(60_000_000));
        let told: Vec<bool> = (0..6).map(|_| seen.fail(start)).collect();
        assert_eq!(told, [false, false, false, false, true, true]);
        let much_later = start.plus(SERIES_GAP).plus(Duration::from_secs(1));
        assert!(!seen.fail(much_later), "another series");
        seen.is_tripped = true;
        assert!(seen.fail(much_later));
    }
}
