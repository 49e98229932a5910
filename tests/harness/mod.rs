//! What the scenarios share: a place to play on, a provider, callers, and ways to wait.
//!
//! Invariant: waiting ends: each wait has a deadline and says at the end what it saw last.

pub(crate) mod books;
pub(crate) mod calls;
pub(crate) mod dynamic;
pub(crate) mod orders;
pub(crate) mod ports;
pub(crate) mod processes;
pub(crate) mod provider;
pub(crate) mod setup;
pub(crate) mod stage;
pub(crate) mod suite;
pub(crate) mod tokens;

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Stamps a test for each database from each `async fn(Backend)`.
macro_rules! on_both_databases {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(redress_testkit::Backend::Sqlite).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(redress_testkit::Backend::Postgres).await;
            })+
        }
    };
}
pub(crate) use on_both_databases;

/// The tenant whose event is cancelled.
pub(crate) const ARENA: &str = "arena";

/// How often something that is waited for is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Asks `probe` until it answers `Ok`; panics with its last reason when `limit` has passed.
pub(crate) async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match probe().await {
            Ok(found) => return found,
            Err(reason) if Instant::now() > deadline => {
                panic!("waited {} s for {what}; last seen: {reason}", limit.as_secs())
            }
            Err(_) => sleep(POLL).await,
        }
    }
}
