//! Attempts on PostgreSQL: who may send or look up which, and what was found.

use redress_core::clock::Timestamp;
use redress_core::id::IdSource;
use redress_store::{PostgresDatabase, StoreError};
use sqlx::PgConnection;

use super::super::Claim;
use super::super::changes::Changes;
use super::super::rows::{AttemptRow, RefundRow, assemble_refunds, attempts_from};
use super::write;
use crate::domain::attempt::Attempt;
use crate::domain::settle::AttemptFinding;

/// Claims in the caller's transaction, which has to be committed before a provider is called. On a
/// lane that is not `held` there is nothing to claim unless the lane is open.
pub(super) async fn claim_to_send(
    conn: &mut PgConnection,
    claim: &Claim<'_>,
    held: bool,
) -> Result<Vec<Attempt>, StoreError> {
    // With their refunds, whose state follows: what a settlement works on is left for later.
    let rows: Vec<AttemptRow> = sqlx::query_as(
        "WITH taken AS MATERIALIZED (
             SELECT a.tenant, a.attempt_id, a.refund_id
             FROM attempts a
             JOIN refunds r ON r.tenant = a.tenant AND r.refund_id = a.refund_id
             WHERE a.provider = $1 AND a.state = 'ARMED' AND a.due <= $3
               AND a.currency <> ALL (ARRAY(
                   SELECT currency FROM lane_funds WHERE provider = $1))
               AND ($6 OR NOT EXISTS (SELECT FROM lanes WHERE provider = $1
                   AND (breaker <> 'CLOSED' OR rests_until > $3)))
             ORDER BY a.bulk, a.due LIMIT $5 FOR NO KEY UPDATE OF a, r SKIP LOCKED
         ), moved AS (
             UPDATE refunds r SET state = 'PROCESSING', version = version + 1, updated = $3
             FROM taken
             WHERE r.tenant = taken.tenant AND r.refund_id = taken.refund_id AND r.state = 'QUEUED')
         UPDATE attempts a
         SET state = 'SENT', claim = $2, due = $4, sent = $3, hinted = 0, updated = $3
         FROM taken WHERE a.tenant = taken.tenant AND a.attempt_id = taken.attempt_id
         RETURNING a.tenant, a.attempt_id, a.refund_id, a.order_id, a.payment_id, a.ordinal,
             a.provider, a.payment_reference, a.currency, a.amount, a.state, a.reason,
             a.provider_refund, a.claim, a.due, a.sent, a.absences, a.delays, a.updated",
    )
    .bind(claim.provider)
    .bind(claim.claim)
    .bind(claim.now.0)
    .bind(claim.now.plus(claim.lease).0)
    .bind(claim.limit)
    .bind(held)
    .fetch_all(&mut *conn)
    .await?;
    attempts_from(rows)
}

