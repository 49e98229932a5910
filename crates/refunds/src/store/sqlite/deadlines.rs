//! Legal clocks on SQLite.

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_core::id::{IdSource, TenantId};
use redress_store::{StoreError, outbox};

use super::super::Listed;
use super::super::deadlines::{Announced, DeadlinePage, DeadlineStore, Watch, cut};
use super::super::rows::{DeadlineRow, announcements};
use super::SqliteStore;
use crate::domain::deadline::RefundDeadline;
use crate::events;

pub(super) const MARK: &str = "WITH due AS MATERIALIZED (
         SELECT * FROM (
             SELECT tenant, refund_id, 2 AS announced FROM refunds
             WHERE deadline_state < 3 AND deadline_state < 2 AND legal_deadline < $1
             ORDER BY legal_deadline, tenant, refund_id LIMIT $3)
         UNION ALL SELECT * FROM (
             SELECT tenant, refund_id, 1 AS announced FROM refunds
             WHERE deadline_state < 3 AND deadline_state = 0
               AND legal_deadline >= $1 AND legal_deadline <= $2
             ORDER BY legal_deadline, tenant, refund_id LIMIT $3))
     UPDATE refunds
     SET deadline_state = CASE
         WHEN refunds.state IN ('PENDING_APPROVAL', 'QUEUED', 'PROCESSING', 'ATTENTION')
         THEN due.announced ELSE 3 END
     FROM due WHERE refunds.tenant = due.tenant AND refunds.refund_id = due.refund_id
     RETURNING tenant, refund_id, order_id, customer, disruption_id, state, currency, requested,
         issued, created, traceparent, deadline_state, legal_deadline, clock_start, clock_zone,
         clock_law, clock_law_uri, clock_earliest";

/// The index by name, and the tenant without one: SQLite would rather sort all that the tenant has.
pub(super) const LIST: &str =
    "SELECT tenant, refund_id, order_id, customer, disruption_id, state, currency,
         requested, issued, created, traceparent, deadline_state, legal_deadline, clock_start,
         clock_zone, clock_law, clock_law_uri, clock_earliest
     FROM refunds INDEXED BY refunds_by_deadline
     WHERE +tenant = $1 AND deadline_state < 3
       AND state IN ('PENDING_APPROVAL', 'QUEUED', 'PROCESSING', 'ATTENTION')
       AND legal_deadline < $2 AND (legal_deadline, tenant, refund_id) > ($3, $1, $4)
     ORDER BY legal_deadline, tenant, refund_id LIMIT $5";

#[async_trait]
impl DeadlineStore for SqliteStore {
    async fn announce_deadlines(
        &self,
        watch: Watch,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<Announced, StoreError> {
        if !self.has_due(watch, now).await? {
            return Ok(Announced::default());
        }
        let mut tx = self.database.begin().await?;
        let rows: Vec<DeadlineRow> = sqlx::query_as(MARK)
            .bind(now.0)
            .bind(now.plus(watch.warning).0)
            .bind(watch.limit)
            .fetch_all(&mut *tx)
            .await?;
        let (announced, facts) = announcements(rows)?;
        outbox::append_sqlite(&mut tx, &events::encode_all(&facts, ids, now)).await?;
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
            .fetch_all(&self.database.read)
            .await?;
        cut(rows, page)
    }
}

impl SqliteStore {
    /// Looks without the one write transaction that there is: mostly nothing is due.
    async fn has_due(&self, watch: Watch, now: Timestamp) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT EXISTS (
                 SELECT 1 FROM refunds
                 WHERE deadline_state < 3 AND deadline_state < 2 AND legal_deadline < $1)
             OR EXISTS (
                 SELECT 1 FROM refunds
                 WHERE deadline_state < 3 AND deadline_state = 0
                   AND legal_deadline >= $1 AND legal_deadline <= $2)",
        )
        .bind(now.0)
        .bind(now.plus(watch.warning).0)
        .fetch_one(&self.database.read)
        .await?)
    }
}
