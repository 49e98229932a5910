//! Disruptions on SQLite: how they are opened, read and moved on.

use redress_core::clock::Timestamp;
use redress_core::id::{DisruptionId, IdSource, TenantId};
use redress_store::{SqliteDatabase, StoreError, outbox};
use sqlx::SqliteConnection;

use super::super::rows::{DisruptionRow, encode, encode_rows, scope_digest};
use super::super::{Advanced, DisruptionFilter, Listed, Page, RequestRecord, Step};
use super::{items, ledger, write};
use crate::domain::audit::AuditEntry;
use crate::domain::disruption::{Disruption, DisruptionEvent};
use crate::domain::fact::Fact;
use crate::events;

pub(super) async fn create(
    database: &SqliteDatabase,
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
         SELECT $1, $2, value FROM jsonb_each($3) WHERE true ON CONFLICT DO NOTHING",
    )
    .bind(disruption.tenant.as_str())
    .bind(disruption.id.as_str())
    .bind(encode_rows(&disruption.scope.events)?)
    .execute(&mut *tx)
    .await?;
    ledger::insert_audit(&mut tx, std::slice::from_ref(audit)).await?;
    announce(&mut tx, disruption, ids, disruption.created).await?;
    database.commit(tx).await
}

async fn announce(
    conn: &mut SqliteConnection,
    disruption: &Disruption,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<(), StoreError> {
    let event = events::encode(&Fact::disruption_state(disruption), ids, now);
    outbox::append_sqlite(conn, &[event]).await
}

pub(super) async fn get(
    conn: &mut SqliteConnection,
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
    database: &SqliteDatabase,
    tenant: &TenantId,
    filter: &DisruptionFilter,
    page: &Page,
) -> Result<Listed<Disruption>, StoreError> {
    let mut tx = database.read.begin().await?;
    let rows: Vec<DisruptionRow> = sqlx::query_as(
        "SELECT tenant, disruption_id, scope, change, terms, state, scope_orders, requester,
                approver, traceparent, version, created, updated
         FROM disruptions d
         WHERE tenant = $1 AND ($2 IS NULL OR disruption_id > $2)
           AND ($3 IS NULL OR EXISTS (
               SELECT 1 FROM disruption_events e
               WHERE e.tenant = d.tenant AND e.event_id = $3
                 AND e.disruption_id = d.disruption_id))
           AND ($4 IS NULL OR state = $4)
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
               AND ($2 IS NULL OR EXISTS (
                   SELECT 1 FROM disruption_events e
                   WHERE e.tenant = d.tenant AND e.event_id = $2
                     AND e.disruption_id = d.disruption_id))
               AND ($3 IS NULL OR state = $3)",
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

/// The disruption; `VersionMismatch` unless it is at `version`.
pub(super) async fn at_version(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    id: &DisruptionId,
    version: i64,
) -> Result<Disruption, StoreError> {
    let stored = get(conn, tenant, id).await?;
    stored.filter(|stored| stored.version == version).ok_or(StoreError::VersionMismatch)
}

pub(super) async fn advance(
    database: &SqliteDatabase,
    disruption: &Disruption,
    step: &Step<'_>,
    ids: &dyn IdSource,
) -> Result<Advanced, StoreError> {
    let (tenant, id) = (&disruption.tenant, &disruption.id);
    let mut tx = database.begin().await?;
    let stored = at_version(&mut tx, tenant, id, disruption.version - 1).await?;
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

async fn update(conn: &mut SqliteConnection, disruption: &Disruption) -> Result<(), StoreError> {
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
    database: &SqliteDatabase,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut tx = database.begin().await?;
    let rows: Vec<DisruptionRow> = sqlx::query_as(
        "UPDATE disruptions
         SET state = CASE state WHEN 'RUNNING' THEN 'COMPLETED' ELSE 'ABORTED' END,
             version = version + 1, updated = $1
         WHERE state IN ('RUNNING', 'ABORTING') AND NOT EXISTS (
             SELECT 1 FROM disruption_tallies t
             WHERE t.tenant = disruptions.tenant AND t.disruption_id = disruptions.disruption_id
               AND t.state IN ('OFFERED', 'PENDING', 'PROCESSING') AND t.items > 0)
         RETURNING tenant, disruption_id, scope, change, terms, state, scope_orders, requester,
             approver, traceparent, version, created, updated",
    )
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
