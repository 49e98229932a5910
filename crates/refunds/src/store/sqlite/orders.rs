//! Orders, their lines and their payments on SQLite.

use std::collections::HashMap;

use redress_core::clock::Timestamp;
use redress_core::id::{EventId, IdSource, OrderId, TenantId};
use redress_store::{SqliteDatabase, StoreError, outbox};
use serde_json::json;
use sqlx::SqliteConnection;

use super::super::changes::judge_import;
use super::super::overdrawn::{OverdrawnRow, newly_overdrawn, tell};
use super::super::rows::{
    KnownOrderRow, LineRow, OrderRow, PaymentRow, assemble_orders, encode_rows, line_kind,
    order_state, tender,
};
use super::super::{ImportOutcome, ImportedOrder, Listed, OrderFilter, Page};
use crate::domain::order::{Contact, Order};
use crate::events;

fn ids_json(ids: &[OrderId]) -> Result<String, StoreError> {
    encode_rows(&ids.iter().map(OrderId::as_str).collect::<Vec<_>>())
}

/// Orders by id with lines and payments, as the connection sees them.
pub(super) async fn load(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    ids: &[OrderId],
) -> Result<Vec<Order>, StoreError> {
    let ids = ids_json(ids)?;
    let orders: Vec<OrderRow> = sqlx::query_as(
        "SELECT order_id, source_version, customer, email, display_name, locale, purchase_time,
                state, policy, currency, total
         FROM orders
         WHERE tenant = $1 AND order_id IN (SELECT value FROM json_each($2))
         ORDER BY order_id",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .fetch_all(&mut *conn)
    .await?;
    let lines: Vec<LineRow> = sqlx::query_as(
        "SELECT order_id, line_id, kind, event_id, title, event_start, event_time_zone, gross, tax,
                committed
         FROM order_lines
         WHERE tenant = $1 AND order_id IN (SELECT value FROM json_each($2)) AND NOT removed
         ORDER BY order_id, ordinal",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .fetch_all(&mut *conn)
    .await?;
    let payments: Vec<PaymentRow> = sqlx::query_as(
        "SELECT order_id, payment_id, tender, provider, provider_reference, captured,
                refunded_elsewhere, reserved, refunded, disputed, overdrawn, capture_time
         FROM payments
         WHERE tenant = $1 AND order_id IN (SELECT value FROM json_each($2))
         ORDER BY order_id, ordinal, payment_id",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .fetch_all(&mut *conn)
    .await?;
    assemble_orders(orders, lines, payments)
}

pub(super) async fn list(
    database: &SqliteDatabase,
    tenant: &TenantId,
    filter: &OrderFilter,
    page: &Page,
) -> Result<Listed<Order>, StoreError> {
    let mut tx = database.read.begin().await?;
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT order_id FROM orders o
         WHERE tenant = $1 AND ($2 IS NULL OR order_id > $2)
           AND ($3 IS NULL OR customer = $3) AND ($4 IS NULL OR state = $4)
           AND ($5 IS NULL OR EXISTS (
               SELECT 1 FROM order_lines l
               WHERE l.tenant = o.tenant AND l.order_id = o.order_id AND l.event_id = $5
                 AND NOT l.removed))
         ORDER BY order_id LIMIT $6",
    )
    .bind(tenant.as_str())
    .bind(&page.after)
    .bind(&filter.customer)
    .bind(&filter.state)
    .bind(&filter.event)
    .bind(page.size + 1)
    .fetch_all(&mut *tx)
    .await?;
    let total = if page.count {
        let count = sqlx::query_scalar(
            "SELECT count(*) FROM orders o
             WHERE tenant = $1 AND ($2 IS NULL OR customer = $2) AND ($3 IS NULL OR state = $3)
               AND ($4 IS NULL OR EXISTS (
                   SELECT 1 FROM order_lines l
                   WHERE l.tenant = o.tenant AND l.order_id = o.order_id AND l.event_id = $4
                     AND NOT l.removed))",
        )
        .bind(tenant.as_str())
        .bind(&filter.customer)
        .bind(&filter.state)
        .bind(&filter.event)
        .fetch_one(&mut *tx)
        .await?;
        Some(count)
    } else {
        None
    };
    let ids = ids.into_iter().map(order_id).collect::<Result<Vec<_>, _>>()?;
    let rows = load(&mut tx, tenant, &ids).await?;
    Ok(super::listed(rows, page, total))
}

fn order_id(id: String) -> Result<OrderId, StoreError> {
    OrderId::new(id.as_str()).map_err(|_| StoreError::corrupt("orders", "order_id", id))
}

pub(super) async fn for_event(
    database: &SqliteDatabase,
    tenant: &TenantId,
    event: &EventId,
    after: Option<&OrderId>,
    limit: i64,
) -> Result<Vec<Order>, StoreError> {
    let mut tx = database.read.begin().await?;
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT order_id FROM order_lines
         WHERE tenant = $1 AND event_id = $2 AND order_id > $3 AND NOT removed
         ORDER BY order_id LIMIT $4",
    )
    .bind(tenant.as_str())
    .bind(event.as_str())
    .bind(after.map_or("", OrderId::as_str))
    .bind(limit)
    .fetch_all(&mut *tx)
    .await?;
    let ids = ids.into_iter().map(order_id).collect::<Result<Vec<_>, _>>()?;
    load(&mut tx, tenant, &ids).await
}

#[derive(sqlx::FromRow)]
struct ContactRow {
    order_id: String,
    email: String,
    display_name: String,
    locale: String,
    title: Option<String>,
}

pub(super) async fn contacts(
    database: &SqliteDatabase,
    tenant: &TenantId,
    ids: &[OrderId],
) -> Result<Vec<(OrderId, Contact, String)>, StoreError> {
    let rows: Vec<ContactRow> = sqlx::query_as(
        "SELECT order_id, email, display_name, locale,
                (SELECT title FROM order_lines l
                 WHERE l.tenant = o.tenant AND l.order_id = o.order_id AND NOT l.removed
                 ORDER BY ordinal LIMIT 1) AS title
         FROM orders o
         WHERE tenant = $1 AND order_id IN (SELECT value FROM json_each($2))
         ORDER BY order_id",
    )
    .bind(tenant.as_str())
    .bind(ids_json(ids)?)
    .fetch_all(&database.read)
    .await?;
    let convert = |row: ContactRow| {
        let contact =
            Contact { email: row.email, display_name: row.display_name, locale: row.locale };
        Ok((order_id(row.order_id)?, contact, row.title.unwrap_or_default()))
    };
    rows.into_iter().map(convert).collect()
}

pub(super) async fn import(
    database: &SqliteDatabase,
    tenant: &TenantId,
    orders: &[ImportedOrder],
    event_ids: &dyn IdSource,
    now: Timestamp,
) -> Result<Vec<ImportOutcome>, StoreError> {
    let ids: Vec<OrderId> = orders.iter().map(|imported| imported.order.id.clone()).collect();
    let ids = ids_json(&ids)?;
    let mut tx = database.begin().await?;
    let known: Vec<KnownOrderRow> = sqlx::query_as(
        "SELECT order_id, source_version, digest, currency FROM orders
         WHERE tenant = $1 AND order_id IN (SELECT value FROM json_each($2))",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .fetch_all(&mut *tx)
    .await?;
    let taken: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT order_id, line_id, committed FROM order_lines
         WHERE tenant = $1 AND order_id IN (SELECT value FROM json_each($2)) AND committed > 0",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .fetch_all(&mut *tx)
    .await?;
    let known: HashMap<_, _> = known.into_iter().map(|k| (k.order_id.clone(), k)).collect();
    let taken: HashMap<_, _> =
        taken.into_iter().map(|(order, line, amount)| ((order, line), amount)).collect();
    let judge = |imported: &ImportedOrder| {
        judge_import(imported, known.get(imported.order.id.as_str()), &taken)
    };
    let outcomes: Vec<ImportOutcome> = orders.iter().map(judge).collect();
    let pick = |wanted: &[ImportOutcome]| -> Vec<&ImportedOrder> {
        let chosen = orders.iter().zip(&outcomes).filter(|(_, o)| wanted.contains(o));
        chosen.map(|(imported, _)| imported).collect()
    };
    let updated = pick(&[ImportOutcome::Updated]);
    let mut before = Vec::new();
    if !updated.is_empty() {
        before = overdrawn(&mut tx, tenant, &updated).await?;
        withdraw_children(&mut tx, tenant, &updated).await?;
    }
    let written = pick(&[ImportOutcome::Created, ImportOutcome::Updated]);
    let mut facts = Vec::new();
    if !written.is_empty() {
        upsert(&mut tx, tenant, &written, now).await?;
        let after = overdrawn(&mut tx, tenant, &written).await?;
        facts = newly_overdrawn(tenant, &written, &before, &after)?;
        outbox::append_sqlite(&mut tx, &events::encode_all(&facts, event_ids, now)).await?;
    }
    database.commit(tx).await?;
    tell(tenant, facts.len());
    Ok(outcomes)
}

/// The payments of these orders whose mark is set.
async fn overdrawn(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    orders: &[&ImportedOrder],
) -> Result<Vec<OverdrawnRow>, StoreError> {
    let ids: Vec<OrderId> = orders.iter().map(|imported| imported.order.id.clone()).collect();
    let rows = sqlx::query_as(
        "SELECT order_id, payment_id, currency,
                refunded_elsewhere + reserved + refunded + disputed - captured AS excess
         FROM payments
         WHERE tenant = $1 AND order_id IN (SELECT value FROM json_each($2)) AND overdrawn
         ORDER BY order_id, payment_id",
    )
    .bind(tenant.as_str())
    .bind(ids_json(&ids)?)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Before an update: lines and payments that the new version does not list. Refunds may refer to
/// them, so lines are kept as removed and payments as holding nothing.
async fn withdraw_children(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    orders: &[&ImportedOrder],
) -> Result<(), StoreError> {
    let ids: Vec<OrderId> = orders.iter().map(|imported| imported.order.id.clone()).collect();
    let ids = ids_json(&ids)?;
    sqlx::query(
        "DELETE FROM order_lines
         WHERE tenant = $1 AND order_id IN (SELECT value FROM json_each($2)) AND committed = 0",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE order_lines SET removed = TRUE
         WHERE tenant = $1 AND order_id IN (SELECT value FROM json_each($2))",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE payments
         SET captured = 0, refunded_elsewhere = 0,
             overdrawn = (reserved + refunded + disputed > 0)
         WHERE tenant = $1 AND order_id IN (SELECT value FROM json_each($2))",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .execute(&mut *conn)
    .await?;
    Ok(())
}

async fn upsert(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    orders: &[&ImportedOrder],
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows: Vec<_> = orders.iter().map(|imported| order_json(imported)).collect();
    sqlx::query(
        "INSERT INTO orders (tenant, order_id, source_version, digest, customer, email,
             display_name, locale, purchase_time, state, policy, currency, total, created, updated)
         SELECT $1, value->>'order_id', value->>'source_version', unhex(value->>'digest'),
             value->>'customer', value->>'email', value->>'display_name', value->>'locale',
             value->>'purchase_time', value->>'state', value->>'policy', value->>'currency',
             value->>'total', $3, $3
         FROM json_each($2) WHERE true
         ON CONFLICT (tenant, order_id) DO UPDATE SET
             source_version = excluded.source_version, digest = excluded.digest,
             customer = excluded.customer, email = excluded.email,
             display_name = excluded.display_name, locale = excluded.locale,
             purchase_time = excluded.purchase_time, state = excluded.state,
             policy = excluded.policy, total = excluded.total, updated = excluded.updated",
    )
    .bind(tenant.as_str())
    .bind(encode_rows(&rows)?)
    .bind(now.0)
    .execute(&mut *conn)
    .await?;
    let lines: Vec<_> = orders.iter().flat_map(|imported| lines_json(&imported.order)).collect();
    sqlx::query(
        "INSERT INTO order_lines (tenant, order_id, line_id, ordinal, kind, event_id, title,
             event_start, event_time_zone, gross, tax)
         SELECT $1, value->>'order_id', value->>'line_id', value->>'ordinal', value->>'kind',
             value->>'event_id', value->>'title', value->>'event_start',
             value->>'event_time_zone', value->>'gross', value->>'tax'
         FROM json_each($2) WHERE true
         ON CONFLICT (tenant, order_id, line_id) DO UPDATE SET
             ordinal = excluded.ordinal, kind = excluded.kind, event_id = excluded.event_id,
             title = excluded.title, event_start = excluded.event_start,
             event_time_zone = excluded.event_time_zone, gross = excluded.gross,
             tax = excluded.tax, removed = FALSE",
    )
    .bind(tenant.as_str())
    .bind(encode_rows(&lines)?)
    .execute(&mut *conn)
    .await?;
    let payments: Vec<_> =
        orders.iter().flat_map(|imported| payments_json(&imported.order)).collect();
    // The facts of the source are recorded even where they leave less than Redress has taken.
    sqlx::query(
        "INSERT INTO payments (tenant, order_id, payment_id, ordinal, tender, provider,
             provider_reference, currency, captured, refunded_elsewhere, overdrawn, capture_time)
         SELECT $1, value->>'order_id', value->>'payment_id', value->>'ordinal', value->>'tender',
             value->>'provider', value->>'provider_reference', value->>'currency',
             value->>'captured', value->>'refunded_elsewhere',
             (value->>'refunded_elsewhere') > (value->>'captured'), value->>'capture_time'
         FROM json_each($2) WHERE true
         ON CONFLICT (tenant, order_id, payment_id) DO UPDATE SET
             ordinal = excluded.ordinal, tender = excluded.tender, provider = excluded.provider,
             provider_reference = excluded.provider_reference, captured = excluded.captured,
             refunded_elsewhere = excluded.refunded_elsewhere,
             overdrawn = excluded.refunded_elsewhere + reserved + refunded + disputed
                 > excluded.captured,
             capture_time = excluded.capture_time",
    )
    .bind(tenant.as_str())
    .bind(encode_rows(&payments)?)
    .execute(&mut *conn)
    .await?;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn order_json(imported: &ImportedOrder) -> serde_json::Value {
    let order = &imported.order;
    json!({
        "order_id": order.id,
        "source_version": order.source_version,
        "digest": hex(&imported.digest),
        "customer": order.customer,
        "email": order.contact.email,
        "display_name": order.contact.display_name,
        "locale": order.contact.locale,
        "purchase_time": order.purchase_time.0,
        "state": order_state(order.state),
        "policy": order.policy,
        "currency": order.currency,
        "total": order.total,
    })
}

fn lines_json(order: &Order) -> impl Iterator<Item = serde_json::Value> {
    order.lines.iter().enumerate().map(|(ordinal, line)| {
        json!({
            "order_id": order.id,
            "line_id": line.id,
            "ordinal": ordinal,
            "kind": line_kind(line.kind),
            "event_id": line.event,
            "title": line.title,
            "event_start": line.event_start.0,
            "event_time_zone": line.event_time_zone,
            "gross": line.gross,
            "tax": line.tax,
        })
    })
}

fn payments_json(order: &Order) -> impl Iterator<Item = serde_json::Value> {
    order.payments.iter().enumerate().map(|(ordinal, payment)| {
        json!({
            "order_id": order.id,
            "payment_id": payment.id,
            "ordinal": ordinal,
            "tender": tender(payment.tender),
            "provider": payment.provider,
            "provider_reference": payment.provider_reference,
            "currency": order.currency,
            "captured": payment.captured,
            "refunded_elsewhere": payment.refunded_elsewhere,
            "capture_time": payment.capture_time.0,
        })
    })
}
