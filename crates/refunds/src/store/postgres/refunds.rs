//! Quotes, refunds and the books on PostgreSQL.

use redress_core::clock::Timestamp;
use redress_core::id::{QuoteId, RefundId, TenantId};
use redress_store::{Database, PostgresDatabase, StoreError, Writes, idempotency};
use sqlx::PgConnection;

use super::super::rows::{AttemptRow, QuoteRow, RefundRow, SumsRow, assemble_refunds, quotes_of};
use super::super::{Listed, Page, RefundFilter, RequestRecord, StoredQuote, StoredReply};
use super::write;
use crate::domain::ledger::CurrencySums;
use crate::domain::quote::Quote;
use crate::domain::refund::Refund;

pub(super) async fn replay(
    database: &PostgresDatabase,
    tenant: &TenantId,
    method: &'static str,
    request_id: &str,
) -> Result<Option<StoredReply>, StoreError> {
    let key = idempotency::RequestKey { tenant, method, request_id };
    let record = idempotency::find(&Database::Postgres(database.clone()), key).await?;
    Ok(record
        .map(|record| StoredReply { fingerprint: record.fingerprint, response: record.response }))
}

pub(super) async fn create_quote(
    database: &PostgresDatabase,
    tenant: &TenantId,
    quote: &Quote,
    request: &RequestRecord,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut tx = database.begin().await?;
    let mut writes = Writes::default();
    write::push_quotes(&mut writes, &[(tenant, quote)], now)?;
    idempotency::push(&mut writes, &[request.record(tenant, now)]);
    writes.execute(&mut tx).await?;
    database.commit(tx).await
}

pub(super) async fn quotes(
    database: &PostgresDatabase,
    keys: &[(TenantId, QuoteId)],
) -> Result<Vec<Option<StoredQuote>>, StoreError> {
    let (tenants, ids): (Vec<&str>, Vec<&str>) =
        keys.iter().map(|(tenant, id)| (tenant.as_str(), id.as_str())).unzip();
    let rows: Vec<QuoteRow> = sqlx::query_as(
        "SELECT q.tenant, q.quote_id, q.body, q.created, r.refund_id, o.customer
         FROM UNNEST($1::text[], $2::text[]) AS k (tenant, id)
         JOIN quotes q ON q.tenant = k.tenant AND q.quote_id = k.id
         JOIN orders o ON o.tenant = q.tenant AND o.order_id = q.order_id
         LEFT JOIN refunds r ON r.tenant = q.tenant AND r.quote_id = q.quote_id",
    )
    .bind(tenants)
    .bind(ids)
    .fetch_all(&database.pool)
    .await?;
    quotes_of(keys, rows)
}

/// Refunds with their attempts, as the connection sees them, by tenant and id.
pub(super) async fn load(
    conn: &mut PgConnection,
    keys: &[(&str, &str)],
) -> Result<Vec<Refund>, StoreError> {
    let (tenants, ids): (Vec<&str>, Vec<&str>) = keys.iter().copied().unzip();
    let refunds: Vec<RefundRow> = sqlx::query_as(
        "SELECT r.tenant, r.refund_id, r.order_id, r.customer, r.disruption_id, r.event_id, r.origin,
                r.state, r.currency, r.requested, r.issued, r.lines, r.repriced, r.override_code,
                r.legal_deadline, r.clock_start, r.clock_zone, r.clock_law, r.clock_law_uri,
                r.clock_earliest, r.expected_arrival, r.reason, r.requester, r.approver,
                r.traceparent, r.version, r.created, r.updated
         FROM UNNEST($1::text[], $2::text[]) AS k (tenant, id)
         JOIN refunds r ON r.tenant = k.tenant AND r.refund_id = k.id
         ORDER BY r.refund_id",
    )
    .bind(&tenants)
    .bind(&ids)
    .fetch_all(&mut *conn)
    .await?;
    let attempts: Vec<AttemptRow> = sqlx::query_as(
        "SELECT a.tenant, a.attempt_id, a.refund_id, a.order_id, a.payment_id, a.ordinal,
                a.provider, a.payment_reference, a.currency, a.amount, a.state, a.reason,
                a.provider_refund, a.claim, a.due, a.sent, a.absences, a.delays, a.updated
         FROM UNNEST($1::text[], $2::text[]) AS k (tenant, id)
         JOIN attempts a ON a.tenant = k.tenant AND a.refund_id = k.id
         ORDER BY a.refund_id, a.payment_id, a.ordinal",
    )
    .bind(&tenants)
    .bind(&ids)
    .fetch_all(&mut *conn)
    .await?;
    assemble_refunds(refunds, attempts)
}

