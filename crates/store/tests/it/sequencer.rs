//! Positions without gaps and without losses.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use redress_store::lease::{self, Lease};
use redress_store::{Database, PostgresDatabase, outbox, sequencer};
use redress_testkit::Backend;
use redress_testkit::clock::START;

use crate::support::{append, assert_gapless, execute, log, new_event, open};

redress_testkit::conformance! {
    open = open;
    an_event_reads_back_as_it_was_appended,
    concurrent_writers_leave_no_gap_and_keep_each_entity_in_order,
    what_is_rolled_back_leaves_no_gap,
}

async fn hold(database: &Database, holder: &str) -> Lease {
    let ttl = Duration::from_mins(1);
    lease::acquire(database, sequencer::LEASE, holder, START, ttl).await.unwrap().unwrap()
}

async fn stamp_all(database: &Database, lease: &Lease) {
    while sequencer::stamp(database, lease).await.unwrap() > 0 {}
}

async fn ids(database: &Database) -> Vec<String> {
    log(database).await.into_iter().map(|(_, _, id)| id).collect()
}

async fn an_event_reads_back_as_it_was_appended(database: Database) {
    let mut event = new_event("e1", "probes/1");
    event.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    event.payload = vec![0, 255, 10];
    append(&database, &[event.clone()]).await;
    stamp_all(&database, &hold(&database, "a").await).await;
    assert_eq!(
        log(&database).await,
        [(i16::try_from(event.partition()).unwrap(), 1, "e1".to_owned())]
    );
    assert_eq!(sequencer::heads(&database).await.unwrap()[usize::from(event.partition())], 1);
    append(&database, &[]).await;
}

async fn concurrent_writers_leave_no_gap_and_keep_each_entity_in_order(database: Database) {
    const WRITERS: usize = 6;
    const COMMITS: usize = 30;
    let lease = hold(&database, "a").await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let database = database.clone();
        writers.spawn(async move {
            for n in 0..COMMITS {
                let event = |part: usize| {
                    new_event(format!("{writer}-{part}-{n:03}"), format!("probes/{writer}-{part}"))
                };
                append(&database, &[event(0), event(1), event(2)]).await;
            }
        });
    }
    // Two workers that believe to be the sequencer, with the same lease: the worst case.
    let stampers = [(); 2].map(|()| {
        let (database, lease) = (database.clone(), lease.clone());
        tokio::spawn(async move {
            for _ in 0..200 {
                sequencer::stamp(&database, &lease).await.unwrap();
            }
        })
    });
    writers.join_all().await;
    for stamper in stampers {
        stamper.await.unwrap();
    }
    stamp_all(&database, &lease).await;

    let log = log(&database).await;
    assert_gapless(&log);
    assert_eq!(log.len(), WRITERS * COMMITS * 3);
    let mut by_entity: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (_, _, id) in &log {
        let (entity, n) = id.rsplit_once('-').unwrap();
        by_entity.entry(entity).or_default().push(n);
    }
    assert_eq!(by_entity.len(), WRITERS * 3);
    for (entity, order) in by_entity {
        assert!(order.is_sorted() && order.len() == COMMITS, "{entity}: {order:?}");
    }
}

async fn what_is_rolled_back_leaves_no_gap(database: Database) {
    append(&database, &[new_event("e1", "probes/1")]).await;
    let lost = [new_event("lost", "probes/1")];
    match &database {
        Database::Sqlite(sqlite) => {
            let mut tx = sqlite.begin().await.unwrap();
            outbox::append_sqlite(&mut tx, &lost).await.unwrap();
            tx.rollback().await.unwrap();
        }
        Database::Postgres(postgres) => {
            let mut tx = postgres.begin().await.unwrap();
            outbox::append_postgres(&mut tx, &lost).await.unwrap();
            tx.rollback().await.unwrap();
        }
    }
    append(&database, &[new_event("e2", "probes/1")]).await;
    stamp_all(&database, &hold(&database, "a").await).await;
    assert_gapless(&log(&database).await);
    assert_eq!(ids(&database).await, ["e1", "e2"]);
}

