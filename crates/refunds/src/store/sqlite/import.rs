//! Imports of orders on SQLite.

use redress_core::clock::Timestamp;
use redress_core::id::{IdSource, OrderId, TenantId};
use redress_core::tenant::Tenant;
use redress_store::{SqliteDatabase, StoreError, outbox};
use serde_json::json;
use sqlx::SqliteConnection;

use super::super::importing::{OrderWrite, Stored, decide, policies_of};
use super::super::overdrawn::{Marks, newly_marked, tell};
use super::super::rows::{KnownOrderRow, encode_rows, line_kind, order_state};
use super::super::{ImportOutcome, ImportedOrder};
use super::orders::ids_json;
use crate::events;

pub(super) async fn import(
    database: &SqliteDatabase,
    tenant: &TenantId,
    orders: &[ImportedOrder],
    settings: Option<&Tenant>,
    event_ids: &dyn IdSource,
    now: Timestamp,
) -> Result<Vec<ImportOutcome>, StoreError> {
    let mut tx = database.begin().await?;
    let stored = stored(&mut tx, tenant, orders, settings).await?;
    let (outcomes, writes) = decide(orders, &stored, settings);
    let mut facts = Vec::new();
    if !writes.is_empty() {
        // What is new has no marks yet.
        let before = if writes.iter().any(|write| write.is_update) {
            marks(&mut tx, tenant, &writes).await?
        } else {
            Marks::default()
        };
        write(&mut tx, tenant, &writes, now).await?;
        let after = marks(&mut tx, tenant, &writes).await?;
        facts = newly_marked(tenant, &writes, &before, &after)?;
        outbox::append_sqlite(&mut tx, &events::encode_all(&facts, event_ids, now)).await?;
    }
    database.commit(tx).await?;
    tell(tenant, &facts);
    Ok(outcomes)
}

