//! Legal clocks on PostgreSQL.

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_core::id::{IdSource, TenantId};
use redress_store::{StoreError, outbox};

use super::super::Listed;
use super::super::deadlines::{Announced, DeadlinePage, DeadlineStore, Watch, cut};
use super::super::rows::{DeadlineRow, announcements};
use super::PostgresStore;
use crate::domain::deadline::RefundDeadline;
use crate::events;

/// Whoever is working on a refund ends it perhaps, and it is looked at again. Who has waited sees
/// the row as it is then: that it is open is asked where it is marked.
pub(super) const MARK: &str = "WITH missed AS MATERIALIZED (
         SELECT tenant, refund_id FROM refunds
         WHERE deadline_state < 3 AND deadline_state < 2 AND legal_deadline < $1
         ORDER BY legal_deadline, tenant, refund_id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
     ), soon AS MATERIALIZED (
         SELECT tenant, refund_id FROM refunds
         WHERE deadline_state < 3 AND deadline_state = 0
           AND legal_deadline >= $1 AND legal_deadline <= $2
         ORDER BY legal_deadline, tenant, refund_id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
     ), due AS (
         SELECT tenant, refund_id, 2::smallint AS announced FROM missed
         UNION ALL SELECT tenant, refund_id, 1::smallint FROM soon)
     UPDATE refunds r
     SET deadline_state = CASE
         WHEN r.state IN ('PENDING_APPROVAL', 'QUEUED', 'PROCESSING', 'ATTENTION')
         THEN due.announced ELSE 3::smallint END
     FROM due WHERE r.tenant = due.tenant AND r.refund_id = due.refund_id
     RETURNING r.tenant, r.refund_id, r.order_id, r.customer, r.disruption_id, r.state, r.currency,
         r.requested, r.issued, r.created, r.traceparent, r.deadline_state, r.legal_deadline,
         r.clock_start, r.clock_zone, r.clock_law, r.clock_law_uri, r.clock_earliest";

pub(super) const LIST: &str =
    "SELECT tenant, refund_id, order_id, customer, disruption_id, state, currency,
         requested, issued, created, traceparent, deadline_state, legal_deadline, clock_start,
         clock_zone, clock_law, clock_law_uri, clock_earliest
     FROM refunds
     WHERE tenant = $1 AND deadline_state < 3
       AND state IN ('PENDING_APPROVAL', 'QUEUED', 'PROCESSING', 'ATTENTION')
       AND legal_deadline < $2 AND (legal_deadline, tenant, refund_id) > ($3, $1, $4)
     ORDER BY legal_deadline, tenant, refund_id LIMIT $5";

#[async_trait]
impl DeadlineStore for PostgresStore {
    async fn announce_deadlines(
        &self,
        watch: Watch,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<Announced, StoreError> {
        let mut tx = self.database.begin().await?;
        let rows: Vec<DeadlineRow> = sqlx::query_as(MARK)
            .bind(now.0)
            .bind(now.plus(watch.warning).0)
            .bind(watch.limit)
            .fetch_all(&mut *tx)
            .await?;
        let (announced, facts) = announcements(rows)?;
        outbox::append_postgres(&mut tx, &events::encode_all(&facts, ids, now)).await?;
        self.database.commit(tx).await?;
        Ok(announced)
    }

    async fn list_deadlines(
        &self,
        tenant: &TenantId,
        before: Option<Timestamp>,
        page: &DeadlinePage,
    ) -> Result<Listed<RefundDeadline>, StoreError> {
        let (after, after_id) = page.key();
        let rows: Vec<DeadlineRow> = sqlx::query_as(LIST)
            .bind(tenant.as_str())
            .bind(before.map_or(i64::MAX, |before| before.0))
            .bind(after)
            .bind(after_id)
            .bind(page.size + 1)
            .fetch_all(&self.database.pool)
            .await?;
        cut(rows, page)
    }
}
