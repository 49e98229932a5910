//! Where notifications are kept: one trait, two databases.
//!
//! Invariant: a tenant has at most one notification per occasion; one that was sent or has failed
//! never changes again; an outcome is written only under the claim that it was reached under.

mod consumer;
mod postgres;
mod rows;
mod sqlite;

#[cfg(test)]
mod conformance;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_core::id::{DisruptionId, NotificationId, OrderId, TenantId};
use redress_store::{Database, Schema, StoreError};

use crate::domain::notification::{Delivery, Notification, State};
use crate::domain::template::Template;

pub use consumer::FactConsumer;

static SQLITE_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations/sqlite");
static POSTGRES_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations/postgres");

/// The migrations of this service, for `redress migrate` and the check at start.
pub static SCHEMA: Schema =
    Schema { service: "notifications", sqlite: &SQLITE_MIGRATIONS, postgres: &POSTGRES_MIGRATIONS };

/// Which notifications to list; every condition that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Where they stand.
    pub state: Option<State>,
    /// The order they are about.
    pub order: Option<OrderId>,
    /// The disruption they belong to.
    pub disruption: Option<DisruptionId>,
    /// Their text.
    pub template: Option<Template>,
}

/// A wish to send what is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Names this claim; unique, never used again.
    pub token: String,
    /// Notifications due at this instant are claimed.
    pub now: Timestamp,
    /// When the claim runs out and others may claim the same notifications.
    pub until: Timestamp,
    /// At most this many.
    pub limit: u32,
}

/// What became of one claimed notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Its tenant.
    pub tenant: TenantId,
    /// Its id.
    pub id: NotificationId,
    /// What became of it.
    pub delivery: Delivery,
}

/// The notifications of all tenants. New ones come in with the events of others, through
/// [`FactConsumer`].
#[async_trait]
pub trait NotificationStore: Send + Sync + fmt::Debug {
    /// The tenant's notification of this id.
    async fn get(
        &self,
        tenant: &TenantId,
        id: &NotificationId,
    ) -> Result<Option<Notification>, StoreError>;

    /// The tenant's notifications that match, by id, behind `after`; at most `limit`.
    async fn list(
        &self,
        tenant: &TenantId,
        filter: &ListFilter,
        after: Option<&NotificationId>,
        limit: i64,
    ) -> Result<Vec<Notification>, StoreError>;

    /// How many of the tenant's notifications match.
    async fn count(&self, tenant: &TenantId, filter: &ListFilter) -> Result<i64, StoreError>;

    /// Claims pending notifications that are due, of whatever tenant, those due longest first.
    /// No two claims that hold at the same time share one.
    async fn claim(&self, claim: &Claim) -> Result<Vec<Notification>, StoreError>;

    /// Writes what became of claimed notifications and ends their claim. Those that are no longer
    /// under the claim `token` stay as they are; returns how many were written.
    async fn settle(&self, token: &str, settlements: &[Settlement]) -> Result<u64, StoreError>;
}

/// The store in `database`, whose schema has been checked.
pub fn open(database: &Database) -> Arc<dyn NotificationStore> {
    match database {
        Database::Sqlite(database) => Arc::new(sqlite::SqliteStore::new(database.clone())),
        Database::Postgres(database) => Arc::new(postgres::PostgresStore::new(database.clone())),
    }
}
