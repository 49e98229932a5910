//! The event log of a service and how far each subscriber got in it.
//!
//! Invariant: a cursor is written only under its subscriber's lease; the log is cut only behind
//! the slowest cursor.

use redress_core::clock::Timestamp;
use redress_core::event::{Event, PARTITIONS};

use crate::database::Database;
use crate::error::StoreError;
use crate::lease::{self, Lease};
use crate::rows::{EventRow, stored_partition};
use crate::sequencer::{by_partition, heads};

/// Rows that one statement of [`trim`] removes at most.
const TRIM_CHUNK: i64 = 5_000;

/// Where to read on: a partition, and the position after which.
pub(crate) type Place = (u16, i64);

/// Up to `limit` events of each place, in order; one answer each. A place is read on without gaps,
/// so nothing is found where the next events were cut off.
pub(crate) async fn read(
    database: &Database,
    places: &[Place],
    limit: i64,
) -> Result<Vec<Vec<Event>>, StoreError> {
    const READ_SQLITE: &str = r#"SELECT k.key AS nth, e.id, e.tenant, e.type, e.subject, e.time,
            e.payload_version, e.payload, e.traceparent, e.position
        FROM jsonb_each($1) k
        CROSS JOIN event_log e ON e."partition" = k.value->>0 AND e.position > k.value->>1
            AND e.position <= k.value->>1 + $2
        ORDER BY e.position"#;
    const READ_POSTGRES: &str = r#"SELECT k.nth - 1 AS nth, e.*
        FROM UNNEST($1::smallint[], $2::bigint[]) WITH ORDINALITY AS k ("partition", after, nth)
        CROSS JOIN LATERAL (
            SELECT id, tenant, type, subject, time, payload_version, payload, traceparent, position
            FROM event_log
            WHERE "partition" = k."partition" AND position > k.after AND position <= k.after + $3
            ORDER BY position LIMIT $3) e
        ORDER BY e.position"#;
    let (partitions, after): (Vec<i16>, Vec<i64>) =
        places.iter().map(|(partition, after)| (stored_partition(*partition), *after)).unzip();
    let rows: Vec<ReadRow> = match database {
        Database::Sqlite(database) => {
            let places: Vec<_> = partitions.into_iter().zip(after).collect();
            let places = serde_json::to_string(&places)
                .map_err(|error| StoreError::Internal(error.into()))?;
            let query = sqlx::query_as(READ_SQLITE).bind(places).bind(limit);
            query.fetch_all(&database.read).await?
        }
        Database::Postgres(database) => {
            let query = sqlx::query_as(READ_POSTGRES).bind(partitions).bind(after).bind(limit);
            query.fetch_all(&database.pool).await?
        }
    };
    let mut read: Vec<Vec<Event>> = places.iter().map(|_| Vec::new()).collect();
    for row in rows {
        let place = usize::try_from(row.nth).ok().and_then(|nth| read.get_mut(nth));
        if let Some(place) = place {
            place.push(row.event.into_event("event_log")?);
        }
    }
    Ok(read)
}

#[derive(sqlx::FromRow)]
struct ReadRow {
    nth: i64,
    #[sqlx(flatten)]
    event: EventRow,
}

/// The subscriber's last acknowledged position in each partition; 0 before the first.
pub(crate) async fn cursors(
    database: &Database,
    subscriber: &str,
) -> Result<[i64; PARTITIONS as usize], StoreError> {
    const CURSORS: &str =
        r#"SELECT "partition", position FROM relay_cursors WHERE subscriber = $1"#;
    let rows = match database {
        Database::Sqlite(database) => {
            sqlx::query_as(CURSORS).bind(subscriber).fetch_all(&database.read).await?
        }
        Database::Postgres(database) => {
            sqlx::query_as(CURSORS).bind(subscriber).fetch_all(&database.pool).await?
        }
    };
    Ok(by_partition(rows))
}

