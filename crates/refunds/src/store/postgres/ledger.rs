//! The books, the audit log and their chains on PostgreSQL.

use std::collections::HashMap;

use async_trait::async_trait;
use redress_core::chain::Head;
use redress_core::id::{RefundId, TenantId};
use redress_store::lease::{self, Lease};
use redress_store::{PostgresDatabase, StoreError, Writes};
use sqlx::PgConnection;

use super::super::chain::{
    AUDIT, AUDIT_OF, AUDIT_RECORDS, AUDIT_RECORDS_FILTERED, BALANCES, Batch, COUNT_AUDIT_ENTRIES,
    COUNT_POSTINGS, Chained, Extension, HEAD, IS_WAITING, LEDGER, LEDGER_ENTRIES,
    LEDGER_ENTRIES_OF_REFUND, Link, SUMMED, WAITING, WAITING_AUDIT_ENTRIES, WAITING_POSTINGS,
};
use super::super::ledger::{AuditFilter, CHAIN_BATCH, ChainPage, LedgerStore, Slice};
use super::super::rows::{
    AuditRow, BalanceRow, LinkedRow, PostingRow, encode, head_from, roles_of, sums_from, tally_from,
};
use super::PostgresStore;
use crate::domain::audit::{AuditEntry, AuditRecord};
use crate::domain::ledger::{AccountSums, Balances, LedgerEntry, Recount};

#[async_trait]
impl LedgerStore for PostgresStore {
    async fn chain(&self, lease: &Lease) -> Result<u64, StoreError> {
        let is_waiting: bool =
            sqlx::query_scalar(IS_WAITING).fetch_one(&self.database.pool).await?;
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
        let mut tx = super::snapshot(&self.database).await?;
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
        let mut tx = super::snapshot(&self.database).await?;
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
            .fetch_all(&self.database.pool)
            .await?;
        rows.into_iter().map(AuditRow::into_entry).collect()
    }

    async fn account_balances(&self, tenant: &TenantId) -> Result<Balances, StoreError> {
        balances(&mut *super::snapshot(&self.database).await?, tenant).await
    }

