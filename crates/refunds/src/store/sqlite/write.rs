//! Writing what a transaction has decided, set by set, on SQLite.

use redress_core::clock::Timestamp;
use redress_core::id::{IdSource, TenantId};
use redress_policy::OverrideCode;
use redress_store::{StoreError, idempotency, outbox};
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::super::changes::Changes;
use super::super::rows::{encode_quote, encode_rows};
use super::super::{RequestRecord, records};
use super::{ledger, orders};
use crate::domain::attempt::Attempt;
use crate::domain::deadline::ClockState;
use crate::domain::quote::Quote;
use crate::domain::refund::Refund;
use crate::events;

/// Writes `changes` in the caller's transaction, its events included.
pub(super) async fn write(
    conn: &mut SqliteConnection,
    changes: &Changes,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<(), StoreError> {
    for (tenant, quote) in &changes.quotes {
        insert_quote(conn, tenant, quote, now).await?;
    }
    insert_refunds(conn, changes).await?;
    insert_attempts(conn, &changes.attempts_to_insert()).await?;
    update_refunds(conn, &changes.refunds).await?;
    update_attempts(conn, &changes.attempts).await?;
    add_to_counters(conn, changes).await?;
    add_to_lines(conn, changes).await?;
    insert_postings(conn, changes, now).await?;
    update_items(conn, changes).await?;
    write_buyer_uses(conn, changes).await?;
    ledger::insert_audit(conn, &changes.audit).await?;
    let requests = records(&changes.requests, now);
    idempotency::insert_sqlite(conn, &requests).await?;
    let events = events::encode_all(&changes.facts, ids, now);
    outbox::append_sqlite(conn, &events).await
}

/// Records what a request was answered, in the caller's transaction.
pub(super) async fn record_request(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    request: &RequestRecord,
    now: Timestamp,
) -> Result<(), StoreError> {
    idempotency::insert_sqlite(conn, &[request.record(tenant, now)]).await
}

/// Runs a statement whose second and last parameter is its rows; nothing when there are none.
async fn execute(
    conn: &mut SqliteConnection,
    statement: &'static str,
    rows: &[Value],
) -> Result<(), StoreError> {
    if !rows.is_empty() {
        sqlx::query(statement).bind(encode_rows(rows)?).execute(conn).await?;
    }
    Ok(())
}

async fn insert_refunds(conn: &mut SqliteConnection, changes: &Changes) -> Result<(), StoreError> {
    let rows: Vec<Value> = changes
        .new_refunds
        .iter()
        .map(|refund| {
            json!({
                "tenant": refund.tenant,
                "refund_id": refund.id,
                "order_id": refund.order,
                "quote_id": changes.accepted.get(&refund.id),
                "customer": refund.customer,
                "disruption_id": refund.disruption.as_ref().map(|d| &d.id),
                "event_id": refund.disruption.as_ref().map(|d| &d.event),
                "origin": refund.origin.as_str(),
                "state": refund.state.as_str(),
                "currency": refund.currency,
                "requested": refund.requested,
                "issued": refund.issued,
                "lines": refund.lines,
                "repriced": refund.repriced,
                "override_code": refund.override_code.map(OverrideCode::as_str),
                "legal_deadline": refund.legal_clock.due.0,
                "clock_start": refund.legal_clock.start.0,
                "clock_zone": refund.legal_clock.time_zone,
                "clock_law": refund.legal_clock.law.title,
                "clock_law_uri": refund.legal_clock.law.uri,
                "clock_earliest": refund.legal_clock.uncertainty.is_some(),
                "deadline_state": ClockState::first(refund.state).code(),
                "expected_arrival": refund.expected_arrival.map(|at| at.0),
                "reason": refund.reason.map(crate::domain::attempt::Reason::code),
                "requester": refund.requester,
                "approver": refund.approver,
                "traceparent": refund.traceparent,
                "version": refund.version,
                "created": refund.created.0,
                "updated": refund.updated.0,
            })
        })
        .collect();
    execute(
        conn,
        "INSERT INTO refunds (tenant, refund_id, order_id, quote_id, customer, disruption_id,
             event_id, origin, state, currency, requested, issued, lines, repriced, override_code,
             legal_deadline, expected_arrival, reason, requester, approver, traceparent, version,
             created, updated, clock_start, clock_zone, clock_law, clock_law_uri,
             clock_earliest, deadline_state)
         SELECT value->>'tenant', value->>'refund_id', value->>'order_id', value->>'quote_id',
             value->>'customer', value->>'disruption_id', value->>'event_id', value->>'origin', value->>'state',
             value->>'currency', value->>'requested', value->>'issued',
             CAST(value->>'lines' AS BLOB), CAST(value->>'repriced' AS BLOB),
             value->>'override_code', value->>'legal_deadline', value->>'expected_arrival',
             value->>'reason', value->>'requester', value->>'approver', value->>'traceparent',
             value->>'version', value->>'created', value->>'updated', value->>'clock_start',
             value->>'clock_zone', value->>'clock_law', value->>'clock_law_uri',
             value->>'clock_earliest', value->>'deadline_state'
         FROM jsonb_each($1)",
        &rows,
    )
    .await
}

