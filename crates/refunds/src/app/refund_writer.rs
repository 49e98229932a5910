//! Commits refunds that are created at the same moment together.
//!
//! Invariant: a refund is answered for only after the transaction that stores it has committed, and
//! with the outcome it would have had alone. Nobody waits for company: a commit takes along what
//! has gathered while the ones before it were under way, so that one refund at a time costs one
//! commit each, and a crowd shares them. A commit belongs to none of the callers: whoever of them
//! goes away takes nobody's answer along.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use redress_core::id::Ids;
use redress_store::StoreError;
use tokio::sync::oneshot;

use crate::store::{CreateOutcome, NewRefund, SharedStore};

/// Commits under way at once, at most.
const TURNS: usize = 4;
/// So many waiting refunds start a further commit beside the ones under way; fewer are better off
/// in the next one, because the larger a batch, the less each refund of it costs.
const CROWD: usize = 32;
/// Refunds in one transaction at most.
const MOST: usize = 100;

/// Shared handle to what commits refunds.
#[derive(Clone)]
pub struct RefundWriter {
    shared: Arc<Shared>,
}

struct Shared {
    store: SharedStore,
    ids: Ids,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// As long as calls are under way: bounded by the server's limit on those.
    waiting: VecDeque<Waiting>,
    /// Tasks that work through what waits, at most [`TURNS`].
    turns: usize,
}

struct Waiting {
    new: NewRefund,
    answer: oneshot::Sender<Result<CreateOutcome, StoreError>>,
}

impl RefundWriter {
    /// A writer to `store`.
    pub fn new(store: SharedStore, ids: Ids) -> Self {
        Self { shared: Arc::new(Shared { store, ids, queue: Mutex::default() }) }
    }

    /// Stores a refund, together with whatever else is waiting. When the caller is dropped the
    /// refund is stored all the same, unless the process ends; the record of its request tells.
    pub async fn create(&self, new: NewRefund) -> Result<CreateOutcome, StoreError> {
        let (answer, outcome) = oneshot::channel();
        if self.shared.enqueue(Waiting { new, answer }) {
            tokio::spawn(work(Arc::clone(&self.shared)));
        }
        outcome.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// One turn: commits what waits until nothing does.
async fn work(shared: Arc<Shared>) {
    while let Some(batch) = shared.take() {
        // A batch that panics must not end the turn, or what came after it would wait for ever.
        if AssertUnwindSafe(shared.commit(batch)).catch_unwind().await.is_err() {
            tracing::error!("commit of refunds panicked, its callers are told to try again");
        }
    }
}

/// The commit that the refund was part of is no more, and nobody knows how it ended.
fn gone() -> StoreError {
    StoreError::Unavailable("the commit was given up".into())
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while it is held, and a queue is whole after each push and drain.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a refund; whether the caller has to start a turn, which is counted already.
    fn enqueue(&self, waiting: Waiting) -> bool {
        let mut queue = self.lock();
        queue.waiting.push_back(waiting);
        let is_crowd = queue.waiting.len() >= CROWD;
        let starts = queue.turns == 0 || (is_crowd && queue.turns < TURNS);
        queue.turns += usize::from(starts);
        starts
    }

    /// The next batch. `None` ends the turn: decided under the lock that [`Shared::enqueue`] takes,
    /// so that nothing is queued unseen.
    fn take(&self) -> Option<Vec<Waiting>> {
        let mut queue = self.lock();
        let count = queue.waiting.len().min(MOST);
        if count == 0 {
            queue.turns -= 1;
            return None;
        }
        Some(queue.waiting.drain(..count).collect())
    }

    /// Commits a batch and tells everybody. When the database refuses the whole, each is committed
    /// alone: one that cannot be stored must not keep the others out.
    async fn commit(&self, batch: Vec<Waiting>) {
        let (refunds, answers): (Vec<NewRefund>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.new, waiting.answer)).unzip();
        match self.store.create_refunds(&refunds, &*self.ids).await {
            Ok(outcomes) => {
                for (answer, outcome) in answers.into_iter().zip(outcomes) {
                    tell(answer, Ok(outcome));
                }
            }
            Err(error) if refunds.len() == 1 => {
                if let Some(answer) = answers.into_iter().next() {
                    tell(answer, Err(error));
                }
            }
            Err(error) => {
                tracing::debug!(
                    refunds.count = refunds.len(),
                    error = %error,
                    "refunds cannot be stored together, each is stored alone"
                );
                for (new, answer) in refunds.into_iter().zip(answers) {
                    let outcome = self.store.create_refunds(&[new], &*self.ids).await;
                    tell(answer, outcome.and_then(only));
                }
            }
        }
    }
}

fn only(outcomes: Vec<CreateOutcome>) -> Result<CreateOutcome, StoreError> {
    outcomes.into_iter().next().ok_or_else(|| StoreError::Internal("no outcome".into()))
}

fn tell(
    answer: oneshot::Sender<Result<CreateOutcome, StoreError>>,
    outcome: Result<CreateOutcome, StoreError>,
) {
    if answer.send(outcome).is_err() {
        tracing::debug!("caller is gone before its refund was stored, its request id tells");
    }
}
