//! Events that could not be applied, with what follows them, until a person has looked.
//!
//! Invariant: while anything of an entity is parked, everything later of the same entity and
//! source is parked behind it, so that nothing is applied out of order.

use std::collections::HashSet;

use redress_core::clock::Timestamp;
use redress_core::event::{Event, EventBatch};
use redress_core::id::TenantId;
use sqlx::{PgConnection, QueryBuilder, Sqlite, SqliteConnection};

use crate::database::Database;
use crate::error::StoreError;
use crate::rows::{EventRow, stored_partition};

/// The error of an event that waits behind another one of its entity.
pub const FOLLOWS: &str = "waits behind an earlier parked event of the same entity";

/// What an event is about, within its source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entity {
    /// The tenant.
    pub tenant: TenantId,
    /// Resource name.
    pub subject: String,
}

impl Entity {
    /// The entity of `event`.
    pub fn of(event: &Event) -> Self {
        Self { tenant: event.tenant.clone(), subject: event.subject.clone() }
    }
}

/// An event that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedEvent {
    /// The service that it came from.
    pub source: String,
    /// Its partition there.
    pub partition: u16,
    /// The event, with its position there.
    pub event: Event,
    /// Why it could not be applied.
    pub error: String,
    /// Since when it waits.
    pub parked_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct ParkedRow {
    source: String,
    partition: i16,
    error: String,
    parked_at: i64,
    #[sqlx(flatten)]
    event: EventRow,
}

impl ParkedRow {
    fn into_parked(self) -> Result<ParkedEvent, StoreError> {
        let event = self.event.into_event("parked_events")?;
        let partition = u16::try_from(self.partition)
            .map_err(|_| StoreError::corrupt("parked_events", "partition", event.id.clone()))?;
        let parked_at = Timestamp(self.parked_at);
        Ok(ParkedEvent { source: self.source, partition, event, error: self.error, parked_at })
    }
}

/// Up to `limit` parked events of `tenant`: those of one entity together and in order.
pub async fn list(
    database: &Database,
    tenant: &TenantId,
    limit: u32,
) -> Result<Vec<ParkedEvent>, StoreError> {
    const LIST: &str = r#"SELECT source, "partition", position, id, tenant, type, subject, time,
        payload_version, payload, traceparent, error, parked_at FROM parked_events
        WHERE tenant = $1 ORDER BY subject, source, position LIMIT $2"#;
    let (tenant, limit) = (tenant.as_str(), i64::from(limit));
    let rows: Vec<ParkedRow> = match database {
        Database::Sqlite(database) => {
            sqlx::query_as(LIST).bind(tenant).bind(limit).fetch_all(&database.read).await?
        }
        Database::Postgres(database) => {
            sqlx::query_as(LIST).bind(tenant).bind(limit).fetch_all(&database.pool).await?
        }
    };
    rows.into_iter().map(ParkedRow::into_parked).collect()
}

fn into_entities(rows: Vec<(String, String)>) -> Result<HashSet<Entity>, StoreError> {
    let entity = |(tenant, subject): (String, String)| {
        let corrupt = |_| StoreError::corrupt("parked_events", "tenant", subject.clone());
        Ok(Entity { tenant: TenantId::new(tenant).map_err(corrupt)?, subject })
    };
    rows.into_iter().map(entity).collect()
}

/// Which entities of `events` have something parked.
pub(crate) async fn stuck_sqlite(
    conn: &mut SqliteConnection,
    source: &str,
    events: &[Event],
) -> Result<HashSet<Entity>, StoreError> {
    let any: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM parked_events)")
        .fetch_one(&mut *conn)
        .await?;
    if !any {
        return Ok(HashSet::new());
    }
    let mut query: QueryBuilder<Sqlite> =
        QueryBuilder::new("SELECT DISTINCT tenant, subject FROM parked_events WHERE source = ");
    query.push_bind(source).push(" AND (tenant, subject) IN ");
    query.push_tuples(events, |mut row, event| {
        row.push_bind(event.tenant.as_str()).push_bind(event.subject.as_str());
    });
    into_entities(query.build_query_as().fetch_all(conn).await?)
}

