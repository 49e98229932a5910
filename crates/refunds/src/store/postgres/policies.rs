//! Policies on PostgreSQL: a row a version, never changed.

use redress_core::clock::Timestamp;
use redress_core::id::{PolicyId, TenantId};
use redress_policy::Policy;
use redress_store::{PostgresDatabase, StoreError};
use sqlx::PgConnection;

use super::super::rows::{encode, policy_from};
use super::super::{AppliedPolicy, AuditOf, Listed, Page};
use super::ledger;

pub(super) async fn newest(
    conn: &mut PgConnection,
    tenant: &TenantId,
    id: &PolicyId,
) -> Result<Option<AppliedPolicy>, StoreError> {
    let row: Option<(Vec<u8>, String)> = sqlx::query_as(
        "SELECT body, source FROM policies WHERE tenant = $1 AND policy_id = $2
         ORDER BY version DESC LIMIT 1",
    )
    .bind(tenant.as_str())
    .bind(id.as_str())
    .fetch_optional(conn)
    .await?;
    row.map(|row| applied(row, id.as_str())).transpose()
}

fn applied((body, source): (Vec<u8>, String), id: &str) -> Result<AppliedPolicy, StoreError> {
    Ok(AppliedPolicy { policy: policy_from(&body, id)?, source })
}

pub(super) async fn version(
    database: &PostgresDatabase,
    tenant: &TenantId,
    id: &PolicyId,
    version: i64,
) -> Result<Option<Policy>, StoreError> {
    let body: Option<Vec<u8>> = sqlx::query_scalar(
        "SELECT body FROM policies WHERE tenant = $1 AND policy_id = $2 AND version = $3",
    )
    .bind(tenant.as_str())
    .bind(id.as_str())
    .bind(version)
    .fetch_optional(&database.pool)
    .await?;
    body.map(|body| policy_from(&body, id.as_str())).transpose()
}

pub(super) async fn in_force(
    database: &PostgresDatabase,
    tenant: &TenantId,
    id: &PolicyId,
    at: Timestamp,
) -> Result<Option<Policy>, StoreError> {
    let body: Option<Vec<u8>> = sqlx::query_scalar(
        "SELECT body FROM policies WHERE tenant = $1 AND policy_id = $2 AND effective <= $3
         ORDER BY effective DESC, version DESC LIMIT 1",
    )
    .bind(tenant.as_str())
    .bind(id.as_str())
    .bind(at.0)
    .fetch_optional(&database.pool)
    .await?;
    body.map(|body| policy_from(&body, id.as_str())).transpose()
}

pub(super) async fn apply(
    database: &PostgresDatabase,
    tenant: &TenantId,
    applied: AppliedPolicy,
    audit: AuditOf<'_, Policy>,
    now: Timestamp,
) -> Result<AppliedPolicy, StoreError> {
    let AppliedPolicy { policy, source } = applied;
    let mut tx = database.begin().await?;
    // Two callers must not both take the next version: one waits for the other here.
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1 || '/' || $2, 0))")
        .bind(tenant.as_str())
        .bind(policy.id.as_str())
        .execute(&mut *tx)
        .await?;
    let stored = newest(&mut tx, tenant, &policy.id).await?;
    let version = stored.as_ref().map_or(0, |stored| stored.policy.version);
    let same = Policy { version, ..policy.clone() };
    if let Some(stored) = stored.filter(|stored| stored.policy == same) {
        return Ok(stored);
    }
    let policy = Policy { version: version + 1, ..policy };
    sqlx::query(
        "INSERT INTO policies (tenant, policy_id, version, effective, body, created, source)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(tenant.as_str())
    .bind(policy.id.as_str())
    .bind(policy.version)
    .bind(policy.effective.0)
    .bind(encode(&policy)?)
    .bind(now.0)
    .bind(&source)
    .execute(&mut *tx)
    .await?;
    ledger::insert_audit(&mut tx, &[audit(&policy)]).await?;
    database.commit(tx).await?;
    Ok(AppliedPolicy { policy, source })
}

pub(super) async fn list(
    database: &PostgresDatabase,
    tenant: &TenantId,
    page: &Page,
) -> Result<Listed<AppliedPolicy>, StoreError> {
    let mut tx = super::snapshot(database).await?;
    let rows: Vec<(String, Vec<u8>, String)> = sqlx::query_as(
        "SELECT policy_id, body, source FROM policies p
         WHERE tenant = $1 AND ($2::text IS NULL OR policy_id > $2)
           AND version = (SELECT max(version) FROM policies n
                          WHERE n.tenant = p.tenant AND n.policy_id = p.policy_id)
         ORDER BY policy_id LIMIT $3",
    )
    .bind(tenant.as_str())
    .bind(&page.after)
    .bind(page.size + 1)
    .fetch_all(&mut *tx)
    .await?;
    let total = if page.count {
        let query =
            sqlx::query_scalar("SELECT count(DISTINCT policy_id) FROM policies WHERE tenant = $1");
        Some(query.bind(tenant.as_str()).fetch_one(&mut *tx).await?)
    } else {
        None
    };
    let rows = rows.into_iter().map(|(id, body, source)| applied((body, source), &id));
    Ok(super::listed(rows.collect::<Result<_, _>>()?, page, total))
}