pub(super) async fn claim_to_look_up(
    database: &PostgresDatabase,
    claim: &Claim<'_>,
) -> Result<Vec<Attempt>, StoreError> {
    let mut tx = database.begin().await?;
    // A sent attempt that is due has lost its holder: nobody knows what the provider did.
    let rows: Vec<AttemptRow> = sqlx::query_as(
        "WITH taken AS MATERIALIZED (
             SELECT tenant, attempt_id FROM attempts
             WHERE provider = $1 AND state IN ('SENT', 'ACCEPTED', 'UNKNOWN') AND due <= $3
             ORDER BY due LIMIT $5 FOR NO KEY UPDATE SKIP LOCKED)
         UPDATE attempts a
         SET state = CASE a.state WHEN 'SENT' THEN 'UNKNOWN' ELSE a.state END, claim = $2,
             due = $4, hinted = 0, updated = $3
         FROM taken WHERE a.tenant = taken.tenant AND a.attempt_id = taken.attempt_id
         RETURNING a.tenant, a.attempt_id, a.refund_id, a.order_id, a.payment_id, a.ordinal,
             a.provider, a.payment_reference, a.currency, a.amount, a.state, a.reason,
             a.provider_refund, a.claim, a.due, a.sent, a.absences, a.delays, a.updated",
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

/// The refunds of the attempts `$2` of the tenants `$1`, locked until the end of the transaction in
/// the order of their keys. Who has waited for a lock is given the row as it is then.
const REFUNDS_HELD: &str =
    "SELECT r.tenant, r.refund_id, r.order_id, r.customer, r.disruption_id, r.event_id, r.origin,
            r.state, r.currency, r.requested, r.issued, r.lines, r.repriced, r.override_code,
            r.legal_deadline, r.clock_start, r.clock_zone, r.clock_law, r.clock_law_uri,
            r.clock_earliest, r.expected_arrival, r.reason, r.requester, r.approver,
            r.traceparent, r.version, r.created, r.updated
     FROM refunds r
     WHERE (r.tenant, r.refund_id) IN (
         SELECT a.tenant, a.refund_id
         FROM UNNEST($1::text[], $2::text[]) AS k (tenant, id)
         JOIN attempts a ON a.tenant = k.tenant AND a.attempt_id = k.id)
     ORDER BY r.refund_id FOR NO KEY UPDATE";

/// All attempts of the refunds `$2` of the tenants `$1`, which are held, locked together with the
/// payments that they draw on, in the order of the payments' keys.
const ATTEMPTS_HELD: &str =
    "SELECT a.tenant, a.attempt_id, a.refund_id, a.order_id, a.payment_id, a.ordinal, a.provider,
            a.payment_reference, a.currency, a.amount, a.state, a.reason, a.provider_refund,
            a.claim, a.due, a.sent, a.absences, a.delays, a.updated
     FROM attempts a
     JOIN payments p ON p.tenant = a.tenant AND p.order_id = a.order_id
         AND p.payment_id = a.payment_id
     WHERE (a.tenant, a.refund_id) IN (SELECT * FROM UNNEST($1::text[], $2::text[]))
     ORDER BY p.order_id, p.payment_id, p.tenant, a.ordinal FOR NO KEY UPDATE";

pub(super) async fn settle(
    database: &PostgresDatabase,
    findings: &[AttemptFinding],
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let (tenants, attempts): (Vec<&str>, Vec<&str>) =
        findings.iter().map(|f| (f.tenant.as_str(), f.attempt.as_str())).unzip();
    let mut tx = database.begin().await?;
    let refunds: Vec<RefundRow> =
        sqlx::query_as(REFUNDS_HELD).bind(&tenants).bind(&attempts).fetch_all(&mut *tx).await?;
    // A look-up may be taking over an attempt whose lease has run out: who comes second sees it.
    let (tenants, ids_of_refunds): (Vec<&str>, Vec<&str>) =
        refunds.iter().map(|row| (row.tenant.as_str(), row.refund_id.as_str())).unzip();
    let attempts: Vec<AttemptRow> = sqlx::query_as(ATTEMPTS_HELD)
        .bind(&tenants)
        .bind(&ids_of_refunds)
        .fetch_all(&mut *tx)
        .await?;
    let held = assemble_refunds(refunds, attempts)?;
    let mut changes = Changes::default();
    let applied = changes.settle(held, findings, ids, now);
    write::write(&mut tx, &changes, ids, now).await?;
    database.commit(tx).await?;
    Ok(applied)
}

/// Locks refunds until the end of the transaction, in the order of their keys.
pub(super) async fn lock_refunds(
    conn: &mut PgConnection,
    tenants: &[&str],
    refunds: &[&str],
) -> Result<(), StoreError> {
    sqlx::query(
        "SELECT 1 FROM refunds r
         WHERE (r.tenant, r.refund_id) IN (SELECT * FROM UNNEST($1::text[], $2::text[]))
         ORDER BY r.refund_id FOR NO KEY UPDATE",
    )
    .bind(tenants)
    .bind(refunds)
    .execute(conn)
    .await?;
    Ok(())
}

/// Locks the attempts of refunds until the end of the transaction, in the order of their keys.
pub(super) async fn lock_attempts(
    conn: &mut PgConnection,
    tenants: &[&str],
    refunds: &[&str],
) -> Result<(), StoreError> {
    sqlx::query(
        "SELECT 1 FROM attempts a
         WHERE (a.tenant, a.refund_id) IN (SELECT * FROM UNNEST($1::text[], $2::text[]))
         ORDER BY a.attempt_id FOR NO KEY UPDATE",
    )
    .bind(tenants)
    .bind(refunds)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn hint(
    database: &PostgresDatabase,
    provider: &str,
    provider_refund: &str,
    attempt: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut tx = database.begin().await?;
    // Whoever holds it may have asked before there was news, so that it is due again when they let
    // go of it.
    let hinted = sqlx::query(
        "WITH hinted AS MATERIALIZED (
             SELECT tenant, attempt_id FROM attempts
             WHERE provider = $1 AND state IN ('SENT', 'ACCEPTED', 'UNKNOWN')
               AND ((provider_refund <> '' AND provider_refund = $2) OR attempt_id = $4)
             ORDER BY attempt_id FOR NO KEY UPDATE)
         UPDATE attempts a
         SET due = CASE a.claim WHEN '' THEN $3 ELSE a.due END,
             hinted = CASE a.claim WHEN '' THEN 0 ELSE 1 END
         FROM hinted WHERE a.tenant = hinted.tenant AND a.attempt_id = hinted.attempt_id",
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
    database: &PostgresDatabase,
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
    .fetch_optional(&database.pool)
    .await?;
    row.map(AttemptRow::into_attempt).transpose()
}

pub(super) async fn next_due(
    database: &PostgresDatabase,
    provider: &str,
) -> Result<Option<Timestamp>, StoreError> {
    let due: Option<i64> = sqlx::query_scalar(
        // One look at the head of an index for each kind, instead of all open attempts.
        "SELECT min(due) FROM (
             SELECT min(due) AS due FROM attempts
             WHERE provider = $1 AND state = 'ARMED' AND bulk = 0
             UNION ALL SELECT min(due) AS due FROM attempts
             WHERE provider = $1 AND state = 'ARMED' AND bulk = 1
             UNION ALL SELECT min(due) AS due FROM attempts
             WHERE provider = $1 AND state = 'SENT'
             UNION ALL SELECT min(due) AS due FROM attempts
             WHERE provider = $1 AND state = 'ACCEPTED'
             UNION ALL SELECT min(due) AS due FROM attempts
             WHERE provider = $1 AND state = 'UNKNOWN') AS heads",
    )
    .bind(provider)
    .fetch_one(&database.pool)
    .await?;
    Ok(due.map(Timestamp))
}
