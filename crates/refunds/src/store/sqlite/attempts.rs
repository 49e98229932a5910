//! Attempts on SQLite: who may send or look up which, and what was found.
//!
//! Statements over what is still open repeat the condition of the partial index
//! `attempts_to_look_up` word for word: SQLite uses a partial index only where it finds its condition again.

use redress_core::clock::Timestamp;
use redress_core::id::IdSource;
use redress_store::{SqliteDatabase, StoreError};
use sqlx::SqliteConnection;

use super::super::Claim;
use super::super::changes::Changes;
use super::super::rows::{AttemptRow, attempts_from, encode_rows};
use super::{refunds, write};
use crate::domain::attempt::Attempt;
use crate::domain::settle::AttemptFinding;

/// Claims in the caller's transaction, which has to be committed before a provider is called.
pub(super) async fn claim_to_send(
    conn: &mut SqliteConnection,
    claim: &Claim<'_>,
) -> Result<Vec<Attempt>, StoreError> {
    let rows: Vec<AttemptRow> = sqlx::query_as(
        "UPDATE attempts SET state = 'SENT', claim = $2, due = $4, sent = $3, hinted = 0,
             updated = $3
         WHERE (tenant, attempt_id) IN (
             SELECT tenant, attempt_id FROM attempts
             WHERE provider = $1 AND state = 'ARMED' AND due <= $3
               AND currency NOT IN (SELECT currency FROM lane_funds WHERE provider = $1)
             ORDER BY bulk, due LIMIT $5)
         RETURNING tenant, attempt_id, refund_id, order_id, payment_id, ordinal, provider,
             payment_reference, currency, amount, state, reason, provider_refund, claim, due, sent,
             absences, delays, updated",
    )
    .bind(claim.provider)
    .bind(claim.claim)
    .bind(claim.now.0)
    .bind(claim.now.plus(claim.lease).0)
    .bind(claim.limit)
    .fetch_all(&mut *conn)
    .await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<_> = rows.iter().map(|row| (&row.tenant, &row.refund_id)).collect();
    sqlx::query(
        "UPDATE refunds SET state = 'PROCESSING', version = version + 1, updated = $2
         FROM jsonb_each($1) k
         WHERE refunds.tenant = k.value->>0 AND refunds.refund_id = k.value->>1
           AND refunds.state = 'QUEUED'",
    )
    .bind(encode_rows(&keys)?)
    .bind(claim.now.0)
    .execute(conn)
    .await?;
    attempts_from(rows)
}

pub(super) async fn claim_to_look_up(
    database: &SqliteDatabase,
    claim: &Claim<'_>,
) -> Result<Vec<Attempt>, StoreError> {
    let mut tx = database.begin().await?;
    // A sent attempt that is due has lost its holder: nobody knows what the provider did.
    let rows: Vec<AttemptRow> = sqlx::query_as(
        "UPDATE attempts SET state = CASE state WHEN 'SENT' THEN 'UNKNOWN' ELSE state END,
             claim = $2, due = $4, hinted = 0, updated = $3
         WHERE (tenant, attempt_id) IN (
             SELECT tenant, attempt_id FROM attempts
             WHERE provider = $1 AND state IN ('SENT', 'ACCEPTED', 'UNKNOWN') AND due <= $3
             ORDER BY due LIMIT $5)
         RETURNING tenant, attempt_id, refund_id, order_id, payment_id, ordinal, provider,
             payment_reference, currency, amount, state, reason, provider_refund, claim, due, sent,
             absences, delays, updated",
    )
    .bind(claim.provider)
    .bind(claim.claim)
    .bind(claim.now.0)
    .bind(claim.now.plus(claim.lease).0)
    .bind(claim.limit)
    .fetch_all(&mut *tx)
    .await?;
    database.commit(tx).await?;
    attempts_from(rows)
}

