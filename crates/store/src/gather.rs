//! Asks the database together what callers ask at the same moment.
//!
//! Invariant: nobody waits for company: what is asked together has gathered while the questions
//! before it were under way, so that one caller at a time costs one question each, and a crowd
//! shares them. Each gets the answer it would have had alone. A question belongs to none of its
//! callers: whoever of them goes away takes nobody's answer along.

use std::collections::VecDeque;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::FutureExt as _;
use tokio::sync::oneshot;

use crate::error::StoreError;

/// Questions that can be put together.
#[async_trait]
pub trait Together: Send + Sync + 'static {
    /// What one caller asks.
    type Ask: Send + Sync + 'static;
    /// What it is told.
    type Answer: Send + 'static;

    /// Answers all of `asks`, one answer each, in order. After an error each is asked again alone, as
    /// long as the database is there: one that cannot be answered must not keep the others out. So
    /// it has to be right to ask twice, also when a commit went through and its answer was lost.
    async fn answer(&self, asks: &[Self::Ask]) -> Result<Vec<Self::Answer>, StoreError>;
}

/// How many are asked together.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Questions under way at once, at most; at least 1.
    pub turns: usize,
    /// So many waiting callers start a further question beside those under way; fewer are better
    /// off in the next one, because the more share it, the less each of them costs.
    pub crowd: usize,
    /// Callers that share one question, at most; at least 1.
    pub most: usize,
}

/// Shared handle to what gathers questions.
pub struct Gather<T: Together> {
    shared: Arc<Shared<T>>,
}

struct Shared<T: Together> {
    together: T,
    pace: Pace,
    queue: Mutex<Queue<T>>,
}

struct Queue<T: Together> {
    /// As long as callers are waiting: bounded by whatever bounds those.
    waiting: VecDeque<Waiting<T>>,
    /// Tasks that work through what waits, at most [`Pace::turns`].
    turns: usize,
}

struct Waiting<T: Together> {
    ask: T::Ask,
    answer: oneshot::Sender<Result<T::Answer, StoreError>>,
}

impl<T: Together> fmt::Debug for Gather<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What callers ask may hold personal data.
        f.debug_struct("Gather").field("pace", &self.shared.pace).finish_non_exhaustive()
    }
}

impl<T: Together> Clone for Gather<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T: Together> Gather<T> {
    /// Gathers questions to `together`.
    pub fn new(together: T, pace: Pace) -> Self {
        let queue = Mutex::new(Queue { waiting: VecDeque::new(), turns: 0 });
        Self { shared: Arc::new(Shared { together, pace, queue }) }
    }

    /// Asks, together with whoever else is waiting. When the caller is dropped the question is
    /// asked all the same, unless the process ends.
    pub async fn ask(&self, ask: T::Ask) -> Result<T::Answer, StoreError> {
        let (answer, told) = oneshot::channel();
        if self.shared.enqueue(Waiting { ask, answer }) {
            tokio::spawn(work(Arc::clone(&self.shared)));
        }
        told.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// One turn: asks what waits until nothing does.
async fn work<T: Together>(shared: Arc<Shared<T>>) {
    while let Some(batch) = shared.take() {
        // A batch that panics must not end the turn, or what came after it would wait for ever.
        if AssertUnwindSafe(shared.answer(batch)).catch_unwind().await.is_err() {
            tracing::error!("what callers share panicked, they are told to try again");
        }
    }
}

/// The question that the caller shared is no more, and nobody knows how it ended.
fn gone() -> StoreError {
    StoreError::Unavailable("what was asked was given up".into())
}

impl<T: Together> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        // Nothing panics while it is held, and a queue is whole after each push and drain.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a caller; whether it has to start a turn, which is counted already.
    fn enqueue(&self, waiting: Waiting<T>) -> bool {
        let mut queue = self.lock();
        queue.waiting.push_back(waiting);
        let is_crowd = queue.waiting.len() >= self.pace.crowd;
        let starts = queue.turns == 0 || (is_crowd && queue.turns < self.pace.turns);
        queue.turns += usize::from(starts);
        starts
    }

    /// The next batch. `None` ends the turn: decided under the lock that [`Shared::enqueue`] takes,
    /// so that nobody is queued unseen.
    fn take(&self) -> Option<Vec<Waiting<T>>> {
        let mut queue = self.lock();
        let count = queue.waiting.len().min(self.pace.most.max(1));
        if count == 0 {
            queue.turns -= 1;
            return None;
        }
        Some(queue.waiting.drain(..count).collect())
    }

    /// Asks for a batch and tells everybody.
    async fn answer(&self, batch: Vec<Waiting<T>>) {
        let (asks, tellers): (Vec<T::Ask>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.ask, waiting.answer)).unzip();
        match self.together.answer(&asks).await {
            Ok(answers) => {
                // Whoever is missing an answer is told so when its teller is dropped.
                for (teller, answer) in tellers.into_iter().zip(answers) {
                    tell(teller, Ok(answer));
                }
            }
            Err(error) if asks.len() == 1 => {
                if let Some(teller) = tellers.into_iter().next() {
                    tell(teller, Err(error));
                }
            }
            Err(error) => {
                tracing::debug!(
                    asked = asks.len(),
                    error = %error,
                    "what was asked together is asked one by one"
                );
                let mut is_reachable = true;
                for (ask, teller) in asks.iter().zip(tellers) {
                    // Whoever is left would only wait as long again.
                    let answer = if is_reachable {
                        self.together.answer(std::slice::from_ref(ask)).await.and_then(only)
                    } else {
                        Err(gone())
                    };
                    is_reachable &= !matches!(answer, Err(StoreError::Unavailable(_)));
                    tell(teller, answer);
                }
            }
        }
    }
}

