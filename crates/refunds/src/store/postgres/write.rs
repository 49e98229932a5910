//! Writing what a transaction has decided, set by set, on PostgreSQL.

use redress_core::clock::Timestamp;
use redress_core::id::{IdSource, QuoteId, TenantId};
use redress_policy::OverrideCode;
use redress_store::{StoreError, Writes, idempotency, outbox};
use sqlx::PgConnection;

use super::super::changes::Changes;
use super::super::rows::{encode, encode_quote};
use super::super::{RequestRecord, records};
use super::ledger;
use crate::domain::attempt::{Attempt, Reason};
use crate::domain::deadline::ClockState;
use crate::domain::quote::Quote;
use crate::domain::refund::Refund;
use crate::events;

/// Writes `changes` in the caller's transaction, its events included, with one statement: the
/// transaction holds what the changes and the events speak of.
pub(super) async fn write(
    conn: &mut PgConnection,
    changes: &Changes,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut writes = Writes::default();
    insert_refunds(&mut writes, changes)?;
    insert_attempts(&mut writes, &changes.attempts_to_insert());
    update_refunds(&mut writes, &changes.refunds);
    update_attempts(&mut writes, &changes.attempts);
    add_to_counters(&mut writes, changes);
    add_to_lines(&mut writes, changes);
    insert_postings(&mut writes, changes, now);
    update_items(&mut writes, changes);
    write_buyer_uses(&mut writes, changes);
    push_quotes(&mut writes, &column(&changes.quotes, |(tenant, quote)| (tenant, quote)), now)?;
    ledger::push_audit(&mut writes, &changes.audit)?;
    idempotency::push(&mut writes, &records(&changes.requests, now));
    outbox::push(&mut writes, &events::encode_all(&changes.facts, ids, now));
    writes.execute(conn).await
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

fn insert_refunds(writes: &mut Writes, changes: &Changes) -> Result<(), StoreError> {
    let refunds = &changes.new_refunds;
    if refunds.is_empty() {
        return Ok(());
    }
    let lines = refunds.iter().map(|r| encode(&r.lines)).collect::<Result<Vec<_>, _>>()?;
    let repriced = refunds.iter().map(|r| encode(&r.repriced)).collect::<Result<Vec<_>, _>>()?;
    writes
        .push(
            "INSERT INTO refunds (tenant, refund_id, order_id, customer, disruption_id, event_id,
             state, currency, requested, issued, lines, legal_deadline, expected_arrival, reason,
             requester, traceparent, version, created, updated, origin, repriced, override_code,
             approver, quote_id, clock_start, clock_zone, clock_law, clock_law_uri,
             clock_earliest, deadline_state)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
             $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::bytea[],
             $12::bigint[], $13::bigint[], $14::text[], $15::text[], $16::text[], $17::bigint[],
             $18::bigint[], $19::bigint[], $20::text[], $21::bytea[], $22::text[], $23::text[],
             $24::text[], $25::bigint[], $26::text[], $27::text[], $28::text[], $29::boolean[],
             $30::smallint[])",
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
        .bind(column(refunds, |r| r.legal_clock.due.0))
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
        .bind(column(refunds, |r| changes.accepted.get(&r.id).map(QuoteId::as_str)))
        .bind(column(refunds, |r| r.legal_clock.start.0))
        .bind(column(refunds, |r| r.legal_clock.time_zone.as_str()))
        .bind(column(refunds, |r| r.legal_clock.law.title.as_str()))
        .bind(column(refunds, |r| r.legal_clock.law.uri.as_str()))
        .bind(column(refunds, |r| r.legal_clock.uncertainty.is_some()))
        .bind(column(refunds, |r| ClockState::first(r.state).code()));
    Ok(())
}

fn insert_attempts(writes: &mut Writes, attempts: &[(&Attempt, bool)]) {
    if attempts.is_empty() {
        return;
    }
    writes
        .push(
            "INSERT INTO attempts (tenant, attempt_id, refund_id, order_id, payment_id, ordinal,
             provider, payment_reference, currency, amount, state, reason, provider_refund, claim,
             due, sent, absences, delays, updated, bulk)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
             $6::integer[], $7::text[], $8::text[], $9::text[], $10::bigint[], $11::text[],
             $12::text[], $13::text[], $14::text[], $15::bigint[], $16::bigint[], $17::integer[],
             $18::integer[], $19::bigint[], $20::smallint[])",
        )
        .bind(column(attempts, |(a, _)| a.tenant.as_str()))
        .bind(column(attempts, |(a, _)| a.id.as_str()))
        .bind(column(attempts, |(a, _)| a.refund.as_str()))
        .bind(column(attempts, |(a, _)| a.order.as_str()))
        .bind(column(attempts, |(a, _)| a.payment.as_str()))
        .bind(column(attempts, |(a, _)| a.ordinal))
        .bind(column(attempts, |(a, _)| a.provider.as_str()))
        .bind(column(attempts, |(a, _)| a.payment_reference.as_str()))
        .bind(column(attempts, |(a, _)| a.currency.code()))
        .bind(column(attempts, |(a, _)| a.amount))
        .bind(column(attempts, |(a, _)| a.state.as_str()))
        .bind(column(attempts, |(a, _)| a.reason.map(Reason::code)))
        .bind(column(attempts, |(a, _)| a.provider_refund.as_str()))
        .bind(column(attempts, |(a, _)| a.claim.as_str()))
        .bind(column(attempts, |(a, _)| a.due.0))
        .bind(column(attempts, |(a, _)| a.sent.0))
        .bind(column(attempts, |(a, _)| a.absences))
        .bind(column(attempts, |(a, _)| a.delays))
        .bind(column(attempts, |(a, _)| a.updated.0))
        .bind(column(attempts, |(_, bulk)| i16::from(*bulk)));
}

