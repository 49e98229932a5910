//! Writing what a transaction has decided, set by set, on PostgreSQL.

use redress_core::clock::Timestamp;
use redress_core::id::{IdSource, RefundId, TenantId};
use redress_policy::OverrideCode;
use redress_store::{StoreError, idempotency, outbox};
use sqlx::PgConnection;

use super::super::changes::Changes;
use super::super::rows::encode;
use super::super::{RequestRecord, records};
use super::{ledger, orders};
use crate::domain::attempt::{Attempt, Reason};
use crate::domain::quote::Quote;
use crate::domain::refund::Refund;
use crate::events;

/// Writes `changes` in the caller's transaction, its events included.
pub(super) async fn write(
    conn: &mut PgConnection,
    changes: &Changes,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<(), StoreError> {
    insert_refunds(conn, &changes.new_refunds).await?;
    let of_new_refunds = changes.new_refunds.iter().flat_map(|refund| &refund.attempts);
    let new_attempts: Vec<&Attempt> = of_new_refunds.chain(&changes.new_attempts).collect();
    insert_attempts(conn, &new_attempts).await?;
    update_refunds(conn, &changes.refunds).await?;
    update_attempts(conn, &changes.attempts).await?;
    add_to_counters(conn, changes).await?;
    add_to_lines(conn, changes).await?;
    insert_postings(conn, changes, now).await?;
    update_items(conn, changes).await?;
    write_buyer_uses(conn, changes).await?;
    write_quotes(conn, changes, now).await?;
    ledger::insert_audit(conn, &changes.audit).await?;
    let requests = records(&changes.requests, now);
    idempotency::insert_postgres(conn, &requests).await?;
    let events = events::encode_all(&changes.facts, ids, now);
    outbox::append_postgres(conn, &events).await
}

/// Records what a request was answered, in the caller's transaction.
pub(super) async fn record_request(
    conn: &mut PgConnection,
    tenant: &TenantId,
    request: &RequestRecord,
    now: Timestamp,
) -> Result<(), StoreError> {
    idempotency::insert_postgres(conn, &[request.record(tenant, now)]).await
}

/// One column of a set of rows.
fn column<'a, T, C>(rows: &'a [T], value: impl Fn(&'a T) -> C) -> Vec<C> {
    rows.iter().map(value).collect()
}

async fn insert_refunds(conn: &mut PgConnection, refunds: &[Refund]) -> Result<(), StoreError> {
    if refunds.is_empty() {
        return Ok(());
    }
    let lines = refunds.iter().map(|r| encode(&r.lines)).collect::<Result<Vec<_>, _>>()?;
    let repriced = refunds.iter().map(|r| encode(&r.repriced)).collect::<Result<Vec<_>, _>>()?;
    sqlx::query(
        "INSERT INTO refunds (tenant, refund_id, order_id, customer, disruption_id, event_id,
             state, currency, requested, issued, lines, legal_deadline, expected_arrival, reason,
             requester, traceparent, version, created, updated, origin, repriced, override_code,
             approver)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
             $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::bytea[],
             $12::bigint[], $13::bigint[], $14::text[], $15::text[], $16::text[], $17::bigint[],
             $18::bigint[], $19::bigint[], $20::text[], $21::bytea[], $22::text[], $23::text[])",
    )
    .bind(column(refunds, |r| r.tenant.as_str()))
    .bind(column(refunds, |r| r.id.as_str()))
    .bind(column(refunds, |r| r.order.as_str()))
    .bind(column(refunds, |r| r.customer.as_str()))
    .bind(column(refunds, |r| r.disruption.as_ref().map(|d| d.id.as_str())))
    .bind(column(refunds, |r| r.disruption.as_ref().map(|d| d.event.as_str())))
    .bind(column(refunds, |r| r.state.as_str()))
    .bind(column(refunds, |r| r.currency.code()))
    .bind(column(refunds, |r| r.requested))
    .bind(column(refunds, |r| r.issued))
    .bind(lines)
    .bind(column(refunds, |r| r.legal_deadline.0))
    .bind(column(refunds, |r| r.expected_arrival.map(|at| at.0)))
    .bind(column(refunds, |r| r.reason.map(Reason::code)))
    .bind(column(refunds, |r| r.requester.as_str()))
    .bind(column(refunds, |r| r.traceparent.as_deref()))
    .bind(column(refunds, |r| r.version))
    .bind(column(refunds, |r| r.created.0))
    .bind(column(refunds, |r| r.updated.0))
    .bind(column(refunds, |r| r.origin.as_str()))
    .bind(repriced)
    .bind(column(refunds, |r| r.override_code.map(OverrideCode::as_str)))
    .bind(column(refunds, |r| r.approver.as_deref()))
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_attempts(conn: &mut PgConnection, attempts: &[&Attempt]) -> Result<(), StoreError> {
    if attempts.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO attempts (tenant, attempt_id, refund_id, order_id, payment_id, ordinal,
             provider, payment_reference, currency, amount, state, reason, provider_refund, claim,
             due, sent, absences, delays, updated)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
             $6::integer[], $7::text[], $8::text[], $9::text[], $10::bigint[], $11::text[],
             $12::text[], $13::text[], $14::text[], $15::bigint[], $16::bigint[], $17::integer[],
             $18::integer[], $19::bigint[])",
    )
    .bind(column(attempts, |a| a.tenant.as_str()))
    .bind(column(attempts, |a| a.id.as_str()))
    .bind(column(attempts, |a| a.refund.as_str()))
    .bind(column(attempts, |a| a.order.as_str()))
    .bind(column(attempts, |a| a.payment.as_str()))
    .bind(column(attempts, |a| a.ordinal))
    .bind(column(attempts, |a| a.provider.as_str()))
    .bind(column(attempts, |a| a.payment_reference.as_str()))
    .bind(column(attempts, |a| a.currency.code()))
    .bind(column(attempts, |a| a.amount))
    .bind(column(attempts, |a| a.state.as_str()))
    .bind(column(attempts, |a| a.reason.map(Reason::code)))
    .bind(column(attempts, |a| a.provider_refund.as_str()))
    .bind(column(attempts, |a| a.claim.as_str()))
    .bind(column(attempts, |a| a.due.0))
    .bind(column(attempts, |a| a.sent.0))
    .bind(column(attempts, |a| a.absences))
    .bind(column(attempts, |a| a.delays))
    .bind(column(attempts, |a| a.updated.0))
    .execute(conn)
    .await?;
    Ok(())
}

