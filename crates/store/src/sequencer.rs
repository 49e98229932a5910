//! Gives committed events their places: 1, 2, 3 in each partition, without gaps.
//!
//! Invariant: of one entity's events the one that became true first gets the lower position, and
//! no committed event is left out, however late it became visible.
//!
//! How PostgreSQL keeps it. Transactions commit in another order than they wrote, so "all rows
//! after the last one seen" loses events. Here a row waits in `outbox` until it is stamped, and
//! stamping removes it: a row that becomes visible late is simply found late. Visible rows are
//! stamped in the order of `seq`. Two transactions that touch one entity wait for each other on
//! its row; the second one appends after the first one committed, so it has the higher `seq`, and
//! no snapshot shows it without the first one. Transaction ids play no part: they are given out
//! before a transaction waits, so ordering by them would swap such events, holding rows back
//! below the oldest running one would let any slow transaction stall the log, and they do not
//! survive a dump and restore. (`tests/it/sequencer.rs` shows each.)
//!
//! In SQLite one transaction writes at a time and the append gives the positions itself.

use std::time::Duration;

use redress_core::event::PARTITIONS;

use crate::database::{Database, PostgresDatabase};
use crate::error::StoreError;
use crate::lease::{self, Lease};

/// The lease that allows to stamp.
pub const LEASE: &str = "sequencer";
/// The most rows of one stamping transaction.
pub const BATCH: i64 = 5_000;
/// How long the sequencer lets commits gather before it stamps them: bounds its own commits to
/// 50 a second and adds at most this much to an event's way.
pub(crate) const LINGER: Duration = Duration::from_millis(20);
/// The PostgreSQL channel on which stamped events are announced to other replicas.
pub(crate) const STAMPED_CHANNEL: &str = "redress_stamped";

/// Stamps up to [`BATCH`] waiting events under `lease` and returns how many; on SQLite there is
/// never anything to do. `LeaseLost` when somebody else is the sequencer now.
pub async fn stamp(database: &Database, lease: &Lease) -> Result<u64, StoreError> {
    let Database::Postgres(database) = database else {
        return Ok(0);
    };
    let stamped = stamp_postgres(database, lease).await?;
    Ok(stamped)
}

#[tracing::instrument(level = "debug", skip_all, err(level = "debug"))]
async fn stamp_postgres(database: &PostgresDatabase, lease: &Lease) -> Result<u64, StoreError> {
    let waiting: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM outbox)").fetch_one(&database.pool).await?;
    if !waiting {
        return Ok(0);
    }
    let mut tx = database.begin().await?;
    lease::guard_postgres_alone(&mut tx, lease).await?;
    // All parts of the statement see one snapshot, so `stamped` reads the heads as they were.
    let stamped = sqlx::query(
        r#"WITH batch AS (
               DELETE FROM outbox
               WHERE seq = ANY (ARRAY(SELECT seq FROM outbox ORDER BY seq LIMIT $1))
               RETURNING *
           ), heads AS (
               UPDATE event_heads AS h SET position = h.position + counted.n
               FROM (SELECT "partition", count(*) AS n FROM batch GROUP BY "partition") AS counted
               WHERE h."partition" = counted."partition"
           )
           INSERT INTO event_log ("partition", position, id, tenant, type, subject, time,
               payload_version, payload, traceparent)
           SELECT b."partition",
               h.position + row_number() OVER (PARTITION BY b."partition" ORDER BY b.seq),
               b.id, b.tenant, b.type, b.subject, b.time, b.payload_version, b.payload,
               b.traceparent
           FROM batch AS b JOIN event_heads AS h ON h."partition" = b."partition""#,
    )
    .bind(BATCH)
    .execute(&mut *tx)
    .await?
    .rows_affected();
    sqlx::query("SELECT pg_notify($1, '')").bind(STAMPED_CHANNEL).execute(&mut *tx).await?;
    tx.commit().await?;
    database.wakeup().stamped();
    Ok(stamped)
}

/// The last position of each partition, by partition.
pub async fn heads(database: &Database) -> Result<[i64; PARTITIONS as usize], StoreError> {
    const HEADS: &str = r#"SELECT "partition", position FROM event_heads"#;
    let rows: Vec<(i16, i64)> = match database {
        Database::Sqlite(database) => sqlx::query_as(HEADS).fetch_all(&database.read).await?,
        Database::Postgres(database) => sqlx::query_as(HEADS).fetch_all(&database.pool).await?,
    };
    Ok(by_partition(rows))
}

/// Positions by partition; 0 where there is none.
pub(crate) fn by_partition(rows: Vec<(i16, i64)>) -> [i64; PARTITIONS as usize] {
    let mut positions = [0; PARTITIONS as usize];
    for (partition, position) in rows {
        let slot = usize::try_from(partition).ok().and_then(|index| positions.get_mut(index));
        if let Some(slot) = slot {
            *slot = position;
        }
    }
    positions
}
