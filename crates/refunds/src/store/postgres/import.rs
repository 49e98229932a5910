//! Imports of orders on PostgreSQL.

use redress_core::clock::Timestamp;
use redress_core::id::{IdSource, OrderId, PolicyId, TenantId};
use redress_core::tenant::Tenant;
use redress_store::{PostgresDatabase, StoreError, Writes, outbox};
use sqlx::PgConnection;

use super::super::importing::{OrderWrite, Stored, decide, policies_of};
use super::super::overdrawn::{Marks, newly_marked, tell};
use super::super::rows::{KnownOrderRow, line_kind, order_state};
use super::super::{ImportOutcome, ImportedOrder};
use super::orders::{lock, texts};
use crate::domain::order::{Order, OrderLine, Payment};
use crate::events;

/// How often a chunk is looked at again because other imports brought its orders meanwhile.
const TRIES: usize = 3;

macro_rules! known_orders {
    () => {
        "SELECT order_id, source_version, digest, currency, policy, pinned_policy, policy_version
         FROM orders
         WHERE tenant = $1 AND order_id = ANY($2)"
    };
}
const KNOWN: &str = known_orders!();
/// The same, locked until the end of the transaction in the order of their keys.
const KNOWN_AND_HELD: &str = concat!(known_orders!(), " ORDER BY order_id FOR NO KEY UPDATE");

pub(super) async fn import(
    database: &PostgresDatabase,
    tenant: &TenantId,
    orders: &[ImportedOrder],
    settings: Option<&Tenant>,
    event_ids: &dyn IdSource,
    now: Timestamp,
) -> Result<Vec<ImportOutcome>, StoreError> {
    let mut tries = 0;
    loop {
        match try_to_import(database, tenant, orders, settings, event_ids, now).await {
            // Another import brings one of these orders at the same time: now it is a stored one.
            Err(StoreError::AlreadyExists { .. }) if tries < TRIES => tries += 1,
            outcomes => return outcomes,
        }
    }
}

async fn try_to_import(
    database: &PostgresDatabase,
    tenant: &TenantId,
    orders: &[ImportedOrder],
    settings: Option<&Tenant>,
    event_ids: &dyn IdSource,
    now: Timestamp,
) -> Result<Vec<ImportOutcome>, StoreError> {
    let mut tx = database.begin().await?;
    let stored = stored(&mut tx, tenant, orders, settings).await?;
    let (outcomes, mut writes) = decide(orders, &stored, settings);
    // Two imports insert what both bring in the same order, so that one waits for the other.
    writes.sort_by(|one, other| one.order.id.cmp(&other.order.id));
    let mut facts = Vec::new();
    if !writes.is_empty() {
        // What is new has no marks yet.
        let before = if writes.iter().any(|write| write.is_update) {
            marks(&mut tx, tenant, &writes).await?
        } else {
            Marks::default()
        };
        write(&mut tx, tenant, &writes, now).await?;
        if writes.iter().any(OrderWrite::may_be_marked) {
            let after = marks(&mut tx, tenant, &writes).await?;
            facts = newly_marked(tenant, &writes, &before, &after)?;
            outbox::append_postgres(&mut tx, &events::encode_all(&facts, event_ids, now)).await?;
        }
    }
    database.commit(tx).await?;
    tell(tenant, &facts);
    Ok(outcomes)
}

/// What is stored of a chunk's orders, and the versions that they may be pinned to. Others cannot
/// change these orders until the end of the transaction; nobody can hold those that are not stored.
async fn stored(
    conn: &mut PgConnection,
    tenant: &TenantId,
    orders: &[ImportedOrder],
    settings: Option<&Tenant>,
) -> Result<Stored, StoreError> {
    let ids: Vec<OrderId> = orders.iter().map(|imported| imported.order.id.clone()).collect();
    let mut known = known(&mut *conn, tenant, &ids, KNOWN).await?;
    let mut payments = Vec::new();
    if !known.is_empty() {
        let ids = known_ids(&known)?;
        // A refund that is being accepted takes up lines: it is judged before or after it. It locks
        // payments and lines before it touches their order, too.
        lock(&mut *conn, tenant, &ids).await?;
        known = self::known(&mut *conn, tenant, &ids, KNOWN_AND_HELD).await?;
        payments = sqlx::query_as(
            "SELECT order_id, payment_id, elsewhere_reported, refunded_elsewhere, external
             FROM payments
             WHERE tenant = $1 AND order_id = ANY($2)",
        )
        .bind(tenant.as_str())
        .bind(texts(&ids))
        .fetch_all(&mut *conn)
        .await?;
    }
    let versions = sqlx::query_as(
        "SELECT policy_id, version, effective FROM policies
         WHERE tenant = $1 AND policy_id = ANY($2)",
    )
    .bind(tenant.as_str())
    .bind(policies_of(orders, &known, settings))
    .fetch_all(conn)
    .await?;
    Ok(Stored::new(known, payments, versions))
}

