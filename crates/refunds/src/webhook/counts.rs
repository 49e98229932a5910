//! What became of webhooks since the start.

use std::sync::atomic::{AtomicU64, Ordering};

/// What became of one webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookOutcome {
    /// Authentic, about an attempt of ours, which is looked up now.
    Hinted,
    /// Authentic, about a refund that is none of ours or that nobody waits for.
    Unmatched,
    /// Authentic, and it contradicts what is stored: money moved after its attempt was settled.
    Contradicts,
    /// Authentic, about something else than a refund.
    Ignored,
    /// Not authentic, not about now, or too long or too slow to be checked.
    Rejected,
    /// Authentic, but not an event that can be read.
    Unreadable,
    /// Authentic, but the database could not be asked; the sender will try again.
    Deferred,
}

impl WebhookOutcome {
    /// Every outcome, in the order in which they are counted.
    pub const ALL: [Self; 7] = [
        Self::Hinted,
        Self::Unmatched,
        Self::Contradicts,
        Self::Ignored,
        Self::Rejected,
        Self::Unreadable,
        Self::Deferred,
    ];

    /// The name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hinted => "hinted",
            Self::Unmatched => "unmatched",
            Self::Contradicts => "contradicts",
            Self::Ignored => "ignored",
            Self::Rejected => "rejected",
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
}