async fn insert_attempts(
    conn: &mut SqliteConnection,
    attempts: &[(&Attempt, bool)],
) -> Result<(), StoreError> {
    let rows: Vec<Value> = attempts
        .iter()
        .map(|(attempt, bulk)| {
            let mut row = changing_columns(attempt);
            row["refund_id"] = json!(attempt.refund);
            row["order_id"] = json!(attempt.order);
            row["payment_id"] = json!(attempt.payment);
            row["ordinal"] = json!(attempt.ordinal);
            row["provider"] = json!(attempt.provider);
            row["payment_reference"] = json!(attempt.payment_reference);
            row["currency"] = json!(attempt.currency);
            row["amount"] = json!(attempt.amount);
            row["bulk"] = json!(i16::from(*bulk));
            row
        })
        .collect();
    execute(
        conn,
        "INSERT INTO attempts (tenant, attempt_id, refund_id, order_id, payment_id, ordinal,
             provider, payment_reference, currency, amount, state, reason, provider_refund, claim,
             due, sent, absences, delays, updated, bulk)
         SELECT value->>'tenant', value->>'attempt_id', value->>'refund_id', value->>'order_id',
             value->>'payment_id', value->>'ordinal', value->>'provider',
             value->>'payment_reference', value->>'currency', value->>'amount', value->>'state',
             value->>'reason', value->>'provider_refund', value->>'claim', value->>'due',
             value->>'sent', value->>'absences', value->>'delays', value->>'updated',
             value->>'bulk'
         FROM jsonb_each($1)",
        &rows,
    )
    .await
}

/// The key of an attempt and the columns that change during its life.
fn changing_columns(attempt: &Attempt) -> Value {
    json!({
        "tenant": attempt.tenant,
        "attempt_id": attempt.id,
        "state": attempt.state.as_str(),
        "reason": attempt.reason.map(crate::domain::attempt::Reason::code),
        "provider_refund": attempt.provider_refund,
        "claim": attempt.claim,
        "due": attempt.due.0,
        "sent": attempt.sent.0,
        "absences": attempt.absences,
        "delays": attempt.delays,
        "updated": attempt.updated.0,
    })
}

/// A hint that came while the attempt was held makes it due now, whatever its holder found.
async fn update_attempts(
    conn: &mut SqliteConnection,
    attempts: &[Attempt],
) -> Result<(), StoreError> {
    let rows: Vec<Value> = attempts.iter().map(changing_columns).collect();
    execute(
        conn,
        "UPDATE attempts SET state = v.value->>'state', reason = v.value->>'reason',
             provider_refund = v.value->>'provider_refund', claim = v.value->>'claim',
             due = CASE WHEN hinted = 1 AND v.value->>'state' IN ('ACCEPTED', 'UNKNOWN')
                        THEN v.value->>'updated' ELSE v.value->>'due' END, hinted = 0,
             sent = v.value->>'sent', absences = v.value->>'absences',
             delays = v.value->>'delays', updated = v.value->>'updated'
         FROM jsonb_each($1) v
         WHERE attempts.tenant = v.value->>'tenant'
           AND attempts.attempt_id = v.value->>'attempt_id'",
        &rows,
    )
    .await
}