pub(super) async fn get(
    database: &PostgresDatabase,
    tenant: &TenantId,
    id: &RefundId,
) -> Result<Option<Refund>, StoreError> {
    let mut tx = super::snapshot(database).await?;
    Ok(load(&mut tx, &[(tenant.as_str(), id.as_str())]).await?.pop())
}

pub(super) async fn list(
    database: &PostgresDatabase,
    tenant: &TenantId,
    filter: &RefundFilter,
    page: &Page,
) -> Result<Listed<Refund>, StoreError> {
    let mut tx = super::snapshot(database).await?;
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT refund_id FROM refunds
         WHERE tenant = $1 AND ($2::text IS NULL OR refund_id > $2)
           AND ($3::text IS NULL OR order_id = $3) AND ($4::text IS NULL OR disruption_id = $4)
           AND ($5::text IS NULL OR state = $5) AND ($6::text IS NULL OR customer = $6)
         ORDER BY refund_id LIMIT $7",
    )
    .bind(tenant.as_str())
    .bind(&page.after)
    .bind(&filter.order)
    .bind(&filter.disruption)
    .bind(&filter.state)
    .bind(&filter.customer)
    .bind(page.size + 1)
    .fetch_all(&mut *tx)
    .await?;
    let total = if page.count {
        let count = sqlx::query_scalar(
            "SELECT count(*) FROM refunds
             WHERE tenant = $1 AND ($2::text IS NULL OR order_id = $2)
               AND ($3::text IS NULL OR disruption_id = $3) AND ($4::text IS NULL OR state = $4)
               AND ($5::text IS NULL OR customer = $5)",
        )
        .bind(tenant.as_str())
        .bind(&filter.order)
        .bind(&filter.disruption)
        .bind(&filter.state)
        .bind(&filter.customer)
        .fetch_one(&mut *tx)
        .await?;
        Some(count)
    } else {
        None
    };
    let keys: Vec<(&str, &str)> = ids.iter().map(|id| (tenant.as_str(), id.as_str())).collect();
    let rows = load(&mut tx, &keys).await?;
    Ok(super::listed(rows, page, total))
}

pub(super) async fn ledger_sums(
    database: &PostgresDatabase,
    tenant: &TenantId,
) -> Result<Vec<CurrencySums>, StoreError> {
    // One transaction, so that the books and the counters are seen at one instant.
    let rows: Vec<SumsRow> = sqlx::query_as(
        "WITH sides AS (
             SELECT currency, debit AS account, amount AS debits, 0::bigint AS credits
             FROM postings WHERE tenant = $1
             UNION ALL
             SELECT currency, credit, 0, amount FROM postings WHERE tenant = $1),
         facts AS (
             SELECT currency, debits, credits,
                 CASE WHEN account = 'refunds_payable' THEN credits - debits ELSE 0 END AS payable,
                 CASE WHEN account LIKE 'provider:%' OR account LIKE 'manual:%'
                      THEN credits - debits ELSE 0 END AS paid,
                 0 AS reserved, 0 AS refunded, 0 AS succeeded, 0 AS open
             FROM sides
             UNION ALL
             SELECT currency, 0, 0, 0, 0, reserved, refunded, 0, 0 FROM payments
             WHERE tenant = $1 AND (reserved <> 0 OR refunded <> 0)
             UNION ALL
             SELECT currency, 0, 0, 0, 0, 0, 0,
                 CASE WHEN state = 'SUCCEEDED' THEN amount ELSE 0 END,
                 CASE WHEN state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED') THEN amount ELSE 0 END
             FROM attempts WHERE tenant = $1)
         SELECT currency, sum(debits)::bigint AS debits, sum(credits)::bigint AS credits, sum(payable)::bigint AS payable,
             sum(paid)::bigint AS paid, sum(reserved)::bigint AS reserved, sum(refunded)::bigint AS refunded,
             sum(succeeded)::bigint AS succeeded, sum(open)::bigint AS open
         FROM facts GROUP BY currency ORDER BY currency",
    )
    .bind(tenant.as_str())
    .fetch_all(&database.pool)
    .await?;
    rows.into_iter().map(SumsRow::into_sums).collect()
}
