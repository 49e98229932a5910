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
use redress_core::id::{EventId, InvitationId, TenantId};
use redress_store::idempotency::IdempotencyRecord;
use redress_store::{Database, Schema, StoreError};

use crate::domain::invitation::{Invitation, InvitationFilter};
use crate::domain::rating::ScoreSums;
use crate::domain::response::Response;

pub use consumer::FeedbackConsumer;

/// This service's own tables.
pub static SCHEMA: Schema =
    Schema { service: "feedback", sqlite: &SQLITE_MIGRATIONS, postgres: &POSTGRES_MIGRATIONS };

static SQLITE_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations/sqlite");
static POSTGRES_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations/postgres");

/// Where invitations and responses are. New invitations come in through [`FeedbackConsumer`], in
/// the inbox's transaction.
#[async_trait]
pub trait FeedbackStore: Send + Sync + fmt::Debug {
    /// The invitation `id` of `tenant`.
    async fn invitation(
        &self,
        tenant: &TenantId,
        id: &InvitationId,
    ) -> Result<Option<Invitation>, StoreError>;

    /// Up to `limit` of the invitations of `tenant` that match `filter`, by id, behind `after`.
    async fn list_invitations(
        &self,
        tenant: &TenantId,
        filter: &InvitationFilter,
        after: Option<&InvitationId>,
        limit: i64,
    ) -> Result<Vec<Invitation>, StoreError>;

    /// How many invitations of `tenant` match `filter`.
    async fn count_invitations(
        &self,
        tenant: &TenantId,
        filter: &InvitationFilter,
    ) -> Result<i64, StoreError>;

    /// Count, sum and sum of squares of the scores that `tenant`'s customers gave about `event`.
    async fn score_sums(&self, tenant: &TenantId, event: &EventId)
    -> Result<ScoreSums, StoreError>;

    /// The stored outcome of `request`, whatever body it had.
    async fn outcome(&self, request: &RequestKey) -> Result<Option<IdempotencyRecord>, StoreError>;

    /// Stores `response`, the `answered` invitation, which was read one version before, and the
    /// outcome of the request. `VersionMismatch` when somebody else changed the invitation since;
    /// `AlreadyExists` when the request has an outcome already. Nothing is written then.
    async fn record_response(
        &self,
        answered: &Invitation,
        response: &Response,
        record: &IdempotencyRecord,
    ) -> Result<(), StoreError>;
}

/// The store in `database`.
pub fn open(database: &Database) -> Arc<dyn FeedbackStore> {
    match database {
        Database::Sqlite(database) => Arc::new(sqlite::SqliteFeedback::new(database.clone())),
        Database::Postgres(database) => Arc::new(postgres::PostgresFeedback::new(database.clone())),
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
