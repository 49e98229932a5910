//! Processes that end between two steps, callers that go away, and crowds on one payment.
//!
//! Invariant: whatever ends where, the buyer is paid exactly once by the provider's own count, the
//! books agree with it, and nothing stays behind. Time is moved by the tests, never waited for.

mod calls;
mod crowds;
mod cut;
mod lives;
mod mortal;
mod mortal_store;
mod writer;

use std::pin::pin;
use std::task::Poll;

/// Polls `work` at most `polls` times and drops it, as a server does when its caller goes away.
/// What it came to, unless it was cut off.
async fn cut_off<T>(work: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut work = pin!(work);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match work.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