/// Writes the cursors of partitions, if `lease` is still held.
pub(crate) async fn move_cursors(
    database: &Database,
    lease: &Lease,
    subscriber: &str,
    moved: &[(u16, i64)],
) -> Result<(), StoreError> {
    let (partitions, positions): (Vec<i16>, Vec<i64>) =
        moved.iter().map(|(partition, position)| (stored_partition(*partition), *position)).unzip();
    match database {
        Database::Sqlite(database) => {
            let mut tx = database.begin().await?;
            lease::guard_sqlite(&mut tx, lease).await?;
            let moved: Vec<_> = partitions.into_iter().zip(positions).collect();
            let moved = serde_json::to_string(&moved)
                .map_err(|error| StoreError::Internal(error.into()))?;
            sqlx::query(
                r#"INSERT INTO relay_cursors (subscriber, "partition", position)
                   SELECT $1, value->>0, value->>1 FROM jsonb_each($2) WHERE TRUE
                   ON CONFLICT (subscriber, "partition")
                   DO UPDATE SET position = excluded.position"#,
            )
            .bind(subscriber)
            .bind(moved)
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
        }
        Database::Postgres(database) => {
            let mut tx = database.begin().await?;
            lease::guard_postgres(&mut tx, lease).await?;
            sqlx::query(
                r#"INSERT INTO relay_cursors (subscriber, "partition", position)
                   SELECT $1, moved.* FROM unnest($2::smallint[], $3::bigint[]) AS moved
                   ON CONFLICT (subscriber, "partition")
                   DO UPDATE SET position = excluded.position"#,
            )
            .bind(subscriber)
            .bind(partitions)
            .bind(positions)
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
        }
    }
    Ok(())
}

/// How many events `subscriber` has not acknowledged yet, over all partitions. Events that wait
/// for the sequencer are not counted.
pub async fn lag(database: &Database, subscriber: &str) -> Result<i64, StoreError> {
    let heads = heads(database).await?;
    let cursors = cursors(database, subscriber).await?;
    Ok(heads.iter().zip(cursors).map(|(head, cursor)| (head - cursor).max(0)).sum())
}

/// Removes events that all `subscribers` acknowledged and that became true before `before`;
/// returns how many. Without subscribers nothing is removed.
pub async fn trim(
    database: &Database,
    subscribers: &[&str],
    before: Timestamp,
) -> Result<u64, StoreError> {
    let mut slowest: Option<[i64; PARTITIONS as usize]> = None;
    for subscriber in subscribers {
        let cursors = cursors(database, subscriber).await?;
        let slowest = slowest.get_or_insert(cursors);
        for (slow, cursor) in slowest.iter_mut().zip(cursors) {
            *slow = cursor.min(*slow);
        }
    }
    let mut removed = 0;
    for (partition, upto) in (0..PARTITIONS).zip(slowest.into_iter().flatten()) {
        loop {
            let chunk = trim_chunk(database, partition, upto, before).await?;
            removed += chunk;
            if chunk < TRIM_CHUNK.unsigned_abs() {
                break;
            }
        }
    }
    Ok(removed)
}

/// Removes the oldest events up to `upto`, stopping at the first one that is not older than
/// `before`, so that what stays is without gaps.
async fn trim_chunk(
    database: &Database,
    partition: u16,
    upto: i64,
    before: Timestamp,
) -> Result<u64, StoreError> {
    const TRIM: &str = r#"DELETE FROM event_log
        WHERE "partition" = $1 AND position <= $2 AND position < COALESCE(
            (SELECT min(position) FROM event_log
             WHERE "partition" = $1 AND position <= $2 AND time >= $3), $2 + 1)"#;
    let Some(first) = first_position(database, partition).await? else {
        return Ok(0);
    };
    let upto = upto.min(first.saturating_add(TRIM_CHUNK - 1));
    let partition = stored_partition(partition);
    Ok(match database {
        Database::Sqlite(database) => {
            let query = sqlx::query(TRIM).bind(partition).bind(upto).bind(before.0);
            query.execute(&database.write).await?.rows_affected()
        }
        Database::Postgres(database) => {
            let query = sqlx::query(TRIM).bind(partition).bind(upto).bind(before.0);
            query.execute(&database.pool).await?.rows_affected()
        }
    })
}

/// The first position that the log still holds in `partition`.
pub(crate) async fn first_position(
    database: &Database,
    partition: u16,
) -> Result<Option<i64>, StoreError> {
    const FIRST: &str = r#"SELECT min(position) FROM event_log WHERE "partition" = $1"#;
    let partition = stored_partition(partition);
    Ok(match database {
        Database::Sqlite(database) => {
            sqlx::query_scalar(FIRST).bind(partition).fetch_one(&database.read).await?
        }
        Database::Postgres(database) => {
            sqlx::query_scalar(FIRST).bind(partition).fetch_one(&database.pool).await?
        }
    })
}