fn only<A>(answers: Vec<A>) -> Result<A, StoreError> {
    answers.into_iter().next().ok_or_else(|| StoreError::Internal("no answer".into()))
}

fn tell<A>(teller: oneshot::Sender<Result<A, StoreError>>, answer: Result<A, StoreError>) {
    if teller.send(answer).is_err() {
        tracing::debug!("caller is gone before its answer was there");
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    /// Doubles what it is asked once it is let, refuses odd numbers, is gone at 13, panics at 0, and
    /// notes what was asked together.
    struct Doubles {
        lets: Semaphore,
        asked: Mutex<Vec<Vec<i64>>>,
    }

    #[async_trait]
    impl Together for Arc<Doubles> {
        type Ask = i64;
        type Answer = i64;

        async fn answer(&self, asks: &[i64]) -> Result<Vec<i64>, StoreError> {
            self.lets.acquire().await.unwrap().forget();
            self.asked.lock().unwrap().push(asks.to_vec());
            assert!(!asks.contains(&0), "the test asks for this panic");
            if asks.contains(&13) {
                return Err(StoreError::Unavailable("the test asks for this".into()));
            }
            if asks.iter().any(|ask| ask % 2 == 1) {
                return Err(StoreError::VersionMismatch);
            }
            Ok(asks.iter().map(|ask| ask * 2).collect())
        }
    }

    fn gather(lets: usize, pace: Pace) -> (Arc<Doubles>, Gather<Arc<Doubles>>) {
        let doubles = Arc::new(Doubles { lets: Semaphore::new(lets), asked: Mutex::default() });
        (Arc::clone(&doubles), Gather::new(doubles, pace))
    }

    const PACE: Pace = Pace { turns: 2, crowd: 4, most: 5 };

    /// What each of `asks`, made in this order, is told; the database answers once all are made.
    async fn told(pace: Pace, asks: &[i64]) -> (Vec<Option<i64>>, Vec<Vec<i64>>) {
        let (doubles, gather) = gather(0, pace);
        let callers = futures::future::join_all(asks.iter().map(|ask| gather.ask(*ask)));
        let let_all = async { doubles.lets.add_permits(100) };
        let (answers, ()) = tokio::join!(callers, let_all);
        let asked = doubles.asked.lock().unwrap().clone();
        (answers.into_iter().map(Result::ok).collect(), asked)
    }

    #[tokio::test]
    async fn one_at_a_time_ask_alone() {
        let (doubles, gather) = gather(100, PACE);
        for ask in [2, 4, 6] {
            assert_eq!(gather.ask(ask).await.unwrap(), 2 * ask);
        }
        assert_eq!(*doubles.asked.lock().unwrap(), [[2], [4], [6]]);
    }

    #[tokio::test]
    async fn a_crowd_shares_questions_and_each_gets_its_own_answer() {
        let asks: Vec<i64> = (1..=12).map(|ask| 2 * ask).collect();
        let (answers, asked) = told(PACE, &asks).await;
        assert_eq!(answers, asks.iter().map(|ask| Some(2 * ask)).collect::<Vec<_>>());
        assert_eq!(asked.iter().map(Vec::len).collect::<Vec<_>>(), [5, 5, 2]);
        assert_eq!(asked.concat(), asks);
    }

    #[tokio::test]
    async fn one_that_is_refused_keeps_nobody_out() {
        let (answers, asked) = told(Pace { turns: 1, ..PACE }, &[2, 3, 4]).await;
        assert_eq!(answers, [Some(4), None, Some(8)]);
        assert_eq!(asked, [vec![2, 3, 4], vec![2], vec![3], vec![4]]);
    }

    #[tokio::test]
    async fn a_database_that_is_gone_is_not_asked_for_each() {
        let (answers, asked) = told(Pace { turns: 1, ..PACE }, &[2, 13, 4, 6]).await;
        assert_eq!(answers, [Some(4), None, None, None]);
        assert_eq!(asked, [vec![2, 13, 4, 6], vec![2], vec![13]]);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_holds_nobody_up() {
        let (_, gather) = gather(100, PACE);
        assert!(matches!(gather.ask(0).await, Err(StoreError::Unavailable(_))));
        assert_eq!(gather.ask(2).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn whoever_goes_away_takes_nobodys_answer_along() {
        let (doubles, gather) = gather(0, PACE);
        let first = gather.ask(2);
        let second = gather.ask(4);
        let gone = tokio::time::timeout(std::time::Duration::from_millis(1), first).await;
        assert!(gone.is_err(), "nothing is answered before it is let");
        doubles.lets.add_permits(100);
        assert_eq!(second.await.unwrap(), 8);
        assert_eq!(doubles.asked.lock().unwrap().concat(), [2, 4]);
    }
}