async fn update_refunds(conn: &mut SqliteConnection, refunds: &[Refund]) -> Result<(), StoreError> {
    let rows: Vec<Value> = refunds
        .iter()
        .map(|refund| {
            json!({
                "tenant": refund.tenant,
                "refund_id": refund.id,
                "state": refund.state.as_str(),
                "issued": refund.issued,
                "reason": refund.reason.map(crate::domain::attempt::Reason::code),
                "approver": refund.approver,
                "version": refund.version,
                "updated": refund.updated.0,
                "is_open": refund.state.is_open(),
            })
        })
        .collect();
    execute(
        conn,
        "UPDATE refunds SET state = v.value->>'state', issued = v.value->>'issued',
             reason = v.value->>'reason', approver = v.value->>'approver',
             version = v.value->>'version', updated = v.value->>'updated',
             deadline_state = CASE WHEN v.value->>'is_open' THEN deadline_state ELSE 3 END
         FROM jsonb_each($1) v
         WHERE refunds.tenant = v.value->>'tenant' AND refunds.refund_id = v.value->>'refund_id'",
        &rows,
    )
    .await
}

async fn add_to_counters(conn: &mut SqliteConnection, changes: &Changes) -> Result<(), StoreError> {
    let rows: Vec<Value> = changes
        .counters
        .iter()
        .map(|row| {
            json!({
                "tenant": row.tenant,
                "order_id": row.order,
                "payment_id": row.payment,
                "reserved": row.change.reserved,
                "refunded": row.change.refunded,
            })
        })
        .collect();
    // Summed first: two attempts of one set may draw on one payment. The mark is only ever lifted
    // here, so that what we reserve ourselves always meets the CHECK.
    execute(
        conn,
        "UPDATE payments SET reserved = payments.reserved + v.reserved,
             refunded = payments.refunded + v.refunded,
             overdrawn = payments.overdrawn AND payments.refunded_elsewhere + payments.disputed
                 + payments.reserved + v.reserved + payments.refunded + v.refunded
                 > payments.captured
         FROM (SELECT value->>'tenant' AS tenant, value->>'order_id' AS order_id,
                      value->>'payment_id' AS payment_id, sum(value->>'reserved') AS reserved,
                      sum(value->>'refunded') AS refunded
               FROM jsonb_each($1) GROUP BY 1, 2, 3) v
         WHERE payments.tenant = v.tenant AND payments.order_id = v.order_id
           AND payments.payment_id = v.payment_id",
        &rows,
    )
    .await
}

async fn add_to_lines(conn: &mut SqliteConnection, changes: &Changes) -> Result<(), StoreError> {
    let rows: Vec<Value> = changes
        .lines
        .iter()
        .map(|row| {
            json!({
                "tenant": row.tenant,
                "order_id": row.order,
                "line_id": row.change.line_id,
                "committed": row.change.committed,
                "refunding": row.change.refunding,
                "units": row.change.units,
                "repriced": row.change.repriced,
            })
        })
        .collect();
    // Summed first: two refunds of one set may take of one line. The mark is only ever lifted here.
    execute(
        conn,
        "UPDATE order_lines SET committed = order_lines.committed + v.committed,
             refunding = order_lines.refunding + v.refunding,
             committed_units = order_lines.committed_units + v.units,
             repriced = order_lines.repriced + v.repriced,
             over_refunded = order_lines.over_refunded
                 AND (order_lines.committed + v.committed
                          > order_lines.gross + order_lines.repriced + v.repriced
                      OR order_lines.committed_units + v.units > order_lines.units)
         FROM (SELECT value->>'tenant' AS tenant, value->>'order_id' AS order_id,
                      value->>'line_id' AS line_id, sum(value->>'committed') AS committed,
                      sum(value->>'refunding') AS refunding, sum(value->>'units') AS units,
                      sum(value->>'repriced') AS repriced
               FROM jsonb_each($1) GROUP BY 1, 2, 3) v
         WHERE order_lines.tenant = v.tenant AND order_lines.order_id = v.order_id
           AND order_lines.line_id = v.line_id",
        &rows,
    )
    .await
}

