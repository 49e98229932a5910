//! Creating refunds and acting on them, on SQLite.

use redress_core::clock::Timestamp;
use redress_core::id::{CustomerId, EventId, IdSource, RefundId, TenantId};
use redress_store::{SqliteDatabase, StoreError};
use sqlx::SqliteConnection;

use super::super::changes::Changes;
use super::super::creating::{Standing, Touched, uses};
use super::super::rows::encode_rows;
use super::super::{ActOutcome, CreateOutcome, Decision, NewRefund};
use super::{orders, refunds, write};

pub(super) async fn create(
    database: &SqliteDatabase,
    batch: &[NewRefund],
    ids: &dyn IdSource,
) -> Result<Vec<CreateOutcome>, StoreError> {
    let Some(now) = batch.iter().map(|new| new.refund.created).max() else {
        return Ok(Vec::new());
    };
    let mut tx = database.begin().await?;
    let mut standing = Standing::default();
    for touched in Touched::by_tenant(batch) {
        look(&mut tx, &touched, &mut standing).await?;
    }
    let mut changes = Changes::default();
    let outcomes = changes.create(batch, &mut standing)?;
    if outcomes.contains(&CreateOutcome::Created) {
        write::write(&mut tx, &changes, ids, now).await?;
        database.commit(tx).await?;
    }
    Ok(outcomes)
}

/// Reads what the batch touches of one tenant's rows; the write transaction holds them.
async fn look(
    conn: &mut SqliteConnection,
    touched: &Touched<'_>,
    standing: &mut Standing,
) -> Result<(), StoreError> {
    let tenant = touched.tenant;
    standing.hold(tenant, orders::hold(conn, tenant, &touched.orders).await?);
    let used: Vec<String> = sqlx::query_scalar(
        "SELECT quote_id FROM refunds
         WHERE tenant = $1 AND quote_id IN (SELECT value FROM jsonb_each($2))",
    )
    .bind(tenant.as_str())
    .bind(encode_rows(&touched.quotes)?)
    .fetch_all(&mut *conn)
    .await?;
    standing.used(tenant, used);
    // CROSS JOIN: SQLite would rather walk through everything that the tenant has.
    let answered: Vec<String> = sqlx::query_scalar(
        "SELECT r.request_id FROM jsonb_each($2) k
         CROSS JOIN idempotency_records r ON r.tenant = $1 AND r.method = k.value->>0
           AND r.request_id = k.value->>1",
    )
    .bind(tenant.as_str())
    .bind(encode_rows(&touched.requests)?)
    .fetch_all(&mut *conn)
    .await?;
    standing.answered(tenant, answered);
    if !touched.buyers.is_empty() {
        let used_up = sqlx::query_as(
            "SELECT b.customer, b.event_id FROM jsonb_each($2) k
             CROSS JOIN buyer_refunds b ON b.tenant = $1 AND b.customer = k.value->>0
               AND b.event_id = k.value->>1",
        )
        .bind(tenant.as_str())
        .bind(encode_rows(&touched.buyers)?)
        .fetch_all(&mut *conn)
        .await?;
        standing.used_up(tenant, used_up);
    }
    Ok(())
}

pub(super) async fn act(
    database: &SqliteDatabase,
    tenant: &TenantId,
    id: &RefundId,
    decision: &Decision<'_>,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<ActOutcome, StoreError> {
    let mut tx = database.begin().await?;
    let key = (tenant.as_str(), id.as_str());
    let Some(mut refund) = refunds::load(&mut tx, &[key]).await?.pop() else {
        return Ok(ActOutcome::NotFound);
    };
    if decision.expected_version.is_some_and(|expected| expected != refund.version) {
        return Ok(ActOutcome::Stale);
    }
    let order_ids = std::slice::from_ref(&refund.order);
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
    database: &SqliteDatabase,
    tenant: &TenantId,
    customer: &CustomerId,
    events: &[EventId],
) -> Result<Vec<(EventId, i64)>, StoreError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT event_id, count(*) FROM buyer_refunds
         WHERE tenant = $1 AND customer = $2 AND event_id IN (SELECT value FROM jsonb_each($3))
         GROUP BY event_id",
    )
    .bind(tenant.as_str())
    .bind(customer.as_str())
    .bind(encode_rows(events)?)
    .fetch_all(&database.read)
    .await?;
    rows.into_iter().map(uses).collect()
}