/// What is stored of a chunk's orders, and the versions that they may be pinned to.
async fn stored(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    orders: &[ImportedOrder],
    settings: Option<&Tenant>,
) -> Result<Stored, StoreError> {
    let ids: Vec<OrderId> = orders.iter().map(|imported| imported.order.id.clone()).collect();
    let ids = ids_json(&ids)?;
    let known: Vec<KnownOrderRow> = sqlx::query_as(
        "SELECT order_id, source_version, digest, currency, policy, pinned_policy, policy_version
         FROM orders
         WHERE tenant = $1 AND order_id IN (SELECT value FROM jsonb_each($2))",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .fetch_all(&mut *conn)
    .await?;
    let payments = sqlx::query_as(
        "SELECT order_id, payment_id, elsewhere_reported, refunded_elsewhere, external
         FROM payments
         WHERE tenant = $1 AND order_id IN (SELECT value FROM jsonb_each($2))",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .fetch_all(&mut *conn)
    .await?;
    let versions = sqlx::query_as(
        "SELECT policy_id, version, effective FROM policies
         WHERE tenant = $1 AND policy_id IN (SELECT value FROM jsonb_each($2))",
    )
    .bind(tenant.as_str())
    .bind(encode_rows(&policies_of(orders, &known, settings))?)
    .fetch_all(conn)
    .await?;
    Ok(Stored::new(known, payments, versions))
}

/// The payments and lines of these orders whose mark is set.
async fn marks(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    writes: &[OrderWrite<'_>],
) -> Result<Marks, StoreError> {
    let ids: Vec<OrderId> = writes.iter().map(|write| write.order.id.clone()).collect();
    let ids = ids_json(&ids)?;
    let payments = sqlx::query_as(
        "SELECT order_id, payment_id,
                refunded_elsewhere + reserved + refunded + disputed - captured AS excess
         FROM payments
         WHERE tenant = $1 AND order_id IN (SELECT value FROM jsonb_each($2)) AND overdrawn
         ORDER BY order_id, payment_id",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .fetch_all(&mut *conn)
    .await?;
    let lines = sqlx::query_as(
        "SELECT order_id, line_id, max(committed - gross - repriced, 0) AS excess
         FROM order_lines
         WHERE tenant = $1 AND order_id IN (SELECT value FROM jsonb_each($2)) AND over_refunded
         ORDER BY order_id, line_id",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .fetch_all(conn)
    .await?;
    Ok(Marks { payments, lines })
}

/// Writes orders with their lines and payments; what an update no longer lists is withdrawn.
async fn write(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    writes: &[OrderWrite<'_>],
    now: Timestamp,
) -> Result<(), StoreError> {
    let updated = writes.iter().filter(|write| write.is_update);
    let updated: Vec<OrderId> = updated.map(|write| write.order.id.clone()).collect();
    if !updated.is_empty() {
        withdraw_lines(conn, tenant, &updated).await?;
    }
    upsert_orders(conn, tenant, writes, now).await?;
    upsert_lines(conn, tenant, writes).await?;
    upsert_payments(conn, tenant, writes).await?;
    if !updated.is_empty() {
        withdraw_payments(conn, tenant, writes, &updated).await?;
    }
    Ok(())
}

/// Before an update: refunds may refer to lines that the new version does not list, so those are
/// kept as removed. Writing the version brings the others back.
async fn withdraw_lines(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    updated: &[OrderId],
) -> Result<(), StoreError> {
    let ids = ids_json(updated)?;
    sqlx::query(
        "DELETE FROM order_lines
         WHERE tenant = $1 AND order_id IN (SELECT value FROM jsonb_each($2))
           AND committed = 0 AND committed_units = 0 AND repriced = 0",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE order_lines SET removed = TRUE, over_refunded = FALSE
         WHERE tenant = $1 AND order_id IN (SELECT value FROM jsonb_each($2))",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .execute(conn)
    .await?;
    Ok(())
}

/// After an update: a payment that the new version does not list holds nothing to give back. What
/// was given back elsewhere stays known, in case the payment comes back.
async fn withdraw_payments(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    writes: &[OrderWrite<'_>],
    updated: &[OrderId],
) -> Result<(), StoreError> {
    let listed = writes.iter().filter(|write| write.is_update).flat_map(|write| {
        let order = write.order;
        order.payments.iter().map(|payment| json!({"order": order.id, "payment": payment.id}))
    });
    sqlx::query(
        "UPDATE payments
         SET captured = refunded_elsewhere, overdrawn = (reserved + refunded + disputed > 0)
         WHERE tenant = $1 AND order_id IN (SELECT value FROM jsonb_each($2))
           AND (order_id, payment_id) NOT IN (
               SELECT value->>'order', value->>'payment' FROM jsonb_each($3))",
    )
    .bind(tenant.as_str())
    .bind(ids_json(updated)?)
    .bind(encode_rows(&listed.collect::<Vec<_>>())?)
    .execute(conn)
    .await?;
    Ok(())
}

async fn upsert_orders(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    writes: &[OrderWrite<'_>],
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows: Vec<_> = writes.iter().map(order_json).collect();
    sqlx::query(
        "INSERT INTO orders (tenant, order_id, source_version, digest, customer, email,
             display_name, locale, purchase_time, state, policy, pinned_policy, policy_version,
             sales_channel, place_of_sale, travellers, discounts, currency, total, created,
             updated)
         SELECT $1, value->>'order_id', value->>'source_version', unhex(value->>'digest'),
             value->>'customer', value->>'email', value->>'display_name', value->>'locale',
             value->>'purchase_time', value->>'state', value->>'policy',
             value->>'pinned_policy', value->>'policy_version', value->>'sales_channel',
             value->>'place_of_sale', value->>'travellers', value->>'discounts', value->>'currency', value->>'total',
             $3, $3
         FROM jsonb_each($2) WHERE true
         ON CONFLICT (tenant, order_id) DO UPDATE SET
             source_version = excluded.source_version, digest = excluded.digest,
             customer = excluded.customer, email = excluded.email,
             display_name = excluded.display_name, locale = excluded.locale,
             purchase_time = excluded.purchase_time, state = excluded.state,
             policy = excluded.policy, pinned_policy = excluded.pinned_policy,
             policy_version = excluded.policy_version, sales_channel = excluded.sales_channel,
             place_of_sale = excluded.place_of_sale, travellers = excluded.travellers, discounts = excluded.discounts,
             total = excluded.total, updated = excluded.updated",
    )
    .bind(tenant.as_str())
    .bind(encode_rows(&rows)?)
    .bind(now.0)
    .execute(conn)
    .await?;
    Ok(())
}

async fn upsert_lines(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    writes: &[OrderWrite<'_>],
) -> Result<(), StoreError> {
    let lines: Vec<_> = writes.iter().flat_map(lines_json).collect();
    // A shop may make a line smaller than what refunds have taken up: that is marked, not refused.
    sqlx::query(
        "INSERT INTO order_lines (tenant, order_id, line_id, ordinal, kind, event_id, title,
             event_start, event_time_zone, event_end, place, section, carrier, trip, units, gross,
             tax, discount, discount_id, traveller_ids)
         SELECT $1, value->>'order_id', value->>'line_id', value->>'ordinal', value->>'kind',
             value->>'event_id', value->>'title', value->>'event_start', value->>'event_time_zone',
             value->>'event_end', value->>'place', value->>'section', value->>'carrier',
             value->>'trip', value->>'units', value->>'gross', value->>'tax', value->>'discount',
             value->>'discount_id', value->>'traveller_ids'
         FROM jsonb_each($2) WHERE true
         ON CONFLICT (tenant, order_id, line_id) DO UPDATE SET
             ordinal = excluded.ordinal, kind = excluded.kind, event_id = excluded.event_id,
             title = excluded.title, event_start = excluded.event_start,
             event_time_zone = excluded.event_time_zone, event_end = excluded.event_end,
             place = excluded.place, section = excluded.section, carrier = excluded.carrier,
             trip = excluded.trip, units = excluded.units,
             gross = excluded.gross, tax = excluded.tax, discount = excluded.discount,
             discount_id = excluded.discount_id, traveller_ids = excluded.traveller_ids,
             removed = FALSE,
             over_refunded = committed > excluded.gross + repriced
                 OR committed_units > excluded.units",
    )
    .bind(tenant.as_str())
    .bind(encode_rows(&lines)?)
    .execute(conn)
    .await?;
    Ok(())
}

async fn upsert_payments(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    writes: &[OrderWrite<'_>],
) -> Result<(), StoreError> {
    let payments: Vec<_> = writes.iter().flat_map(payments_json).collect();
    // The facts of the source are recorded even where they leave less than Redress has taken.
    sqlx::query(
        "INSERT INTO payments (tenant, order_id, payment_id, ordinal, tender, provider,
             provider_reference, currency, captured, points, elsewhere_reported,
             refunded_elsewhere, overdrawn, capture_time)
         SELECT $1, value->>'order_id', value->>'payment_id', value->>'ordinal', value->>'tender',
             value->>'provider', value->>'provider_reference', value->>'currency',
             value->>'captured', value->>'points', value->>'elsewhere_reported',
             value->>'refunded_elsewhere',
             (value->>'refunded_elsewhere') > (value->>'captured'), value->>'capture_time'
         FROM jsonb_each($2) WHERE true
         ON CONFLICT (tenant, order_id, payment_id) DO UPDATE SET
             ordinal = excluded.ordinal, tender = excluded.tender, provider = excluded.provider,
             provider_reference = excluded.provider_reference, captured = excluded.captured,
             points = excluded.points, elsewhere_reported = excluded.elsewhere_reported,
             refunded_elsewhere = excluded.refunded_elsewhere,
             overdrawn = excluded.refunded_elsewhere + reserved + refunded + disputed
                 > excluded.captured,
             capture_time = excluded.capture_time",
    )
    .bind(tenant.as_str())
    .bind(encode_rows(&payments)?)
    .execute(conn)
    .await?;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn order_json(write: &OrderWrite<'_>) -> serde_json::Value {
    let order = write.order;
    json!({
        "order_id": order.id,
        "source_version": order.source_version,
        "digest": hex(write.digest),
        "customer": order.customer,
        "email": order.contact.email,
        "display_name": order.contact.display_name,
        "locale": order.contact.locale,
        "purchase_time": order.purchase_time.0,
        "state": order_state(order.state),
        "policy": order.policy,
        "pinned_policy": write.pin.as_ref().map(|pin| &pin.policy),
        "policy_version": write.pin.as_ref().map(|pin| pin.version),
        "sales_channel": order.sales_channel,
        "place_of_sale": order.place_of_sale,
        "travellers": json!(order.travellers).to_string(),
        "discounts": json!(order.discounts).to_string(),
        "currency": order.currency,
        "total": order.total,
    })
}

fn lines_json(write: &OrderWrite<'_>) -> impl Iterator<Item = serde_json::Value> {
    let order = write.order;
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
            "event_end": line.event_end.map(|end| end.0),
            "place": line.place,
            "section": line.section,
            "carrier": line.carrier,
            "trip": line.trip,
            "units": line.units,
            "gross": line.gross,
            "tax": line.tax,
            "discount": line.discount,
            "discount_id": line.discount_id,
            "traveller_ids": json!(line.traveller_ids).to_string(),
        })
    })
}

fn payments_json(write: &OrderWrite<'_>) -> impl Iterator<Item = serde_json::Value> {
    let order = write.order;
    order.payments.iter().zip(&write.elsewhere).enumerate().map(
        |(ordinal, (payment, elsewhere))| {
            json!({
                "order_id": order.id,
                "payment_id": payment.id,
                "ordinal": ordinal,
                "tender": payment.tender.as_str(),
                "provider": payment.provider,
                "provider_reference": payment.provider_reference,
                "currency": order.currency,
                "captured": payment.captured,
                "points": payment.points,
                "elsewhere_reported": payment.refunded_elsewhere,
                "refunded_elsewhere": elsewhere,
                "capture_time": payment.capture_time.0,
            })
        },
    )
}
