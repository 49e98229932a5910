//! Items of disruptions on SQLite: how they are frozen, read, chosen about and called off.

use redress_core::clock::Timestamp;
use redress_core::id::{DisruptionId, IdSource, OrderId, TenantId};
use redress_store::{SqliteDatabase, StoreError};
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::super::changes::Changes;
use super::super::rows::{ItemFactRow, ItemRow, ItemTotalsRow, encode_rows, selection_from};
use super::super::{ItemFilter, ItemRecord, ItemTotals, Listed, Page, Selection};
use super::{disruptions, orders, write};
use crate::domain::attempt::Reason;
use crate::domain::disruption::{
    Disruption, DisruptionState, Item, ItemEvent, ItemPlan, ItemState, Remedy,
};
use crate::domain::fact::{Fact, Needs};

/// What [`ItemFactRow`] reads, from items `i` of disruptions `d` with their orders `o`.
macro_rules! fact_columns {
    () => {
        "i.tenant, i.disruption_id, i.order_id, o.customer, i.refund_id, i.currency, i.requested,
         i.issued, d.kind, d.traceparent,
         (SELECT l.event_id FROM order_lines l
          WHERE l.tenant = i.tenant AND l.order_id = i.order_id
          ORDER BY l.ordinal, l.line_id LIMIT 1) AS event_id"
    };
}
pub(super) use fact_columns;

pub(super) async fn totals(
    database: &SqliteDatabase,
    tenant: &TenantId,
    ids: &[DisruptionId],
    is_held: bool,
) -> Result<Vec<ItemTotals>, StoreError> {
    let rows: Vec<ItemTotalsRow> = sqlx::query_as(
        "SELECT disruption_id, state, lane, currency, items AS count, requested, issued
         FROM disruption_tallies
         WHERE tenant = $1 AND disruption_id IN (SELECT value FROM jsonb_each($2))
           AND (state = 'HELD') = $3 AND items > 0
         ORDER BY disruption_id, state, lane, currency",
    )
    .bind(tenant.as_str())
    .bind(encode_rows(ids)?)
    .bind(is_held)
    .fetch_all(&database.read)
    .await?;
    rows.into_iter().map(ItemTotalsRow::into_totals).collect()
}

pub(super) async fn list(
    database: &SqliteDatabase,
    tenant: &TenantId,
    id: &DisruptionId,
    filter: &ItemFilter,
    page: &Page,
) -> Result<Listed<Item>, StoreError> {
    let mut tx = database.read.begin().await?;
    let rows: Vec<ItemRow> = sqlx::query_as(
        "SELECT order_id, state, remedy, lane, refund_id, currency, requested, issued, reason_code,
                next_action
         FROM disruption_items
         WHERE tenant = $1 AND disruption_id = $2 AND state <> 'HELD'
           AND ($3 IS NULL OR state = $3) AND ($4 IS NULL OR order_id > $4)
           AND ($5 IS NULL OR lane = $5) AND ($6 IS NULL OR reason_code = $6)
         ORDER BY order_id LIMIT $7",
    )
    .bind(tenant.as_str())
    .bind(id.as_str())
    .bind(filter.state.map(ItemState::as_str))
    .bind(&page.after)
    .bind(&filter.lane)
    .bind(&filter.reason_code)
    .bind(page.size + 1)
    .fetch_all(&mut *tx)
    .await?;
    let total = if page.count {
        let count = sqlx::query_scalar(
            "SELECT count(*) FROM disruption_items
             WHERE tenant = $1 AND disruption_id = $2 AND state <> 'HELD'
               AND ($3 IS NULL OR state = $3) AND ($4 IS NULL OR lane = $4)
               AND ($5 IS NULL OR reason_code = $5)",
        )
        .bind(tenant.as_str())
        .bind(id.as_str())
        .bind(filter.state.map(ItemState::as_str))
        .bind(&filter.lane)
        .bind(&filter.reason_code)
        .fetch_one(&mut *tx)
        .await?;
        Some(count)
    } else {
        None
    };
    let rows = rows.into_iter().map(ItemRow::into_item);
    Ok(super::listed(rows.collect::<Result<_, _>>()?, page, total))
}

