//! One holder at a time, and a stale one that cannot write.

use std::time::Duration;

use redress_core::clock::Clock;
use redress_store::lease::{Lease, acquire, guard_postgres, guard_sqlite, release, renew};
use redress_store::{Database, StoreError, sequencer};

use crate::support::{append, new_event, open};

redress_testkit::conformance! {
    open = open;
    a_lease_has_one_holder_until_it_expires,
    a_holder_that_was_taken_over_cannot_write,
    a_lease_that_was_given_back_is_free_at_once,
    of_racing_claims_one_wins,
}

const TTL: Duration = Duration::from_secs(10);

async fn guard(database: &Database, lease: &Lease) -> Result<(), StoreError> {
    match database {
        Database::Sqlite(sqlite) => guard_sqlite(&mut *sqlite.begin().await?, lease).await,
        Database::Postgres(postgres) => guard_postgres(&mut *postgres.begin().await?, lease).await,
    }
}

fn is_lost<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::LeaseLost { name }) if name == "work")
}

async fn a_lease_has_one_holder_until_it_expires(database: Database) {
    let clock = redress_testkit::clock::manual();
    let claim = async |holder| acquire(&database, "work", holder, clock.now(), TTL).await.unwrap();
    let first = claim("a").await.unwrap();
    assert_eq!((first.token, first.expires), (1, clock.now().plus(TTL)));
    clock.advance(Duration::from_secs(9));
    assert_eq!(claim("b").await, None);
    let renewed = renew(&database, &first, clock.now(), TTL).await.unwrap();
    assert_eq!(renewed.expires, clock.now().plus(TTL));
    clock.advance(Duration::from_secs(9));
    assert_eq!(claim("b").await, None, "it was renewed");
    clock.advance(Duration::from_secs(1));
    assert_eq!(claim("b").await.unwrap().token, 2);
}

async fn a_holder_that_was_taken_over_cannot_write(database: Database) {
    let clock = redress_testkit::clock::manual();
    let stale = acquire(&database, "work", "a", clock.now(), TTL).await.unwrap().unwrap();
    clock.advance(TTL);
    // Expired, but nobody came: still safe to write.
    guard(&database, &stale).await.unwrap();
    let fresh = acquire(&database, "work", "b", clock.now(), TTL).await.unwrap().unwrap();
    assert!(is_lost(&guard(&database, &stale).await));
    assert!(is_lost(&renew(&database, &stale, clock.now(), TTL).await));
    // Giving back what one does not hold must not free it.
    release(&database, &stale).await.unwrap();
    guard(&database, &fresh).await.unwrap();
    assert_eq!(acquire(&database, "work", "c", clock.now(), TTL).await.unwrap(), None);
    if matches!(database, Database::Postgres(_)) {
        append(&database, &[new_event("e1", "probes/1")]).await;
        assert!(is_lost(&sequencer::stamp(&database, &stale).await));
        assert_eq!(sequencer::stamp(&database, &fresh).await.unwrap(), 1);
    }
}

async fn a_lease_that_was_given_back_is_free_at_once(database: Database) {
    let clock = redress_testkit::clock::manual();
    let first = acquire(&database, "work", "a", clock.now(), TTL).await.unwrap().unwrap();
    release(&database, &first).await.unwrap();
    let second = acquire(&database, "work", "b", clock.now(), TTL).await.unwrap().unwrap();
    assert_eq!(second.token, 2);
}

async fn of_racing_claims_one_wins(database: Database) {
    let now = redress_testkit::clock::START;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..8 {
        let database = database.clone();
        tasks.spawn(async move {
            acquire(&database, "work", &format!("h{n}"), now, TTL).await.unwrap()
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().flatten().count(), 1);
}
