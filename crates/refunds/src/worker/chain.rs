//! Gives committed postings and audit entries their places in the tenants' hash chains.
//!
//! Invariant: one process chains at a time, under a lease that each of its transactions checks; it
//! runs after commits and never within one, so that hashing does not slow the money.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use redress_core::clock::Clock;
use redress_store::lease::{self, Claim, Lease};
use redress_store::{Database, StoreError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::streak::Streak;
use crate::store::{CHAIN_BATCH, CHAIN_LEASE, SharedStore};

/// How long a silent holder of the lease blocks others.
const LEASE_TTL: Duration = Duration::from_secs(15);
/// How long commits gather before they are chained: bounds the chainer's own commits to ten a
/// second, and adds at most this much to the time that a row waits for its place.
const LINGER: Duration = Duration::from_millis(100);

/// The worker that chains.
pub struct Chainer {
    /// Holds the lease, and says when there is something to do.
    pub database: Database,
    /// The rows and their chains.
    pub store: SharedStore,
    /// Dates the lease.
    pub clock: Arc<dyn Clock>,
    /// Names this process among all that could chain; unique.
    pub holder: String,
    /// How often to look without being woken: for commits of other processes that announced
    /// nothing.
    pub poll: Duration,
}

impl Chainer {
    /// Chains until `stop`, whenever no other process does.
    pub async fn run(&self, stop: CancellationToken) {
        let claim = Claim {
            database: &self.database,
            clock: &*self.clock,
            name: CHAIN_LEASE,
            holder: &self.holder,
            ttl: LEASE_TTL,
        };
        lease::hold(&claim, &stop, |lease, stop| self.work(lease, stop)).await;
    }

    /// Chains what is committed until `stop`: when woken, and at each poll.
    async fn work(&self, lease: Lease, stop: CancellationToken) {
        let wakeup = self.database.wakeup();
        let (mut committed, mut stamped) = (wakeup.on_committed(), wakeup.on_stamped());
        let mut streak = Streak::new("refunds.chain");
        while !stop.is_cancelled() {
            committed.mark_unchanged();
            stamped.mark_unchanged();
            let pause = match self.store.chain(&lease).await {
                // A full batch: there is more.
                Ok(chained) if chained >= CHAIN_BATCH.unsigned_abs() => continue,
                Ok(_) => {
                    streak.ended();
                    None
                }
                Err(error @ StoreError::LeaseLost { .. }) => {
                    let error: &dyn Error = &error;
                    tracing::info!(error, "another process chains the books now");
                    stop.cancel();
                    return;
                }
                Err(error) => Some(streak.failed(&error)),
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                // While the store fails, no commit is worth another try.
                () = sleep(pause.unwrap_or(self.poll)) => continue,
                _signal = committed.changed(), if pause.is_none() => {}
                _signal = stamped.changed(), if pause.is_none() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(LINGER) => {}
            }
        }
    }
}
