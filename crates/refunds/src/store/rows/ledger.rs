//! Rows of the books, of the audit log and of their chains.
//!
//! Invariant: a row is read back exactly as it was hashed, or reported as corrupt.

use redress_core::caller::Role;
use redress_core::chain::{Hash, Head};
use redress_core::clock::Timestamp;
use redress_core::id::{AttemptId, AuditRecordId, RefundId, TenantId};
use redress_core::money::Currency;
use redress_store::StoreError;

use super::{decode, read};
use crate::domain::audit::{AuditAction, AuditEntry, AuditRecord};
use crate::domain::ledger::{
    AccountBalance, AccountSums, ChainTally, LedgerEntry, Posting, PostingKind, Sides,
};

#[derive(sqlx::FromRow)]
pub(in crate::store) struct PostingRow {
    tenant: String,
    refund_id: String,
    attempt_id: String,
    kind: String,
    debit: String,
    credit: String,
    currency: String,
    amount: i64,
    created: i64,
}

impl PostingRow {
    pub(in crate::store) fn into_posting(self) -> Result<(Posting, Timestamp), StoreError> {
        let key = self.attempt_id.clone();
        let posting = Posting {
            tenant: read(TenantId::new(self.tenant).ok(), "postings", "tenant", &key)?,
            refund: read(RefundId::new(self.refund_id).ok(), "postings", "refund_id", &key)?,
            attempt: read(AttemptId::new(self.attempt_id).ok(), "postings", "attempt_id", &key)?,
            kind: read(PostingKind::parse(&self.kind), "postings", "kind", &key)?,
            debit: self.debit,
            credit: self.credit,
            currency: read(self.currency.parse().ok(), "postings", "currency", &key)?,
            amount: self.amount,
        };
        Ok((posting, Timestamp(self.created)))
    }
}

#[derive(sqlx::FromRow)]
pub(in crate::store) struct AuditRow {
    tenant: String,
    entry_id: String,
    actor: String,
    roles: String,
    action: String,
    resource: String,
    reason: String,
    details: Vec<u8>,
    created: i64,
}

impl AuditRow {
    pub(in crate::store) fn into_entry(self) -> Result<AuditEntry, StoreError> {
        let key = self.entry_id.clone();
        let names = self.roles.split(',').filter(|name| !name.is_empty());
        let roles: Option<Vec<Role>> = names.map(|name| name.parse().ok()).collect();
        Ok(AuditEntry {
            tenant: read(TenantId::new(self.tenant).ok(), "audit_entries", "tenant", &key)?,
            id: read(AuditRecordId::new(self.entry_id).ok(), "audit_entries", "entry_id", &key)?,
            actor: self.actor,
            roles: read(roles, "audit_entries", "roles", &key)?,
            action: AuditAction::stored(self.action),
            resource: self.resource,
            reason: self.reason,
            details: decode(&self.details, "audit_entries", "details", &key)?,
            at: Timestamp(self.created),
        })
    }
}

/// The roles of an entry, as they are stored.
pub(in crate::store) fn roles_of(entry: &AuditEntry) -> String {
    entry.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(",")
}

/// A row that waits for its place in a chain.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct WaitingRow<T> {
    pub seq: i64,
    #[sqlx(flatten)]
    pub row: T,
}

/// A row with its place in a chain.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct LinkedRow<T> {
    position: i64,
    hash: Vec<u8>,
    #[sqlx(flatten)]
    row: T,
}

impl LinkedRow<PostingRow> {
    pub(in crate::store) fn into_entry(self) -> Result<LedgerEntry, StoreError> {
        let hash = hash_from(&self.hash, "chain_links", self.position)?;
        let (posting, created) = self.row.into_posting()?;
        Ok(LedgerEntry { posting, created, position: self.position, hash })
    }
}

impl LinkedRow<AuditRow> {
    pub(in crate::store) fn into_record(self) -> Result<AuditRecord, StoreError> {
        let hash = hash_from(&self.hash, "chain_links", self.position)?;
        Ok(AuditRecord { entry: self.row.into_entry()?, position: self.position, hash })
    }
}

fn hash_from(bytes: &[u8], table: &'static str, position: i64) -> Result<Hash, StoreError> {
    Hash::try_from(bytes).map_err(|_| StoreError::corrupt(table, "hash", position.to_string()))
}

/// A head, or that of a chain without entries.
pub(in crate::store) fn head_from(row: Option<(i64, Vec<u8>)>) -> Result<Head, StoreError> {
    let Some((position, hash)) = row else { return Ok(Head::GENESIS) };
    Ok(Head { position, hash: hash_from(&hash, "chain_heads", position)? })
}

/// A head with its owner.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct HeadRow {
    pub tenant: String,
    pub position: i64,
    pub hash: Vec<u8>,
}

/// An account's sums, and the part of them that has no place in the chain yet.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct BalanceRow {
    account: String,
    currency: String,
    debits: i64,
    credits: i64,
    unchained_debits: i64,
    unchained_credits: i64,
}

impl BalanceRow {
    pub(in crate::store) fn into_balance(self) -> Result<AccountBalance, StoreError> {
        let currency: Option<Currency> = self.currency.parse().ok();
        Ok(AccountBalance {
            currency: read(currency, "account_balances", "currency", &self.account)?,
            account: self.account,
            total: Sides { debits: self.debits, credits: self.credits },
            unchained: Sides { debits: self.unchained_debits, credits: self.unchained_credits },
        })
    }
}

/// An account's sums over its postings.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct SidesRow {
    account: String,
    currency: String,
    debits: i64,
    credits: i64,
}

pub(in crate::store) fn sums_from(rows: Vec<SidesRow>) -> Result<AccountSums, StoreError> {
    let mut sums = AccountSums::default();
    for row in rows {
        let currency = read(row.currency.parse().ok(), "postings", "currency", &row.account)?;
        let sides = Sides { debits: row.debits, credits: row.credits };
        sums.0.insert((row.account, currency), sides);
    }
    Ok(sums)
}

/// What is counted of a chain: rows, and those among them that wait.
pub(in crate::store) const fn tally_from(head: Head, (rows, waiting): (i64, i64)) -> ChainTally {
    ChainTally { head, waiting, rows }
}
