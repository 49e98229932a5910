//! What the run writes, written by hand: the same rows in the same tables, with their indexes,
//! foreign keys, checks and triggers, set by set, in transactions of a thousand orders.
//!
//! Invariant: it writes durably, and in the end there is a settled refund for each order. It does
//! what no service could: nobody is asked whether the money is still there, no provider is called,
//! a row is written once in its last state, and an event has its place at once.

use anyhow::{Context as _, Result, ensure};
use redress_store::{Database, DatabaseSettings};
use sqlx::AssertSqlSafe;
use tokio::time::Instant;

use super::super::{orders, tenant};

/// Orders in one transaction.
const CHUNK: i64 = 1_000;

/// Orders of the tenant `$1` behind `$2` up to and with `$3`.
const IN_CHUNK: &str = "tenant = $1 AND order_id > $2 AND order_id <= $3";

/// Writes refunds for all frozen items in the database at `url`, of which there are `count`;
/// returns how many a second.
pub(super) async fn measure(url: &str, count: usize) -> Result<f64> {
    let mut settings = DatabaseSettings::new(url);
    settings.max_connections = 1;
    let database = Database::connect(&settings).await?;
    let written = write(&database, count).await.context("the hand-written SQL");
    database.close().await;
    written
}

async fn write(database: &Database, count: usize) -> Result<f64> {
    let statements = statements(matches!(database, Database::Postgres(_)));
    let start = Instant::now();
    let (mut after, mut done) = (String::new(), 0_i64);
    while let Some(last) = last_of_chunk(database, &after).await? {
        done += write_chunk(database, &statements, [&after, &last]).await?;
        after = last;
    }
    let elapsed = start.elapsed().as_secs_f64();
    ensure!(usize::try_from(done)? == count, "{done} of {count} refunds were written");
    let paid = paid(database).await?;
    ensure!(paid == done * orders::paid(), "{paid} minor units were paid for {done} orders");
    #[expect(clippy::cast_precision_loss, reason = "a count below 2^52")]
    let rate = count as f64 / elapsed.max(f64::EPSILON);
    Ok(rate)
}

/// The last order of the chunk behind `after`; `None` when there is none.
async fn last_of_chunk(database: &Database, after: &str) -> Result<Option<String>> {
    const LAST: &str = "SELECT max(order_id) FROM (
             SELECT order_id FROM disruption_items
             WHERE tenant = $1 AND order_id > $2 ORDER BY order_id LIMIT $3) AS chunk";
    Ok(match database {
        Database::Sqlite(sqlite) => {
            let query = sqlx::query_scalar(LAST).bind(tenant::TENANT).bind(after).bind(CHUNK);
            query.fetch_one(&sqlite.read).await?
        }
        Database::Postgres(postgres) => {
            let query = sqlx::query_scalar(LAST).bind(tenant::TENANT).bind(after).bind(CHUNK);
            query.fetch_one(&postgres.pool).await?
        }
    })
}

/// Writes one chunk; returns how many refunds it has.
async fn write_chunk(database: &Database, statements: &[String], bounds: [&str; 2]) -> Result<i64> {
    let [after, last] = bounds;
    let mut refunds = 0;
    match database {
        Database::Sqlite(sqlite) => {
            let mut tx = sqlite.begin().await?;
            for (number, sql) in (0..).zip(statements) {
                let query = sqlx::query(AssertSqlSafe(sql.as_str())).bind(tenant::TENANT);
                let done = query.bind(after).bind(last).execute(&mut *tx).await?;
                refunds = if number == 0 { done.rows_affected() } else { refunds };
            }
            tx.commit().await?;
        }
        Database::Postgres(postgres) => {
            let mut tx = postgres.begin().await?;
            // As whoever writes such a thing finds out: foreign keys are checked by plans that are
            // kept from when the tables were empty.
            sqlx::query("SET LOCAL enable_seqscan = off").execute(&mut *tx).await?;
            for (number, sql) in (0..).zip(statements) {
                let query = sqlx::query(AssertSqlSafe(sql.as_str())).bind(tenant::TENANT);
                let done = query.bind(after).bind(last).execute(&mut *tx).await?;
                refunds = if number == 0 { done.rows_affected() } else { refunds };
            }
            tx.commit().await?;
        }
    }
    Ok(i64::try_from(refunds)?)
}

/// What all payments have paid back.
async fn paid(database: &Database) -> Result<i64> {
    const PAID: &str = "SELECT CAST(sum(refunded) AS BIGINT) FROM payments WHERE tenant = $1";
    Ok(match database {
        Database::Sqlite(sqlite) => {
            sqlx::query_scalar(PAID).bind(tenant::TENANT).fetch_one(&sqlite.read).await?
        }
        Database::Postgres(postgres) => {
            sqlx::query_scalar(PAID).bind(tenant::TENANT).fetch_one(&postgres.pool).await?
        }
    })
}

