//! Disruptions on PostgreSQL: how they are opened, read and moved on.

use redress_core::clock::Timestamp;
use redress_core::id::{DisruptionId, EventId, IdSource, TenantId};
use redress_store::{PostgresDatabase, StoreError, outbox};
use sqlx::PgConnection;

use super::super::rows::{DisruptionRow, encode, scope_digest};
use super::super::{Advanced, DisruptionFilter, Listed, Page, RequestRecord, Step};
use super::{items, ledger, write};
use crate::domain::audit::AuditEntry;
use crate::domain::disruption::{Disruption, DisruptionEvent};
use crate::domain::fact::Fact;
use crate::events;

/// From so many rows on, the tallies of a disruption are added up.
const MANY_TALLIES: i64 = 200;

pub(super) async fn create(
    database: &PostgresDatabase,
    disruption: &Disruption,
    audit: &AuditEntry,
    request: &RequestRecord,
    ids: &dyn IdSource,
) -> Result<(), StoreError> {
    let mut tx = database.begin().await?;
    write::record_request(&mut tx, &disruption.tenant, request, disruption.created).await?;
    sqlx::query(
        "INSERT INTO disruptions (tenant, disruption_id, scope, change, terms, scope_digest, kind,
             choose_until, state, scope_orders, requester, approver, traceparent, version, created,
             updated)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(disruption.tenant.as_str())
    .bind(disruption.id.as_str())
    .bind(encode(&disruption.scope)?)
    .bind(encode(&disruption.change)?)
    .bind(encode(&disruption.terms)?)
    .bind(scope_digest(&disruption.scope)?)
    .bind(disruption.change.kind())
    .bind(disruption.terms.choose_until.map(|until| until.0))
    .bind(disruption.state.as_str())
    .bind(disruption.scope_orders)
    .bind(&disruption.requester)
    .bind(&disruption.approver)
    .bind(&disruption.traceparent)
    .bind(disruption.version)
    .bind(disruption.created.0)
    .bind(disruption.updated.0)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO disruption_events (tenant, disruption_id, event_id)
         SELECT $1, $2, v.* FROM UNNEST($3::text[]) v ON CONFLICT DO NOTHING",
    )
    .bind(disruption.tenant.as_str())
    .bind(disruption.id.as_str())
    .bind(disruption.scope.events.iter().map(EventId::as_str).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    ledger::insert_audit(&mut tx, std::slice::from_ref(audit)).await?;
    announce(&mut tx, disruption, ids, disruption.created).await?;
    database.commit(tx).await
}