pub(super) async fn settle(
    database: &SqliteDatabase,
    findings: &[AttemptFinding],
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let keys: Vec<_> = findings.iter().map(|f| (f.tenant.as_str(), f.attempt.as_str())).collect();
    let mut tx = database.begin().await?;
    let owners: Vec<(String, String)> = sqlx::query_as(
        "SELECT DISTINCT a.tenant, a.refund_id
         FROM jsonb_each($1) k
         JOIN attempts a ON a.tenant = k.value->>0 AND a.attempt_id = k.value->>1",
    )
    .bind(encode_rows(&keys)?)
    .fetch_all(&mut *tx)
    .await?;
    let keys: Vec<(&str, &str)> =
        owners.iter().map(|(tenant, refund)| (tenant.as_str(), refund.as_str())).collect();
    let held = refunds::load(&mut tx, &keys).await?;
    let mut changes = Changes::default();
    let applied = changes.settle(held, findings, ids, now);
    write::write(&mut tx, &changes, ids, now).await?;
    database.commit(tx).await?;
    Ok(applied)
}

pub(super) async fn hint(
    database: &SqliteDatabase,
    provider: &str,
    provider_refund: &str,
    attempt: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut tx = database.begin().await?;
    // Whoever holds it may have asked before there was news, so that it is due again when they let
    // go of it.
    let hinted = sqlx::query(
        "UPDATE attempts SET due = CASE claim WHEN '' THEN $3 ELSE due END,
             hinted = CASE claim WHEN '' THEN 0 ELSE 1 END
         WHERE provider = $1 AND state IN ('SENT', 'ACCEPTED', 'UNKNOWN')
           AND ((provider_refund <> '' AND provider_refund = $2) OR attempt_id = $4)",
    )
    .bind(provider)
    .bind(provider_refund)
    .bind(now.0)
    .bind(attempt)
    .execute(&mut *tx)
    .await?;
    database.commit(tx).await?;
    Ok(hinted.rows_affected() > 0)
}

pub(super) async fn by_provider_refund(
    database: &SqliteDatabase,
    provider: &str,
    provider_refund: &str,
    attempt: Option<&str>,
) -> Result<Option<Attempt>, StoreError> {
    let row: Option<AttemptRow> = sqlx::query_as(
        "SELECT tenant, attempt_id, refund_id, order_id, payment_id, ordinal, provider,
                payment_reference, currency, amount, state, reason, provider_refund, claim, due,
                sent, absences, delays, updated
         FROM attempts
         WHERE provider = $1
           AND ((provider_refund <> '' AND provider_refund = $2) OR attempt_id = $3)
         ORDER BY provider_refund = $2 DESC, attempt_id LIMIT 1",
    )
    .bind(provider)
    .bind(provider_refund)
    .bind(attempt)
    .fetch_optional(&database.read)
    .await?;
    row.map(AttemptRow::into_attempt).transpose()
}

pub(super) async fn next_due(
    database: &SqliteDatabase,
    provider: &str,
) -> Result<Option<Timestamp>, StoreError> {
    let due: Option<i64> = sqlx::query_scalar(
        // One look at the head of the index for each state, instead of all open attempts.
        "SELECT min(due) FROM (
             SELECT min(due) AS due FROM attempts
             WHERE provider = $1 AND state = 'ARMED' AND bulk = 0
             UNION ALL SELECT min(due) AS due FROM attempts
             WHERE provider = $1 AND state = 'ARMED' AND bulk = 1
             UNION ALL SELECT min(due) AS due FROM attempts
             WHERE provider = $1 AND state = 'SENT'
               AND state IN ('SENT', 'ACCEPTED', 'UNKNOWN')
             UNION ALL SELECT min(due) AS due FROM attempts
             WHERE provider = $1 AND state = 'ACCEPTED'
               AND state IN ('SENT', 'ACCEPTED', 'UNKNOWN')
             UNION ALL SELECT min(due) AS due FROM attempts
             WHERE provider = $1 AND state = 'UNKNOWN'
               AND state IN ('SENT', 'ACCEPTED', 'UNKNOWN')) AS heads",
    )
    .bind(provider)
    .fetch_one(&database.read)
    .await?;
    Ok(due.map(Timestamp))
}
