//! What the books and the audit log are read and chained through, at the level of intentions.
//!
//! Invariant: postings and audit entries are written elsewhere, with what causes them; here they
//! get their places in the tenant's chains, after their commit and under the chainer's lease, and
//! are read back. Whatever a method tells of one chain, it saw at one instant.

use async_trait::async_trait;
use redress_core::chain::Head;
use redress_core::id::{RefundId, TenantId};
use redress_store::StoreError;
use redress_store::lease::Lease;

use crate::domain::audit::{AuditEntry, AuditRecord};
use crate::domain::ledger::{Balances, LedgerEntry, Recount};

/// The name of the lease that allows to chain.
pub const CHAIN_LEASE: &str = "refunds/chain";
/// The most rows of each chain that one call of [`LedgerStore::chain`] gives places to.
pub const CHAIN_BATCH: i64 = 2_000;

/// The books, the audit log and their chains.
#[async_trait]
pub trait LedgerStore: Send + Sync {
    /// Gives the rows that wait longest their places, of all tenants, in the order in which they
    /// were written; what becomes visible late is chained late. Returns how many there were: from
    /// [`CHAIN_BATCH`] on there may be more. `LeaseLost` when somebody else chains now.
    async fn chain(&self, lease: &Lease) -> Result<u64, StoreError>;

    /// Postings by position, from the one after `after`; of one refund, or all.
    async fn ledger_entries(
        &self,
        tenant: &TenantId,
        refund: Option<&RefundId>,
        slice: Slice,
    ) -> Result<ChainPage<LedgerEntry>, StoreError>;

    /// Audit entries by position, from the one after `after`.
    async fn audit_records(
        &self,
        tenant: &TenantId,
        filter: &AuditFilter,
        slice: Slice,
    ) -> Result<ChainPage<AuditRecord>, StoreError>;

    /// What was done to one resource, in order, whether it has its place already or not.
    async fn audit_of(
        &self,
        tenant: &TenantId,
        resource: &str,
    ) -> Result<Vec<AuditEntry>, StoreError>;

    /// Every account, the postings that wait for their place included.
    async fn account_balances(&self, tenant: &TenantId) -> Result<Balances, StoreError>;

    /// The books as they are kept and counted anew. Reads every posting of the tenant.
    async fn recount(&self, tenant: &TenantId) -> Result<Recount, StoreError>;
}

/// A part of a chain.
#[derive(Debug, Clone, Copy)]
pub struct Slice {
    /// Only what comes after this position.
    pub after: i64,
    /// At most this many.
    pub limit: i64,
}

/// A part of a chain, as read.
#[derive(Debug, Clone)]
pub struct ChainPage<T> {
    /// By position, at most as many as asked for.
    pub rows: Vec<T>,
    /// Whether more follow.
    pub more: bool,
    /// How far the chain went at that instant.
    pub head: Head,
}

impl<T> ChainPage<T> {
    /// Cuts what was read one row too far.
    pub(super) fn cut(mut rows: Vec<T>, slice: Slice, head: Head) -> Self {
        let limit = usize::try_from(slice.limit).unwrap_or(0);
        let more = rows.len() > limit;
        rows.truncate(limit);
        Self { rows, more, head }
    }
}

/// Which audit entries.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// About this resource, by its name.
    pub resource: Option<String>,
    /// By this subject.
    pub actor: Option<String>,
}
