//! Disruptions and their items on PostgreSQL.

use redress_core::clock::Timestamp;
use redress_core::id::{DisruptionId, EventId, IdSource, OrderId, TenantId};
use redress_store::{PostgresDatabase, StoreError, outbox};
use sqlx::PgConnection;

use super::super::changes::{Changes, PendingItem};
use super::super::rows::{
    DisruptionRow, ItemRow, ItemTotalsRow, PendingItemRow, encode, plan_from,
};
use super::super::{DisruptionFilter, ItemTerms, ItemTotals, Listed, Page, RequestRecord};
use super::{orders, write};
use crate::domain::disruption::{
    Disruption, DisruptionEvent, DisruptionState, Due, Item, ItemPlan, ItemState,
};
use crate::domain::fact::Fact;
use crate::domain::refund::DisruptionRef;
use crate::events;

pub(super) async fn create(
    database: &PostgresDatabase,
    disruption: &Disruption,
    request: &RequestRecord,
    ids: &dyn IdSource,
) -> Result<(), StoreError> {
    let mut tx = database.begin().await?;
    write::record_request(&mut tx, &disruption.tenant, request, disruption.created).await?;
    sqlx::query(
        "INSERT INTO disruptions (tenant, disruption_id, event_id, kind, state, requester,
             traceparent, version, created, updated)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(disruption.tenant.as_str())
    .bind(disruption.id.as_str())
    .bind(disruption.event.as_str())
    .bind(disruption.kind.as_str())
    .bind(disruption.state.as_str())
    .bind(&disruption.requester)
    .bind(&disruption.traceparent)
    .bind(disruption.version)
    .bind(disruption.created.0)
    .bind(disruption.updated.0)
    .execute(&mut *tx)
    .await?;
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
        "SELECT tenant, disruption_id, event_id, kind, state, requester, traceparent, version,
                created, updated
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
        "SELECT tenant, disruption_id, event_id, kind, state, requester, traceparent, version,
                created, updated
         FROM disruptions
         WHERE tenant = $1 AND ($2::text IS NULL OR disruption_id > $2)
           AND ($3::text IS NULL OR event_id = $3) AND ($4::text IS NULL OR state = $4)
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
            "SELECT count(*) FROM disruptions
             WHERE tenant = $1 AND ($2::text IS NULL OR event_id = $2)
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

pub(super) async fn item_totals(
    database: &PostgresDatabase,
    tenant: &TenantId,
    id: &DisruptionId,
) -> Result<Vec<ItemTotals>, StoreError> {
    let rows: Vec<ItemTotalsRow> = sqlx::query_as(
        "SELECT state, currency, count(*) AS count, sum(requested)::bigint AS requested,
                sum(issued)::bigint AS issued
         FROM disruption_items WHERE tenant = $1 AND disruption_id = $2
         GROUP BY state, currency ORDER BY state, currency",
    )
    .bind(tenant.as_str())
    .bind(id.as_str())
    .fetch_all(&database.pool)
    .await?;
    rows.into_iter().map(ItemTotalsRow::into_totals).collect()
}

pub(super) async fn list_items(
    database: &PostgresDatabase,
    tenant: &TenantId,
    id: &DisruptionId,
    state: Option<ItemState>,
    page: &Page,
) -> Result<Listed<Item>, StoreError> {
    let mut tx = super::snapshot(database).await?;
    let rows: Vec<ItemRow> = sqlx::query_as(
        "SELECT order_id, state, refund_id, currency, requested, issued, reason_code, next_action
         FROM disruption_items
         WHERE tenant = $1 AND disruption_id = $2 AND ($3::text IS NULL OR state = $3)
           AND ($4::text IS NULL OR order_id > $4)
         ORDER BY order_id LIMIT $5",
    )
    .bind(tenant.as_str())
    .bind(id.as_str())
    .bind(state.map(ItemState::as_str))
    .bind(&page.after)
    .bind(page.size + 1)
    .fetch_all(&mut *tx)
    .await?;
    let total = if page.count {
        let count = sqlx::query_scalar(
            "SELECT count(*) FROM disruption_items
             WHERE tenant = $1 AND disruption_id = $2 AND ($3::text IS NULL OR state = $3)",
        )
        .bind(tenant.as_str())
        .bind(id.as_str())
        .bind(state.map(ItemState::as_str))
        .fetch_one(&mut *tx)
        .await?;
        Some(count)
    } else {
        None
    };
    let rows = rows.into_iter().map(ItemRow::into_item);
    Ok(super::listed(rows.collect::<Result<_, _>>()?, page, total))
}

pub(super) async fn discard(
    database: &PostgresDatabase,
    disruption: &Disruption,
) -> Result<(), StoreError> {
    let mut tx = database.begin().await?;
    require_draft(&mut tx, disruption).await?;
    sqlx::query("DELETE FROM disruption_items WHERE tenant = $1 AND disruption_id = $2")
        .bind(disruption.tenant.as_str())
        .bind(disruption.id.as_str())
        .execute(&mut *tx)
        .await?;
    database.commit(tx).await
}

pub(super) async fn freeze(
    database: &PostgresDatabase,
    disruption: &Disruption,
    plans: &[ItemPlan],
) -> Result<(), StoreError> {
    let mut tx = database.begin().await?;
    require_draft(&mut tx, disruption).await?;
    let bodies = plans.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
    sqlx::query(
        "INSERT INTO disruption_items (tenant, disruption_id, state, order_id, currency, requested,
             plan)
         SELECT $1, $2, 'PENDING', v.*
         FROM UNNEST($3::text[], $4::text[], $5::bigint[], $6::bytea[]) v
         ON CONFLICT (tenant, disruption_id, order_id) DO UPDATE SET
             currency = excluded.currency, requested = excluded.requested, plan = excluded.plan",
    )
    .bind(disruption.tenant.as_str())
    .bind(disruption.id.as_str())
    .bind(plans.iter().map(|plan| plan.order.as_str()).collect::<Vec<_>>())
    .bind(plans.iter().map(|plan| plan.currency.code()).collect::<Vec<_>>())
    .bind(plans.iter().map(ItemPlan::requested).collect::<Vec<_>>())
    .bind(bodies)
    .execute(&mut *tx)
    .await?;
    database.commit(tx).await
}