/// The statements of one chunk, the refunds first.
fn statements(is_postgres: bool) -> Vec<String> {
    let blob = |text: &str| {
        if is_postgres {
            format!("convert_to({text}, 'UTF8')")
        } else {
            format!("CAST({text} AS BLOB)")
        }
    };
    let hash = if is_postgres { "sha256(convert_to(item, 'UTF8'))" } else { "randomblob(32)" };
    // As long as the payloads that the service writes.
    let payload = blob(&format!("'{}'", "x".repeat(220)));
    let nothing = blob("'[]'");
    let mut all = vec![
        format!(
            "INSERT INTO refunds (tenant, refund_id, order_id, customer, disruption_id, event_id,
                 state, currency, requested, issued, lines, legal_deadline, expected_arrival,
                 requester, version, created, updated, origin, repriced, deadline_state)
             SELECT i.tenant, '0198c7a0-0000-7000-8000-' || i.order_id, i.order_id, o.customer,
                 i.disruption_id, e.event_id, 'SUCCEEDED', i.currency, i.requested, i.requested,
                 i.plan, o.purchase_time, o.purchase_time, d.requester, 3, o.created, o.created,
                 'DISRUPTION', {nothing}, 3
             FROM (SELECT * FROM disruption_items WHERE {IN_CHUNK}) i
             JOIN disruptions d ON d.tenant = i.tenant AND d.disruption_id = i.disruption_id
             JOIN disruption_events e ON e.tenant = i.tenant AND e.disruption_id = i.disruption_id
             JOIN orders o ON o.tenant = i.tenant AND o.order_id = i.order_id"
        ),
        format!(
            "INSERT INTO attempts (tenant, attempt_id, refund_id, order_id, payment_id, ordinal,
                 provider, payment_reference, currency, amount, state, provider_refund, claim, due,
                 sent, absences, delays, updated)
             SELECT p.tenant, '0198c7a1-0000-7000-8000-' || p.order_id,
                 '0198c7a0-0000-7000-8000-' || p.order_id, p.order_id, p.payment_id, 1, p.provider,
                 p.provider_reference, p.currency, p.captured, 'SUCCEEDED', 're_' || p.order_id,
                 '', p.capture_time, p.capture_time, 0, 0, p.capture_time
             FROM (SELECT * FROM payments WHERE {IN_CHUNK}) p"
        ),
        posting(1, "'RESERVE'", "'sales_returns'", "'refunds_payable'"),
        posting(2, "'POST'", "'refunds_payable'", "'provider:' || a.provider"),
        format!(
            "INSERT INTO chain_links (tenant, chain, position, item, phase, hash)
             SELECT q.tenant, q.chain,
                 (SELECT coalesce(max(position), 0) FROM chain_links
                  WHERE tenant = $1 AND chain = 'ledger') + row_number() OVER (ORDER BY q.seq),
                 q.item, q.phase, {hash}
             FROM chain_queue q
             WHERE q.chain = 'ledger' AND $2 < $3"
        ),
        "DELETE FROM chain_queue WHERE chain = 'ledger' AND tenant = $1 AND $2 < $3".to_owned(),
        format!("UPDATE payments SET refunded = captured WHERE {IN_CHUNK}"),
        format!(
            "UPDATE order_lines SET committed = gross, refunding = gross, committed_units = units
             WHERE {IN_CHUNK}"
        ),
        format!(
            "UPDATE disruption_items SET state = 'SUCCEEDED', issued = requested,
                 refund_id = '0198c7a0-0000-7000-8000-' || order_id
             WHERE {IN_CHUNK}"
        ),
    ];
    for event in ["RefundStateChanged", "RefundStateChanged", "DisruptionItemSettled"] {
        all.push(format!(
            r#"INSERT INTO event_log ("partition", position, id, tenant, type, subject, time,
                 payload_version, payload)
             SELECT v.p, h.position + row_number() OVER (PARTITION BY v.p ORDER BY v.order_id),
                 '0198c7a2-0000-7000-8000-' || v.order_id, v.tenant, 'redress.events.v1.{event}',
                 'orders/' || v.order_id, 0, 1, {payload}
             FROM (SELECT tenant, order_id, (row_number() OVER (ORDER BY order_id)) % 16 AS p
                   FROM disruption_items WHERE {IN_CHUNK}) v
             JOIN event_heads h ON h."partition" = v.p"#
        ));
        all.push(format!(
            r#"UPDATE event_heads SET position = position + v.n
             FROM (SELECT p, count(*) AS n
                   FROM (SELECT (row_number() OVER (ORDER BY order_id)) % 16 AS p
                         FROM disruption_items WHERE {IN_CHUNK}) AS c
                   GROUP BY p) AS v
             WHERE event_heads."partition" = v.p"#
        ));
    }
    all
}

/// The postings of one phase.
fn posting(phase: i16, kind: &str, debit: &str, credit: &str) -> String {
    format!(
        "INSERT INTO postings (tenant, attempt_id, phase, kind, refund_id, debit, credit, currency,
             amount, created)
         SELECT a.tenant, a.attempt_id, {phase}, {kind}, a.refund_id, {debit}, {credit},
             a.currency, a.amount, a.updated
         FROM (SELECT p.order_id FROM payments p WHERE {IN_CHUNK}) c
         JOIN attempts a ON a.tenant = $1
             AND a.attempt_id = '0198c7a1-0000-7000-8000-' || c.order_id"
    )
}
