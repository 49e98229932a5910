//! Recomputes the books and the audit log, and compares them with everything that depends on them.

use redress_core::chain::{Hash, Head, Walk};
use redress_core::id::TenantId;
use redress_store::StoreError;

use super::{RefundError, Refunds};
use crate::domain::ledger::{Balances, CurrencySums};
use crate::store::{AuditFilter, Slice};

/// Rows that are read at a time while a chain is recomputed.
const SLICE: i64 = 2_000;

/// The books of a tenant, recomputed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerCheck {
    /// One for each currency with a posting.
    pub sums: Vec<CurrencySums>,
    /// Every account, and how far the chain goes.
    pub balances: Balances,
    /// Every disagreement, in words; empty when the books are sound.
    pub differences: Vec<String>,
}

/// Sums the tenant's postings, compares the sums with accounts and counters, and recomputes the
/// chains of books and audit log.
pub async fn check_ledger(app: &Refunds, tenant: &TenantId) -> Result<LedgerCheck, RefundError> {
    let sums = app.store.ledger_sums(tenant).await?;
    let recount = app.store.recount(tenant).await?;
    let mut differences: Vec<String> = sums.iter().flat_map(CurrencySums::differences).collect();
    differences.extend(recount.differences());
    let ledger = walk_ledger(app, tenant, recount.ledger.head).await?;
    differences.extend(ledger.map(|broken| format!("ledger chain: {broken}")));
    let audit = walk_audit(app, tenant, recount.audit.head).await?;
    differences.extend(audit.map(|broken| format!("audit chain: {broken}")));
    Ok(LedgerCheck { sums, balances: recount.balances, differences })
}

/// The first place where the chain of the books does not fit, up to `head`.
async fn walk_ledger(
    app: &Refunds,
    tenant: &TenantId,
    head: Head,
) -> Result<Option<String>, StoreError> {
    let mut walk = Walk::default();
    loop {
        let slice = Slice { after: walk.head().position, limit: SLICE };
        let page = match app.store.ledger_entries(tenant, None, slice).await {
            Ok(page) => page,
            Err(error) => return unreadable(walk, error),
        };
        for entry in &page.rows {
            match step(&mut walk, head, entry.position, &entry.canonical(), entry.hash) {
                Step::On => {}
                Step::End(found) => return Ok(found),
            }
        }
        if !page.more {
            return Ok(cut_off(walk, head));
        }
    }
}

/// The first place where the chain of the audit log does not fit, up to `head`.
async fn walk_audit(
    app: &Refunds,
    tenant: &TenantId,
    head: Head,
) -> Result<Option<String>, StoreError> {
    let mut walk = Walk::default();
    loop {
        let slice = Slice { after: walk.head().position, limit: SLICE };
        let page = match app.store.audit_records(tenant, &AuditFilter::default(), slice).await {
            Ok(page) => page,
            Err(error) => return unreadable(walk, error),
        };
        for record in &page.rows {
            match step(&mut walk, head, record.position, &record.canonical(), record.hash) {
                Step::On => {}
                Step::End(found) => return Ok(found),
            }
        }
        if !page.more {
            return Ok(cut_off(walk, head));
        }
    }
}

/// Whether a walk goes on.
enum Step {
    On,
    End(Option<String>),
}

/// Takes one entry of a chain that went to `head` when the books were counted; what was chained
/// since then is left to the next check.
fn step(walk: &mut Walk, head: Head, position: i64, canonical: &[u8], hash: Hash) -> Step {
    if walk.head().position == head.position {
        return Step::End(cut_off(*walk, head));
    }
    match walk.step(position, canonical, hash) {
        Ok(()) => Step::On,
        Err(broken) => Step::End(Some(broken.to_string())),
    }
}

/// Why the end of a walk is not the chain's head.
fn cut_off(walk: Walk, head: Head) -> Option<String> {
    (walk.head() != head).then(|| format!("its last entry is {}, its head is {head}", walk.head()))
}

/// An entry that cannot be read back is the place; other trouble is none of the chain.
fn unreadable(walk: Walk, error: StoreError) -> Result<Option<String>, StoreError> {
    match error {
        StoreError::Corrupt { .. } => {
            Ok(Some(format!("after position {}: {error}", walk.head().position)))
        }
        error => Err(error),
    }
}
