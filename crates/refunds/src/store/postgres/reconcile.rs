//! What a disruption came to, on PostgreSQL: sums over its items, refunds, attempts and postings.
//!
//! Invariant: all of them are read in one snapshot, each with one statement, however many orders
//! there are.

use redress_core::id::{DisruptionId, TenantId};
use redress_store::{PostgresDatabase, StoreError};

use super::super::rows::{Told, reconciliations};
use crate::domain::disruption::Reconciliation;

const ITEMS: &str = "SELECT currency, state, count(*), sum(requested)::bigint, sum(issued)::bigint
     FROM disruption_items
     WHERE tenant = $1 AND disruption_id = $2 AND state <> 'HELD'
     GROUP BY currency, state ORDER BY currency, state";

const REFUNDS: &str = "SELECT currency, count(*), sum(issued)::bigint FROM refunds
     WHERE tenant = $1 AND disruption_id = $2 GROUP BY currency";

const ATTEMPTS: &str = "SELECT a.currency, a.provider,
         count(*) FILTER (WHERE a.state = 'SUCCEEDED'),
         coalesce(sum(a.amount) FILTER (WHERE a.state = 'SUCCEEDED'), 0)::bigint,
         count(DISTINCT CASE WHEN a.state = 'SUCCEEDED' THEN nullif(a.provider_refund, '') END),
         coalesce(sum(a.amount)
             FILTER (WHERE a.state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED')), 0)::bigint
     FROM refunds r
     JOIN attempts a ON a.tenant = r.tenant AND a.refund_id = r.refund_id
     WHERE r.tenant = $1 AND r.disruption_id = $2
     GROUP BY a.currency, a.provider ORDER BY a.currency, a.provider";

const POSTINGS: &str = "SELECT p.currency, p.kind, p.credit, sum(p.amount)::bigint
     FROM refunds r
     JOIN attempts a ON a.tenant = r.tenant AND a.refund_id = r.refund_id
     JOIN postings p ON p.tenant = a.tenant AND p.attempt_id = a.attempt_id
     WHERE r.tenant = $1 AND r.disruption_id = $2
     GROUP BY p.currency, p.kind, p.credit ORDER BY p.currency, p.kind, p.credit";

const DIFFERING: &str = "WITH paid AS (
         SELECT a.refund_id,
                coalesce(sum(a.amount) FILTER (WHERE a.state = 'SUCCEEDED'), 0) AS succeeded,
                coalesce(sum(p.amount), 0) AS posted
         FROM refunds r
         JOIN attempts a ON a.tenant = r.tenant AND a.refund_id = r.refund_id
         LEFT JOIN postings p ON p.tenant = a.tenant AND p.attempt_id = a.attempt_id
             AND p.phase = 2 AND p.kind <> 'VOID'
         WHERE r.tenant = $1 AND r.disruption_id = $2
         GROUP BY a.refund_id
     )
     SELECT i.currency, count(*)
     FROM disruption_items i
     LEFT JOIN refunds r ON r.tenant = i.tenant AND r.refund_id = i.refund_id
     LEFT JOIN paid ON paid.refund_id = i.refund_id
     WHERE i.tenant = $1 AND i.disruption_id = $2 AND i.state <> 'HELD'
       AND (i.issued <> coalesce(r.issued, 0) OR i.issued <> coalesce(paid.succeeded, 0)
            OR i.issued <> coalesce(paid.posted, 0))
     GROUP BY i.currency";

pub(super) async fn reconcile(
    database: &PostgresDatabase,
    tenant: &TenantId,
    id: &DisruptionId,
) -> Result<Vec<Reconciliation>, StoreError> {
    let mut tx = super::snapshot(database).await?;
    let (tenant, id) = (tenant.as_str(), id.as_str());
    reconciliations(Told {
        items: sqlx::query_as(ITEMS).bind(tenant).bind(id).fetch_all(&mut *tx).await?,
        refunds: sqlx::query_as(REFUNDS).bind(tenant).bind(id).fetch_all(&mut *tx).await?,
        attempts: sqlx::query_as(ATTEMPTS).bind(tenant).bind(id).fetch_all(&mut *tx).await?,
        postings: sqlx::query_as(POSTINGS).bind(tenant).bind(id).fetch_all(&mut *tx).await?,
        differing: sqlx::query_as(DIFFERING).bind(tenant).bind(id).fetch_all(&mut *tx).await?,
    })
}
