//! Watches the legal clocks of refunds: announces that one ends soon, and that one was missed.
//!
//! Invariant: looks once in each poll and is woken by nothing else, because nothing but time makes a
//! refund late; a look is one glance at an index while nothing is due. What is announced is marked
//! in the same transaction, so that any number of processes announce it once.

use redress_store::StoreError;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Workshop;
use super::streak::Streak;
use crate::store::Watch;

/// Clocks that are announced in one transaction, of each kind.
const BATCH: i64 = 500;

/// Runs until `stop`.
pub(super) async fn run(workshop: Workshop, stop: CancellationToken) {
    let mut streak = Streak::new("refunds.deadlines");
    while !stop.is_cancelled() {
        let pause = match look(&workshop, &stop).await {
            Ok(()) => {
                streak.ended();
                workshop.settings.poll
            }
            Err(error) => streak.failed(&error),
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = sleep(pause) => {}
        }
    }
}

/// Announces everything that is due now.
async fn look(workshop: &Workshop, stop: &CancellationToken) -> Result<(), StoreError> {
    let Workshop { store, clock, ids, settings, .. } = workshop;
    let watch = Watch { warning: settings.deadline_warning, limit: BATCH };
    while !stop.is_cancelled() {
        let announced = store.announce_deadlines(watch, &**ids, clock.now()).await?;
        if announced.soon > 0 {
            tracing::info!(refunds.due_soon = announced.soon, "refunds are due soon by law");
        }
        if announced.missed > 0 {
            tracing::warn!(
                refunds.missed = announced.missed,
                "refunds have missed their legal deadline"
            );
        }
        // A batch of either kind may have been full.
        if announced.total() < BATCH.unsigned_abs().try_into().unwrap_or(usize::MAX) {
            return Ok(());
        }
    }
    Ok(())
}