/// A hint that came while the attempt was held makes it due now, whatever its holder found.
fn update_attempts(writes: &mut Writes, attempts: &[Attempt]) {
    if attempts.is_empty() {
        return;
    }
    writes
        .push(
            "UPDATE attempts SET state = v.state, reason = v.reason,
             provider_refund = v.provider_refund, claim = v.claim, sent = v.sent,
             due = CASE WHEN hinted = 1 AND v.state IN ('ACCEPTED', 'UNKNOWN') THEN v.updated
                        ELSE v.due END, hinted = 0,
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
        .bind(column(attempts, |a| a.updated.0));
}

fn update_refunds(writes: &mut Writes, refunds: &[Refund]) {
    if refunds.is_empty() {
        return;
    }
    writes
        .push(
            "UPDATE refunds SET state = v.state, issued = v.issued, reason = v.reason,
             version = v.version, updated = v.updated, approver = v.approver,
             deadline_state = CASE WHEN v.is_open THEN deadline_state ELSE 3 END
         FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[],
             $7::bigint[], $8::text[], $9::boolean[])
             AS v (tenant, refund_id, state, issued, reason, version, updated, approver, is_open)
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
        .bind(column(refunds, |r| r.state.is_open()));
}

fn add_to_counters(writes: &mut Writes, changes: &Changes) {
    let rows = &changes.counters;
    if rows.is_empty() {
        return;
    }
    // Summed first: two attempts of one set may draw on one payment. The mark is only ever lifted
    // here, so that what we reserve ourselves always meets the CHECK.
    writes
        .push(
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
        .bind(column(rows, |row| row.change.refunded));
}

fn add_to_lines(writes: &mut Writes, changes: &Changes) {
    let rows = &changes.lines;
    if rows.is_empty() {
        return;
    }
    // Summed first: two refunds of one set may take of one line. The mark is only ever lifted here.
    writes
        .push(
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
        .bind(column(rows, |row| row.change.repriced));
}

fn write_buyer_uses(writes: &mut Writes, changes: &Changes) {
    let freed = &changes.freed_buyers;
    if !freed.is_empty() {
        writes
            .push(
                "DELETE FROM buyer_refunds
             WHERE (tenant, refund_id) IN (SELECT * FROM UNNEST($1::text[], $2::text[]))",
            )
            .bind(column(freed, |(tenant, _)| tenant.as_str()))
            .bind(column(freed, |(_, refund)| refund.as_str()));
    }
    let used = &changes.buyer_uses;
    if !used.is_empty() {
        writes
            .push(
                "INSERT INTO buyer_refunds (tenant, customer, event_id, refund_id)
             SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[])",
            )
            .bind(column(used, |row| row.tenant.as_str()))
            .bind(column(used, |row| row.customer.as_str()))
            .bind(column(used, |row| row.event.as_str()))
            .bind(column(used, |row| row.refund.as_str()));
    }
}

/// Adds the insertion of quotes to a statement, and pins their orders to the policy versions that
/// they were priced under, unless they are pinned.
pub(super) fn push_quotes(
    writes: &mut Writes,
    quotes: &[(&TenantId, &Quote)],
    now: Timestamp,
) -> Result<(), StoreError> {
    if quotes.is_empty() {
        return Ok(());
    }
    let bodies =
        quotes.iter().map(|(_, quote)| encode_quote(quote)).collect::<Result<Vec<_>, _>>()?;
    writes
        .push(
            "INSERT INTO quotes (tenant, quote_id, order_id, body, expires, created)
             SELECT v.*, $6 FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bytea[],
                 $5::bigint[]) v",
        )
        .bind(column(quotes, |(tenant, _)| tenant.as_str()))
        .bind(column(quotes, |(_, quote)| quote.id.as_str()))
        .bind(column(quotes, |(_, quote)| quote.order.as_str()))
        .bind(bodies)
        .bind(column(quotes, |(_, quote)| quote.expires.0))
        .bind(now.0);
    writes
        .push(
            "UPDATE orders SET pinned_policy = v.policy, policy_version = v.version
             FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[])
                 AS v (tenant, order_id, policy, version)
             WHERE orders.tenant = v.tenant AND orders.order_id = v.order_id
               AND orders.policy_version IS NULL",
        )
        .bind(column(quotes, |(tenant, _)| tenant.as_str()))
        .bind(column(quotes, |(_, quote)| quote.order.as_str()))
        .bind(column(quotes, |(_, quote)| quote.policy.as_str()))
        .bind(column(quotes, |(_, quote)| quote.policy_version));
    Ok(())
}

fn insert_postings(writes: &mut Writes, changes: &Changes, now: Timestamp) {
    let rows = &changes.postings;
    if rows.is_empty() {
        return;
    }
    writes.push(
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
    .bind(now.0);
}

fn update_items(writes: &mut Writes, changes: &Changes) {
    let rows = &changes.items;
    if rows.is_empty() {
        return;
    }
    writes.push(
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
    .bind(column(rows, |item| item.needs.next_action));
}
