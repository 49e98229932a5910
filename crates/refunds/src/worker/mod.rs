//! The workers: they send attempts, look up their outcomes, take disruptions' items on and watch
//! legal clocks.
//!
//! Invariant: whatever a worker does, it has claimed in the database first, under a lease; any
//! number of processes may run these loops, and any of them may vanish at any point. A worker ends
//! only when it is told to.

mod chain;
mod deadlines;
mod funds;
mod gate;
mod hold;
mod items;
mod lane;
mod look_up;
mod send;
mod settler;
mod signals;
mod streak;
mod width;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redress_core::clock::{Clock, Timestamp};
use redress_core::id::Ids;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::domain::settle::backoff;
use crate::provider::SharedProvider;
use crate::store::{ItemTerms, SharedStore};
use gate::Gate;
use hold::Hold;
use lane::Job;
use look_up::LookingUp;
use send::Sending;
use width::Width;

pub use chain::Chainer;
pub use signals::WorkSignals;

/// How long after its claim the call about an attempt may begin. What waits longer is given back,
/// so that a call never outlives its lease, and the provider's visibility window has a start.
const START_WITHIN: Duration = Duration::from_secs(5);
/// The longest pause between two look-ups of a refund that its provider has accepted.
const CHECK_CAP: Duration = Duration::from_hours(1);
/// How long a loop that panicked waits before it starts anew.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// How patient the workers are.
#[derive(Debug, Clone, Copy)]
pub struct WorkerSettings {
    /// How long to wait at most before looking for work that nobody signalled.
    pub poll: Duration,
    /// How long calls under way may take when the worker stops.
    pub drain: Duration,
    /// How soon a lost answer is looked up, and the pause between the two look-ups that prove
    /// absence.
    pub look_up_first: Duration,
    /// The longest pause between look-ups that fail.
    pub look_up_cap: Duration,
    /// How soon an accepted refund is looked up; the pause doubles from then on. Webhooks are
    /// faster.
    pub check_first: Duration,
    /// How long after sending the outcome of an attempt may stay unclear before a person is asked.
    pub ask_person_after: Duration,
    /// How long before its end a legal clock is announced.
    pub deadline_warning: Duration,
    /// What the refunds of disruptions' items share.
    pub item_terms: ItemTerms,
}

/// What the workers work with.
#[derive(Clone)]
pub struct Workshop {
    /// Where attempts and items are.
    pub store: SharedStore,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids of attempts and events, and the tokens of claims.
    pub ids: Ids,
    /// What wakes the workers.
    pub signals: WorkSignals,
    /// How patient they are.
    pub settings: WorkerSettings,
}

/// Runs every loop until `stop`: two lanes for each of `providers`, with an eye on its balance where
/// its terms ask for it, one loop for items and one for legal clocks. Calls
/// under way are then waited for, and their findings stored, within the drain time.
pub async fn run(workshop: Workshop, providers: &[SharedProvider], stop: CancellationToken) {
    let mut loops = JoinSet::new();
    for provider in providers {
        let width = Width::new(provider.terms().concurrency);
        let sending: Arc<dyn Job> = Arc::new(Sending {
            provider: Arc::clone(provider),
            workshop: workshop.clone(),
            gate: Gate::new(Arc::clone(provider), workshop.clone()),
            width: Arc::clone(&width),
        });
        let looking_up: Arc<dyn Job> = Arc::new(LookingUp {
            provider: Arc::clone(provider),
            workshop: workshop.clone(),
            hold: Hold::default(),
        });
        for job in [sending, looking_up] {
            let (workshop, width, ends) = (workshop.clone(), Arc::clone(&width), stop.clone());
            let name = job.name();
            let lane = move || {
                let (job, width) = (Arc::clone(&job), Arc::clone(&width));
                lane::run(job, width, workshop.clone(), ends.clone())
            };
            loops.spawn(keep_running(name, stop.clone(), lane));
        }
        if provider.terms().balance_gate {
            let (provider, workshop) = (Arc::clone(provider), workshop.clone());
            let ends = stop.clone();
            let funds = move || funds::run(Arc::clone(&provider), workshop.clone(), ends.clone());
            loops.spawn(keep_running("refunds.funds", stop.clone(), funds));
        }
    }
    let ends = stop.clone();
    let connected = providers.to_vec();
    let watched = workshop.clone();
    let items = move || items::run(workshop.clone(), connected.clone(), ends.clone());
    loops.spawn(keep_running("refunds.items", stop.clone(), items));
    let ends = stop.clone();
    let deadlines = move || deadlines::run(watched.clone(), ends.clone());
    loops.spawn(keep_running("refunds.deadlines", stop.clone(), deadlines));
    while loops.join_next().await.is_some() {}
}

/// Runs the loop that `make` makes, again when it panics: a defect in one corner must not end a
/// worker for good.
async fn keep_running<F>(name: &'static str, stop: CancellationToken, make: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    while let Err(error) = AbortOnDropHandle::new(tokio::spawn(make())).await {
        tracing::error!(worker.name = name, error = %error, "worker failed and starts anew");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RESTART_PAUSE) => {}
        }
    }
}

/// When to look up a refund that its provider has accepted, after `delays` look-ups.
fn check_accepted(now: Timestamp, delays: i32, first: Duration) -> Timestamp {
    now.plus(backoff(delays, first, CHECK_CAP))
}
