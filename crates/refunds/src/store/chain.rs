//! What both databases share of chaining: the statements that they read alike, and the links that
//! rows become.
//!
//! Invariant: links are made from what is committed; who writes them checks the lease, and the keys
//! of `chain_links` admit neither a second link at a position nor a second one of a row.

use std::collections::HashMap;

use redress_core::chain::{Hash, Head};
use redress_core::clock::Timestamp;
use redress_core::id::TenantId;
use redress_store::StoreError;

use super::rows::{AuditRow, HeadRow, PostingRow, WaitingRow, head_from};
use crate::domain::audit::AuditEntry;
use crate::domain::ledger::{AccountSums, Posting};

/// The chain of postings.
pub(super) const LEDGER: &str = "ledger";
/// The chain of audit entries.
pub(super) const AUDIT: &str = "audit";

pub(super) const IS_WAITING: &str = "SELECT EXISTS (SELECT 1 FROM chain_queue)";

/// Cut off before the join: by estimates from when the queue was empty, all that waits would be
/// joined and sorted for each batch.
pub(super) const WAITING_POSTINGS: &str =
    "SELECT q.seq, p.tenant, p.refund_id, p.attempt_id, p.kind, p.debit, p.credit, p.currency,
            p.amount, p.created
     FROM (SELECT seq, tenant, item, phase FROM chain_queue
           WHERE chain = 'ledger' ORDER BY seq LIMIT $1) q
     JOIN postings p ON p.tenant = q.tenant AND p.attempt_id = q.item AND p.phase = q.phase
     ORDER BY q.seq";

pub(super) const WAITING_AUDIT_ENTRIES: &str =
    "SELECT q.seq, e.tenant, e.entry_id, e.actor, e.roles, e.action, e.resource, e.reason,
            e.details, e.created
     FROM (SELECT seq, tenant, item FROM chain_queue
           WHERE chain = 'audit' ORDER BY seq LIMIT $1) q
     JOIN audit_entries e ON e.tenant = q.tenant AND e.entry_id = q.item
     ORDER BY q.seq";

pub(super) const HEAD: &str =
    "SELECT position, hash FROM chain_heads WHERE tenant = $1 AND chain = $2";

pub(super) const LEDGER_ENTRIES: &str =
    "SELECT l.position, l.hash, p.tenant, p.refund_id, p.attempt_id, p.kind, p.debit, p.credit,
            p.currency, p.amount, p.created
     FROM chain_links l
     JOIN postings p ON p.tenant = l.tenant AND p.attempt_id = l.item AND p.phase = l.phase
     WHERE l.tenant = $1 AND l.chain = 'ledger' AND l.position > $2
     ORDER BY l.position LIMIT $3";

/// From the refund's attempts, of which there are few.
pub(super) const LEDGER_ENTRIES_OF_REFUND: &str =
    "SELECT l.position, l.hash, p.tenant, p.refund_id, p.attempt_id, p.kind, p.debit, p.credit,
            p.currency, p.amount, p.created
     FROM attempts a
     JOIN postings p ON p.tenant = a.tenant AND p.attempt_id = a.attempt_id
     JOIN chain_links l ON l.tenant = p.tenant AND l.chain = 'ledger' AND l.item = p.attempt_id
         AND l.phase = p.phase
     WHERE a.tenant = $1 AND a.refund_id = $4 AND l.position > $2
     ORDER BY l.position LIMIT $3";

/// Which statement lists audit entries by the filter: each has the index of its own condition.
pub(super) const AUDIT_RECORDS: &str =
    "SELECT l.position, l.hash, e.tenant, e.entry_id, e.actor, e.roles, e.action, e.resource,
            e.reason, e.details, e.created
     FROM chain_links l JOIN audit_entries e ON e.tenant = l.tenant AND e.entry_id = l.item
     WHERE l.tenant = $1 AND l.chain = 'audit' AND l.position > $2
     ORDER BY l.position LIMIT $3";

/// By actor (`$4`), or by resource (`$5`) and perhaps actor.
pub(super) const AUDIT_RECORDS_FILTERED: &str =
    "SELECT l.position, l.hash, e.tenant, e.entry_id, e.actor, e.roles, e.action, e.resource,
            e.reason, e.details, e.created
     FROM audit_entries e
     JOIN chain_links l ON l.tenant = e.tenant AND l.chain = 'audit' AND l.item = e.entry_id
         AND l.phase = 0
     WHERE e.tenant = $1 AND l.position > $2 AND (e.actor = $4 OR CAST($4 AS TEXT) IS NULL)
       AND (e.resource = $5 OR CAST($5 AS TEXT) IS NULL)
     ORDER BY l.position LIMIT $3";

/// In the order in which they were written: ids of one moment rise.
pub(super) const AUDIT_OF: &str =
    "SELECT tenant, entry_id, actor, roles, action, resource, reason, details, created
     FROM audit_entries WHERE tenant = $1 AND resource = $2 ORDER BY created, entry_id";

pub(super) const BALANCES: &str = "WITH waiting AS (
         SELECT p.debit, p.credit, p.currency, p.amount
         FROM chain_queue q
         JOIN postings p ON p.tenant = q.tenant AND p.attempt_id = q.item AND p.phase = q.phase
         WHERE q.chain = 'ledger' AND q.tenant = $1),
     sides AS (
         SELECT account, currency, debits, credits, 0 AS unchained_debits, 0 AS unchained_credits
         FROM account_balances WHERE tenant = $1
         UNION ALL
         SELECT debit, currency, amount, 0, amount, 0 FROM waiting
         UNION ALL
         SELECT credit, currency, 0, amount, 0, amount FROM waiting)
     SELECT account, currency, CAST(sum(debits) AS BIGINT) AS debits,
         CAST(sum(credits) AS BIGINT) AS credits,
         CAST(sum(unchained_debits) AS BIGINT) AS unchained_debits,
         CAST(sum(unchained_credits) AS BIGINT) AS unchained_credits
     FROM sides GROUP BY account, currency ORDER BY account, currency";