    async fn recount(&self, tenant: &TenantId) -> Result<Recount, StoreError> {
        let mut tx = super::snapshot(&self.database).await?;
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
    conn: &mut PgConnection,
    tenant: &TenantId,
    chain: &'static str,
) -> Result<Head, StoreError> {
    let row: Option<(i64, Vec<u8>)> =
        sqlx::query_as(HEAD).bind(tenant.as_str()).bind(chain).fetch_optional(conn).await?;
    head_from(row)
}

async fn balances(conn: &mut PgConnection, tenant: &TenantId) -> Result<Balances, StoreError> {
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

async fn chain_postings(database: &PostgresDatabase, lease: &Lease) -> Result<u64, StoreError> {
    let waiting =
        sqlx::query_as(WAITING_POSTINGS).bind(CHAIN_BATCH).fetch_all(&database.pool).await?;
    let batch = Batch::of_postings(waiting)?;
    append(database, lease, LEDGER, &batch, batch.sums()).await
}

async fn chain_audit(database: &PostgresDatabase, lease: &Lease) -> Result<u64, StoreError> {
    let waiting =
        sqlx::query_as(WAITING_AUDIT_ENTRIES).bind(CHAIN_BATCH).fetch_all(&database.pool).await?;
    let batch = Batch::of_audit(waiting)?;
    append(database, lease, AUDIT, &batch, HashMap::new()).await
}

/// Hashes a batch onto the chains and writes it, if `lease` is still held. Everything is read and
/// hashed before the transaction begins; only the holder of the lease moves heads, so they are
/// still true inside.
async fn append<T: Chained>(
    database: &PostgresDatabase,
    lease: &Lease,
    chain: &'static str,
    batch: &Batch<T>,
    sums: HashMap<TenantId, AccountSums>,
) -> Result<u64, StoreError> {
    if batch.is_empty() {
        return Ok(0);
    }
    let heads = sqlx::query_as(
        "SELECT tenant, position, hash FROM chain_heads WHERE tenant = ANY ($1) AND chain = $2",
    )
    .bind(batch.tenants())
    .bind(chain)
    .fetch_all(&database.pool)
    .await?;
    let Extension { links, heads } = batch.links(heads)?;
    let mut tx = database.begin().await?;
    lease::guard_postgres(&mut tx, lease).await?;
    sqlx::query("DELETE FROM chain_queue WHERE chain = $1 AND seq = ANY ($2)")
        .bind(chain)
        .bind(&batch.seqs)
        .execute(&mut *tx)
        .await?;
    insert_links(&mut tx, chain, &links).await?;
    sqlx::query(
        "INSERT INTO chain_heads (tenant, chain, position, hash)
         SELECT v.tenant, $2, v.position, v.hash
         FROM UNNEST($1::text[], $3::bigint[], $4::bytea[]) AS v (tenant, position, hash)
         ON CONFLICT (tenant, chain) DO UPDATE
         SET position = excluded.position, hash = excluded.hash",
    )
    .bind(heads.iter().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
    .bind(chain)
    .bind(heads.iter().map(|(_, head)| head.position).collect::<Vec<_>>())
    .bind(heads.iter().map(|(_, head)| head.hash.as_bytes().as_slice()).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    add_to_balances(&mut tx, &sums).await?;
    tx.commit().await?;
    Ok(links.len() as u64)
}

async fn insert_links(
    conn: &mut PgConnection,
    chain: &'static str,
    links: &[Link],
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO chain_links (tenant, chain, position, item, phase, hash)
         SELECT v.tenant, $2, v.position, v.item, v.phase, v.hash
         FROM UNNEST($1::text[], $3::bigint[], $4::text[], $5::smallint[], $6::bytea[])
             AS v (tenant, position, item, phase, hash)",
    )
    .bind(links.iter().map(|link| link.tenant.as_str()).collect::<Vec<_>>())
    .bind(chain)
    .bind(links.iter().map(|link| link.position).collect::<Vec<_>>())
    .bind(links.iter().map(|link| link.item.as_str()).collect::<Vec<_>>())
    .bind(links.iter().map(|link| link.phase).collect::<Vec<_>>())
    .bind(links.iter().map(|link| link.hash.as_bytes().as_slice()).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

async fn add_to_balances(
    conn: &mut PgConnection,
    sums: &HashMap<TenantId, AccountSums>,
) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    for (tenant, sums) in sums {
        rows.extend(sums.0.iter().map(|((account, currency), sides)| {
            (tenant.as_str(), account.as_str(), currency.code(), sides.debits, sides.credits)
        }));
    }
    sqlx::query(
        "INSERT INTO account_balances AS b (tenant, account, currency, debits, credits)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
         ON CONFLICT (tenant, account, currency) DO UPDATE
         SET debits = b.debits + excluded.debits, credits = b.credits + excluded.credits",
    )
    .bind(rows.iter().map(|row| row.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.1).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.2).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.3).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.4).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes audit entries in the caller's transaction.
pub(in crate::store) async fn insert_audit(
    conn: &mut PgConnection,
    entries: &[AuditEntry],
) -> Result<(), StoreError> {
    let mut writes = Writes::default();
    push_audit(&mut writes, entries)?;
    writes.execute(conn).await
}

/// Adds the insertion of audit entries to a statement.
pub(super) fn push_audit(writes: &mut Writes, entries: &[AuditEntry]) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let details = entries.iter().map(|e| encode(&e.details)).collect::<Result<Vec<_>, _>>()?;
    writes
        .push(
            "INSERT INTO audit_entries (tenant, entry_id, actor, roles, action, resource, reason,
             details, created)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
             $6::text[], $7::text[], $8::bytea[], $9::bigint[])",
        )
        .bind(entries.iter().map(|e| e.tenant.as_str()).collect::<Vec<_>>())
        .bind(entries.iter().map(|e| e.id.as_str()).collect::<Vec<_>>())
        .bind(entries.iter().map(|e| e.actor.as_str()).collect::<Vec<_>>())
        .bind(entries.iter().map(roles_of).collect::<Vec<_>>())
        .bind(entries.iter().map(|e| e.action.as_str()).collect::<Vec<_>>())
        .bind(entries.iter().map(|e| e.resource.as_str()).collect::<Vec<_>>())
        .bind(entries.iter().map(|e| e.reason.as_str()).collect::<Vec<_>>())
        .bind(details)
        .bind(entries.iter().map(|e| e.at.0).collect::<Vec<_>>());
    Ok(())
}
