//! The sandbox's source of time.
//!
//! Everything that is stamped, counted per second or expires asks this one function, so that a
//! test can stand still in one calendar second or jump over the idempotency window. Delays (slow
//! answers, refunds that fail later, webhook retries) run on tokio's timers instead.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A function that returns the current time as microseconds since the Unix epoch, UTC.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// Uses `now`, which returns microseconds since the Unix epoch, UTC.
    pub fn from_fn(now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The machine's own clock. The sandbox doubles for an outside system, so it may read it.
    #[expect(clippy::disallowed_methods, reason = "the one place of an outside system's double")]
    pub fn system() -> Self {
        Self::from_fn(|| {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
        })
    }

    /// Microseconds since the Unix epoch, UTC.
    pub(crate) fn now_micros(&self) -> i64 {
        (self.0)()
    }

    /// Whole seconds since the Unix epoch, UTC, as Stripe stamps its objects.
    pub(crate) fn now_seconds(&self) -> i64 {
        self.now_micros().div_euclid(1_000_000)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clock")
    }
}
