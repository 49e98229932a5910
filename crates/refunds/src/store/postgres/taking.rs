//! How workers take items on, on PostgreSQL.

use std::collections::HashMap;

use redress_core::clock::Timestamp;
use redress_core::id::{IdSource, OrderId, RefundId};
use redress_store::{PostgresDatabase, StoreError};
use sqlx::PgConnection;

use super::super::changes::{Changes, PendingItem};
use super::super::rows::{ItemFactRow, PendingItemRow, WorkRow};
use super::super::{ItemTerms, Take, Work};
use super::items::fact_columns;
use super::{attempts, orders, refunds, write};
use crate::domain::disruption::{Due, ItemState};
use crate::domain::fact::{Fact, Needs};

pub(super) async fn work(database: &PostgresDatabase) -> Result<Vec<Work>, StoreError> {
    let rows: Vec<WorkRow> = sqlx::query_as(
        "SELECT d.tenant, d.disruption_id, l.lane
         FROM disruptions d
         JOIN disruption_lanes l ON l.tenant = d.tenant AND l.disruption_id = d.disruption_id
         WHERE d.state = 'RUNNING' AND EXISTS (
             SELECT 1 FROM disruption_items i
             WHERE i.tenant = l.tenant AND i.disruption_id = l.disruption_id AND i.lane = l.lane
               AND i.state = 'PENDING')
         ORDER BY d.updated, d.disruption_id, l.lane",
    )
    .fetch_all(&database.pool)
    .await?;
    rows.into_iter().map(WorkRow::into_work).collect()
}

pub(super) async fn next_item(
    database: &PostgresDatabase,
    work: &Work,
) -> Result<Option<OrderId>, StoreError> {
    let next: Option<String> = sqlx::query_scalar(
        "SELECT order_id FROM disruption_items
         WHERE tenant = $1 AND disruption_id = $2 AND lane = $3 AND state = 'PENDING'
         ORDER BY order_id LIMIT 1",
    )
    .bind(work.tenant.as_str())
    .bind(work.disruption.as_str())
    .bind(&work.lane)
    .fetch_optional(&database.pool)
    .await?;
    next.map(orders::order_id).transpose()
}

pub(super) async fn start_items(
    database: &PostgresDatabase,
    work: &Work,
    take: &Take,
    backlog: i64,
    terms: &ItemTerms,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut tx = database.begin().await?;
    match start(&mut tx, work, take, backlog, terms, ids, now).await {
        Ok(taken) => {
            database.commit(tx).await?;
            Ok(taken)
        }
        Err(error) => {
            // A dropped transaction is rolled back at some later time, and until then whoever tries
            // a smaller batch would pass over its items.
            tx.rollback().await?;
            Err(error)
        }
    }
}

async fn start(
    conn: &mut PgConnection,
    work: &Work,
    take: &Take,
    backlog: i64,
    terms: &ItemTerms,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let rows: Vec<PendingItemRow> = sqlx::query_as(
        // Of that disruption alone the index gives the next items in order; a join would sort all
        // that are pending, for each batch.
        "SELECT i.order_id, i.plan, i.refund_id, d.kind, d.terms, d.requester, d.traceparent
         FROM (SELECT kind, terms, requester, traceparent FROM disruptions
               WHERE tenant = $1 AND disruption_id = $2 AND state = 'RUNNING') AS d
         CROSS JOIN LATERAL (
             SELECT order_id, plan, refund_id FROM disruption_items
             WHERE tenant = $1 AND disruption_id = $2 AND lane = $3 AND state = 'PENDING'
               AND ($6::text IS NULL OR order_id = $6)
             ORDER BY order_id
             LIMIT least($4, greatest(0, $5 - (
                 SELECT count(*) FROM (
                     SELECT 1 FROM attempts
                     WHERE provider = $3 AND state = 'ARMED' LIMIT $5) AS armed)))
             FOR NO KEY UPDATE SKIP LOCKED) AS i",
    )
    .bind(work.tenant.as_str())
    .bind(work.disruption.as_str())
    .bind(&work.lane)
    .bind(take.limit())
    .bind(backlog)
    .bind(take.order())
    .fetch_all(&mut *conn)
    .await?;
    let taken = rows.len();
    let mut items = Vec::with_capacity(taken);
    let mut broken = Vec::new();
    for row in rows {
        let order = row.order_id.clone();
        match row.into_item(work) {
            Ok(item) => items.push(item),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(
                    order.id = order,
                    error,
                    "item cannot be read, it goes to a person"
                );
                broken.push(order);
            }
        }
    }
    let mut changes = Changes::default();
    let (again, new): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.refund.is_some());
    retry(conn, work, again, &mut changes, ids, now).await?;
    let due = new.iter().filter(|item| matches!(item.plan.due, Due::Pay(_)));
    let order_ids: Vec<OrderId> = due.map(|item| item.plan.order.clone()).collect();
    let held = orders::hold(conn, &work.tenant, &order_ids).await?;
    for item in new {
        let held = held.get(&item.plan.order);
        changes.start_item(item, held, terms, ids, now);
    }
    put_aside(conn, work, &broken, &mut changes).await?;
    write::write(conn, &changes, ids, now).await?;
    Ok(taken)
}