async fn update_attempts(conn: &mut PgConnection, attempts: &[Attempt]) -> Result<(), StoreError> {
    if attempts.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE attempts SET state = v.state, reason = v.reason,
             provider_refund = v.provider_refund, claim = v.claim, due = v.due, sent = v.sent,
             absences = v.absences, delays = v.delays, updated = v.updated
         FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
             $7::bigint[], $8::bigint[], $9::integer[], $10::integer[], $11::bigint[])
             AS v (tenant, attempt_id, state, reason, provider_refund, claim, due, sent, absences,
             delays, updated)
         WHERE attempts.tenant = v.tenant AND attempts.attempt_id = v.attempt_id",
    )
    .bind(column(attempts, |a| a.tenant.as_str()))
    .bind(column(attempts, |a| a.id.as_str()))
    .bind(column(attempts, |a| a.state.as_str()))
    .bind(column(attempts, |a| a.reason.map(Reason::code)))
    .bind(column(attempts, |a| a.provider_refund.as_str()))
    .bind(column(attempts, |a| a.claim.as_str()))
    .bind(column(attempts, |a| a.due.0))
    .bind(column(attempts, |a| a.sent.0))
    .bind(column(attempts, |a| a.absences))
    .bind(column(attempts, |a| a.delays))
    .bind(column(attempts, |a| a.updated.0))
    .execute(conn)
    .await?;
    Ok(())
}

async fn update_refunds(conn: &mut PgConnection, refunds: &[Refund]) -> Result<(), StoreError> {
    if refunds.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE refunds SET state = v.state, issued = v.issued, reason = v.reason,
             version = v.version, updated = v.updated, approver = v.approver
         FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[],
             $7::bigint[], $8::text[])
             AS v (tenant, refund_id, state, issued, reason, version, updated, approver)
         WHERE refunds.tenant = v.tenant AND refunds.refund_id = v.refund_id",
    )
    .bind(column(refunds, |r| r.tenant.as_str()))
    .bind(column(refunds, |r| r.id.as_str()))
    .bind(column(refunds, |r| r.state.as_str()))
    .bind(column(refunds, |r| r.issued))
    .bind(column(refunds, |r| r.reason.map(Reason::code)))
    .bind(column(refunds, |r| r.version))
    .bind(column(refunds, |r| r.updated.0))
    .bind(column(refunds, |r| r.approver.as_deref()))
    .execute(conn)
    .await?;
    Ok(())
}

