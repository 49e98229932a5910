//! What this service keeps, as intentions.
//!
//! Invariant: every method reaches only the rows of the tenant it is given, and each write is one
//! transaction. Both backends behave the same; the suite in `conformance` is the specification.

#[cfg(test)]
mod conformance;
mod consumer;
mod postgres;
mod rows;
mod sqlite;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use redress_api::request_id::RequestKey;
use redress_core::id::{CaseId, TenantId};
use redress_store::idempotency::IdempotencyRecord;
use redress_store::{Database, Schema, StoreError};

use crate::domain::case::{Case, CaseFilter};

pub use consumer::CaseConsumer;

/// This service's own tables.
pub static SCHEMA: Schema =
    Schema { service: "cases", sqlite: &SQLITE_MIGRATIONS, postgres: &POSTGRES_MIGRATIONS };

static SQLITE_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations/sqlite");
static POSTGRES_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations/postgres");

/// Where the cases are. New ones come in through [`CaseConsumer`], in the inbox's transaction.
#[async_trait]
pub trait CaseStore: Send + Sync + fmt::Debug {
    /// The case `id` of `tenant`.
    async fn get(&self, tenant: &TenantId, id: &CaseId) -> Result<Option<Case>, StoreError>;

    /// Up to `limit` of the cases of `tenant` that match `filter`, by id, behind `after`.
    async fn list(
        &self,
        tenant: &TenantId,
        filter: &CaseFilter,
        after: Option<&CaseId>,
        limit: i64,
    ) -> Result<Vec<Case>, StoreError>;

    /// How many cases of `tenant` match `filter`.
    async fn count(&self, tenant: &TenantId, filter: &CaseFilter) -> Result<i64, StoreError>;

    /// The stored outcome of `request`, whatever body it had.
    async fn outcome(&self, request: &RequestKey) -> Result<Option<IdempotencyRecord>, StoreError>;

    /// Stores `case`, which was read one version before, and the outcome of the request that
    /// changed it. `VersionMismatch` when somebody else changed it since; `AlreadyExists` when the
    /// request has an outcome already. Nothing is written then.
    async fn update(&self, case: &Case, record: &IdempotencyRecord) -> Result<(), StoreError>;
}

/// The store in `database`.
pub fn open(database: &Database) -> Arc<dyn CaseStore> {
    match database {
        Database::Sqlite(database) => Arc::new(sqlite::SqliteCases::new(database.clone())),
        Database::Postgres(database) => Arc::new(postgres::PostgresCases::new(database.clone())),
    }
}

/// The request as the shared table of outcomes knows it.
fn record_key(request: &RequestKey) -> redress_store::idempotency::RequestKey<'_> {
    redress_store::idempotency::RequestKey {
        tenant: &request.tenant,
        method: request.method,
        request_id: &request.request_id,
    }
}