pub(super) const WAITING: &str =
    "SELECT count(*) FROM chain_queue WHERE tenant = $1 AND chain = $2";

/// Every account, summed over all postings.
pub(super) const SUMMED: &str = "WITH sides AS (
         SELECT debit AS account, currency, amount AS debits, 0 AS credits
         FROM postings WHERE tenant = $1
         UNION ALL
         SELECT credit, currency, 0, amount FROM postings WHERE tenant = $1)
     SELECT account, currency, CAST(sum(debits) AS BIGINT) AS debits,
         CAST(sum(credits) AS BIGINT) AS credits
     FROM sides GROUP BY account, currency ORDER BY account, currency";

/// Rows and those among them that wait.
pub(super) const COUNT_POSTINGS: &str = "SELECT (SELECT count(*) FROM postings WHERE tenant = $1),
     (SELECT count(*) FROM chain_queue WHERE tenant = $1 AND chain = 'ledger')";
pub(super) const COUNT_AUDIT_ENTRIES: &str =
    "SELECT (SELECT count(*) FROM audit_entries WHERE tenant = $1),
     (SELECT count(*) FROM chain_queue WHERE tenant = $1 AND chain = 'audit')";

/// What can be chained.
pub(super) trait Chained {
    fn tenant(&self) -> &TenantId;
    /// With the phase its key among the tenant's rows of the chain.
    fn item(&self) -> &str;
    fn phase(&self) -> i16;
    fn canonical(&self, position: i64) -> Vec<u8>;
}

impl Chained for (Posting, Timestamp) {
    fn tenant(&self) -> &TenantId {
        &self.0.tenant
    }

    fn item(&self) -> &str {
        self.0.attempt.as_str()
    }

    fn phase(&self) -> i16 {
        self.0.kind.phase()
    }

    fn canonical(&self, position: i64) -> Vec<u8> {
        self.0.canonical(position, self.1)
    }
}

impl Chained for AuditEntry {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    fn item(&self) -> &str {
        self.id.as_str()
    }

    fn phase(&self) -> i16 {
        0
    }

    fn canonical(&self, position: i64) -> Vec<u8> {
        Self::canonical(self, position)
    }
}

/// Rows that are about to get their places.
pub(super) struct Batch<T> {
    /// Their places in the queue.
    pub seqs: Vec<i64>,
    /// In the order in which they were written.
    pub rows: Vec<T>,
}

impl Batch<(Posting, Timestamp)> {
    pub(super) fn of_postings(waiting: Vec<WaitingRow<PostingRow>>) -> Result<Self, StoreError> {
        let seqs = waiting.iter().map(|row| row.seq).collect();
        let rows = waiting.into_iter().map(|row| row.row.into_posting());
        Ok(Self { seqs, rows: rows.collect::<Result<_, _>>()? })
    }

    /// What the batch adds to each tenant's accounts.
    pub(super) fn sums(&self) -> HashMap<TenantId, AccountSums> {
        let mut sums: HashMap<TenantId, AccountSums> = HashMap::new();
        for (posting, _) in &self.rows {
            sums.entry(posting.tenant.clone()).or_default().add(posting);
        }
        sums
    }
}

impl Batch<AuditEntry> {
    pub(super) fn of_audit(waiting: Vec<WaitingRow<AuditRow>>) -> Result<Self, StoreError> {
        let seqs = waiting.iter().map(|row| row.seq).collect();
        let rows = waiting.into_iter().map(|row| row.row.into_entry());
        Ok(Self { seqs, rows: rows.collect::<Result<_, _>>()? })
    }
}

/// A link to write.
pub(super) struct Link {
    pub tenant: TenantId,
    pub position: i64,
    pub item: String,
    pub phase: i16,
    pub hash: Hash,
}

/// What lengthens the chains.
pub(super) struct Extension {
    pub links: Vec<Link>,
    /// The heads behind them.
    pub heads: Vec<(TenantId, Head)>,
}

impl<T: Chained> Batch<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whose rows these are.
    pub(super) fn tenants(&self) -> Vec<&str> {
        let mut tenants: Vec<&str> = self.rows.iter().map(|row| row.tenant().as_str()).collect();
        tenants.sort_unstable();
        tenants.dedup();
        tenants
    }

    /// The links that lengthen the chains of `heads`.
    pub(super) fn links(&self, heads: Vec<HeadRow>) -> Result<Extension, StoreError> {
        let mut known: HashMap<String, Head> = HashMap::with_capacity(heads.len());
        for row in heads {
            known.insert(row.tenant, head_from(Some((row.position, row.hash)))?);
        }
        let mut ends: HashMap<&TenantId, Head> = HashMap::new();
        let mut links = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let tenant = row.tenant();
            let end = ends
                .entry(tenant)
                .or_insert_with(|| known.get(tenant.as_str()).copied().unwrap_or_default());
            let position = end.position + 1;
            let hash = end.hash.followed_by(&row.canonical(position));
            *end = Head { position, hash };
            let item = row.item().to_owned();
            links.push(Link { tenant: tenant.clone(), position, item, phase: row.phase(), hash });
        }
        let heads = ends.into_iter().map(|(tenant, head)| (tenant.clone(), head)).collect();
        Ok(Extension { links, heads })
    }
}
