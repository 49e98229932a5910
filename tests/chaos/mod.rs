//! Cancellations to which bad things happen: killed and frozen processes, a provider that lies,
//! stays silent or repeats itself, databases that crash or have no room.
//!
//! Each case runs the same cancellation through processes of the refunds service and ends with the
//! same report ([`report::Report`]), which is printed: the provider's money is the ledger's is the
//! items', no order twice and none missing. `REDRESS_CHAOS_ORDERS` sets how many orders; most of
//! them hold tickets for another event too, so that the provider would pay twice if it was asked to.
//!
//! Invariant: what happens depends on what the provider has seen, never on the time; what is waited
//! for has a deadline.

mod crowd;
mod disk;
mod replica;
mod report;
mod scene;

mod crashed_database;
mod deployed;
mod failing_provider;
mod frozen;
mod full_disk;
mod killed;
mod late_answers;
mod webhooks;

use redress_testkit::Backend;

/// Runs a case on both databases at once: each of them mostly waits.
async fn on_both_databases<C: Future<Output = ()>>(case: impl Fn(Backend) -> C) {
    tokio::join!(case(Backend::Sqlite), case(Backend::Postgres));
}
