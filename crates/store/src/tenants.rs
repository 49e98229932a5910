//! The tenants' settings as this service holds them.
//!
//! Invariant: every version is kept; a version is written once and never changed; applying what
//! is current already writes nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use redress_api::ports::{PortError, TenantDirectory};
use redress_core::clock::{Clock, Timestamp};
use redress_core::id::TenantId;
use redress_core::tenant::Tenant;
use tokio::time::Instant;

use crate::database::Database;
use crate::error::StoreError;

/// Tries of an `apply` that races with others before it reports the database as busy.
const APPLY_TRIES: usize = 5;

/// How old settings may be that [`TenantDirectory::recent`] gives.
const RECENT: Duration = Duration::from_secs(1);
/// How many tenants' settings are kept for that; when there are more, all are read anew.
const MOST_RECENT: usize = 1_000;

/// The tenant directory of one service.
#[derive(Debug, Clone)]
pub struct Tenants {
    database: Database,
    clock: Arc<dyn Clock>,
    recent: Arc<Mutex<HashMap<TenantId, Read>>>,
}

/// Settings, and when they were read.
#[derive(Debug)]
struct Read {
    at: Instant,
    tenant: Option<Tenant>,
}

#[derive(sqlx::FromRow)]
struct TenantRow {
    version: i64,
    display_name: String,
    locales: String,
    time_zone: String,
    sender_email: String,
    support_url: String,
    default_policy: String,
    approval_limits: String,
    policies: String,
}

const CURRENT: &str = "SELECT version, display_name, locales, time_zone, sender_email, \
     support_url, default_policy, approval_limits, policies FROM tenants WHERE tenant = $1 \
     ORDER BY version DESC LIMIT 1";
const INSERT: &str = "INSERT INTO tenants (tenant, version, display_name, locales, time_zone, \
     sender_email, support_url, default_policy, approval_limits, policies, applied_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

impl Tenants {
    /// The directory in `database`; `clock` dates the versions.
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock, recent: Arc::default() }
    }

    /// Keeps settings that were read at `at`, unless newer ones are kept.
    fn keep(&self, id: &TenantId, at: Instant, tenant: Option<&Tenant>) {
        let version = |tenant: Option<&Tenant>| tenant.map_or(0, |tenant| tenant.version);
        let mut recent = self.lock();
        if recent.get(id).is_some_and(|kept| version(kept.tenant.as_ref()) > version(tenant)) {
            return;
        }
        if recent.len() >= MOST_RECENT {
            recent.clear();
        }
        recent.insert(id.clone(), Read { at, tenant: tenant.cloned() });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Read>> {
        // Nothing panics while it is held, and the map is whole after each change.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn current(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError> {
        let row: Option<TenantRow> = match &self.database {
            Database::Sqlite(database) => {
                sqlx::query_as(CURRENT).bind(id.as_str()).fetch_optional(&database.read).await?
            }
            Database::Postgres(database) => {
                sqlx::query_as(CURRENT).bind(id.as_str()).fetch_optional(&database.pool).await?
            }
        };
        let Some(row) = row else { return Ok(None) };
        let corrupt = |column| move |_| StoreError::corrupt("tenants", column, id.as_str());
        Ok(Some(Tenant {
            id: id.clone(),
            display_name: row.display_name,
            locales: row.locales.split(' ').map(str::to_owned).collect(),
            time_zone: row.time_zone,
            sender_email: row.sender_email,
            support_url: row.support_url,
            default_policy: row.default_policy,
            approval_limits: serde_json::from_str(&row.approval_limits)
                .map_err(corrupt("approval_limits"))?,
            policies: serde_json::from_str(&row.policies).map_err(corrupt("policies"))?,
            version: row.version,
        }))
    }

    async fn insert(&self, tenant: &Tenant, now: Timestamp) -> Result<(), StoreError> {
        // A language tag has no blanks, so they can stand between them.
        let locales = tenant.locales.join(" ");
        let limits = json_text(&tenant.approval_limits)?;
        let policies = json_text(&tenant.policies)?;
        match &self.database {
            Database::Sqlite(database) => {
                sqlx::query(INSERT)
                    .bind(tenant.id.as_str())
                    .bind(tenant.version)
                    .bind(&tenant.display_name)
                    .bind(locales)
                    .bind(&tenant.time_zone)
                    .bind(&tenant.sender_email)
                    .bind(&tenant.support_url)
                    .bind(&tenant.default_policy)
                    .bind(&limits)
                    .bind(&policies)
                    .bind(now.0)
                    .execute(&database.write)
                    .await?;
            }
            Database::Postgres(database) => {
                sqlx::query(INSERT)
                    .bind(tenant.id.as_str())
                    .bind(tenant.version)
                    .bind(&tenant.display_name)
                    .bind(locales)
                    .bind(&tenant.time_zone)
                    .bind(&tenant.sender_email)
                    .bind(&tenant.support_url)
                    .bind(&tenant.default_policy)
                    .bind(&limits)
                    .bind(&policies)
                    .bind(now.0)
                    .execute(&database.pool)
                    .await?;
            }
        }
        Ok(())
    }
}

/// A list as its column holds it.
fn json_text<T: serde::Serialize>(values: &[T]) -> Result<String, StoreError> {
    serde_json::to_string(values).map_err(|cause| StoreError::Internal(Box::new(cause)))
}

#[async_trait]
impl TenantDirectory for Tenants {
    async fn apply(&self, tenant: Tenant) -> Result<Tenant, PortError> {
        for _ in 0..APPLY_TRIES {
            let current = self.current(&tenant.id).await?;
            let version = current.as_ref().map_or(0, |current| current.version);
            if let Some(current) = current
                && current == (Tenant { version, ..tenant.clone() })
            {
                return Ok(current);
            }
            let next = Tenant { version: version + 1, ..tenant.clone() };
            match self.insert(&next, self.clock.now()).await {
                Ok(()) => {
                    self.keep(&next.id, Instant::now(), Some(&next));
                    return Ok(next);
                }
                // Somebody else wrote this version first: compare with theirs.
                Err(StoreError::AlreadyExists { .. }) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(StoreError::VersionMismatch.into())
    }

    async fn get(&self, id: &TenantId) -> Result<Option<Tenant>, PortError> {
        Ok(self.current(id).await?)
    }

    async fn recent(&self, id: &TenantId) -> Result<Option<Tenant>, PortError> {
        if let Some(read) = self.lock().get(id).filter(|read| read.at.elapsed() < RECENT) {
            return Ok(read.tenant.clone());
        }
        let at = Instant::now();
        let tenant = self.current(id).await?;
        self.keep(id, at, tenant.as_ref());
        Ok(tenant)
    }
}