/// The disruption, locked until the end of the transaction.
async fn locked(
    conn: &mut PgConnection,
    tenant: &TenantId,
    id: &DisruptionId,
) -> Result<Option<Disruption>, StoreError> {
    sqlx::query(
        "SELECT 1 FROM disruptions WHERE tenant = $1 AND disruption_id = $2 FOR NO KEY UPDATE",
    )
    .bind(tenant.as_str())
    .bind(id.as_str())
    .execute(&mut *conn)
    .await?;
    get(conn, tenant, id).await
}

/// The disruption is still the draft that the caller has read.
async fn require_draft(conn: &mut PgConnection, disruption: &Disruption) -> Result<(), StoreError> {
    let stored = locked(conn, &disruption.tenant, &disruption.id).await?;
    let is_draft = stored.is_some_and(|stored| {
        stored.version == disruption.version && stored.state == DisruptionState::Draft
    });
    if is_draft { Ok(()) } else { Err(StoreError::VersionMismatch) }
}

pub(super) async fn advance(
    database: &PostgresDatabase,
    disruption: &Disruption,
    event: DisruptionEvent,
    expected_items: Option<i64>,
    request: &RequestRecord,
    ids: &dyn IdSource,
) -> Result<Disruption, StoreError> {
    let mut tx = database.begin().await?;
    write::record_request(&mut tx, &disruption.tenant, request, disruption.updated).await?;
    let stored = locked(&mut tx, &disruption.tenant, &disruption.id).await?;
    let current = stored.filter(|stored| stored.version + 1 == disruption.version);
    let state = current.and_then(|stored| stored.state.next(event));
    if state != Some(disruption.state) {
        return Err(StoreError::VersionMismatch);
    }
    if let Some(expected) = expected_items {
        let frozen: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM disruption_items WHERE tenant = $1 AND disruption_id = $2",
        )
        .bind(disruption.tenant.as_str())
        .bind(disruption.id.as_str())
        .fetch_one(&mut *tx)
        .await?;
        if frozen != expected {
            return Err(StoreError::VersionMismatch);
        }
    }
    update(&mut tx, disruption).await?;
    announce(&mut tx, disruption, ids, disruption.updated).await?;
    database.commit(tx).await?;
    Ok(disruption.clone())
}

