//! The signal from a commit to the workers that carry its events on.
//!
//! Invariant: a signal given before a worker looks is never lost (a watch keeps "changed"), and
//! signals given together are seen as one.

use tokio::sync::watch;

/// Tells the event workers of this process that there is work. Cheap to clone and to signal.
#[derive(Debug, Clone)]
pub struct Wakeup {
    committed: watch::Sender<()>,
    announced: watch::Sender<()>,
    stamped: watch::Sender<()>,
}

impl Default for Wakeup {
    fn default() -> Self {
        Self {
            committed: watch::Sender::new(()),
            announced: watch::Sender::new(()),
            stamped: watch::Sender::new(()),
        }
    }
}

impl Wakeup {
    /// Events were committed by this process.
    pub fn committed(&self) {
        self.committed.send_replace(());
    }

    /// Another process said that it committed events.
    pub(crate) fn announced(&self) {
        self.announced.send_replace(());
    }

    /// Events got their positions.
    pub(crate) fn stamped(&self) {
        self.stamped.send_replace(());
    }

    /// Sees a change whenever this process has committed.
    pub fn on_committed(&self) -> watch::Receiver<()> {
        self.committed.subscribe()
    }

    pub(crate) fn on_announced(&self) -> watch::Receiver<()> {
        self.announced.subscribe()
    }

    /// Sees a change whenever any process' events got their positions.
    pub fn on_stamped(&self) -> watch::Receiver<()> {
        self.stamped.subscribe()
    }
}
