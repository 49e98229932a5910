//! What the legal clocks of refunds are watched and listed through, at the level of intentions.
//!
//! Invariant: of a clock that runs, that it ends soon and that it was missed are announced once each,
//! in the transaction that marks it, however many processes look. Clocks stop where refunds end,
//! with what ends them.

use std::time::Duration;

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_core::id::{IdSource, RefundId, TenantId};
use redress_store::StoreError;

use super::Listed;
use super::rows::DeadlineRow;
use crate::domain::deadline::RefundDeadline;

/// Clocks that run, and what is announced of them.
#[async_trait]
pub trait DeadlineStore: Send + Sync {
    /// Marks the clocks of all tenants that have run out at `now`, and those that will within the
    /// watch's warning time, and appends an event for each; the earliest first, and up to the
    /// watch's limit of each. A clock that ran out before anybody looked is announced as missed only.
    async fn announce_deadlines(
        &self,
        watch: Watch,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<Announced, StoreError>;

    /// A page of the tenant's open refunds, by the end of their clocks and then by id; with `before`
    /// only those that end earlier.
    async fn list_deadlines(
        &self,
        tenant: &TenantId,
        before: Option<Timestamp>,
        page: &DeadlinePage,
    ) -> Result<Listed<RefundDeadline>, StoreError>;
}

/// How clocks are watched.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    /// How long before its end a clock is announced.
    pub warning: Duration,
    /// At most so many clocks of each kind in one transaction.
    pub limit: i64,
}

/// What one look at the clocks has announced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Announced {
    /// Refunds that are due soon.
    pub soon: usize,
    /// Refunds that were not issued in time.
    pub missed: usize,
    /// Clocks of refunds that have ended without stopping them: those of an older release.
    pub stopped: usize,
}

impl Announced {
    /// How many clocks were marked.
    pub const fn total(self) -> usize {
        self.soon + self.missed + self.stopped
    }
}

/// Which page of a list by the ends of clocks.
#[derive(Debug, Clone)]
pub struct DeadlinePage {
    /// At most this many.
    pub size: i64,
    /// The last refund of the page before, behind the end of its clock; `None` on the first page.
    pub after: Option<(Timestamp, RefundId)>,
}

impl DeadlinePage {
    /// Where it starts: behind this end and this id.
    pub(super) fn key(&self) -> (i64, &str) {
        self.after.as_ref().map_or((i64::MIN, ""), |(due, refund)| (due.0, refund.as_str()))
    }
}

/// Cuts a list that was read one row too far.
pub(super) fn cut(
    rows: Vec<DeadlineRow>,
    page: &DeadlinePage,
) -> Result<Listed<RefundDeadline>, StoreError> {
    let size = usize::try_from(page.size).unwrap_or(0);
    let more = rows.len() > size;
    let rows = rows.into_iter().take(size).map(DeadlineRow::into_deadline);
    Ok(Listed { rows: rows.collect::<Result<_, _>>()?, more, total: None })
}
