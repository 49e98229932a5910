//! What became of webhooks since the start.

use std::sync::atomic::{AtomicU64, Ordering};

/// What became of one webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookOutcome {
    /// Authentic, about an attempt of ours, which is looked up now, or as soon as its holder lets
    /// go of it.
    Hinted,
    /// Authentic, about a refund that was made somewhere else, which is recorded now.
    Recorded,
    /// Authentic, and nothing new: its refund has come to rest, or it was recorded before.
    Known,
    /// Authentic, about a refund that is none of ours.
    Unmatched,
    /// Authentic, about a refund that several payments could mean; a person is told.
    Ambiguous,
    /// Authentic, and its amount, currency, payment or reference is not its attempt's.
    Mismatched,
    /// Authentic, and it contradicts what is stored: money moved after its attempt was settled.
    Contradicts,
    /// Authentic, about something else than a refund.
    Ignored,
    /// Not authentic, or too long or too slow to be checked.
    Rejected,
    /// Its signature fits, and was made too long ago or in the future.
    OutOfTime,
    /// Authentic, but not an event that can be read.
    Unreadable,
    /// Authentic, but the database or the provider could not be asked; the sender will try again.
    Deferred,
}

impl WebhookOutcome {
    /// Every outcome, in the order in which they are counted.
    pub const ALL: [Self; 12] = [
        Self::Hinted,
        Self::Recorded,
        Self::Known,
        Self::Unmatched,
        Self::Ambiguous,
        Self::Mismatched,
        Self::Contradicts,
        Self::Ignored,
        Self::Rejected,
        Self::OutOfTime,
        Self::Unreadable,
        Self::Deferred,
    ];

    /// The name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hinted => "hinted",
            Self::Recorded => "recorded",
            Self::Known => "known",
            Self::Unmatched => "unmatched",
            Self::Ambiguous => "ambiguous",
            Self::Mismatched => "mismatched",
            Self::Contradicts => "contradicts",
            Self::Ignored => "ignored",
            Self::Rejected => "rejected",
            Self::OutOfTime => "out_of_time",
            Self::Unreadable => "unreadable",
            Self::Deferred => "deferred",
        }
    }
}

/// Counts by outcome.
#[derive(Debug, Default)]
pub struct WebhookCounts([AtomicU64; WebhookOutcome::ALL.len()]);

impl WebhookCounts {
    /// Counts one more, and returns how many there are now.
    pub(super) fn add(&self, outcome: WebhookOutcome) -> u64 {
        self.0[outcome as usize].fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How many had this outcome.
    pub fn of(&self, outcome: WebhookOutcome) -> u64 {
        self.0[outcome as usize].load(Ordering::Relaxed)
    }

    /// The outcomes that occurred, with their numbers: `hinted=3 ignored=1`.
    pub(super) fn summary(&self) -> String {
        let occurred = WebhookOutcome::ALL.map(|outcome| (outcome.as_str(), self.of(outcome)));
        let texts = occurred.iter().filter(|(_, count)| *count > 0);
        texts.map(|(name, count)| format!("{name}={count}")).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_counted_apart() {
        let counts = WebhookCounts::default();
        for (nth, outcome) in WebhookOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, nth, "{outcome:?} stands in the wrong place");
        }
        counts.add(WebhookOutcome::Hinted);
        assert_eq!(counts.add(WebhookOutcome::Hinted), 2);
        counts.add(WebhookOutcome::Deferred);
        assert_eq!(counts.of(WebhookOutcome::Recorded), 0);
        assert_eq!(counts.summary(), "hinted=2 deferred=1");
    }
}
