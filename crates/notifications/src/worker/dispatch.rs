//! The loop that sends what is due.
//!
//! Invariant: two batches at a time, so that mails are on their way while another batch is claimed
//! or written down; each of the two ends between batches when it is told to, and looks again after
//! a pause even when nobody wakes it, because retries fall due and other replicas write too.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::app::dispatch_batch::{Dispatcher, dispatch_batch};

/// Sends notifications until it is stopped.
pub struct DispatchWorker {
    dispatcher: Dispatcher,
    wake: Arc<Notify>,
    poll_interval: Duration,
}

impl DispatchWorker {
    /// A worker that looks for work when `wake` is notified, and every `poll_interval`.
    pub const fn new(dispatcher: Dispatcher, wake: Arc<Notify>, poll_interval: Duration) -> Self {
        Self { dispatcher, wake, poll_interval }
    }

    /// What this worker sends with.
    pub const fn dispatcher(&self) -> &Dispatcher {
        &self.dispatcher
    }

    /// Runs until `stop` is cancelled; ends after the batches under way.
    pub async fn run(self, stop: CancellationToken) {
        tokio::join!(self.dispatch(&stop), self.dispatch(&stop));
    }

    async fn dispatch(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let may_be_woken = match dispatch_batch(&self.dispatcher, stop).await {
                Ok(report) => {
                    if report.claimed > 0 {
                        tracing::debug!(
                            notifications.claimed = report.claimed,
                            notifications.sent = report.sent,
                            notifications.failed = report.failed,
                            notifications.postponed = report.postponed,
                            "dispatched a batch of notifications"
                        );
                    }
                    if report.sent > 0 || (report.claimed > 0 && !report.blocked) {
                        continue;
                    }
                    !report.blocked
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot dispatch notifications, trying again"
                    );
                    false
                }
            };
            self.pause(stop, may_be_woken).await;
        }
    }

    /// Waits for work; for the whole interval when what is needed is not available, since new
    /// work would not change that.
    async fn pause(&self, stop: &CancellationToken, may_be_woken: bool) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.wake.notified(), if may_be_woken => {}
            () = tokio::time::sleep(self.poll_interval) => {}
        }
    }
}
