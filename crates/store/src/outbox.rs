//! Appending events inside the transaction that makes them true.
//!
//! Invariant: an event is in the log if and only if its transaction committed. Append last, after
//! the rows that the events speak of are written: the order of an entity's events is the order in
//! which transactions got hold of that entity's row.

use std::collections::BTreeMap;

use redress_core::event::NewEvent;
use sqlx::{PgConnection, QueryBuilder, Sqlite, SqliteConnection};

use crate::error::StoreError;
use crate::rows::stored_partition;
use crate::writes::Writes;

/// Rows in one INSERT: enough to make the statement's overhead vanish, and far below SQLite's
/// limit of 32,766 parameters.
const SQLITE_CHUNK: usize = 100;

/// Appends `events` in the caller's SQLite transaction. Here only one transaction writes at a
/// time, so the events get their positions at once.
pub async fn append_sqlite(
    conn: &mut SqliteConnection,
    events: &[NewEvent],
) -> Result<(), StoreError> {
    let mut places: Vec<(i16, i64)> = Vec::with_capacity(events.len());
    let mut counts: BTreeMap<i16, i64> = BTreeMap::new();
    for event in events {
        let partition = stored_partition(event.partition());
        let count = counts.entry(partition).or_default();
        *count += 1;
        places.push((partition, *count));
    }
    let mut before: BTreeMap<i16, i64> = BTreeMap::new();
    for (partition, count) in counts {
        let head: i64 = sqlx::query_scalar(
            r#"UPDATE event_heads SET position = position + $2 WHERE "partition" = $1
               RETURNING position"#,
        )
        .bind(partition)
        .bind(count)
        .fetch_one(&mut *conn)
        .await?;
        before.insert(partition, head - count);
    }
    for (events, places) in events.chunks(SQLITE_CHUNK).zip(places.chunks(SQLITE_CHUNK)) {
        let mut insert: QueryBuilder<Sqlite> = QueryBuilder::new(
            r#"INSERT INTO event_log ("partition", position, id, tenant, type, subject, time,
               payload_version, payload, traceparent) "#,
        );
        insert.push_values(events.iter().zip(places), |mut row, (event, (partition, nth))| {
            row.push_bind(*partition)
                .push_bind(before.get(partition).copied().unwrap_or_default() + nth)
                .push_bind(event.id.as_str())
                .push_bind(event.tenant.as_str())
                .push_bind(event.event_type)
                .push_bind(event.subject.as_str())
                .push_bind(event.time.0)
                .push_bind(i32::from(event.payload_version))
                .push_bind(event.payload.as_slice())
                .push_bind(event.traceparent.as_deref());
        });
        insert.build().execute(&mut *conn).await?;
    }
    Ok(())
}

/// Appends `events` in the caller's PostgreSQL transaction, in one statement. They wait in the
/// outbox for the sequencer to give them positions.
pub async fn append_postgres(
    conn: &mut PgConnection,
    events: &[NewEvent],
) -> Result<(), StoreError> {
    let mut writes = Writes::default();
    push(&mut writes, events);
    writes.execute(conn).await
}

/// Adds the appending of `events` to a statement. Nothing says which part of a statement is carried
/// out last: the transaction has to hold the rows that the events speak of.
pub fn push(writes: &mut Writes, events: &[NewEvent]) {
    if events.is_empty() {
        return;
    }
    writes
        .push(
            r#"INSERT INTO outbox ("partition", id, tenant, type, subject, time, payload_version,
                   payload, traceparent)
               SELECT "partition", id, tenant, type, subject, time, payload_version, payload,
                   traceparent
               FROM UNNEST($1::smallint[], $2::text[], $3::text[], $4::text[], $5::text[],
                   $6::bigint[], $7::integer[], $8::bytea[], $9::text[])
                   WITH ORDINALITY AS e ("partition", id, tenant, type, subject, time,
                   payload_version, payload, traceparent, nth)
               ORDER BY nth"#,
        )
        .bind(events.iter().map(|e| stored_partition(e.partition())).collect::<Vec<_>>())
        .bind(events.iter().map(|e| e.id.as_str()).collect::<Vec<_>>())
        .bind(events.iter().map(|e| e.tenant.as_str()).collect::<Vec<_>>())
        .bind(events.iter().map(|e| e.event_type).collect::<Vec<_>>())
        .bind(events.iter().map(|e| e.subject.as_str()).collect::<Vec<_>>())
        .bind(events.iter().map(|e| e.time.0).collect::<Vec<_>>())
        .bind(events.iter().map(|e| i32::from(e.payload_version)).collect::<Vec<_>>())
        .bind(events.iter().map(|e| e.payload.as_slice()).collect::<Vec<_>>())
        .bind(events.iter().map(|e| e.traceparent.as_deref()).collect::<Vec<_>>());
}
