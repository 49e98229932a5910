//! The books, the audit log and their chains on SQLite.

use std::collections::HashMap;

use async_trait::async_trait;
use redress_core::chain::Head;
use redress_core::id::{RefundId, TenantId};
use redress_store::lease::{self, Lease};
use redress_store::{SqliteDatabase, StoreError};
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::super::chain::{
    AUDIT, AUDIT_OF, AUDIT_RECORDS, AUDIT_RECORDS_FILTERED, BALANCES, Batch, COUNT_AUDIT_ENTRIES,
    COUNT_POSTINGS, Chained, Extension, HEAD, IS_WAITING, LEDGER, LEDGER_ENTRIES,
    LEDGER_ENTRIES_OF_REFUND, Link, SUMMED, WAITING, WAITING_AUDIT_ENTRIES, WAITING_POSTINGS,
};
use super::super::ledger::{AuditFilter, CHAIN_BATCH, ChainPage, LedgerStore, Slice};
use super::super::rows::{
    AuditRow, BalanceRow, LinkedRow, PostingRow, encode, encode_rows, head_from, roles_of,
    sums_from, tally_from,
};
use super::SqliteStore;
use crate::domain::audit::{AuditEntry, AuditRecord};
use crate::domain::ledger::{AccountSums, Balances, LedgerEntry, Recount};

#[async_trait]
impl LedgerStore for SqliteStore {
    async fn chain(&self, lease: &Lease) -> Result<u64, StoreError> {
        let is_waiting: bool =
            sqlx::query_scalar(IS_WAITING).fetch_one(&self.database.read).await?;
        if !is_waiting {
            return Ok(0);
        }
        let postings = chain_postings(&self.database, lease).await?;
        Ok(postings + chain_audit(&self.database, lease).await?)
    }

    async fn ledger_entries(
        &self,
        tenant: &TenantId,
        refund: Option<&RefundId>,
        slice: Slice,
    ) -> Result<ChainPage<LedgerEntry>, StoreError> {
        let mut tx = self.database.read.begin().await?;
        let sql = refund.map_or(LEDGER_ENTRIES, |_| LEDGER_ENTRIES_OF_REFUND);
        let mut query = sqlx::query_as::<_, LinkedRow<PostingRow>>(sql)
            .bind(tenant.as_str())
            .bind(slice.after)
            .bind(slice.limit + 1);
        if let Some(refund) = refund {
            query = query.bind(refund.as_str());
        }
        let rows = query.fetch_all(&mut *tx).await?;
        let rows = rows.into_iter().map(LinkedRow::<PostingRow>::into_entry);
        let head = head(&mut tx, tenant, LEDGER).await?;
        Ok(ChainPage::cut(rows.collect::<Result<_, _>>()?, slice, head))
    }

    async fn audit_records(
        &self,
        tenant: &TenantId,
        filter: &AuditFilter,
        slice: Slice,
    ) -> Result<ChainPage<AuditRecord>, StoreError> {
        let mut tx = self.database.read.begin().await?;
        let is_filtered = filter.actor.is_some() || filter.resource.is_some();
        let sql = if is_filtered { AUDIT_RECORDS_FILTERED } else { AUDIT_RECORDS };
        let mut query = sqlx::query_as::<_, LinkedRow<AuditRow>>(sql)
            .bind(tenant.as_str())
            .bind(slice.after)
            .bind(slice.limit + 1);
        if is_filtered {
            query = query.bind(&filter.actor).bind(&filter.resource);
        }
        let rows = query.fetch_all(&mut *tx).await?;
        let rows = rows.into_iter().map(LinkedRow::<AuditRow>::into_record);
        let head = head(&mut tx, tenant, AUDIT).await?;
        Ok(ChainPage::cut(rows.collect::<Result<_, _>>()?, slice, head))
    }

    async fn audit_of(
        &self,
        tenant: &TenantId,
        resource: &str,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let rows: Vec<AuditRow> = sqlx::query_as(AUDIT_OF)
            .bind(tenant.as_str())
            .bind(resource)
            .fetch_all(&self.database.read)
            .await?;
        rows.into_iter().map(AuditRow::into_entry).collect()
    }

    async fn account_balances(&self, tenant: &TenantId) -> Result<Balances, StoreError> {
        balances(&mut *self.database.read.begin().await?, tenant).await
    }

    async fn recount(&self, tenant: &TenantId) -> Result<Recount, StoreError> {
        let mut tx = self.database.read.begin().await?;
        let balances = balances(&mut tx, tenant).await?;
        let summed = sqlx::query_as(SUMMED).bind(tenant.as_str()).fetch_all(&mut *tx).await?;
        let postings =
            sqlx::query_as(COUNT_POSTINGS).bind(tenant.as_str()).fetch_one(&mut *tx).await?;
        let entries =
            sqlx::query_as(COUNT_AUDIT_ENTRIES).bind(tenant.as_str()).fetch_one(&mut *tx).await?;
        Ok(Recount {
            ledger: tally_from(balances.head, postings),
            audit: tally_from(head(&mut tx, tenant, AUDIT).await?, entries),
            summed: sums_from(summed)?,
            balances,
        })
    }
}

async fn head(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    chain: &'static str,
) -> Result<Head, StoreError> {
    let row: Option<(i64, Vec<u8>)> =
        sqlx::query_as(HEAD).bind(tenant.as_str()).bind(chain).fetch_optional(conn).await?;
    head_from(row)
}

