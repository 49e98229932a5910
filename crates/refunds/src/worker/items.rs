//! Turns the items of running disruptions into refunds, and completes disruptions that are done.
//!
//! Invariant: each step is one bounded transaction; whatever is left when the process ends is found
//! by whoever runs next.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Workshop;
use super::streak::Streak;

/// Items that become refunds in one transaction.
const BATCH: i64 = 200;
/// How often at most it is checked whether a disruption is done while attempts settle.
const COMPLETION_GAP: Duration = Duration::from_millis(200);

/// Runs until `stop`.
pub(super) async fn run(workshop: Workshop, stop: CancellationToken) {
    let mut items = workshop.signals.on_items();
    let mut settled = workshop.signals.on_settled();
    let mut streak = Streak::new("refunds.items");
    while !stop.is_cancelled() {
        let pause = step(&workshop, &mut streak, &stop).await;
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            // While the store fails, no signal is worth another try.
            () = sleep(pause.unwrap_or(workshop.settings.poll)) => {}
            _signal = items.changed(), if pause.is_none() => {}
            _signal = settled.changed(), if pause.is_none() => {
                // More attempts settle in a moment; a started disruption does not wait for them.
                let _waited = timeout(COMPLETION_GAP, items.changed()).await;
            }
        }
    }
}

/// Starts every item there is and completes what is done. Returns how long to wait when the store
/// failed.
async fn step(
    workshop: &Workshop,
    streak: &mut Streak,
    stop: &CancellationToken,
) -> Option<Duration> {
    let (store, ids) = (&workshop.store, &*workshop.ids);
    let terms = &workshop.settings.item_terms;
    while !stop.is_cancelled() {
        match store.start_items(BATCH, terms, ids, workshop.clock.now()).await {
            Ok(0) => break,
            Ok(_) => {
                streak.ended();
                workshop.signals.attempts_armed();
            }
            Err(error) => return Some(streak.failed(&error)),
        }
    }
    match store.complete_disruptions(ids, workshop.clock.now()).await {
        Ok(completed) => {
            streak.ended();
            if completed > 0 {
                tracing::info!(disruptions.completed = completed, "disruptions are completed");
            }
            None
        }
        Err(error) => Some(streak.failed(&error)),
    }
}