/// What the items that are held, or are not, come to.
pub(super) async fn selection(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    id: &DisruptionId,
    is_held: bool,
) -> Result<Selection, StoreError> {
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT currency, count(*), sum(requested) FROM disruption_items
         WHERE tenant = $1 AND disruption_id = $2 AND (state = 'HELD') = $3
         GROUP BY currency",
    )
    .bind(tenant.as_str())
    .bind(id.as_str())
    .bind(is_held)
    .fetch_all(conn)
    .await?;
    selection_from(rows, id)
}

pub(super) async fn discard(
    database: &SqliteDatabase,
    disruption: &Disruption,
) -> Result<(), StoreError> {
    let mut tx = database.begin().await?;
    let (tenant, id) = (&disruption.tenant, &disruption.id);
    let stored = disruptions::at_version(&mut tx, tenant, id, disruption.version).await?;
    sqlx::query(
        "DELETE FROM disruption_items
         WHERE tenant = $1 AND disruption_id = $2 AND (state = 'HELD' OR $3)",
    )
    .bind(tenant.as_str())
    .bind(id.as_str())
    .bind(stored.state == DisruptionState::Draft)
    .execute(&mut *tx)
    .await?;
    database.commit(tx).await
}

pub(super) async fn freeze(
    database: &SqliteDatabase,
    disruption: &Disruption,
    plans: &[ItemPlan],
) -> Result<(), StoreError> {
    let mut tx = database.begin().await?;
    let (tenant, id) = (&disruption.tenant, &disruption.id);
    let stored = disruptions::at_version(&mut tx, tenant, id, disruption.version).await?;
    let is_draft = stored.state == DisruptionState::Draft;
    let state = |plan: &ItemPlan| {
        if is_draft { plan.first_state(&disruption.terms) } else { ItemState::Held }
    };
    let rows: Vec<Value> = plans
        .iter()
        .map(|plan| {
            json!({
                "order_id": plan.order,
                "state": state(plan).as_str(),
                "lane": plan.lane(),
                "currency": plan.currency,
                "requested": plan.requested(),
                "plan": plan,
            })
        })
        .collect();
    let rows = encode_rows(&rows)?;
    sqlx::query(
        "INSERT INTO disruption_items (tenant, disruption_id, order_id, state, lane, currency,
             requested, plan)
         SELECT $1, $2, value->>'order_id', value->>'state', value->>'lane', value->>'currency',
             value->>'requested', CAST(value->>'plan' AS BLOB)
         FROM jsonb_each($3) WHERE true
         ON CONFLICT (tenant, disruption_id, order_id) DO UPDATE SET
             state = excluded.state, lane = excluded.lane, currency = excluded.currency,
             requested = excluded.requested, plan = excluded.plan
         WHERE disruption_items.state = 'HELD' OR $4",
    )
    .bind(tenant.as_str())
    .bind(id.as_str())
    .bind(&rows)
    .bind(is_draft)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO disruption_lanes (tenant, disruption_id, lane)
         SELECT DISTINCT $1, $2, value->>'lane' FROM jsonb_each($3) WHERE true
         ON CONFLICT DO NOTHING",
    )
    .bind(tenant.as_str())
    .bind(id.as_str())
    .bind(&rows)
    .execute(&mut *tx)
    .await?;
    database.commit(tx).await
}

/// Agrees to what is held.
pub(super) async fn release(
    conn: &mut SqliteConnection,
    disruption: &Disruption,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE disruption_items
         SET state = CASE WHEN $3 AND requested > 0 THEN 'OFFERED' ELSE 'PENDING' END
         WHERE tenant = $1 AND disruption_id = $2 AND state = 'HELD'",
    )
    .bind(disruption.tenant.as_str())
    .bind(disruption.id.as_str())
    .bind(disruption.terms.offer_choice())
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets items that failed in a way that can change be taken on again; returns how many.
pub(super) async fn retry(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    id: &DisruptionId,
    orders: &[OrderId],
) -> Result<i64, StoreError> {
    let failed = Reason::ALL.into_iter().filter(|reason| reason.is_retryable()).map(Reason::code);
    // What broke may have been mended.
    let retryable: Vec<_> = failed.chain([Needs::BROKEN_ITEM.reason_code]).collect();
    let changed = sqlx::query(
        "UPDATE disruption_items SET state = 'PENDING'
         WHERE tenant = $1 AND disruption_id = $2 AND state = 'ATTENTION'
           AND reason_code IN (SELECT value FROM jsonb_each($3))
           AND ($4 = '[]' OR order_id IN (SELECT value FROM jsonb_each($4)))",
    )
    .bind(tenant.as_str())
    .bind(id.as_str())
    .bind(encode_rows(&retryable)?)
    .bind(orders::ids_json(orders)?)
    .execute(conn)
    .await?;
    Ok(i64::try_from(changed.rows_affected()).unwrap_or(i64::MAX))
}

