//! Signals from a commit to the workers of this process.
//!
//! Invariant: a signal that is given before a worker looks is not lost, and signals that are given
//! together are seen as one. They only save waiting: what they tell of is in the database, and
//! workers find it without them.

use tokio::sync::watch;

/// Wakes the workers of this process. Cheap to clone and to signal.
#[derive(Debug, Clone)]
pub struct WorkSignals {
    items: watch::Sender<()>,
    settled: watch::Sender<()>,
    to_send: watch::Sender<()>,
    to_look_up: watch::Sender<()>,
}

impl Default for WorkSignals {
    fn default() -> Self {
        Self {
            items: watch::Sender::new(()),
            settled: watch::Sender::new(()),
            to_send: watch::Sender::new(()),
            to_look_up: watch::Sender::new(()),
        }
    }
}

impl WorkSignals {
    /// A disruption was started: its items may be taken on.
    pub fn items_released(&self) {
        self.items.send_replace(());
    }

    /// Attempts were stored and may be sent.
    pub fn attempts_armed(&self) {
        self.to_send.send_replace(());
    }

    /// There may be news about attempts whose outcome is awaited.
    pub fn news_expected(&self) {
        self.to_look_up.send_replace(());
    }

    /// Attempts came to rest, and perhaps the last one of a disruption.
    pub fn attempts_settled(&self) {
        self.settled.send_replace(());
    }

    pub(super) fn on_items(&self) -> watch::Receiver<()> {
        self.items.subscribe()
    }

    pub(crate) fn on_settled(&self) -> watch::Receiver<()> {
        self.settled.subscribe()
    }

    pub(super) fn on_armed(&self) -> watch::Receiver<()> {
        self.to_send.subscribe()
    }

    pub(super) fn on_news(&self) -> watch::Receiver<()> {
        self.to_look_up.subscribe()
    }
}