async fn add_to_counters(conn: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    let rows = &changes.counters;
    if rows.is_empty() {
        return Ok(());
    }
    // Summed first: two attempts of one set may draw on one payment. The mark is only ever lifted
    // here, so that what we reserve ourselves always meets the CHECK.
    sqlx::query(
        "UPDATE payments SET reserved = payments.reserved + v.reserved,
             refunded = payments.refunded + v.refunded,
             overdrawn = payments.overdrawn AND payments.refunded_elsewhere + payments.disputed
                 + payments.reserved + v.reserved + payments.refunded + v.refunded
                 > payments.captured
         FROM (SELECT tenant, order_id, payment_id, sum(reserved)::bigint AS reserved,
                      sum(refunded)::bigint AS refunded
               FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
                   AS u (tenant, order_id, payment_id, reserved, refunded)
               GROUP BY tenant, order_id, payment_id) v
         WHERE payments.tenant = v.tenant AND payments.order_id = v.order_id
           AND payments.payment_id = v.payment_id",
    )
    .bind(column(rows, |row| row.tenant.as_str()))
    .bind(column(rows, |row| row.order.as_str()))
    .bind(column(rows, |row| row.payment.as_str()))
    .bind(column(rows, |row| row.change.reserved))
    .bind(column(rows, |row| row.change.refunded))
    .execute(conn)
    .await?;
    Ok(())
}

async fn add_to_lines(conn: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    let rows = &changes.lines;
    if rows.is_empty() {
        return Ok(());
    }
    // Summed first: two refunds of one set may take of one line. The mark is only ever lifted here.
    sqlx::query(
        "UPDATE order_lines SET committed = order_lines.committed + v.committed,
             refunding = order_lines.refunding + v.refunding,
             committed_units = order_lines.committed_units + v.units,
             repriced = order_lines.repriced + v.repriced,
             over_refunded = order_lines.over_refunded
                 AND (order_lines.committed + v.committed
                          > order_lines.gross + order_lines.repriced + v.repriced
                      OR order_lines.committed_units + v.units > order_lines.units)
         FROM (SELECT tenant, order_id, line_id, sum(committed)::bigint AS committed,
                      sum(refunding)::bigint AS refunding, sum(units)::bigint AS units,
                      sum(repriced)::bigint AS repriced
               FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[],
                   $6::bigint[], $7::bigint[])
                   AS u (tenant, order_id, line_id, committed, refunding, units, repriced)
               GROUP BY tenant, order_id, line_id) v
         WHERE order_lines.tenant = v.tenant AND order_lines.order_id = v.order_id
           AND order_lines.line_id = v.line_id",
    )
    .bind(column(rows, |row| row.tenant.as_str()))
    .bind(column(rows, |row| row.order.as_str()))
    .bind(column(rows, |row| row.change.line_id.as_str()))
    .bind(column(rows, |row| row.change.committed))
    .bind(column(rows, |row| row.change.refunding))
    .bind(column(rows, |row| row.change.units))
    .bind(column(rows, |row| row.change.repriced))
    .execute(conn)
    .await?;
    Ok(())
}

