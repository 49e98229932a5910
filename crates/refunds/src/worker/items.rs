//! Turns the items of running disruptions into refunds, lane by lane, decides for buyers who stay
//! silent, leaves alone what was called off, and completes what is done.
//!
//! Invariant: each step is one bounded transaction; whatever is left when the process ends is found
//! by whoever runs next. Disruptions take turns in a lane, and a lane is fed no further ahead than
//! its backlog, so that a pause takes hold at once and nobody else's refund waits behind a stadium.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redress_core::id::OrderId;
use redress_store::StoreError;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Workshop;
use super::streak::Streak;
use crate::provider::{ProviderTerms, SharedProvider};
use crate::store::{Take, Work};

/// Items that become refunds in one transaction.
const BATCH: i64 = 200;
/// How long attempts that settle gather before lanes with more items are fed again.
const FEED_GAP: Duration = Duration::from_millis(20);
/// How often at most it is looked whether disruptions are done while attempts settle.
const COMPLETION_GAP: Duration = Duration::from_millis(200);
/// Armed attempts that a lane without a limit holds at most.
const BACKLOG: i64 = 1_000;
/// From so many items set aside in a row on, the fault is most likely in no item: each further one
/// waits for the pause of a failing store, so that a defect does not hand a stadium to people.
const MANY_ASIDE: u32 = 10;

/// Runs until `stop`.
pub(super) async fn run(
    workshop: Workshop,
    providers: Vec<SharedProvider>,
    stop: CancellationToken,
) {
    let mut items = workshop.signals.on_items();
    let mut settled = workshop.signals.on_settled();
    let mut streak = Streak::new("refunds.items");
    let aside = AtomicU32::new(0);
    let feeder = Feeder { workshop: workshop.clone(), providers, aside, stop: stop.clone() };
    let mut looked = Instant::now();
    // Attempts that settle call for more items and may end a disruption, and for nothing else.
    let mut only_settled = false;
    while !stop.is_cancelled() {
        let looks_for_done = !only_settled || looked.elapsed() >= COMPLETION_GAP;
        if looks_for_done {
            looked = Instant::now();
        }
        let (pause, gap) = match feeder.step(only_settled, looks_for_done).await {
            Ok(true) => (None, FEED_GAP),
            Ok(false) => (None, COMPLETION_GAP),
            Err(error) => (Some(streak.failed(&error)), COMPLETION_GAP),
        };
        if pause.is_none() {
            streak.ended();
        }
        // What ended in the last moment is looked for soon, though nothing more settles.
        let rest = if looks_for_done { workshop.settings.poll } else { COMPLETION_GAP };
        only_settled = false;
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            // While the store fails, no signal is worth another try.
            () = sleep(pause.unwrap_or(rest)) => {}
            _signal = items.changed(), if pause.is_none() => {}
            _signal = settled.changed(), if pause.is_none() => {
                // More attempts settle in a moment; a started disruption does not wait for them.
                only_settled = timeout(gap, items.changed()).await.is_err();
            }
        }
    }
}

struct Feeder {
    workshop: Workshop,
    providers: Vec<SharedProvider>,
    /// Items set aside since one was taken on.
    aside: AtomicU32,
    stop: CancellationToken,
}

impl Feeder {
    /// Does what there is to do now; returns whether items waited for a lane.
    async fn step(&self, only_settled: bool, looks_for_done: bool) -> Result<bool, StoreError> {
        let Workshop { store, clock, ids, .. } = &self.workshop;
        if !only_settled {
            self.tidy_up().await?;
        }
        let waited = self.feed().await?;
        if looks_for_done {
            let done = store.complete_disruptions(&**ids, clock.now()).await?;
            if done > 0 {
                tracing::info!(disruptions.completed = done, "disruptions are completed");
            }
        }
        Ok(waited)
    }

