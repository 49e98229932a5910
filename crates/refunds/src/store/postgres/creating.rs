//! Creating refunds and acting on them, on PostgreSQL.

use redress_core::clock::Timestamp;
use redress_core::id::{CustomerId, EventId, IdSource, OrderId, RefundId, TenantId};
use redress_store::{PostgresDatabase, StoreError};
use sqlx::PgConnection;

use super::super::changes::Changes;
use super::super::creating::{Standing, Touched, uses};
use super::super::rows::{HeldRow, assemble_holdings};
use super::super::{ActOutcome, CreateOutcome, Decision, NewRefund};
use super::orders::held;
use super::{attempts, orders, refunds, write};

pub(super) async fn create(
    database: &PostgresDatabase,
    batch: &[NewRefund],
    ids: &dyn IdSource,
) -> Result<Vec<CreateOutcome>, StoreError> {
    let Some(now) = batch.iter().map(|new| new.refund.created).max() else {
        return Ok(Vec::new());
    };
    match try_to_create(database, batch, now, ids).await {
        // Who waits for a lock sees quotes and requests as they were before: now it sees them.
        Err(StoreError::AlreadyExists { .. }) => try_to_create(database, batch, now, ids).await,
        outcomes => outcomes,
    }
}

async fn try_to_create(
    database: &PostgresDatabase,
    batch: &[NewRefund],
    now: Timestamp,
    ids: &dyn IdSource,
) -> Result<Vec<CreateOutcome>, StoreError> {
    let mut tx = database.begin().await?;
    let (mut changes, mut outcomes) = decide(&mut tx, batch).await?;
    if outcomes.iter().any(|outcome| *outcome != CreateOutcome::Created) {
        // Now that the locks are held, everything is seen as it is.
        (changes, outcomes) = decide(&mut tx, batch).await?;
    }
    if outcomes.contains(&CreateOutcome::Created) {
        write::write(&mut tx, &changes, ids, now).await?;
        database.commit(tx).await?;
    }
    Ok(outcomes)
}

async fn decide(
    conn: &mut PgConnection,
    batch: &[NewRefund],
) -> Result<(Changes, Vec<CreateOutcome>), StoreError> {
    let mut standing = Standing::default();
    for touched in Touched::by_tenant(batch) {
        look(conn, &touched, &mut standing).await?;
    }
    let mut changes = Changes::default();
    let outcomes = changes.create(batch, &mut standing)?;
    Ok((changes, outcomes))
}

fn split(rows: Vec<HeldRow>, is_first: fn(&HeldRow) -> bool) -> (Vec<HeldRow>, Vec<HeldRow>) {
    rows.into_iter().partition(is_first)
}