fn on_postgres(case: impl AsyncFnOnce(Database, PostgresDatabase)) {
    redress_testkit::database::run(Backend::Postgres, open, async |database: Database| {
        let Database::Postgres(postgres) = database.clone() else {
            panic!("the url was PostgreSQL's");
        };
        case(database, postgres).await;
    });
}

/// The event of a transaction that is still open when later ones are committed and stamped has
/// the lowest seq and the lowest transaction id; it is found once it commits, and holds nobody up.
#[test]
fn a_slow_transaction_loses_nothing_and_stalls_nothing() {
    on_postgres(async |database, postgres| {
        let lease = hold(&database, "a").await;
        let mut slow = postgres.begin().await.unwrap();
        outbox::append_postgres(&mut slow, &[new_event("slow", "probes/1")]).await.unwrap();
        for n in 0..20 {
            append(&database, &[new_event(format!("fast{n}"), "probes/1")]).await;
            assert_eq!(sequencer::stamp(&database, &lease).await.unwrap(), 1);
        }
        assert_eq!(sequencer::stamp(&database, &lease).await.unwrap(), 0);
        postgres.commit(slow).await.unwrap();
        assert_eq!(sequencer::stamp(&database, &lease).await.unwrap(), 1);

        let log = log(&database).await;
        assert_gapless(&log);
        let distinct: HashSet<_> = log.iter().map(|(_, _, id)| id).collect();
        assert_eq!((log.len(), distinct.len()), (21, 21));
        assert_eq!(log.last().unwrap().2, "slow");
    });
}

/// Transaction ids are given out at the first write, entities are locked later. Here the
/// transaction with the lower id gets hold of the entity second, and both are stamped together:
/// ordered by transaction id, the entity's events would swap.
#[test]
fn an_entitys_order_is_that_of_its_lock_and_not_of_transaction_ids() {
    on_postgres(async |database, postgres| {
        const XID: &str = "SELECT pg_current_xact_id()::text";
        const LOCK: &str = "UPDATE probe_parents SET id = id WHERE id = 'entity'";
        let lease = hold(&database, "a").await;
        execute(&database, "INSERT INTO probe_parents VALUES ('arena', 'entity')").await;
        let mut early = postgres.begin().await.unwrap();
        let xid = |sql| sqlx::query_scalar::<_, String>(sql);
        let early_xid: u64 = xid(XID).fetch_one(&mut *early).await.unwrap().parse().unwrap();

        let mut first = postgres.begin().await.unwrap();
        sqlx::query(LOCK).execute(&mut *first).await.unwrap();
        outbox::append_postgres(&mut first, &[new_event("first", "probes/1")]).await.unwrap();
        let first_xid: u64 = xid(XID).fetch_one(&mut *first).await.unwrap().parse().unwrap();
        assert!(early_xid < first_xid);

        let second = tokio::spawn(async move {
            sqlx::query(LOCK).execute(&mut *early).await.unwrap();
            outbox::append_postgres(&mut early, &[new_event("second", "probes/1")]).await.unwrap();
            early.commit().await.unwrap();
        });
        postgres.commit(first).await.unwrap();
        second.await.unwrap();
        assert_eq!(sequencer::stamp(&database, &lease).await.unwrap(), 2);
        assert_eq!(ids(&database).await, ["first", "second"]);
    });
}

#[test]
fn a_large_backlog_is_stamped_in_bounded_batches() {
    on_postgres(async |database, _| {
        let lease = hold(&database, "a").await;
        let backlog: Vec<_> =
            (0..12_000).map(|n| new_event(format!("e{n}"), format!("probes/{n}"))).collect();
        append(&database, &backlog).await;
        for expected in [5_000, 5_000, 2_000, 0] {
            assert_eq!(sequencer::stamp(&database, &lease).await.unwrap(), expected);
        }
        let log = log(&database).await;
        assert_gapless(&log);
        assert_eq!(log.len(), 12_000);
    });
}
