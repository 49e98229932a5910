//! Orders, their lines and their payments on PostgreSQL.

use std::collections::HashMap;

use redress_core::clock::Timestamp;
use redress_core::id::{EventId, IdSource, OrderId, PolicyId, TenantId};
use redress_store::{PostgresDatabase, StoreError, outbox};
use sqlx::PgConnection;

use super::super::changes::judge_import;
use super::super::overdrawn::{OverdrawnRow, newly_overdrawn, tell};
use super::super::rows::{
    KnownOrderRow, LineRow, OrderRow, PaymentRow, assemble_orders, line_kind, order_state, tender,
};
use super::super::{ImportOutcome, ImportedOrder, Listed, OrderFilter, Page};
use crate::domain::order::{Contact, Order, OrderLine, Payment};
use crate::events;

fn texts(ids: &[OrderId]) -> Vec<&str> {
    ids.iter().map(OrderId::as_str).collect()
}

/// Orders by id with lines and payments, as the connection sees them.
pub(super) async fn load(
    conn: &mut PgConnection,
    tenant: &TenantId,
    ids: &[OrderId],
) -> Result<Vec<Order>, StoreError> {
    let ids = texts(ids);
    let orders: Vec<OrderRow> = sqlx::query_as(
        "SELECT order_id, source_version, customer, email, display_name, locale, purchase_time,
                state, policy, currency, total
         FROM orders
         WHERE tenant = $1 AND order_id = ANY($2)
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
         WHERE tenant = $1 AND order_id = ANY($2) AND NOT removed
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
         WHERE tenant = $1 AND order_id = ANY($2)
         ORDER BY order_id, ordinal, payment_id",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .fetch_all(&mut *conn)
    .await?;
    assemble_orders(orders, lines, payments)
}

/// Locks the counters of orders until the end of the transaction, in the order of their keys:
/// payments, then lines.
pub(super) async fn lock(
    conn: &mut PgConnection,
    tenant: &TenantId,
    ids: &[OrderId],
) -> Result<(), StoreError> {
    let ids = texts(ids);
    sqlx::query(
        "SELECT 1 FROM payments WHERE tenant = $1 AND order_id = ANY($2)
         ORDER BY order_id, payment_id FOR NO KEY UPDATE",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "SELECT 1 FROM order_lines WHERE tenant = $1 AND order_id = ANY($2)
         ORDER BY order_id, line_id FOR NO KEY UPDATE",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .execute(&mut *conn)
    .await?;
    Ok(())
}

pub(super) async fn list(
    database: &PostgresDatabase,
    tenant: &TenantId,
    filter: &OrderFilter,
    page: &Page,
) -> Result<Listed<Order>, StoreError> {
    let mut tx = super::snapshot(database).await?;
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT order_id FROM orders o
         WHERE tenant = $1 AND ($2::text IS NULL OR order_id > $2)
           AND ($3::text IS NULL OR customer = $3) AND ($4::text IS NULL OR state = $4)
           AND ($5::text IS NULL OR EXISTS (
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
             WHERE tenant = $1 AND ($2::text IS NULL OR customer = $2) AND ($3::text IS NULL OR state = $3)
               AND ($4::text IS NULL OR EXISTS (
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
    database: &PostgresDatabase,
    tenant: &TenantId,
    event: &EventId,
    after: Option<&OrderId>,
    limit: i64,
) -> Result<Vec<Order>, StoreError> {
    let mut tx = super::snapshot(database).await?;
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
    database: &PostgresDatabase,
    tenant: &TenantId,
    ids: &[OrderId],
) -> Result<Vec<(OrderId, Contact, String)>, StoreError> {
    let rows: Vec<ContactRow> = sqlx::query_as(
        "SELECT order_id, email, display_name, locale,
                (SELECT title FROM order_lines l
                 WHERE l.tenant = o.tenant AND l.order_id = o.order_id AND NOT l.removed
                 ORDER BY ordinal LIMIT 1) AS title
         FROM orders o
         WHERE tenant = $1 AND order_id = ANY($2)
         ORDER BY order_id",
    )
    .bind(tenant.as_str())
    .bind(texts(ids))
    .fetch_all(&database.pool)
    .await?;
    let convert = |row: ContactRow| {
        let contact =
            Contact { email: row.email, display_name: row.display_name, locale: row.locale };
        Ok((order_id(row.order_id)?, contact, row.title.unwrap_or_default()))
    };
    rows.into_iter().map(convert).collect()
}

pub(super) async fn import(
    database: &PostgresDatabase,
    tenant: &TenantId,
    orders: &[ImportedOrder],
    event_ids: &dyn IdSource,
    now: Timestamp,
) -> Result<Vec<ImportOutcome>, StoreError> {
    let order_ids: Vec<OrderId> = orders.iter().map(|imported| imported.order.id.clone()).collect();
    let ids = texts(&order_ids);
    let mut tx = database.begin().await?;
    // Two imports of one order wait for each other, new orders included.
    sqlx::query(
        "SELECT pg_advisory_xact_lock(hashtextextended($1 || '/' || id, 1))
         FROM (SELECT id FROM UNNEST($2::text[]) AS ids (id) ORDER BY id) AS sorted",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .execute(&mut *tx)
    .await?;
    // A refund that is being accepted takes up lines: it is judged before or after it.
    lock(&mut tx, tenant, &order_ids).await?;
    let known: Vec<KnownOrderRow> = sqlx::query_as(
        "SELECT order_id, source_version, digest, currency FROM orders
         WHERE tenant = $1 AND order_id = ANY($2)",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .fetch_all(&mut *tx)
    .await?;
    let taken: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT order_id, line_id, committed FROM order_lines
         WHERE tenant = $1 AND order_id = ANY($2) AND committed > 0",
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
        outbox::append_postgres(&mut tx, &events::encode_all(&facts, event_ids, now)).await?;
    }
    database.commit(tx).await?;
    tell(tenant, facts.len());
    Ok(outcomes)
}

/// The payments of these orders whose mark is set.
async fn overdrawn(
    conn: &mut PgConnection,
    tenant: &TenantId,
    orders: &[&ImportedOrder],
) -> Result<Vec<OverdrawnRow>, StoreError> {
    let ids: Vec<OrderId> = orders.iter().map(|imported| imported.order.id.clone()).collect();
    let rows = sqlx::query_as(
        "SELECT order_id, payment_id, currency,
                refunded_elsewhere + reserved + refunded + disputed - captured AS excess
         FROM payments
         WHERE tenant = $1 AND order_id = ANY($2) AND overdrawn
         ORDER BY order_id, payment_id",
    )
    .bind(tenant.as_str())
    .bind(texts(&ids))
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Before an update: lines and payments that the new version does not list. Refunds may refer to
/// them, so lines are kept as removed and payments as holding nothing.
async fn withdraw_children(
    conn: &mut PgConnection,
    tenant: &TenantId,
    orders: &[&ImportedOrder],
) -> Result<(), StoreError> {
    let ids: Vec<OrderId> = orders.iter().map(|imported| imported.order.id.clone()).collect();
    let ids = texts(&ids);
    sqlx::query(
        "DELETE FROM order_lines
         WHERE tenant = $1 AND order_id = ANY($2) AND committed = 0",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE order_lines SET removed = TRUE
         WHERE tenant = $1 AND order_id = ANY($2)",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE payments
         SET captured = 0, refunded_elsewhere = 0,
             overdrawn = (reserved + refunded + disputed > 0)
         WHERE tenant = $1 AND order_id = ANY($2)",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .execute(&mut *conn)
    .await?;
    Ok(())
}

async fn upsert(
    conn: &mut PgConnection,
    tenant: &TenantId,
    orders: &[&ImportedOrder],
    now: Timestamp,
) -> Result<(), StoreError> {
    upsert_orders(conn, tenant, orders, now).await?;
    upsert_lines(conn, tenant, orders).await?;
    upsert_payments(conn, tenant, orders).await
}

async fn upsert_orders(
    conn: &mut PgConnection,
    tenant: &TenantId,
    orders: &[&ImportedOrder],
    now: Timestamp,
) -> Result<(), StoreError> {
    let of = || orders.iter().map(|imported| &imported.order);
    sqlx::query(
        "INSERT INTO orders (tenant, order_id, source_version, digest, customer, email,
             display_name, locale, purchase_time, state, policy, currency, total, created, updated)
         SELECT $1, v.*, $2, $2
         FROM UNNEST($3::text[], $4::bigint[], $5::bytea[], $6::text[], $7::text[], $8::text[],
             $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::bigint[]) v
         ON CONFLICT (tenant, order_id) DO UPDATE SET
             source_version = excluded.source_version, digest = excluded.digest,
             customer = excluded.customer, email = excluded.email,
             display_name = excluded.display_name, locale = excluded.locale,
             purchase_time = excluded.purchase_time, state = excluded.state,
             policy = excluded.policy, total = excluded.total, updated = excluded.updated",
    )
    .bind(tenant.as_str())
    .bind(now.0)
    .bind(of().map(|order| order.id.as_str()).collect::<Vec<_>>())
    .bind(of().map(|order| order.source_version).collect::<Vec<_>>())
    .bind(orders.iter().map(|imported| imported.digest.as_slice()).collect::<Vec<_>>())
    .bind(of().map(|order| order.customer.as_str()).collect::<Vec<_>>())
    .bind(of().map(|order| order.contact.email.as_str()).collect::<Vec<_>>())
    .bind(of().map(|order| order.contact.display_name.as_str()).collect::<Vec<_>>())
    .bind(of().map(|order| order.contact.locale.as_str()).collect::<Vec<_>>())
    .bind(of().map(|order| order.purchase_time.0).collect::<Vec<_>>())
    .bind(of().map(|order| order_state(order.state)).collect::<Vec<_>>())
    .bind(of().map(|order| order.policy.as_ref().map(PolicyId::as_str)).collect::<Vec<_>>())
    .bind(of().map(|order| order.currency.code()).collect::<Vec<_>>())
    .bind(of().map(|order| order.total).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

async fn upsert_lines(
    conn: &mut PgConnection,
    tenant: &TenantId,
    orders: &[&ImportedOrder],
) -> Result<(), StoreError> {
    let lines: Vec<(&OrderId, i32, &OrderLine)> = orders
        .iter()
        .flat_map(|imported| {
            let order = &imported.order;
            (0..).zip(&order.lines).map(|(ordinal, line)| (&order.id, ordinal, line))
        })
        .collect();
    let of = || lines.iter().map(|(_, _, line)| *line);
    sqlx::query(
        "INSERT INTO order_lines (tenant, order_id, ordinal, line_id, kind, event_id, title,
             event_start, event_time_zone, gross, tax)
         SELECT $1, v.*
         FROM UNNEST($2::text[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[],
             $8::bigint[], $9::text[], $10::bigint[], $11::bigint[]) v
         ON CONFLICT (tenant, order_id, line_id) DO UPDATE SET
             ordinal = excluded.ordinal, kind = excluded.kind, event_id = excluded.event_id,
             title = excluded.title, event_start = excluded.event_start,
             event_time_zone = excluded.event_time_zone, gross = excluded.gross,
             tax = excluded.tax, removed = FALSE",
    )
    .bind(tenant.as_str())
    .bind(lines.iter().map(|(order, _, _)| order.as_str()).collect::<Vec<_>>())
    .bind(lines.iter().map(|(_, ordinal, _)| *ordinal).collect::<Vec<_>>())
    .bind(of().map(|line| line.id.as_str()).collect::<Vec<_>>())
    .bind(of().map(|line| line_kind(line.kind)).collect::<Vec<_>>())
    .bind(of().map(|line| line.event.as_str()).collect::<Vec<_>>())
    .bind(of().map(|line| line.title.as_str()).collect::<Vec<_>>())
    .bind(of().map(|line| line.event_start.0).collect::<Vec<_>>())
    .bind(of().map(|line| line.event_time_zone.as_str()).collect::<Vec<_>>())
    .bind(of().map(|line| line.gross).collect::<Vec<_>>())
    .bind(of().map(|line| line.tax).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

async fn upsert_payments(
    conn: &mut PgConnection,
    tenant: &TenantId,
    orders: &[&ImportedOrder],
) -> Result<(), StoreError> {
    let payments: Vec<(&Order, i32, &Payment)> = orders
        .iter()
        .flat_map(|imported| {
            let order = &imported.order;
            (0..).zip(&order.payments).map(move |(ordinal, payment)| (order, ordinal, payment))
        })
        .collect();
    let of = || payments.iter().map(|(_, _, payment)| *payment);
    // The facts of the source are recorded even where they leave less than Redress has taken.
    sqlx::query(
        "INSERT INTO payments (tenant, order_id, currency, ordinal, payment_id, tender, provider,
             provider_reference, captured, refunded_elsewhere, capture_time, overdrawn)
         SELECT $1, v.*, v.refunded_elsewhere > v.captured
         FROM UNNEST($2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[],
             $8::text[], $9::bigint[], $10::bigint[], $11::bigint[])
             AS v (order_id, currency, ordinal, payment_id, tender, provider, provider_reference,
             captured, refunded_elsewhere, capture_time)
         ON CONFLICT (tenant, order_id, payment_id) DO UPDATE SET
             ordinal = excluded.ordinal, tender = excluded.tender, provider = excluded.provider,
             provider_reference = excluded.provider_reference, captured = excluded.captured,
             refunded_elsewhere = excluded.refunded_elsewhere,
             overdrawn = excluded.refunded_elsewhere + payments.reserved + payments.refunded
                 + payments.disputed > excluded.captured,
             capture_time = excluded.capture_time",
    )
    .bind(tenant.as_str())
    .bind(payments.iter().map(|(order, _, _)| order.id.as_str()).collect::<Vec<_>>())
    .bind(payments.iter().map(|(order, _, _)| order.currency.code()).collect::<Vec<_>>())
    .bind(payments.iter().map(|(_, ordinal, _)| *ordinal).collect::<Vec<_>>())
    .bind(of().map(|payment| payment.id.as_str()).collect::<Vec<_>>())
    .bind(of().map(|payment| tender(payment.tender)).collect::<Vec<_>>())
    .bind(of().map(|payment| payment.provider.as_str()).collect::<Vec<_>>())
    .bind(of().map(|payment| payment.provider_reference.as_str()).collect::<Vec<_>>())
    .bind(of().map(|payment| payment.captured).collect::<Vec<_>>())
    .bind(of().map(|payment| payment.refunded_elsewhere).collect::<Vec<_>>())
    .bind(of().map(|payment| payment.capture_time.0).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}