/// The first of these orders without a pending item.
pub(super) async fn not_pending(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    id: &DisruptionId,
    orders: &[OrderId],
) -> Result<Option<OrderId>, StoreError> {
    let missing: Option<String> = sqlx::query_scalar(
        "SELECT v.value FROM jsonb_each($3) AS v
         WHERE NOT EXISTS (
             SELECT 1 FROM disruption_items i
             WHERE i.tenant = $1 AND i.disruption_id = $2 AND i.order_id = v.value
               AND i.state = 'PENDING')
         ORDER BY v.value LIMIT 1",
    )
    .bind(tenant.as_str())
    .bind(id.as_str())
    .bind(orders::ids_json(orders)?)
    .fetch_optional(conn)
    .await?;
    missing.map(orders::order_id).transpose()
}

/// The item of an order.
async fn find(
    conn: &mut SqliteConnection,
    disruption: &Disruption,
    order: &OrderId,
) -> Result<Option<Item>, StoreError> {
    let row: Option<ItemRow> = sqlx::query_as(
        "SELECT order_id, state, remedy, lane, refund_id, currency, requested, issued, reason_code,
                next_action
         FROM disruption_items
         WHERE tenant = $1 AND disruption_id = $2 AND order_id = $3 AND state <> 'HELD'",
    )
    .bind(disruption.tenant.as_str())
    .bind(disruption.id.as_str())
    .bind(order.as_str())
    .fetch_optional(conn)
    .await?;
    row.map(ItemRow::into_item).transpose()
}

pub(super) async fn choose(
    database: &SqliteDatabase,
    disruption: &Disruption,
    order: &OrderId,
    remedy: Remedy,
    record: ItemRecord<'_>,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<Option<Item>, StoreError> {
    let mut tx = database.begin().await?;
    let (tenant, id) = (&disruption.tenant, &disruption.id);
    disruptions::at_version(&mut tx, tenant, id, disruption.version).await?;
    let Some(item) = find(&mut tx, disruption, order).await? else { return Ok(None) };
    let Some(state) = item.state.next(ItemEvent::Choose(remedy)) else { return Ok(None) };
    let rows = chosen(&mut tx, tenant, id, &[order.as_str()], remedy).await?;
    let needs = Needs::of_remedy(remedy);
    settle(&mut tx, rows, state, remedy, ids, now).await?;
    let item = Item {
        state,
        remedy: Some(remedy),
        reason_code: needs.reason_code.to_owned(),
        next_action: needs.next_action.to_owned(),
        ..item
    };
    write::record_request(&mut tx, tenant, &record(&item), now).await?;
    database.commit(tx).await?;
    Ok(Some(item))
}