async fn write_buyer_uses(conn: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    let freed = &changes.freed_buyers;
    if !freed.is_empty() {
        sqlx::query(
            "DELETE FROM buyer_refunds
             WHERE (tenant, refund_id) IN (SELECT * FROM UNNEST($1::text[], $2::text[]))",
        )
        .bind(column(freed, |(tenant, _)| tenant.as_str()))
        .bind(column(freed, |(_, refund)| refund.as_str()))
        .execute(&mut *conn)
        .await?;
    }
    let used = &changes.buyer_uses;
    if !used.is_empty() {
        sqlx::query(
            "INSERT INTO buyer_refunds (tenant, customer, event_id, refund_id)
             SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[])",
        )
        .bind(column(used, |row| row.tenant.as_str()))
        .bind(column(used, |row| row.customer.as_str()))
        .bind(column(used, |row| row.event.as_str()))
        .bind(column(used, |row| row.refund.as_str()))
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// Marks stored quotes as accepted, and stores those that are accepted as they are made.
async fn write_quotes(
    conn: &mut PgConnection,
    changes: &Changes,
    now: Timestamp,
) -> Result<(), StoreError> {
    let accepted = &changes.accepted;
    if !accepted.is_empty() {
        sqlx::query(
            "UPDATE quotes SET refund_id = v.refund_id
             FROM UNNEST($1::text[], $2::text[], $3::text[]) AS v (tenant, quote_id, refund_id)
             WHERE quotes.tenant = v.tenant AND quotes.quote_id = v.quote_id",
        )
        .bind(column(accepted, |(tenant, _, _)| tenant.as_str()))
        .bind(column(accepted, |(_, quote, _)| quote.as_str()))
        .bind(column(accepted, |(_, _, refund)| refund.as_str()))
        .execute(&mut *conn)
        .await?;
    }
    for (tenant, quote, refund) in &changes.quotes {
        insert_quote(conn, tenant, quote, Some(refund), now).await?;
    }
    Ok(())
}

/// Stores a quote and pins its order to the policy version, unless it is pinned.
pub(super) async fn insert_quote(
    conn: &mut PgConnection,
    tenant: &TenantId,
    quote: &Quote,
    refund: Option<&RefundId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO quotes (tenant, quote_id, order_id, body, expires, refund_id, created)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(tenant.as_str())
    .bind(quote.id.as_str())
    .bind(quote.order.as_str())
    .bind(encode(quote)?)
    .bind(quote.expires.0)
    .bind(refund.map(RefundId::as_str))
    .bind(now.0)
    .execute(&mut *conn)
    .await?;
    orders::pin(conn, tenant, &quote.order, &quote.policy, quote.policy_version).await
}

async fn insert_postings(
    conn: &mut PgConnection,
    changes: &Changes,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows = &changes.postings;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO postings (tenant, attempt_id, phase, kind, refund_id, debit, credit, currency,
             amount, created)
         SELECT v.*, $10 FROM UNNEST($1::text[], $2::text[], $3::smallint[], $4::text[], $5::text[],
             $6::text[], $7::text[], $8::text[], $9::bigint[]) v",
    )
    .bind(column(rows, |posting| posting.tenant.as_str()))
    .bind(column(rows, |posting| posting.attempt.as_str()))
    .bind(column(rows, |posting| posting.kind.phase()))
    .bind(column(rows, |posting| posting.kind.as_str()))
    .bind(column(rows, |posting| posting.refund.as_str()))
    .bind(column(rows, |posting| posting.debit.as_str()))
    .bind(column(rows, |posting| posting.credit.as_str()))
    .bind(column(rows, |posting| posting.currency.code()))
    .bind(column(rows, |posting| posting.amount))
    .bind(now.0)
    .execute(conn)
    .await?;
    Ok(())
}

async fn update_items(conn: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    let rows = &changes.items;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE disruption_items SET state = v.state, refund_id = v.refund_id, issued = v.issued,
             reason_code = v.reason_code, next_action = v.next_action
         FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[],
             $7::text[], $8::text[]) AS v (tenant, disruption_id, order_id, state, refund_id,
             issued, reason_code, next_action)
         WHERE disruption_items.tenant = v.tenant
           AND disruption_items.disruption_id = v.disruption_id
           AND disruption_items.order_id = v.order_id",
    )
    .bind(column(rows, |item| item.tenant.as_str()))
    .bind(column(rows, |item| item.disruption.as_str()))
    .bind(column(rows, |item| item.order.as_str()))
    .bind(column(rows, |item| item.state.as_str()))
    .bind(column(rows, |item| item.refund.as_ref().map(redress_core::id::RefundId::as_str)))
    .bind(column(rows, |item| item.issued))
    .bind(column(rows, |item| item.needs.reason_code))
    .bind(column(rows, |item| item.needs.next_action))
    .execute(conn)
    .await?;
    Ok(())
}
