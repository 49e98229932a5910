//! Callers in a closed loop, and how long each of their calls took.
//!
//! Invariant: every call is made once and kept with its time; the first that fails ends the round,
//! which then has no figure.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Status;

/// Calls that can be made by number.
pub(super) trait Calls: Send + Sync + 'static {
    /// Makes call `number` on behalf of `caller`; callers share connections.
    fn call(&self, caller: usize, number: usize)
    -> impl Future<Output = Result<(), Status>> + Send;
}

/// The calls of one round.
#[derive(Debug)]
pub(super) struct Round {
    /// How long each took, in no order.
    pub latencies: Vec<Duration>,
    /// From the first call to the last answer.
    pub elapsed: Duration,
}

impl Round {
    /// Answered calls over the time of the round.
    pub(super) fn per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count below 2^52")]
        let count = self.latencies.len() as f64;
        count / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

/// Has `callers` make the calls of these numbers, each taking the next when its last is answered.
pub(super) async fn closed_loop<C: Calls>(
    calls: Arc<C>,
    numbers: Range<usize>,
    callers: usize,
) -> Result<Round> {
    let next = Arc::new(AtomicUsize::new(numbers.start));
    let mut latencies = Vec::with_capacity(numbers.len());
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for caller in 0..callers {
        let (calls, next, end) = (Arc::clone(&calls), Arc::clone(&next), numbers.end);
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    return Ok::<_, Status>(latencies);
                }
                let start = Instant::now();
                calls.call(caller, number).await?;
                latencies.push(start.elapsed());
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        latencies.extend(ended??);
    }
    Ok(Round { latencies, elapsed: start.elapsed() })
}

/// The latency that `percent` of `sorted` do not exceed: nearest rank, nothing interpolated.
pub(super) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Notes each call; call 13 of those that fail is refused.
    struct Noted {
        made: Mutex<Vec<usize>>,
        refuses: bool,
    }

    impl Calls for Noted {
        async fn call(&self, _caller: usize, number: usize) -> Result<(), Status> {
            tokio::task::yield_now().await;
            self.made.lock().unwrap().push(number);
            if self.refuses && number == 13 { Err(Status::aborted("13")) } else { Ok(()) }
        }
    }

    #[tokio::test]
    async fn every_call_is_made_once_and_timed() {
        let calls = Arc::new(Noted { made: Mutex::default(), refuses: false });
        let round = closed_loop(Arc::clone(&calls), 5..105, 8).await.unwrap();
        assert_eq!(round.latencies.len(), 100);
        let mut made = std::mem::take(&mut *calls.made.lock().unwrap());
        made.sort_unstable();
        assert_eq!(made, (5..105).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_refused_call_ends_the_round() {
        let calls = Arc::new(Noted { made: Mutex::default(), refuses: true });
        let error = closed_loop(calls, 0..100, 8).await.unwrap_err();
        assert_eq!(error.downcast_ref::<Status>().unwrap().message(), "13");
    }

    #[test]
    fn percentiles_are_latencies_that_were_seen() {
        let sorted: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        let at = |percent| percentile(&sorted, percent).as_millis();
        assert_eq!([at(50), at(95), at(99), at(100)], [100, 190, 198, 200]);
        assert_eq!(percentile(&sorted[..1], 50).as_millis(), 1);
        assert_eq!(percentile(&sorted[..3], 50).as_millis(), 2);
    }
}