async fn balances(conn: &mut SqliteConnection, tenant: &TenantId) -> Result<Balances, StoreError> {
    let rows: Vec<BalanceRow> =
        sqlx::query_as(BALANCES).bind(tenant.as_str()).fetch_all(&mut *conn).await?;
    let accounts = rows.into_iter().map(BalanceRow::into_balance).collect::<Result<_, _>>()?;
    let unchained = sqlx::query_scalar(WAITING)
        .bind(tenant.as_str())
        .bind(LEDGER)
        .fetch_one(&mut *conn)
        .await?;
    Ok(Balances { head: head(conn, tenant, LEDGER).await?, unchained, accounts })
}

async fn chain_postings(database: &SqliteDatabase, lease: &Lease) -> Result<u64, StoreError> {
    let waiting =
        sqlx::query_as(WAITING_POSTINGS).bind(CHAIN_BATCH).fetch_all(&database.read).await?;
    let batch = Batch::of_postings(waiting)?;
    append(database, lease, LEDGER, &batch, batch.sums()).await
}

async fn chain_audit(database: &SqliteDatabase, lease: &Lease) -> Result<u64, StoreError> {
    let waiting =
        sqlx::query_as(WAITING_AUDIT_ENTRIES).bind(CHAIN_BATCH).fetch_all(&database.read).await?;
    let batch = Batch::of_audit(waiting)?;
    append(database, lease, AUDIT, &batch, HashMap::new()).await
}

/// Hashes a batch onto the chains and writes it, if `lease` is still held. Everything is read and
/// hashed before the one writer is taken; only the holder of the lease moves heads, so they are
/// still true inside.
async fn append<T: Chained>(
    database: &SqliteDatabase,
    lease: &Lease,
    chain: &'static str,
    batch: &Batch<T>,
    sums: HashMap<TenantId, AccountSums>,
) -> Result<u64, StoreError> {
    if batch.is_empty() {
        return Ok(0);
    }
    let heads = sqlx::query_as(
        "SELECT h.tenant, h.position, h.hash FROM jsonb_each($1) k
         JOIN chain_heads h ON h.tenant = k.value AND h.chain = $2",
    )
    .bind(encode_rows(&batch.tenants())?)
    .bind(chain)
    .fetch_all(&database.read)
    .await?;
    let Extension { links, heads } = batch.links(heads)?;
    let (links, heads, sums) = (link_rows(&links), head_rows(&heads), sum_rows(&sums));
    let seqs = encode_rows(&batch.seqs)?;
    let mut tx = database.begin().await?;
    lease::guard_sqlite(&mut tx, lease).await?;
    sqlx::query("DELETE FROM chain_queue WHERE seq IN (SELECT value FROM jsonb_each($1))")
        .bind(seqs)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO chain_links (tenant, chain, position, item, phase, hash)
         SELECT value->>'tenant', $2, value->>'position', value->>'item', value->>'phase',
             unhex(value->>'hash')
         FROM jsonb_each($1)",
    )
    .bind(encode_rows(&links)?)
    .bind(chain)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO chain_heads (tenant, chain, position, hash)
         SELECT value->>'tenant', $2, value->>'position', unhex(value->>'hash')
         FROM jsonb_each($1) WHERE TRUE
         ON CONFLICT (tenant, chain) DO UPDATE
         SET position = excluded.position, hash = excluded.hash",
    )
    .bind(encode_rows(&heads)?)
    .bind(chain)
    .execute(&mut *tx)
    .await?;
    add_to_balances(&mut tx, &sums).await?;
    tx.commit().await?;
    Ok(links.len() as u64)
}

fn link_rows(links: &[Link]) -> Vec<Value> {
    let row = |link: &Link| {
        json!({
            "tenant": link.tenant,
            "position": link.position,
            "item": link.item,
            "phase": link.phase,
            "hash": link.hash.to_string(),
        })
    };
    links.iter().map(row).collect()
}

fn head_rows(heads: &[(TenantId, Head)]) -> Vec<Value> {
    let row = |(tenant, head): &(TenantId, Head)| json!({ "tenant": tenant, "position": head.position, "hash": head.hash.to_string() });
    heads.iter().map(row).collect()
}

fn sum_rows(sums: &HashMap<TenantId, AccountSums>) -> Vec<Value> {
    let mut rows = Vec::new();
    for (tenant, sums) in sums {
        rows.extend(sums.0.iter().map(|((account, currency), sides)| {
            json!({
                "tenant": tenant,
                "account": account,
                "currency": currency,
                "debits": sides.debits,
                "credits": sides.credits,
            })
        }));
    }
    rows
}

async fn add_to_balances(conn: &mut SqliteConnection, rows: &[Value]) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO account_balances (tenant, account, currency, debits, credits)
         SELECT value->>'tenant', value->>'account', value->>'currency', value->>'debits',
             value->>'credits'
         FROM jsonb_each($1) WHERE TRUE
         ON CONFLICT (tenant, account, currency) DO UPDATE
         SET debits = debits + excluded.debits, credits = credits + excluded.credits",
    )
    .bind(encode_rows(rows)?)
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes audit entries in the caller's transaction.
pub(in crate::store) async fn insert_audit(
    conn: &mut SqliteConnection,
    entries: &[AuditEntry],
) -> Result<(), StoreError> {
    for entry in entries {
        sqlx::query(
            "INSERT INTO audit_entries (tenant, entry_id, actor, roles, action, resource, reason,
                 details, created)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(entry.tenant.as_str())
        .bind(entry.id.as_str())
        .bind(&entry.actor)
        .bind(roles_of(entry))
        .bind(entry.action.as_str())
        .bind(&entry.resource)
        .bind(&entry.reason)
        .bind(encode(&entry.details)?)
        .bind(entry.at.0)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}