    /// Decides for who stayed silent, and leaves alone what was called off.
    async fn tidy_up(&self) -> Result<(), StoreError> {
        let Workshop { store, clock, ids, .. } = &self.workshop;
        while !self.stop.is_cancelled()
            && store.lapse_choices(BATCH, &**ids, clock.now()).await? > 0
        {}
        while !self.stop.is_cancelled() && store.abort_items(BATCH).await? > 0 {}
        Ok(())
    }

    /// Feeds every lane as far as it has room, one batch of each disruption in turn; returns whether
    /// there was anything to feed.
    async fn feed(&self) -> Result<bool, StoreError> {
        let mut turns = self.workshop.store.work().await?;
        let waited = !turns.is_empty();
        while !turns.is_empty() && !self.stop.is_cancelled() {
            let mut going_on = Vec::with_capacity(turns.len());
            for work in turns {
                if self.take(&work).await? {
                    going_on.push(work);
                }
            }
            turns = going_on;
        }
        Ok(waited)
    }

    /// Takes a batch on; returns whether there may be more, and room for it. A batch that cannot be
    /// written is cornered by halving, and the item that spoils it goes to a person.
    async fn take(&self, work: &Work) -> Result<bool, StoreError> {
        let mut take = Take::Next(BATCH);
        loop {
            let error = match self.start(work, &take).await {
                Ok(0) => return Ok(false),
                Ok(taken) => {
                    self.aside.store(0, Ordering::Relaxed);
                    self.workshop.signals.attempts_armed();
                    return Ok(i64::try_from(taken).is_ok_and(|taken| taken >= take.limit()));
                }
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => error,
            };
            take = match take {
                Take::Next(limit) if limit > 3 => Take::Next(limit / 2),
                // By name, so that it is the item that failed which goes to a person, whatever
                // other replicas take on meanwhile.
                Take::Next(_) => match self.workshop.store.next_item(work).await? {
                    Some(order) => Take::Only(order),
                    None => return Ok(false),
                },
                Take::Only(order) => return self.set_aside(work, &order, error).await,
            };
        }
    }

    /// One transaction, in a task of its own, so that a defect in one item ends that task only.
    async fn start(&self, work: &Work, take: &Take) -> Result<usize, StoreError> {
        let (workshop, work, take) = (self.workshop.clone(), work.clone(), take.clone());
        let backlog = self.backlog(&work.lane);
        let task = tokio::spawn(async move {
            let Workshop { store, clock, ids, settings, .. } = &workshop;
            let terms = &settings.item_terms;
            store.start_items(&work, &take, backlog, terms, &**ids, clock.now()).await
        });
        match task.await {
            Ok(taken) => taken,
            Err(panicked) => Err(StoreError::Internal(Box::new(panicked))),
        }
    }

    /// Hands an item to a person; returns whether there may be more to take on.
    async fn set_aside(
        &self,
        work: &Work,
        order: &OrderId,
        cause: StoreError,
    ) -> Result<bool, StoreError> {
        let Workshop { store, clock, ids, .. } = &self.workshop;
        if !store.set_aside(work, order, &**ids, clock.now()).await? {
            return Ok(true);
        }
        let error: &dyn std::error::Error = &cause;
        tracing::error!(
            disruption.name = work.disruption.resource_name(),
            order.name = order.resource_name(),
            error,
            "item cannot be taken on, it goes to a person"
        );
        if self.aside.fetch_add(1, Ordering::Relaxed) + 1 >= MANY_ASIDE {
            return Err(cause);
        }
        Ok(true)
    }

    /// How many armed attempts the lane may hold.
    fn backlog(&self, lane: &str) -> i64 {
        let provider = self.providers.iter().find(|provider| provider.name() == lane);
        provider.map_or(i64::MAX, |provider| backlog_of(&provider.terms()))
    }
}

/// A few rounds of calls, or two seconds of a lane with a limit, so that it never runs dry.
fn backlog_of(terms: &ProviderTerms) -> i64 {
    let rounds = 4 * i64::try_from(terms.concurrency).unwrap_or(i64::MAX / 4);
    terms.sends_per_second.map_or_else(|| BACKLOG.max(rounds), |rate| 2 * i64::from(rate))
}
