//! Refunds made at a provider past Redress, on SQLite.

use redress_core::clock::Timestamp;
use redress_core::id::IdSource;
use redress_store::{SqliteDatabase, StoreError, outbox};

use super::super::changes::Changes;
use super::super::rows::PaymentAtRow;
use super::super::{AmbiguousRefund, PaymentAt};
use super::write;
use crate::domain::fact::{Fact, FactKind};
use crate::domain::refund::Refund;
use crate::events;

pub(super) async fn payments_at(
    database: &SqliteDatabase,
    provider: &str,
    reference: &str,
    limit: i64,
) -> Result<Vec<PaymentAt>, StoreError> {
    let rows: Vec<PaymentAtRow> = sqlx::query_as(
        "SELECT p.tenant, p.order_id, o.customer, p.payment_id, p.currency,
             EXISTS (SELECT 1 FROM attempts a
                     WHERE a.tenant = p.tenant AND a.order_id = p.order_id
                       AND a.payment_id = p.payment_id
                       AND a.state IN ('SENT', 'UNKNOWN')) AS awaits_answer,
             EXISTS (SELECT 1 FROM attempts a
                     WHERE a.tenant = p.tenant AND a.order_id = p.order_id
                       AND a.payment_id = p.payment_id
                       AND a.state = 'MANUAL') AS awaits_person
         FROM payments p
         JOIN orders o ON o.tenant = p.tenant AND o.order_id = p.order_id
         WHERE p.provider = $1 AND p.provider_reference = $2 AND p.provider_reference <> ''
         ORDER BY p.tenant, p.order_id, p.payment_id LIMIT $3",
    )
    .bind(provider)
    .bind(reference)
    .bind(limit)
    .fetch_all(&database.read)
    .await?;
    rows.into_iter().map(PaymentAtRow::into_payment).collect()
}

pub(super) async fn record(
    database: &SqliteDatabase,
    refund: &Refund,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let tenant = &refund.tenant;
    let [attempt] = refund.attempts.as_slice() else {
        return Err(StoreError::corrupt("refunds", "attempts", refund.id.as_str()));
    };
    let mut tx = database.begin().await?;
    let known: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM attempts
         WHERE provider = $1 AND provider_refund = $2 AND provider_refund <> '')",
    )
    .bind(&attempt.provider)
    .bind(&attempt.provider_refund)
    .fetch_one(&mut *tx)
    .await?;
    if known {
        return Ok(false);
    }
    let excess: Option<i64> = sqlx::query_scalar(
        "UPDATE payments SET refunded = refunded + $4, external = external + $4,
             overdrawn = refunded_elsewhere + reserved + refunded + disputed + $4 > captured
         WHERE tenant = $1 AND order_id = $2 AND payment_id = $3
         RETURNING refunded_elsewhere + reserved + refunded + disputed - captured",
    )
    .bind(tenant.as_str())
    .bind(refund.order.as_str())
    .bind(attempt.payment.as_str())
    .bind(attempt.amount)
    .fetch_optional(&mut *tx)
    .await?;
    let excess =
        excess.ok_or_else(|| StoreError::corrupt("attempts", "payment_id", attempt.id.as_str()))?;
    let mut changes = Changes::default();
    changes.record_external(refund, attempt, excess)?;
    write::write(&mut tx, &changes, ids, now).await?;
    database.commit(tx).await?;
    Ok(true)
}

pub(super) async fn announce_ambiguous(
    database: &SqliteDatabase,
    ambiguous: &AmbiguousRefund,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut tx = database.begin().await?;
    let announced = sqlx::query(
        "INSERT INTO ambiguous_refunds (tenant, provider, provider_refund, created)
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(ambiguous.tenant.as_str())
    .bind(&ambiguous.provider)
    .bind(&ambiguous.provider_refund)
    .bind(now.0)
    .execute(&mut *tx)
    .await?;
    if announced.rows_affected() == 0 {
        return Ok(false);
    }
    let fact = Fact {
        tenant: ambiguous.tenant.clone(),
        traceparent: None,
        kind: FactKind::ProviderRefundAmbiguous {
            order: ambiguous.order.clone(),
            customer: ambiguous.customer.clone(),
            provider: ambiguous.provider.clone(),
            provider_refund: ambiguous.provider_refund.clone(),
            amount: ambiguous.amount,
        },
    };
    outbox::append_sqlite(&mut tx, &events::encode_all(&[fact], ids, now)).await?;
    database.commit(tx).await?;
    Ok(true)
}