/// Tries refunds of items again; their attempts and payments are locked until the end of the
/// transaction.
async fn retry(
    conn: &mut PgConnection,
    work: &Work,
    items: Vec<PendingItem>,
    changes: &mut Changes,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<(), StoreError> {
    if items.is_empty() {
        return Ok(());
    }
    let tenant = &work.tenant;
    let refund_ids: Vec<&str> =
        items.iter().filter_map(|item| item.refund.as_ref().map(RefundId::as_str)).collect();
    let tenants = vec![tenant.as_str(); refund_ids.len()];
    attempts::lock_refunds(conn, &tenants, &refund_ids).await?;
    attempts::lock_attempts(conn, &tenants, &refund_ids).await?;
    let keys: Vec<(&str, &str)> = refund_ids.iter().map(|id| (tenant.as_str(), *id)).collect();
    let found = refunds::load(conn, &keys).await?;
    let order_ids: Vec<OrderId> = found.iter().map(|refund| refund.order.clone()).collect();
    orders::lock(conn, tenant, &order_ids).await?;
    let loaded = orders::load(conn, tenant, &order_ids).await?;
    let orders: HashMap<_, _> = loaded.iter().map(|order| (&order.id, order)).collect();
    let requester = items.first().map_or("", |item| item.requester.as_str());
    for refund in found {
        let order = orders.get(&refund.order).copied();
        let order =
            order.ok_or_else(|| StoreError::corrupt("refunds", "order_id", refund.id.as_str()))?;
        changes.retry_item(refund, order, requester, ids, now);
    }
    Ok(())
}

/// Hands items to a person.
async fn put_aside(
    conn: &mut PgConnection,
    work: &Work,
    orders: &[String],
    changes: &mut Changes,
) -> Result<(), StoreError> {
    if orders.is_empty() {
        return Ok(());
    }
    let rows: Vec<ItemFactRow> = sqlx::query_as(concat!(
        "SELECT ",
        fact_columns!(),
        " FROM disruption_items i
         JOIN disruptions d ON d.tenant = i.tenant AND d.disruption_id = i.disruption_id
         JOIN orders o ON o.tenant = i.tenant AND o.order_id = i.order_id
         WHERE i.tenant = $1 AND i.disruption_id = $2 AND i.order_id = ANY($3)"
    ))
    .bind(work.tenant.as_str())
    .bind(work.disruption.as_str())
    .bind(orders)
    .fetch_all(conn)
    .await?;
    for row in rows {
        let (subject, item) = row.at_rest(ItemState::Attention, Needs::BROKEN_ITEM)?;
        let fact =
            Fact::item_at_rest(&subject.tenant, &subject.disruption, subject.traceparent, item);
        changes.push_fact_of_item(fact);
    }
    Ok(())
}

pub(super) async fn set_aside(
    database: &PostgresDatabase,
    work: &Work,
    order: &OrderId,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut tx = database.begin().await?;
    let found: Option<String> = sqlx::query_scalar(
        "SELECT order_id FROM disruption_items
         WHERE tenant = $1 AND disruption_id = $2 AND order_id = $3 AND state = 'PENDING'
         FOR NO KEY UPDATE",
    )
    .bind(work.tenant.as_str())
    .bind(work.disruption.as_str())
    .bind(order.as_str())
    .fetch_optional(&mut *tx)
    .await?;
    let Some(found) = found else { return Ok(false) };
    let mut changes = Changes::default();
    put_aside(&mut tx, work, &[found], &mut changes).await?;
    write::write(&mut tx, &changes, ids, now).await?;
    database.commit(tx).await?;
    Ok(true)
}
