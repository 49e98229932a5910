//! Compares a provider's balance with what its lane is about to send.
//!
//! Invariant: one process at a time asks, within the provider's read budget, and only while
//! something is armed; a question that failed changes nothing. What the balance is compared with is
//! read after it, so that a lane that pays while the provider answers is not taken for one without
//! funds.

use std::error::Error;
use std::time::Duration;

use redress_core::clock::Timestamp;
use redress_store::StoreError;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Workshop;
use super::streak::Streak;
use crate::domain::lane::{FUNDS_GAP, FundsWait, next_check, who_waits};
use crate::provider::SharedProvider;

/// Attempts that are sent between two looks on a lane without a limit; others send less.
const NEXT: u32 = 1_000;

/// Looks until `stop`.
pub(super) async fn run(provider: SharedProvider, workshop: Workshop, stop: CancellationToken) {
    let mut streak = Streak::new("refunds.funds");
    let every = workshop.settings.poll.min(FUNDS_GAP);
    loop {
        let pause = match look(&*provider, &workshop).await {
            Ok(()) => {
                streak.ended();
                every
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

/// Looks once, when it is this process's turn.
async fn look(
    provider: &dyn crate::provider::Provider,
    workshop: &Workshop,
) -> Result<(), StoreError> {
    let (store, terms) = (&workshop.store, provider.terms());
    let now = workshop.clock.now();
    let gap = u32::try_from(FUNDS_GAP.as_secs()).unwrap_or(1);
    let next = terms.sends_per_second.map_or(NEXT, |limit| limit.saturating_mul(gap).min(NEXT));
    // Whoever has the turn may take as long as one call before another one asks.
    let until = now.plus(terms.timeout.max(FUNDS_GAP));
    let Some(waiting) = store.take_funds_turn(provider.name(), now, until).await? else {
        return Ok(());
    };
    let balance = match provider.balance().await {
        Ok(balance) => balance,
        Err(error) => {
            let error: &dyn Error = &error;
            tracing::warn!(
                provider.name = provider.name(),
                error,
                "balance is not known, the lane goes on as before"
            );
            return Ok(());
        }
    };
    // After the balance, so that what was paid out of it meanwhile is armed no more.
    let armed = store.armed_sums(provider.name(), next.into()).await?;
    let now = workshop.clock.now();
    let waits = who_waits(&armed, &balance, &waiting, now);
    store.put_funds(provider.name(), &waits, next_check(&armed, &waits, now)).await?;
    note_changes(provider.name(), &waiting, &waits, now);
    if waits.len() < waiting.len() {
        workshop.signals.attempts_armed();
    }
    Ok(())
}

fn note_changes(provider: &str, before: &[FundsWait], after: &[FundsWait], now: Timestamp) {
    let is_in =
        |waits: &[FundsWait], wait: &FundsWait| waits.iter().any(|w| w.currency == wait.currency);
    for wait in after.iter().filter(|wait| !is_in(before, wait)) {
        tracing::warn!(
            provider.name = provider,
            currency = wait.currency.code(),
            needed_minor_units = wait.needed,
            available_minor_units = wait.available,
            "provider's balance does not cover what is sent next, its lane waits for funds"
        );
    }
    for wait in before.iter().filter(|wait| !is_in(after, wait)) {
        tracing::info!(
            provider.name = provider,
            currency = wait.currency.code(),
            waited_ms = now.since(wait.since).as_millis(),
            "provider's balance covers what is sent next, its lane goes on"
        );
    }
}

/// How long a refund that its provider refused for want of funds waits at least before it is sent
/// anew, after so many tries.
pub(super) fn retry_after(tries: i32) -> Duration {
    crate::domain::settle::backoff(tries - 1, FUNDS_GAP, Duration::from_secs(30))
}
