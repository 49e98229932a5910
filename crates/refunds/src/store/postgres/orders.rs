//! Orders, their lines and their payments on PostgreSQL.

use std::collections::HashMap;

use redress_core::id::{OrderId, TenantId};
use redress_store::{PostgresDatabase, StoreError};
use sqlx::PgConnection;

use super::super::rows::{
    HeldRow, LineRow, OrderRow, PaymentRow, assemble_holdings, assemble_orders,
};
use super::super::{Listed, OrderFilter, Page};
use crate::domain::order::{Contact, Order};
use crate::domain::reserve::Holding;

pub(super) fn texts(ids: &[OrderId]) -> Vec<&str> {
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
                state, policy, pinned_policy, policy_version, sales_channel, place_of_sale,
                travellers, discounts, currency, total
         FROM orders
         WHERE tenant = $1 AND order_id = ANY($2)
         ORDER BY order_id",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .fetch_all(&mut *conn)
    .await?;
    let lines: Vec<LineRow> = sqlx::query_as(
        "SELECT order_id, line_id, kind, event_id, title, event_start, event_time_zone,
                event_end, place, section, carrier, trip, units, gross, tax, discount, discount_id,
                traveller_ids, committed, committed_units, refunding, repriced, over_refunded
         FROM order_lines
         WHERE tenant = $1 AND order_id = ANY($2) AND NOT removed
         ORDER BY order_id, ordinal",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .fetch_all(&mut *conn)
    .await?;
    let payments: Vec<PaymentRow> = sqlx::query_as(
        "SELECT order_id, payment_id, tender, provider, provider_reference, captured, points,
                elsewhere_reported, refunded_elsewhere, reserved, refunded, external, disputed,
                overdrawn, capture_time
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

/// Locks the counters of the orders `$2` of the tenant `$1` as [`lock`] does, and reads what is left
/// by them. Who has waited for a lock is given the row as it is then.
macro_rules! held {
    () => {
        "WITH p AS MATERIALIZED (
             SELECT order_id, payment_id, captured,
                 refunded_elsewhere + reserved + refunded + disputed AS taken, overdrawn
             FROM payments
             WHERE tenant = $1 AND order_id = ANY($2)
             ORDER BY order_id, payment_id FOR NO KEY UPDATE
         ), l AS MATERIALIZED (
             SELECT order_id, line_id, gross + repriced AS price, committed, units,
                 committed_units, over_refunded
             FROM order_lines
             WHERE tenant = $1 AND order_id = ANY($2) AND NOT removed
             ORDER BY order_id, line_id FOR NO KEY UPDATE
         )
         SELECT order_id, 'PAYMENT' AS kind, payment_id AS id, captured AS whole, taken,
             0::bigint AS units, 0::bigint AS units_taken, overdrawn AS is_exceeded
         FROM p
         UNION ALL
         SELECT order_id, 'LINE', line_id, price, committed, units, committed_units, over_refunded
         FROM l"
    };
}
pub(super) use held;

/// Locks the counters of orders as [`lock`] does, and returns what is left by them.
pub(super) async fn hold(
    conn: &mut PgConnection,
    tenant: &TenantId,
    ids: &[OrderId],
) -> Result<HashMap<OrderId, Holding>, StoreError> {
    let rows: Vec<HeldRow> = sqlx::query_as(held!())
        .bind(tenant.as_str())
        .bind(texts(ids))
        .fetch_all(&mut *conn)
        .await?;
    assemble_holdings(rows)
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

pub(super) fn order_id(id: String) -> Result<OrderId, StoreError> {
    OrderId::new(id.as_str()).map_err(|_| StoreError::corrupt("orders", "order_id", id))
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
