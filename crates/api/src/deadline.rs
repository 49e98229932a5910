//! How much time a call has left.
//!
//! Invariant: a deadline is a point on the monotonic clock, so that it shrinks by itself on the
//! way through a service and every call made on its behalf gets only what remains.

use std::time::Duration;

use tokio::time::Instant;

/// The point at which a call's caller stops waiting, less the server's own safety margin. The
/// runtime puts one into the extensions of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline at `instant`.
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// A deadline `timeout` from now; very long timeouts end in thirty years.
    pub fn after(timeout: Duration) -> Self {
        const FAR: Duration = Duration::from_hours(30 * 365 * 24);
        Self(Instant::now() + timeout.min(FAR))
    }

    /// The point in time.
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// What is left; zero when it has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}