/// Records a remedy on items, and returns what their events tell.
async fn chosen(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    id: &DisruptionId,
    orders: &[&str],
    remedy: Remedy,
) -> Result<Vec<ItemFactRow>, StoreError> {
    let orders = encode_rows(orders)?;
    // A choice of money is carried out by the workers, who move the item on.
    sqlx::query(
        "UPDATE disruption_items SET remedy = $4,
             state = CASE WHEN $4 = 'REFUND' THEN 'PENDING' ELSE state END
         WHERE tenant = $1 AND disruption_id = $2
           AND order_id IN (SELECT value FROM jsonb_each($3))",
    )
    .bind(tenant.as_str())
    .bind(id.as_str())
    .bind(&orders)
    .bind(remedy.as_str())
    .execute(&mut *conn)
    .await?;
    let rows = sqlx::query_as(concat!(
        "SELECT ",
        fact_columns!(),
        " FROM disruption_items i
         JOIN disruptions d ON d.tenant = i.tenant AND d.disruption_id = i.disruption_id
         JOIN orders o ON o.tenant = i.tenant AND o.order_id = i.order_id
         WHERE i.tenant = $1 AND i.disruption_id = $2
           AND i.order_id IN (SELECT value FROM jsonb_each($3))"
    ))
    .bind(tenant.as_str())
    .bind(id.as_str())
    .bind(&orders)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Moves items to where a remedy brings them, with their events.
async fn settle(
    conn: &mut SqliteConnection,
    rows: Vec<ItemFactRow>,
    state: ItemState,
    remedy: Remedy,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<(), StoreError> {
    if state == ItemState::Pending {
        return Ok(());
    }
    let mut changes = Changes::default();
    for row in rows {
        let (subject, item) = row.at_rest(state, Needs::of_remedy(remedy))?;
        let fact =
            Fact::item_at_rest(&subject.tenant, &subject.disruption, subject.traceparent, item);
        changes.push_fact_of_item(fact);
    }
    write::write(conn, &changes, ids, now).await
}

pub(super) async fn lapse(
    database: &SqliteDatabase,
    limit: i64,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut tx = database.begin().await?;
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT i.tenant, i.disruption_id, i.order_id
         FROM (SELECT d.tenant, d.disruption_id FROM disruptions d
               WHERE d.state = 'RUNNING' AND d.choose_until <= $1 AND EXISTS (
                   SELECT 1 FROM disruption_items i
                   WHERE i.tenant = d.tenant AND i.disruption_id = d.disruption_id
                     AND i.state = 'OFFERED')
               ORDER BY d.choose_until, d.disruption_id LIMIT 1) AS d
         JOIN disruption_items i
           ON i.tenant = d.tenant AND i.disruption_id = d.disruption_id AND i.state = 'OFFERED'
         ORDER BY i.order_id LIMIT $2",
    )
    .bind(now.0)
    .bind(limit)
    .fetch_all(&mut *tx)
    .await?;
    let Some((tenant, id, _)) = rows.first() else { return Ok(0) };
    let corrupt = |_| StoreError::corrupt("disruption_items", "disruption_id", id.as_str());
    let tenant = TenantId::new(&**tenant).map_err(corrupt)?;
    let id = DisruptionId::new(&**id).map_err(corrupt)?;
    let disruption = disruptions::get(&mut tx, &tenant, &id).await?;
    let remedy = disruption.and_then(|found| found.terms.default_remedy);
    let remedy = remedy.ok_or_else(|| StoreError::corrupt("disruptions", "terms", id.as_str()))?;
    let orders: Vec<&str> = rows.iter().map(|(_, _, order)| order.as_str()).collect();
    let facts = chosen(&mut tx, &tenant, &id, &orders, remedy).await?;
    let state = ItemState::Offered.next(ItemEvent::Choose(remedy));
    let state = state.ok_or_else(|| StoreError::corrupt("disruptions", "terms", id.as_str()))?;
    settle(&mut tx, facts, state, remedy, ids, now).await?;
    let lapsed = rows.len();
    database.commit(tx).await?;
    Ok(lapsed)
}

/// What was to be tried again stays with the person who wanted it.
pub(super) async fn abort(database: &SqliteDatabase, limit: i64) -> Result<usize, StoreError> {
    let mut tx = database.begin().await?;
    let aborted = sqlx::query(
        "UPDATE disruption_items
         SET state = CASE reason_code WHEN '' THEN 'ABORTED' ELSE 'ATTENTION' END
         WHERE rowid IN (
             SELECT i.rowid FROM disruptions d
             JOIN disruption_items i
               ON i.tenant = d.tenant AND i.disruption_id = d.disruption_id
              AND i.state IN ('HELD', 'OFFERED', 'PENDING')
             WHERE d.state = 'ABORTING' LIMIT $1)",
    )
    .bind(limit)
    .execute(&mut *tx)
    .await?;
    database.commit(tx).await?;
    Ok(usize::try_from(aborted.rows_affected()).unwrap_or(usize::MAX))
}