/// Locks the orders that the batch touches in one tenant's rows, and reads in the same statement
/// what it touches beside them. A quote belongs to one order, so whoever accepts it has that
/// order's lock; two requests of one id on different orders meet at the key of
/// `idempotency_records`.
async fn look(
    conn: &mut PgConnection,
    touched: &Touched<'_>,
    standing: &mut Standing,
) -> Result<(), StoreError> {
    let tenant = touched.tenant;
    let (methods, request_ids): (Vec<&str>, Vec<&str>) = touched.requests.iter().copied().unzip();
    let rows: Vec<HeldRow> = sqlx::query_as(concat!(
        held!(),
        " UNION ALL
         SELECT '', 'QUOTE', quote_id, 0, 0, 0, 0, FALSE
         FROM refunds WHERE tenant = $1 AND quote_id = ANY($3)
         UNION ALL
         SELECT '', 'REQUEST', r.request_id, 0, 0, 0, 0, FALSE
         FROM UNNEST($4::text[], $5::text[]) AS k (method, request_id)
         JOIN idempotency_records r ON r.tenant = $1 AND r.method = k.method
           AND r.request_id = k.request_id"
    ))
    .bind(tenant.as_str())
    .bind(orders::texts(&touched.orders))
    .bind(&touched.quotes)
    .bind(methods)
    .bind(request_ids)
    .fetch_all(&mut *conn)
    .await?;
    let (used, rows) = split(rows, HeldRow::is_quote);
    let (answered, rows) = split(rows, HeldRow::is_request);
    standing.hold(tenant, assemble_holdings(rows)?);
    standing.used(tenant, used.into_iter().map(HeldRow::into_id));
    standing.answered(tenant, answered.into_iter().map(HeldRow::into_id));
    if !touched.buyers.is_empty() {
        let (customers, events): (Vec<&str>, Vec<&str>) = touched.buyers.iter().copied().unzip();
        // Refunds of two orders of one buyer hold different locks: this is the one they share.
        sqlx::query(
            "SELECT pg_advisory_xact_lock(hashtextextended($1 || '/' || key, 2))
             FROM (SELECT DISTINCT customer || '/' || event AS key
                   FROM UNNEST($2::text[], $3::text[]) AS k (customer, event)
                   ORDER BY key) AS sorted",
        )
        .bind(tenant.as_str())
        .bind(&customers)
        .bind(&events)
        .execute(&mut *conn)
        .await?;
        let used_up = sqlx::query_as(
            "SELECT b.customer, b.event_id
             FROM UNNEST($2::text[], $3::text[]) AS k (customer, event)
             JOIN buyer_refunds b ON b.tenant = $1 AND b.customer = k.customer
               AND b.event_id = k.event",
        )
        .bind(tenant.as_str())
        .bind(&customers)
        .bind(&events)
        .fetch_all(&mut *conn)
        .await?;
        standing.used_up(tenant, used_up);
    }
    Ok(())
}

pub(super) async fn act(
    database: &PostgresDatabase,
    tenant: &TenantId,
    id: &RefundId,
    decision: &Decision<'_>,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<ActOutcome, StoreError> {
    let mut tx = database.begin().await?;
    let (tenants, refund_ids) = ([tenant.as_str()], [id.as_str()]);
    attempts::lock_refunds(&mut tx, &tenants, &refund_ids).await?;
    attempts::lock_attempts(&mut tx, &tenants, &refund_ids).await?;
    let key = (tenant.as_str(), id.as_str());
    let Some(mut refund) = refunds::load(&mut tx, &[key]).await?.pop() else {
        return Ok(ActOutcome::NotFound);
    };
    if decision.expected_version.is_some_and(|expected| expected != refund.version) {
        return Ok(ActOutcome::Stale);
    }
    let order_ids: &[OrderId] = std::slice::from_ref(&refund.order);
    orders::lock(&mut tx, tenant, order_ids).await?;
    let order = orders::load(&mut tx, tenant, order_ids).await?.pop();
    let order = order.ok_or_else(|| StoreError::corrupt("refunds", "order_id", id.as_str()))?;
    let mut changes = Changes::default();
    if let Err(refusal) = changes.act(&mut refund, &order, decision, ids, now) {
        return Ok(ActOutcome::Refused(refusal));
    }
    changes.requests.push((tenant.clone(), (decision.record)(&refund)));
    write::write(&mut tx, &changes, ids, now).await?;
    database.commit(tx).await?;
    Ok(ActOutcome::Done(Box::new(refund)))
}

pub(super) async fn buyer_refunds(
    database: &PostgresDatabase,
    tenant: &TenantId,
    customer: &CustomerId,
    events: &[EventId],
) -> Result<Vec<(EventId, i64)>, StoreError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT event_id, count(*) FROM buyer_refunds
         WHERE tenant = $1 AND customer = $2 AND event_id = ANY($3)
         GROUP BY event_id",
    )
    .bind(tenant.as_str())
    .bind(customer.as_str())
    .bind(events.iter().map(EventId::as_str).collect::<Vec<_>>())
    .fetch_all(&database.pool)
    .await?;
    rows.into_iter().map(uses).collect()
}
