//! Stored outcomes of requests, so that a repeated `request_id` gets the same answer.
//!
//! Invariant: a record is written in the transaction that has the effect. Of two racing requests
//! with one id, the second one's insert fails with `AlreadyExists` and its whole transaction with
//! it; it then reads the record again and replays it.

use redress_core::clock::Timestamp;
use redress_core::id::TenantId;
use sqlx::{PgConnection, QueryBuilder, Sqlite, SqliteConnection};

use crate::database::Database;
use crate::error::StoreError;
use crate::writes::Writes;

/// Rows in one INSERT on SQLite, far below its limit of 32,766 parameters.
const SQLITE_CHUNK: usize = 100;

/// The constraint that `AlreadyExists` names when another request with the same id came first.
pub const CONSTRAINT: &str = "idempotency_records_pkey";

/// Which request this is: ids are unique per tenant and method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestKey<'a> {
    /// The caller's tenant.
    pub tenant: &'a TenantId,
    /// Full name of the gRPC method.
    pub method: &'a str,
    /// The `request_id` that the caller chose.
    pub request_id: &'a str,
}

/// The outcome of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// The caller's tenant.
    pub tenant: TenantId,
    /// Full name of the gRPC method.
    pub method: String,
    /// The `request_id` that the caller chose.
    pub request_id: String,
    /// Hash of the request's body.
    pub fingerprint: Vec<u8>,
    /// The answer that was given, encoded.
    pub response: Vec<u8>,
    /// When it was given.
    pub created: Timestamp,
}

/// What a record says about a request with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The same request: answer with these bytes again.
    Replay(Vec<u8>),
    /// Another body under the same id: refuse.
    Mismatch,
}

impl IdempotencyRecord {
    /// Compares this record with a request of the same id, whose body hashes to `fingerprint`.
    pub fn verdict(self, fingerprint: &[u8]) -> Verdict {
        if self.fingerprint == fingerprint {
            Verdict::Replay(self.response)
        } else {
            Verdict::Mismatch
        }
    }
}

/// Whether `error` says that another request with the same id came first.
pub fn is_duplicate(error: &StoreError) -> bool {
    matches!(error, StoreError::AlreadyExists { constraint } if constraint == CONSTRAINT)
}

/// The record of `key`, read outside any transaction.
pub async fn find(
    database: &Database,
    key: RequestKey<'_>,
) -> Result<Option<IdempotencyRecord>, StoreError> {
    match database {
        Database::Sqlite(database) => find_sqlite(&mut *database.read.acquire().await?, key).await,
        Database::Postgres(database) => {
            find_postgres(&mut *database.pool.acquire().await?, key).await
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    fingerprint: Vec<u8>,
    response: Vec<u8>,
    created_at: i64,
}

impl Row {
    fn into_record(self, key: RequestKey<'_>) -> IdempotencyRecord {
        IdempotencyRecord {
            tenant: key.tenant.clone(),
            method: key.method.to_owned(),
            request_id: key.request_id.to_owned(),
            fingerprint: self.fingerprint,
            response: self.response,
            created: Timestamp(self.created_at),
        }
    }
}

const FIND: &str = "SELECT fingerprint, response, created_at FROM idempotency_records \
     WHERE tenant = $1 AND method = $2 AND request_id = $3";
/// The record of `key`, read through a SQLite connection.
pub async fn find_sqlite(
    conn: &mut SqliteConnection,
    key: RequestKey<'_>,
) -> Result<Option<IdempotencyRecord>, StoreError> {
    let row: Option<Row> = sqlx::query_as(FIND)
        .bind(key.tenant.as_str())
        .bind(key.method)
        .bind(key.request_id)
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|row| row.into_record(key)))
}

/// The record of `key`, read through a PostgreSQL connection.
pub async fn find_postgres(
    conn: &mut PgConnection,
    key: RequestKey<'_>,
) -> Result<Option<IdempotencyRecord>, StoreError> {
    let row: Option<Row> = sqlx::query_as(FIND)
        .bind(key.tenant.as_str())
        .bind(key.method)
        .bind(key.request_id)
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|row| row.into_record(key)))
}

/// Stores `records` in the caller's SQLite transaction.
pub async fn insert_sqlite(
    conn: &mut SqliteConnection,
    records: &[IdempotencyRecord],
) -> Result<(), StoreError> {
    for records in records.chunks(SQLITE_CHUNK) {
        let mut insert: QueryBuilder<Sqlite> = QueryBuilder::new(
            "INSERT INTO idempotency_records \
             (tenant, method, request_id, fingerprint, response, created_at) ",
        );
        insert.push_values(records, |mut row, record| {
            row.push_bind(record.tenant.as_str())
                .push_bind(record.method.as_str())
                .push_bind(record.request_id.as_str())
                .push_bind(record.fingerprint.as_slice())
                .push_bind(record.response.as_slice())
                .push_bind(record.created.0);
        });
        insert.build().execute(&mut *conn).await?;
    }
    Ok(())
}

/// Stores `records` in the caller's PostgreSQL transaction, in one statement. After `AlreadyExists`
/// the transaction can only be rolled back.
pub async fn insert_postgres(
    conn: &mut PgConnection,
    records: &[IdempotencyRecord],
) -> Result<(), StoreError> {
    let mut writes = Writes::default();
    push(&mut writes, records);
    writes.execute(conn).await
}

/// Adds the insertion of `records` to a statement.
pub fn push(writes: &mut Writes, records: &[IdempotencyRecord]) {
    if records.is_empty() {
        return;
    }
    // In the order of the keys, so that two batches wait for each other and never in a circle.
    writes
        .push(
            "INSERT INTO idempotency_records \
             (tenant, method, request_id, fingerprint, response, created_at) \
             SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], \
             $6::bigint[]) AS r (tenant, method, request_id, fingerprint, response, created_at) \
             ORDER BY tenant, method, request_id",
        )
        .bind(records.iter().map(|record| record.tenant.as_str()).collect::<Vec<_>>())
        .bind(records.iter().map(|record| record.method.as_str()).collect::<Vec<_>>())
        .bind(records.iter().map(|record| record.request_id.as_str()).collect::<Vec<_>>())
        .bind(records.iter().map(|record| record.fingerprint.as_slice()).collect::<Vec<_>>())
        .bind(records.iter().map(|record| record.response.as_slice()).collect::<Vec<_>>())
        .bind(records.iter().map(|record| record.created.0).collect::<Vec<_>>());
}