async fn write_buyer_uses(
    conn: &mut SqliteConnection,
    changes: &Changes,
) -> Result<(), StoreError> {
    let freed: Vec<Value> =
        changes.freed_buyers.iter().map(|(tenant, refund)| json!([tenant, refund])).collect();
    execute(
        conn,
        "DELETE FROM buyer_refunds
         WHERE (tenant, refund_id) IN (SELECT value->>0, value->>1 FROM jsonb_each($1))",
        &freed,
    )
    .await?;
    let taken = changes.buyer_uses.iter();
    let used: Vec<Value> =
        taken.map(|row| json!([row.tenant, row.customer, row.event, row.refund])).collect();
    execute(
        conn,
        "INSERT INTO buyer_refunds (tenant, customer, event_id, refund_id)
         SELECT value->>0, value->>1, value->>2, value->>3 FROM jsonb_each($1)",
        &used,
    )
    .await
}

/// Stores a quote and pins its order to the policy version, unless it is pinned.
pub(super) async fn insert_quote(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    quote: &Quote,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO quotes (tenant, quote_id, order_id, body, expires, created)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(tenant.as_str())
    .bind(quote.id.as_str())
    .bind(quote.order.as_str())
    .bind(encode_quote(quote)?)
    .bind(quote.expires.0)
    .bind(now.0)
    .execute(&mut *conn)
    .await?;
    orders::pin(conn, tenant, &quote.order, &quote.policy, quote.policy_version).await
}

async fn insert_postings(
    conn: &mut SqliteConnection,
    changes: &Changes,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows: Vec<Value> = changes
        .postings
        .iter()
        .map(|posting| {
            json!({
                "tenant": posting.tenant,
                "attempt_id": posting.attempt,
                "phase": posting.kind.phase(),
                "kind": posting.kind.as_str(),
                "refund_id": posting.refund,
                "debit": posting.debit,
                "credit": posting.credit,
                "currency": posting.currency,
                "amount": posting.amount,
                "created": now.0,
            })
        })
        .collect();
    execute(
        conn,
        "INSERT INTO postings (tenant, attempt_id, phase, kind, refund_id, debit, credit, currency,
             amount, created)
         SELECT value->>'tenant', value->>'attempt_id', value->>'phase', value->>'kind',
             value->>'refund_id', value->>'debit', value->>'credit', value->>'currency',
             value->>'amount', value->>'created'
         FROM jsonb_each($1)",
        &rows,
    )
    .await
}

async fn update_items(conn: &mut SqliteConnection, changes: &Changes) -> Result<(), StoreError> {
    let rows: Vec<Value> = changes
        .items
        .iter()
        .map(|item| {
            json!({
                "tenant": item.tenant,
                "disruption_id": item.disruption,
                "order_id": item.order,
                "state": item.state.as_str(),
                "refund_id": item.refund,
                "issued": item.issued,
                "reason_code": item.needs.reason_code,
                "next_action": item.needs.next_action,
            })
        })
        .collect();
    execute(
        conn,
        "UPDATE disruption_items SET state = v.value->>'state', refund_id = v.value->>'refund_id',
             issued = v.value->>'issued', reason_code = v.value->>'reason_code',
             next_action = v.value->>'next_action'
         FROM jsonb_each($1) v
         WHERE disruption_items.tenant = v.value->>'tenant'
           AND disruption_items.disruption_id = v.value->>'disruption_id'
           AND disruption_items.order_id = v.value->>'order_id'",
        &rows,
    )
    .await
}
