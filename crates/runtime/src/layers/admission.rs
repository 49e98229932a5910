//! Load is shed at the door.
//!
//! Invariant: a call that gets in holds one of a fixed number of permits until its handler ends,
//! even when its caller has long gone, or, when requests or answers are a stream, until the stream
//! of its answers ends; calls beyond the number or the rate are refused at once, never queued.
//! Health checks always get in.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redress_api::ApiError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::{Middleware, Next, Request, Response, is_health, refuse};
use crate::config::LimitSettings;

/// Travels with the request, so that whoever runs the handler can hold it to the end.
#[derive(Clone)]
pub(super) struct Permit {
    _held: Arc<OwnedSemaphorePermit>,
}

/// Admits or sheds calls.
#[derive(Clone)]
pub(super) struct Admission {
    permits: Arc<Semaphore>,
    bucket: Arc<Mutex<Bucket>>,
}

impl Admission {
    pub(super) fn new(limits: &LimitSettings) -> Self {
        let bucket = Bucket::full(limits.calls_per_second, limits.call_burst, Instant::now());
        Self {
            permits: Arc::new(Semaphore::new(limits.concurrent_calls)),
            bucket: Arc::new(Mutex::new(bucket)),
        }
    }

    fn admit(&self) -> Result<Permit, ApiError> {
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        let permit = permit.map_err(|_| ApiError::ResourceExhausted {
            reason: "SERVER_OVERLOADED",
            message: "the server has all the calls it can work on, try again later".to_owned(),
            retry_after: None,
        })?;
        // A bucket is two numbers; a panic elsewhere cannot have left it half changed.
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(Instant::now()).map_err(|wait| ApiError::ResourceExhausted {
            reason: "RATE_LIMITED",
            message: "too many calls a second, slow down".to_owned(),
            retry_after: Some(wait),
        })?;
        Ok(Permit { _held: Arc::new(permit) })
    }
}

impl Middleware for Admission {
    async fn handle<N: Next>(&self, mut request: Request, next: N) -> Response {
        if is_health(request.uri().path()) {
            return next.run(request).await;
        }
        match self.admit() {
            Ok(permit) => {
                request.extensions_mut().insert(permit);
                next.run(request).await
            }
            Err(refusal) => refuse(refusal),
        }
    }
}

/// A token bucket. Counts nanoseconds of credit, so that no rounding loses any.
#[derive(Debug)]
struct Bucket {
    nanos_per_call: u64,
    capacity_nanos: u64,
    credit_nanos: u64,
    filled: Instant,
}

impl Bucket {
    fn full(calls_per_second: u32, burst: u32, now: Instant) -> Self {
        let nanos_per_call = 1_000_000_000 / u64::from(calls_per_second.max(1));
        let capacity_nanos = nanos_per_call.saturating_mul(u64::from(burst.max(1)));
        Self { nanos_per_call, capacity_nanos, credit_nanos: capacity_nanos, filled: now }
    }

    /// Takes one call's credit, or tells how long until there is one.
    fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let passed = now.saturating_duration_since(self.filled);
        let passed = u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX);
        self.credit_nanos = self.credit_nanos.saturating_add(passed).min(self.capacity_nanos);
        self.filled = now;
        match self.credit_nanos.checked_sub(self.nanos_per_call) {
            Some(rest) => {
                self.credit_nanos = rest;
                Ok(())
            }
            None => Err(Duration::from_nanos(self.nanos_per_call - self.credit_nanos)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::full(10, 3, start);
        for _ in 0..3 {
            assert_eq!(bucket.take(start), Ok(()));
        }
        assert_eq!(bucket.take(start), Err(Duration::from_millis(100)));
        let later = start + Duration::from_millis(60);
        assert_eq!(bucket.take(later), Err(Duration::from_millis(40)));
        assert_eq!(bucket.take(start + Duration::from_millis(100)), Ok(()));
        let much_later = start + Duration::from_mins(10);
        let taken = (0..10).take_while(|_| bucket.take(much_later).is_ok()).count();
        assert_eq!(taken, 3, "credit does not grow beyond the burst");
    }
}
