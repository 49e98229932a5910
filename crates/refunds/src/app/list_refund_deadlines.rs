//! Reads a page of open refunds by the end of their legal clocks.

use redress_core::clock::Timestamp;
use redress_core::id::TenantId;

use super::{RefundError, Refunds};
use crate::domain::deadline::RefundDeadline;
use crate::store::{DeadlinePage, Listed};

/// Which clocks are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeadlinesAsked {
    /// Only those that end before this time.
    pub before: Option<Timestamp>,
    /// Only those that have run out.
    pub missed_only: bool,
}

/// A page of the tenant's open refunds, the earliest due first, each with whether its clock has run
/// out by now.
pub async fn list_refund_deadlines(
    app: &Refunds,
    tenant: &TenantId,
    asked: DeadlinesAsked,
    page: &DeadlinePage,
) -> Result<Listed<(RefundDeadline, bool)>, RefundError> {
    let now = app.clock.now();
    let missed = asked.missed_only.then_some(now);
    let before = asked.before.into_iter().chain(missed).min();
    let Listed { rows, more, total } = app.store.list_deadlines(tenant, before, page).await?;
    let judged = |deadline: RefundDeadline| {
        let is_missed = deadline.is_missed(now);
        (deadline, is_missed)
    };
    Ok(Listed { rows: rows.into_iter().map(judged).collect(), more, total })
}