/// Which entities of `events` have something parked.
pub(crate) async fn stuck_postgres(
    conn: &mut PgConnection,
    source: &str,
    events: &[Event],
) -> Result<HashSet<Entity>, StoreError> {
    let rows = sqlx::query_as(
        "SELECT DISTINCT tenant, subject FROM parked_events WHERE source = $1 \
         AND (tenant, subject) IN (SELECT * FROM UNNEST($2::text[], $3::text[]))",
    )
    .bind(source)
    .bind(events.iter().map(|event| event.tenant.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.subject.as_str()).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    into_entities(rows)
}

const PARK: &str = r#"INSERT INTO parked_events (source, "partition", position, id, tenant, type,
    subject, time, payload_version, payload, traceparent, error, parked_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"#;

/// Parks `event` of `batch` in the caller's SQLite transaction.
pub(crate) async fn park_sqlite(
    conn: &mut SqliteConnection,
    batch: &EventBatch,
    event: &Event,
    error: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    log_parked(batch, event, error);
    sqlx::query(PARK)
        .bind(&batch.source)
        .bind(stored_partition(batch.partition))
        .bind(event.position)
        .bind(&event.id)
        .bind(event.tenant.as_str())
        .bind(&event.event_type)
        .bind(&event.subject)
        .bind(event.time.0)
        .bind(i32::from(event.payload_version))
        .bind(&event.payload)
        .bind(&event.traceparent)
        .bind(error)
        .bind(now.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// Parks `event` of `batch` in the caller's PostgreSQL transaction.
pub(crate) async fn park_postgres(
    conn: &mut PgConnection,
    batch: &EventBatch,
    event: &Event,
    error: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    log_parked(batch, event, error);
    sqlx::query(PARK)
        .bind(&batch.source)
        .bind(stored_partition(batch.partition))
        .bind(event.position)
        .bind(&event.id)
        .bind(event.tenant.as_str())
        .bind(&event.event_type)
        .bind(&event.subject)
        .bind(event.time.0)
        .bind(i32::from(event.payload_version))
        .bind(&event.payload)
        .bind(&event.traceparent)
        .bind(error)
        .bind(now.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// Source, partition and position of a parked event.
pub(crate) type Place<'a> = (&'a str, u16, i64);

const OF_ENTITY: &str = "SELECT position, id, tenant, type, subject, time, payload_version, \
    payload, traceparent FROM parked_events \
    WHERE source = $1 AND tenant = $2 AND subject = $3 ORDER BY position";
const UNPARK: &str = r#"DELETE FROM parked_events
    WHERE source = $1 AND "partition" = $2 AND position = $3"#;
const NOTE: &str = r#"UPDATE parked_events SET error = $4
    WHERE source = $1 AND "partition" = $2 AND position = $3"#;

/// What is parked of `entity` from `source`, in order.
pub(crate) async fn of_entity_sqlite(
    conn: &mut SqliteConnection,
    source: &str,
    entity: &Entity,
) -> Result<Vec<Event>, StoreError> {
    let query = sqlx::query_as(OF_ENTITY).bind(source).bind(entity.tenant.as_str());
    let rows: Vec<EventRow> = query.bind(&entity.subject).fetch_all(conn).await?;
    rows.into_iter().map(|row| row.into_event("parked_events")).collect()
}

/// Removes a parked event that had its effect.
pub(crate) async fn unpark_sqlite(
    conn: &mut SqliteConnection,
    (source, partition, position): Place<'_>,
) -> Result<(), StoreError> {
    let query = sqlx::query(UNPARK).bind(source).bind(stored_partition(partition));
    query.bind(position).execute(conn).await?;
    Ok(())
}

/// Replaces the error of an event that stays parked.
pub(crate) async fn note_sqlite(
    conn: &mut SqliteConnection,
    (source, partition, position): Place<'_>,
    error: &str,
) -> Result<(), StoreError> {
    let query = sqlx::query(NOTE).bind(source).bind(stored_partition(partition));
    query.bind(position).bind(error).execute(conn).await?;
    Ok(())
}

/// What is parked of `entity` from `source`, in order.
pub(crate) async fn of_entity_postgres(
    conn: &mut PgConnection,
    source: &str,
    entity: &Entity,
) -> Result<Vec<Event>, StoreError> {
    let query = sqlx::query_as(OF_ENTITY).bind(source).bind(entity.tenant.as_str());
    let rows: Vec<EventRow> = query.bind(&entity.subject).fetch_all(conn).await?;
    rows.into_iter().map(|row| row.into_event("parked_events")).collect()
}

/// Removes a parked event that had its effect.
pub(crate) async fn unpark_postgres(
    conn: &mut PgConnection,
    (source, partition, position): Place<'_>,
) -> Result<(), StoreError> {
    let query = sqlx::query(UNPARK).bind(source).bind(stored_partition(partition));
    query.bind(position).execute(conn).await?;
    Ok(())
}

/// Replaces the error of an event that stays parked.
pub(crate) async fn note_postgres(
    conn: &mut PgConnection,
    (source, partition, position): Place<'_>,
    error: &str,
) -> Result<(), StoreError> {
    let query = sqlx::query(NOTE).bind(source).bind(stored_partition(partition));
    query.bind(position).bind(error).execute(conn).await?;
    Ok(())
}

fn log_parked(batch: &EventBatch, event: &Event, error: &str) {
    tracing::error!(
        event.id = event.id,
        event.r#type = event.event_type,
        event.subject = event.subject,
        event.source = batch.source,
        tenant = event.tenant.as_str(),
        error,
        "an event cannot be applied and is parked; somebody has to look"
    );
}