/// Those of the orders `ids` that are stored.
async fn known(
    conn: &mut PgConnection,
    tenant: &TenantId,
    ids: &[OrderId],
    sql: &'static str,
) -> Result<Vec<KnownOrderRow>, StoreError> {
    Ok(sqlx::query_as(sql).bind(tenant.as_str()).bind(texts(ids)).fetch_all(conn).await?)
}

fn known_ids(known: &[KnownOrderRow]) -> Result<Vec<OrderId>, StoreError> {
    let id = |row: &KnownOrderRow| {
        let corrupt = |_| StoreError::corrupt("orders", "order_id", row.order_id.as_str());
        OrderId::new(row.order_id.as_str()).map_err(corrupt)
    };
    known.iter().map(id).collect()
}

/// The payments and lines of these orders whose mark is set.
async fn marks(
    conn: &mut PgConnection,
    tenant: &TenantId,
    writes: &[OrderWrite<'_>],
) -> Result<Marks, StoreError> {
    let ids: Vec<OrderId> = writes.iter().map(|write| write.order.id.clone()).collect();
    let ids = texts(&ids);
    let payments = sqlx::query_as(
        "SELECT order_id, payment_id,
                refunded_elsewhere + reserved + refunded + disputed - captured AS excess
         FROM payments
         WHERE tenant = $1 AND order_id = ANY($2) AND overdrawn
         ORDER BY order_id, payment_id",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .fetch_all(&mut *conn)
    .await?;
    let lines = sqlx::query_as(
        "SELECT order_id, line_id, greatest(committed - gross - repriced, 0) AS excess
         FROM order_lines
         WHERE tenant = $1 AND order_id = ANY($2) AND over_refunded
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
    conn: &mut PgConnection,
    tenant: &TenantId,
    writes: &[OrderWrite<'_>],
    now: Timestamp,
) -> Result<(), StoreError> {
    let updated = writes.iter().filter(|write| write.is_update);
    let updated: Vec<OrderId> = updated.map(|write| write.order.id.clone()).collect();
    if !updated.is_empty() {
        withdraw_lines(conn, tenant, &updated).await?;
    }
    let mut statement = Writes::default();
    for (is_update, of_kind) in parts(writes) {
        push_orders(&mut statement, tenant, &of_kind, is_update, now)?;
        push_lines(&mut statement, tenant, &of_kind, is_update)?;
        push_payments(&mut statement, tenant, &of_kind, is_update);
    }
    statement.execute(&mut *conn).await?;
    if !updated.is_empty() {
        withdraw_payments(conn, tenant, writes, &updated).await?;
    }
    Ok(())
}

/// What is new, and what is stored already; only what there is. A new row that is there all the
/// same is an error, so that nothing is overwritten that was not looked at before.
fn parts<'a, 'b>(writes: &'b [OrderWrite<'a>]) -> Vec<(bool, Vec<&'b OrderWrite<'a>>)> {
    let (updates, new): (Vec<_>, Vec<_>) = writes.iter().partition(|write| write.is_update);
    let parts = [(false, new), (true, updates)];
    parts.into_iter().filter(|(_, of_kind)| !of_kind.is_empty()).collect()
}

/// A list of domain types as its column holds it.
fn json_text<T: serde::Serialize>(values: &[T]) -> Result<String, StoreError> {
    serde_json::to_string(values).map_err(|cause| StoreError::Internal(Box::new(cause)))
}

/// Before an update: refunds may refer to lines that the new version does not list, so those are
/// kept as removed. Writing the version brings the others back.
async fn withdraw_lines(
    conn: &mut PgConnection,
    tenant: &TenantId,
    updated: &[OrderId],
) -> Result<(), StoreError> {
    let ids = texts(updated);
    sqlx::query(
        "DELETE FROM order_lines
         WHERE tenant = $1 AND order_id = ANY($2)
           AND committed = 0 AND committed_units = 0 AND repriced = 0",
    )
    .bind(tenant.as_str())
    .bind(&ids)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE order_lines SET removed = TRUE, over_refunded = FALSE
         WHERE tenant = $1 AND order_id = ANY($2)",
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
    conn: &mut PgConnection,
    tenant: &TenantId,
    writes: &[OrderWrite<'_>],
    updated: &[OrderId],
) -> Result<(), StoreError> {
    let listed: Vec<(&str, &str)> = writes
        .iter()
        .filter(|write| write.is_update)
        .flat_map(|write| {
            let order = write.order;
            order.payments.iter().map(|payment| (order.id.as_str(), payment.id.as_str()))
        })
        .collect();
    let (orders, payments): (Vec<&str>, Vec<&str>) = listed.into_iter().unzip();
    sqlx::query(
        "UPDATE payments
         SET captured = refunded_elsewhere, overdrawn = (reserved + refunded + disputed > 0)
         WHERE tenant = $1 AND order_id = ANY($2)
           AND (order_id, payment_id) NOT IN (
               SELECT * FROM UNNEST($3::text[], $4::text[]))",
    )
    .bind(tenant.as_str())
    .bind(texts(updated))
    .bind(orders)
    .bind(payments)
    .execute(conn)
    .await?;
    Ok(())
}

macro_rules! insert_orders {
    () => {
        "INSERT INTO orders (tenant, order_id, source_version, digest, customer, email,
             display_name, locale, purchase_time, state, policy, pinned_policy, policy_version,
             sales_channel, place_of_sale, travellers, discounts, currency, total, created,
             updated)
         SELECT $1, v.*, $2, $2
         FROM UNNEST($3::text[], $4::bigint[], $5::bytea[], $6::text[], $7::text[], $8::text[],
             $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[],
             $14::bigint[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[],
             $20::bigint[]) v"
    };
}

/// New orders.
const INSERT_ORDERS: &str = insert_orders!();
/// Orders as the newer version of their order has them.
const UPSERT_ORDERS: &str = concat!(
    insert_orders!(),
    " ON CONFLICT (tenant, order_id) DO UPDATE SET
             source_version = excluded.source_version, digest = excluded.digest,
             customer = excluded.customer, email = excluded.email,
             display_name = excluded.display_name, locale = excluded.locale,
             purchase_time = excluded.purchase_time, state = excluded.state,
             policy = excluded.policy, pinned_policy = excluded.pinned_policy,
             policy_version = excluded.policy_version, sales_channel = excluded.sales_channel,
             place_of_sale = excluded.place_of_sale, travellers = excluded.travellers, discounts = excluded.discounts,
             total = excluded.total, updated = excluded.updated"
);

fn push_orders(
    statement: &mut Writes,
    tenant: &TenantId,
    writes: &[&OrderWrite<'_>],
    is_update: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let of = || writes.iter().map(|write| write.order);
    let pins = || writes.iter().map(|write| write.pin.as_ref());
    let sql = if is_update { UPSERT_ORDERS } else { INSERT_ORDERS };
    statement
        .push(sql)
        .bind(tenant.as_str())
        .bind(now.0)
        .bind(of().map(|order| order.id.as_str()).collect::<Vec<_>>())
        .bind(of().map(|order| order.source_version).collect::<Vec<_>>())
        .bind(writes.iter().map(|write| write.digest.as_slice()).collect::<Vec<_>>())
        .bind(of().map(|order| order.customer.as_str()).collect::<Vec<_>>())
        .bind(of().map(|order| order.contact.email.as_str()).collect::<Vec<_>>())
        .bind(of().map(|order| order.contact.display_name.as_str()).collect::<Vec<_>>())
        .bind(of().map(|order| order.contact.locale.as_str()).collect::<Vec<_>>())
        .bind(of().map(|order| order.purchase_time.0).collect::<Vec<_>>())
        .bind(of().map(|order| order_state(order.state)).collect::<Vec<_>>())
        .bind(of().map(|order| order.policy.as_ref().map(PolicyId::as_str)).collect::<Vec<_>>())
        .bind(pins().map(|pin| pin.map(|pin| pin.policy.as_str())).collect::<Vec<_>>())
        .bind(pins().map(|pin| pin.map(|pin| pin.version)).collect::<Vec<_>>())
        .bind(of().map(|order| order.sales_channel.as_str()).collect::<Vec<_>>())
        .bind(of().map(|order| order.place_of_sale.as_str()).collect::<Vec<_>>())
        .bind(of().map(|order| json_text(&order.travellers)).collect::<Result<Vec<_>, _>>()?)
        .bind(of().map(|order| json_text(&order.discounts)).collect::<Result<Vec<_>, _>>()?)
        .bind(of().map(|order| order.currency.code()).collect::<Vec<_>>())
        .bind(of().map(|order| order.total).collect::<Vec<_>>());
    Ok(())
}

macro_rules! insert_lines {
    () => {
        "INSERT INTO order_lines (tenant, order_id, ordinal, line_id, kind, event_id, title,
             event_start, event_time_zone, event_end, place, section, carrier, trip, units, gross,
             tax, discount, discount_id, traveller_ids)
         SELECT $1, v.*
         FROM UNNEST($2::text[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[],
             $8::bigint[], $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[],
             $14::text[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::text[],
             $20::text[]) v"
    };
}

/// New lines.
const INSERT_LINES: &str = insert_lines!();
/// Lines as the newer version of their order has them.
const UPSERT_LINES: &str = concat!(
    insert_lines!(),
    " ON CONFLICT (tenant, order_id, line_id) DO UPDATE SET
             ordinal = excluded.ordinal, kind = excluded.kind, event_id = excluded.event_id,
             title = excluded.title, event_start = excluded.event_start,
             event_time_zone = excluded.event_time_zone, event_end = excluded.event_end,
             place = excluded.place, section = excluded.section, carrier = excluded.carrier,
             trip = excluded.trip, units = excluded.units,
             gross = excluded.gross, tax = excluded.tax, discount = excluded.discount,
             discount_id = excluded.discount_id, traveller_ids = excluded.traveller_ids,
             removed = FALSE,
             over_refunded = order_lines.committed > excluded.gross + order_lines.repriced
                 OR order_lines.committed_units > excluded.units"
);

fn push_lines(
    statement: &mut Writes,
    tenant: &TenantId,
    writes: &[&OrderWrite<'_>],
    is_update: bool,
) -> Result<(), StoreError> {
    let lines: Vec<(&OrderId, i32, &OrderLine)> = writes
        .iter()
        .flat_map(|write| {
            let order = write.order;
            (0..).zip(&order.lines).map(|(ordinal, line)| (&order.id, ordinal, line))
        })
        .collect();
    let of = || lines.iter().map(|(_, _, line)| *line);
    // A shop may make a line smaller than what refunds have taken up: that is marked, not refused.
    let sql = if is_update { UPSERT_LINES } else { INSERT_LINES };
    statement
        .push(sql)
        .bind(tenant.as_str())
        .bind(lines.iter().map(|(order, _, _)| order.as_str()).collect::<Vec<_>>())
        .bind(lines.iter().map(|(_, ordinal, _)| *ordinal).collect::<Vec<_>>())
        .bind(of().map(|line| line.id.as_str()).collect::<Vec<_>>())
        .bind(of().map(|line| line_kind(line.kind)).collect::<Vec<_>>())
        .bind(of().map(|line| line.event.as_str()).collect::<Vec<_>>())
        .bind(of().map(|line| line.title.as_str()).collect::<Vec<_>>())
        .bind(of().map(|line| line.event_start.0).collect::<Vec<_>>())
        .bind(of().map(|line| line.event_time_zone.as_str()).collect::<Vec<_>>())
        .bind(of().map(|line| line.event_end.map(|end| end.0)).collect::<Vec<_>>())
        .bind(of().map(|line| line.place.as_str()).collect::<Vec<_>>())
        .bind(of().map(|line| line.section.as_str()).collect::<Vec<_>>())
        .bind(of().map(|line| line.carrier.as_str()).collect::<Vec<_>>())
        .bind(of().map(|line| line.trip.as_deref()).collect::<Vec<_>>())
        .bind(of().map(|line| line.units).collect::<Vec<_>>())
        .bind(of().map(|line| line.gross).collect::<Vec<_>>())
        .bind(of().map(|line| line.tax).collect::<Vec<_>>())
        .bind(of().map(|line| line.discount).collect::<Vec<_>>())
        .bind(of().map(|line| line.discount_id.as_deref()).collect::<Vec<_>>())
        .bind(of().map(|line| json_text(&line.traveller_ids)).collect::<Result<Vec<_>, _>>()?);
    Ok(())
}

macro_rules! insert_payments {
    () => {
        "INSERT INTO payments (tenant, order_id, currency, ordinal, payment_id, tender, provider,
             provider_reference, captured, points, elsewhere_reported, refunded_elsewhere,
             capture_time, overdrawn)
         SELECT $1, v.*, v.refunded_elsewhere > v.captured
         FROM UNNEST($2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[],
             $8::text[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[])
             AS v (order_id, currency, ordinal, payment_id, tender, provider, provider_reference,
             captured, points, elsewhere_reported, refunded_elsewhere, capture_time)"
    };
}

/// New payments.
const INSERT_PAYMENTS: &str = insert_payments!();
/// Payments as the newer version of their order has them.
const UPSERT_PAYMENTS: &str = concat!(
    insert_payments!(),
    " ON CONFLICT (tenant, order_id, payment_id) DO UPDATE SET
             ordinal = excluded.ordinal, tender = excluded.tender, provider = excluded.provider,
             provider_reference = excluded.provider_reference, captured = excluded.captured,
             points = excluded.points, elsewhere_reported = excluded.elsewhere_reported,
             refunded_elsewhere = excluded.refunded_elsewhere,
             overdrawn = excluded.refunded_elsewhere + payments.reserved + payments.refunded
                 + payments.disputed > excluded.captured,
             capture_time = excluded.capture_time"
);

fn push_payments(
    statement: &mut Writes,
    tenant: &TenantId,
    writes: &[&OrderWrite<'_>],
    is_update: bool,
) {
    let payments: Vec<(&Order, i32, &Payment)> = writes
        .iter()
        .flat_map(|write| {
            let order = write.order;
            (0..).zip(&order.payments).map(move |(ordinal, payment)| (order, ordinal, payment))
        })
        .collect();
    let of = || payments.iter().map(|(_, _, payment)| *payment);
    // The facts of the source are recorded even where they leave less than Redress has taken.
    let sql = if is_update { UPSERT_PAYMENTS } else { INSERT_PAYMENTS };
    statement
        .push(sql)
        .bind(tenant.as_str())
        .bind(payments.iter().map(|(order, _, _)| order.id.as_str()).collect::<Vec<_>>())
        .bind(payments.iter().map(|(order, _, _)| order.currency.code()).collect::<Vec<_>>())
        .bind(payments.iter().map(|(_, ordinal, _)| *ordinal).collect::<Vec<_>>())
        .bind(of().map(|payment| payment.id.as_str()).collect::<Vec<_>>())
        .bind(of().map(|payment| payment.tender.as_str()).collect::<Vec<_>>())
        .bind(of().map(|payment| payment.provider.as_str()).collect::<Vec<_>>())
        .bind(of().map(|payment| payment.provider_reference.as_str()).collect::<Vec<_>>())
        .bind(of().map(|payment| payment.captured).collect::<Vec<_>>())
        .bind(of().map(|payment| payment.points).collect::<Vec<_>>())
        .bind(of().map(|payment| payment.refunded_elsewhere).collect::<Vec<_>>())
        .bind(writes.iter().flat_map(|write| &write.elsewhere).copied().collect::<Vec<_>>())
        .bind(of().map(|payment| payment.capture_time.0).collect::<Vec<_>>());
}