async fn update(conn: &mut PgConnection, disruption: &Disruption) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE disruptions SET state = $3, traceparent = $4, version = $5, updated = $6
         WHERE tenant = $1 AND disruption_id = $2",
    )
    .bind(disruption.tenant.as_str())
    .bind(disruption.id.as_str())
    .bind(disruption.state.as_str())
    .bind(&disruption.traceparent)
    .bind(disruption.version)
    .bind(disruption.updated.0)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn start_items(
    database: &PostgresDatabase,
    limit: i64,
    terms: &ItemTerms,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut tx = database.begin().await?;
    let rows: Vec<PendingItemRow> = sqlx::query_as(
        // Of that disruption alone the index gives the next items in order; a join would sort all
        // that are pending, for each batch.
        "SELECT i.tenant, i.disruption_id, i.order_id, i.plan, d.event_id, d.requester,
                d.traceparent
         FROM (SELECT * FROM disruptions d
               WHERE state = 'RUNNING' AND EXISTS (
                   SELECT 1 FROM disruption_items i
                   WHERE i.tenant = d.tenant AND i.disruption_id = d.disruption_id
                     AND i.state = 'PENDING')
               ORDER BY updated, disruption_id LIMIT 1) d
         CROSS JOIN LATERAL (
             SELECT tenant, disruption_id, order_id, plan FROM disruption_items i
             WHERE i.tenant = d.tenant AND i.disruption_id = d.disruption_id
               AND i.state = 'PENDING'
             ORDER BY i.order_id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED) i",
    )
    .bind(limit)
    .fetch_all(&mut *tx)
    .await?;
    let items = rows.into_iter().map(pending_item).collect::<Result<Vec<_>, _>>()?;
    let Some(tenant) = items.first().map(|item| item.tenant.clone()) else { return Ok(0) };
    let due = items.iter().filter(|item| matches!(item.plan.due, Due::Pay(_)));
    let order_ids: Vec<OrderId> = due.map(|item| item.plan.order.clone()).collect();
    let held = orders::hold(&mut tx, &tenant, &order_ids).await?;
    let mut changes = Changes::default();
    let taken = items.len();
    for item in items {
        let held = held.get(&item.plan.order);
        changes.start_item(item, held, terms, ids, now);
    }
    write::write(&mut tx, &changes, ids, now).await?;
    database.commit(tx).await?;
    Ok(taken)
}

fn pending_item(row: PendingItemRow) -> Result<PendingItem, StoreError> {
    let corrupt = |column| StoreError::corrupt("disruption_items", column, row.order_id.as_str());
    Ok(PendingItem {
        plan: plan_from(&row.plan, &row.order_id)?,
        tenant: TenantId::new(&*row.tenant).map_err(|_| corrupt("tenant"))?,
        disruption: DisruptionRef {
            id: DisruptionId::new(&*row.disruption_id).map_err(|_| corrupt("disruption_id"))?,
            event: EventId::new(&*row.event_id).map_err(|_| corrupt("event_id"))?,
        },
        requester: row.requester,
        traceparent: row.traceparent,
    })
}

pub(super) async fn complete(
    database: &PostgresDatabase,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut tx = database.begin().await?;
    let rows: Vec<DisruptionRow> = sqlx::query_as(
        "WITH done AS MATERIALIZED (
             SELECT tenant, disruption_id FROM disruptions d
             WHERE state = 'RUNNING' AND NOT EXISTS (
                 SELECT 1 FROM disruption_items i
                 WHERE i.tenant = d.tenant AND i.disruption_id = d.disruption_id
                   AND i.state IN ('PENDING', 'PROCESSING'))
             FOR NO KEY UPDATE SKIP LOCKED)
         UPDATE disruptions d SET state = 'COMPLETED', version = version + 1, updated = $1
         FROM done WHERE d.tenant = done.tenant AND d.disruption_id = done.disruption_id
         RETURNING d.tenant, d.disruption_id, d.event_id, d.kind, d.state, d.requester,
             d.traceparent, d.version, d.created, d.updated",
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