async fn announce(
    conn: &mut PgConnection,
    disruption: &Disruption,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<(), StoreError> {
    let event = events::encode(&Fact::disruption_state(disruption), ids, now);
    outbox::append_postgres(conn, &[event]).await
}

pub(super) async fn get(
    conn: &mut PgConnection,
    tenant: &TenantId,
    id: &DisruptionId,
) -> Result<Option<Disruption>, StoreError> {
    let row: Option<DisruptionRow> = sqlx::query_as(
        "SELECT tenant, disruption_id, scope, change, terms, state, scope_orders, requester,
                approver, traceparent, version, created, updated
         FROM disruptions WHERE tenant = $1 AND disruption_id = $2",
    )
    .bind(tenant.as_str())
    .bind(id.as_str())
    .fetch_optional(conn)
    .await?;
    row.map(DisruptionRow::into_disruption).transpose()
}

pub(super) async fn list(
    database: &PostgresDatabase,
    tenant: &TenantId,
    filter: &DisruptionFilter,
    page: &Page,
) -> Result<Listed<Disruption>, StoreError> {
    let mut tx = super::snapshot(database).await?;
    let rows: Vec<DisruptionRow> = sqlx::query_as(
        "SELECT tenant, disruption_id, scope, change, terms, state, scope_orders, requester,
                approver, traceparent, version, created, updated
         FROM disruptions d
         WHERE tenant = $1 AND ($2::text IS NULL OR disruption_id > $2)
           AND ($3::text IS NULL OR EXISTS (
               SELECT 1 FROM disruption_events e
               WHERE e.tenant = d.tenant AND e.event_id = $3
                 AND e.disruption_id = d.disruption_id))
           AND ($4::text IS NULL OR state = $4)
         ORDER BY disruption_id LIMIT $5",
    )
    .bind(tenant.as_str())
    .bind(&page.after)
    .bind(&filter.event)
    .bind(&filter.state)
    .bind(page.size + 1)
    .fetch_all(&mut *tx)
    .await?;
    let total = if page.count {
        let count = sqlx::query_scalar(
            "SELECT count(*) FROM disruptions d
             WHERE tenant = $1
               AND ($2::text IS NULL OR EXISTS (
                   SELECT 1 FROM disruption_events e
                   WHERE e.tenant = d.tenant AND e.event_id = $2
                     AND e.disruption_id = d.disruption_id))
               AND ($3::text IS NULL OR state = $3)",
        )
        .bind(tenant.as_str())
        .bind(&filter.event)
        .bind(&filter.state)
        .fetch_one(&mut *tx)
        .await?;
        Some(count)
    } else {
        None
    };
    let rows = rows.into_iter().map(DisruptionRow::into_disruption);
    Ok(super::listed(rows.collect::<Result<_, _>>()?, page, total))
}

/// The disruption, locked until the end of the transaction; `VersionMismatch` unless it is at
/// `version`.
pub(super) async fn locked(
    conn: &mut PgConnection,
    tenant: &TenantId,
    id: &DisruptionId,
    version: i64,
) -> Result<Disruption, StoreError> {
    sqlx::query(
        "SELECT 1 FROM disruptions WHERE tenant = $1 AND disruption_id = $2 FOR NO KEY UPDATE",
    )
    .bind(tenant.as_str())
    .bind(id.as_str())
    .execute(&mut *conn)
    .await?;
    let stored = get(conn, tenant, id).await?;
    stored.filter(|stored| stored.version == version).ok_or(StoreError::VersionMismatch)
}

pub(super) async fn advance(
    database: &PostgresDatabase,
    disruption: &Disruption,
    step: &Step<'_>,
    ids: &dyn IdSource,
) -> Result<Advanced, StoreError> {
    let (tenant, id) = (&disruption.tenant, &disruption.id);
    let mut tx = database.begin().await?;
    let stored = locked(&mut tx, tenant, id, disruption.version - 1).await?;
    if stored.state.next(step.event) != Some(disruption.state) {
        return Err(StoreError::VersionMismatch);
    }
    let changed = match step.event {
        DisruptionEvent::Approve | DisruptionEvent::Extend => {
            let is_extension = step.event == DisruptionEvent::Extend;
            let found = items::selection(&mut tx, tenant, id, is_extension).await?;
            if step.agreed.is_some_and(|agreed| *agreed != found) {
                return Ok(Advanced::Otherwise(found));
            }
            if is_extension {
                items::release(&mut tx, disruption).await?;
            }
            found.orders
        }
        DisruptionEvent::Retry => {
            let changed = items::retry(&mut tx, tenant, id, step.orders).await?;
            if changed == 0 {
                return Ok(Advanced::NothingToRetry);
            }
            if let Some(order) = items::not_pending(&mut tx, tenant, id, step.orders).await? {
                return Ok(Advanced::NotRetryable(order));
            }
            changed
        }
        _ => 0,
    };
    update(&mut tx, disruption).await?;
    if stored.state != disruption.state {
        announce(&mut tx, disruption, ids, disruption.updated).await?;
    }
    ledger::insert_audit(&mut tx, std::slice::from_ref(step.audit)).await?;
    write::record_request(&mut tx, tenant, &(step.record)(changed), disruption.updated).await?;
    database.commit(tx).await?;
    Ok(Advanced::Done(changed))
}

async fn update(conn: &mut PgConnection, disruption: &Disruption) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE disruptions SET state = $3, approver = $4, traceparent = $5, version = $6,
             updated = $7
         WHERE tenant = $1 AND disruption_id = $2",
    )
    .bind(disruption.tenant.as_str())
    .bind(disruption.id.as_str())
    .bind(disruption.state.as_str())
    .bind(&disruption.approver)
    .bind(&disruption.traceparent)
    .bind(disruption.version)
    .bind(disruption.updated.0)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn complete(
    database: &PostgresDatabase,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<usize, StoreError> {
    fold_tallies(database).await?;
    let mut tx = database.begin().await?;
    // Locked first and looked at again by a statement of its own, which sees what whoever held the
    // lock before has added.
    let held: Vec<(String, String)> = sqlx::query_as(
        "SELECT tenant, disruption_id FROM disruptions d
         WHERE state IN ('RUNNING', 'ABORTING') AND NOT EXISTS (
             SELECT FROM disruption_tallies t
             WHERE t.tenant = d.tenant AND t.disruption_id = d.disruption_id
               AND t.state IN ('OFFERED', 'PENDING', 'PROCESSING')
             HAVING sum(items) > 0)
         ORDER BY tenant, disruption_id FOR NO KEY UPDATE SKIP LOCKED",
    )
    .fetch_all(&mut *tx)
    .await?;
    if held.is_empty() {
        return Ok(0);
    }
    let (tenants, held): (Vec<String>, Vec<String>) = held.into_iter().unzip();
    let rows: Vec<DisruptionRow> = sqlx::query_as(
        "UPDATE disruptions d
         SET state = CASE d.state WHEN 'RUNNING' THEN 'COMPLETED' ELSE 'ABORTED' END,
             version = version + 1, updated = $3
         FROM UNNEST($1::text[], $2::text[]) AS held (tenant, id)
         WHERE d.tenant = held.tenant AND d.disruption_id = held.id
           AND d.state IN ('RUNNING', 'ABORTING') AND NOT EXISTS (
             SELECT FROM disruption_tallies t
             WHERE t.tenant = d.tenant AND t.disruption_id = d.disruption_id
               AND t.state IN ('OFFERED', 'PENDING', 'PROCESSING')
             HAVING sum(items) > 0)
         RETURNING d.tenant, d.disruption_id, d.scope, d.change, d.terms, d.state, d.scope_orders,
             d.requester, d.approver, d.traceparent, d.version, d.created, d.updated",
    )
    .bind(tenants)
    .bind(held)
    .bind(now.0)
    .fetch_all(&mut *tx)
    .await?;
    let done = rows.len();
    for row in rows {
        announce(&mut tx, &row.into_disruption()?, ids, now).await?;
    }
    database.commit(tx).await?;
    Ok(done)
}

/// Adds up the tallies of disruptions that are under way, where there are many. Nobody waits for
/// it: rows that another process is adding up are left to it.
async fn fold_tallies(database: &PostgresDatabase) -> Result<(), StoreError> {
    sqlx::query(
        "WITH long AS (
             SELECT d.tenant, d.disruption_id
             FROM disruptions d
             JOIN disruption_tallies t
               ON t.tenant = d.tenant AND t.disruption_id = d.disruption_id
             WHERE d.state IN ('RUNNING', 'ABORTING')
             GROUP BY d.tenant, d.disruption_id HAVING count(*) > $1),
         taken AS MATERIALIZED (
             SELECT t.tenant, t.disruption_id, t.seq
             FROM long
             JOIN disruption_tallies t
               ON t.tenant = long.tenant AND t.disruption_id = long.disruption_id
             FOR UPDATE OF t SKIP LOCKED),
         gone AS (
             DELETE FROM disruption_tallies t USING taken
             WHERE t.tenant = taken.tenant AND t.disruption_id = taken.disruption_id
               AND t.seq = taken.seq
             RETURNING t.*)
         INSERT INTO disruption_tallies (tenant, disruption_id, state, lane, currency, items,
             requested, issued)
         SELECT tenant, disruption_id, state, lane, currency, sum(items), sum(requested),
             sum(issued)
         FROM gone GROUP BY tenant, disruption_id, state, lane, currency",
    )
    .bind(MANY_TALLIES)
    .execute(&database.pool)
    .await?;
    Ok(())
}
