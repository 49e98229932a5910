//! A service that has only what the tests need, and ways to look into its database.

use std::time::Duration;

use redress_core::clock::Timestamp;
use redress_core::event::{Event, EventBatch, NewEvent, PARTITIONS};
use redress_core::id::TenantId;
use redress_store::{Database, DatabaseSettings, Schema, migrate, outbox};
use redress_testkit::clock::START;
use sqlx::migrate::Migrator;

pub(crate) static SQLITE: Migrator = sqlx::migrate!("tests/it/migrations/sqlite");
pub(crate) static POSTGRES: Migrator = sqlx::migrate!("tests/it/migrations/postgres");

pub(crate) const PROBE: Schema = Schema { service: "probe", sqlite: &SQLITE, postgres: &POSTGRES };

pub(crate) async fn connect(url: &str) -> Database {
    Database::connect(&DatabaseSettings::new(url)).await.unwrap()
}

/// The database at `url`, migrated.
pub(crate) async fn open(url: String) -> Database {
    let database = connect(&url).await;
    migrate(&database, &PROBE).await.unwrap();
    database
}

pub(crate) fn tenant() -> TenantId {
    TenantId::new("arena").unwrap()
}

pub(crate) fn new_event(id: impl Into<String>, subject: impl Into<String>) -> NewEvent {
    let id = id.into();
    NewEvent {
        payload: id.clone().into_bytes(),
        id,
        tenant: tenant(),
        event_type: "redress.probe.v1.Happened",
        subject: subject.into(),
        time: START,
        payload_version: 1,
        traceparent: None,
    }
}

/// Appends `events` in a transaction of their own.
pub(crate) async fn append(database: &Database, events: &[NewEvent]) {
    match database {
        Database::Sqlite(sqlite) => {
            let mut tx = sqlite.begin().await.unwrap();
            outbox::append_sqlite(&mut tx, events).await.unwrap();
            sqlite.commit(tx).await.unwrap();
        }
        Database::Postgres(postgres) => {
            let mut tx = postgres.begin().await.unwrap();
            outbox::append_postgres(&mut tx, events).await.unwrap();
            postgres.commit(tx).await.unwrap();
        }
    }
}

/// An event as a receiver sees it.
pub(crate) fn received(position: i64, subject: &str, payload: &str) -> Event {
    Event {
        id: format!("e{position}"),
        tenant: tenant(),
        event_type: "redress.probe.v1.Happened".to_owned(),
        subject: subject.to_owned(),
        time: Timestamp(START.0 + position),
        payload_version: 1,
        payload: payload.as_bytes().to_vec(),
        traceparent: None,
        position,
    }
}

pub(crate) fn batch(events: Vec<Event>) -> EventBatch {
    EventBatch { source: "cases".to_owned(), partition: 3, events }
}

/// The first column, a text, of each row.
pub(crate) async fn texts(database: &Database, sql: &'static str) -> Vec<String> {
    match database {
        Database::Sqlite(sqlite) => sqlx::query_scalar(sql).fetch_all(&sqlite.read).await,
        Database::Postgres(postgres) => sqlx::query_scalar(sql).fetch_all(&postgres.pool).await,
    }
    .unwrap()
}

pub(crate) async fn execute(database: &Database, sql: &'static str) {
    match database {
        Database::Sqlite(sqlite) => sqlx::query(sql).execute(&sqlite.write).await.map(drop),
        Database::Postgres(postgres) => sqlx::query(sql).execute(&postgres.pool).await.map(drop),
    }
    .unwrap();
}

/// The log: partition, position, id, in that order.
pub(crate) async fn log(database: &Database) -> Vec<(i16, i64, String)> {
    const LOG: &str =
        r#"SELECT "partition", position, id FROM event_log ORDER BY "partition", position"#;
    match database {
        Database::Sqlite(sqlite) => sqlx::query_as(LOG).fetch_all(&sqlite.read).await,
        Database::Postgres(postgres) => sqlx::query_as(LOG).fetch_all(&postgres.pool).await,
    }
    .unwrap()
}

/// Fails when a partition does not count 1, 2, 3.
pub(crate) fn assert_gapless(log: &[(i16, i64, String)]) {
    let mut last = [0; PARTITIONS as usize];
    for (partition, position, id) in log {
        let last = &mut last[usize::try_from(*partition).unwrap()];
        assert_eq!(*position, *last + 1, "{id} in partition {partition}");
        *last = *position;
    }
}

/// Waits until `condition` holds, up to 20 s.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
