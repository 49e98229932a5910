//! Quotes, refunds and the books on SQLite.

use redress_core::clock::Timestamp;
use redress_core::id::{QuoteId, RefundId, TenantId};
use redress_store::{Database, SqliteDatabase, StoreError, idempotency};
use sqlx::SqliteConnection;

use super::super::rows::{
    AttemptRow, QuoteRow, RefundRow, SumsRow, assemble_refunds, encode_rows, quotes_of,
};
use super::super::{Listed, Page, RefundFilter, RequestRecord, StoredQuote, StoredReply};
use super::write;
use crate::domain::ledger::CurrencySums;
use crate::domain::quote::Quote;
use crate::domain::refund::Refund;

pub(super) async fn replay(
    database: &SqliteDatabase,
    tenant: &TenantId,
    method: &'static str,
    request_id: &str,
) -> Result<Option<StoredReply>, StoreError> {
    let key = idempotency::RequestKey { tenant, method, request_id };
    let record = idempotency::find(&Database::Sqlite(database.clone()), key).await?;
    Ok(record
        .map(|record| StoredReply { fingerprint: record.fingerprint, response: record.response }))
}

pub(super) async fn create_quote(
    database: &SqliteDatabase,
    tenant: &TenantId,
    quote: &Quote,
    request: &RequestRecord,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut tx = database.begin().await?;
    write::insert_quote(&mut tx, tenant, quote, now).await?;
    write::record_request(&mut tx, tenant, request, now).await?;
    database.commit(tx).await
}

pub(super) async fn quotes(
    database: &SqliteDatabase,
    keys: &[(TenantId, QuoteId)],
) -> Result<Vec<Option<StoredQuote>>, StoreError> {
    let ids: Vec<_> = keys.iter().map(|(tenant, id)| (tenant.as_str(), id.as_str())).collect();
    let rows: Vec<QuoteRow> = sqlx::query_as(
        "SELECT q.tenant, q.quote_id, q.body, q.created, r.refund_id, o.customer
         FROM jsonb_each($1) k
         CROSS JOIN quotes q ON q.tenant = k.value->>0 AND q.quote_id = k.value->>1
         CROSS JOIN orders o ON o.tenant = q.tenant AND o.order_id = q.order_id
         LEFT JOIN refunds r ON r.tenant = q.tenant AND r.quote_id = q.quote_id",
    )
    .bind(encode_rows(&ids)?)
    .fetch_all(&database.read)
    .await?;
    quotes_of(keys, rows)
}

/// Refunds with their attempts, as the connection sees them, by tenant and id.
pub(super) async fn load(
    conn: &mut SqliteConnection,
    keys: &[(&str, &str)],
) -> Result<Vec<Refund>, StoreError> {
    let keys = encode_rows(keys)?;
    let refunds: Vec<RefundRow> = sqlx::query_as(
        "SELECT r.tenant, r.refund_id, r.order_id, r.customer, r.disruption_id, r.event_id, r.origin,
                r.state, r.currency, r.requested, r.issued, r.lines, r.repriced, r.override_code,
                r.legal_deadline, r.clock_start, r.clock_zone, r.clock_law, r.clock_law_uri,
                r.clock_earliest, r.expected_arrival, r.reason, r.requester, r.approver,
                r.traceparent, r.version, r.created, r.updated
         FROM jsonb_each($1) k
         JOIN refunds r ON r.tenant = k.value->>0 AND r.refund_id = k.value->>1
         ORDER BY r.refund_id",
    )
    .bind(&keys)
    .fetch_all(&mut *conn)
    .await?;
    let attempts: Vec<AttemptRow> = sqlx::query_as(
        "SELECT a.tenant, a.attempt_id, a.refund_id, a.order_id, a.payment_id, a.ordinal,
                a.provider, a.payment_reference, a.currency, a.amount, a.state, a.reason,
                a.provider_refund, a.claim, a.due, a.sent, a.absences, a.delays, a.updated
         FROM jsonb_each($1) k
         JOIN attempts a ON a.tenant = k.value->>0 AND a.refund_id = k.value->>1
         ORDER BY a.refund_id, a.payment_id, a.ordinal",
    )
    .bind(&keys)
    .fetch_all(&mut *conn)
    .await?;
    assemble_refunds(refunds, attempts)
}

pub(super) async fn get(
    database: &SqliteDatabase,
    tenant: &TenantId,
    id: &RefundId,
) -> Result<Option<Refund>, StoreError> {
    let mut tx = database.read.begin().await?;
    Ok(load(&mut tx, &[(tenant.as_str(), id.as_str())]).await?.pop())
}

pub(super) async fn list(
    database: &SqliteDatabase,
    tenant: &TenantId,
    filter: &RefundFilter,
    page: &Page,
) -> Result<Listed<Refund>, StoreError> {
    let mut tx = database.read.begin().await?;
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT refund_id FROM refunds
         WHERE tenant = $1 AND ($2 IS NULL OR refund_id > $2)
           AND ($3 IS NULL OR order_id = $3) AND ($4 IS NULL OR disruption_id = $4)
           AND ($5 IS NULL OR state = $5) AND ($6 IS NULL OR customer = $6)
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
             WHERE tenant = $1 AND ($2 IS NULL OR order_id = $2)
               AND ($3 IS NULL OR disruption_id = $3) AND ($4 IS NULL OR state = $4)
               AND ($5 IS NULL OR customer = $5)",
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
    database: &SqliteDatabase,
    tenant: &TenantId,
) -> Result<Vec<CurrencySums>, StoreError> {
    // One transaction, so that the books and the counters are seen at one instant.
    let rows: Vec<SumsRow> = sqlx::query_as(
        "WITH sides AS (
             SELECT currency, debit AS account, amount AS debits, 0 AS credits
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
         SELECT currency, sum(debits) AS debits, sum(credits) AS credits, sum(payable) AS payable,
             sum(paid) AS paid, sum(reserved) AS reserved, sum(refunded) AS refunded,
             sum(succeeded) AS succeeded, sum(open) AS open
         FROM facts GROUP BY currency ORDER BY currency",
    )
    .bind(tenant.as_str())
    .fetch_all(&database.read)
    .await?;
    rows.into_iter().map(SumsRow::into_sums).collect()
}
