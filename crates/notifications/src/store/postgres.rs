//! The notifications in PostgreSQL.
//!
//! Invariant: every write is one statement; sets travel as arrays. Claims skip what another worker
//! has locked, so that any number of replicas share the work without waiting for each other.

use async_trait::async_trait;
use redress_core::id::{DisruptionId, NotificationId, OrderId, TenantId};
use redress_store::{PostgresDatabase, StoreError};
use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::rows::{NewRow, NotificationRow, SettledRow, columns, into_notifications};
use super::{Claim, ListFilter, NotificationStore, Settlement};
use crate::domain::notification::{NewNotification, Notification, State};
use crate::domain::template::Template;

const INSERT: &str = concat!(
    "INSERT INTO notifications (",
    columns!(),
    ", due_time) SELECT tenant, id, occasion, template, order_id, customer, disruption, refund, \
     requested_currency, requested_minor_units, issued_currency, issued_minor_units, 'PENDING', \
     NULL, NULL, 0, create_time, NULL, create_time \
     FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], \
     $7::text[], $8::text[], $9::text[], $10::bigint[], $11::text[], $12::bigint[], \
     $13::bigint[]) AS new (tenant, id, occasion, template, order_id, customer, disruption, \
     refund, requested_currency, requested_minor_units, issued_currency, issued_minor_units, \
     create_time) \
     ON CONFLICT (tenant, occasion) DO NOTHING"
);

const GET: &str =
    concat!("SELECT ", columns!(), " FROM notifications WHERE tenant = $1 AND id = $2");

const CLAIM: &str = concat!(
    "WITH due AS (SELECT tenant AS due_tenant, id AS due_id FROM notifications \
     WHERE state = 'PENDING' AND due_time <= $3 ORDER BY due_time LIMIT $4 \
     FOR UPDATE SKIP LOCKED) \
     UPDATE notifications SET claim_token = $1, due_time = $2 FROM due \
     WHERE tenant = due_tenant AND id = due_id \
     RETURNING ",
    columns!()
);

// Only what is PENDING has a claim. Asking for the state too would let a plan read the index of all
// that is due for each row.
const SETTLE: &str = "UPDATE notifications AS n SET state = s.state, locale = s.locale, \
     reason = s.reason, attempts = coalesce(s.attempts, n.attempts), \
     due_time = coalesce(s.due_time, n.due_time), send_time = s.send_time, claim_token = NULL \
     FROM UNNEST($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], \
     $8::bigint[], $9::bigint[]) \
     AS s (tenant, id, state, locale, reason, attempts, due_time, send_time) \
     WHERE n.tenant = s.tenant AND n.id = s.id AND n.claim_token = $1";

/// Writes new notifications in the caller's transaction; those whose occasion has one already are
/// left out.
pub(super) async fn insert(
    conn: &mut PgConnection,
    notifications: &[NewNotification],
) -> Result<(), StoreError> {
    let rows: Vec<NewRow<'_>> = notifications.iter().map(NewRow::from).collect();
    sqlx::query(INSERT)
        .bind(column(&rows, |row| row.tenant))
        .bind(column(&rows, |row| row.id))
        .bind(column(&rows, |row| row.occasion))
        .bind(column(&rows, |row| row.template))
        .bind(column(&rows, |row| row.order_id))
        .bind(column(&rows, |row| row.customer))
        .bind(column(&rows, |row| row.disruption))
        .bind(column(&rows, |row| row.refund))
        .bind(column(&rows, |row| row.requested_currency))
        .bind(column(&rows, |row| row.requested_minor_units))
        .bind(column(&rows, |row| row.issued_currency))
        .bind(column(&rows, |row| row.issued_minor_units))
        .bind(column(&rows, |row| row.create_time))
        .execute(conn)
        .await?;
    Ok(())
}

/// [`NotificationStore`] over a PostgreSQL database.
#[derive(Debug)]
pub(super) struct PostgresStore {
    database: PostgresDatabase,
}

impl PostgresStore {
    pub(super) const fn new(database: PostgresDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl NotificationStore for PostgresStore {
    async fn get(
        &self,
        tenant: &TenantId,
        id: &NotificationId,
    ) -> Result<Option<Notification>, StoreError> {
        let row: Option<NotificationRow> = sqlx::query_as(GET)
            .bind(tenant.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.database.pool)
            .await?;
        row.map(NotificationRow::into_notification).transpose()
    }

    async fn list(
        &self,
        tenant: &TenantId,
        filter: &ListFilter,
        after: Option<&NotificationId>,
        limit: i64,
    ) -> Result<Vec<Notification>, StoreError> {
        let mut query =
            matching(concat!("SELECT ", columns!(), " FROM notifications"), tenant, filter);
        if let Some(after) = after {
            query.push(" AND id > ").push_bind(after.as_str().to_owned());
        }
        query.push(" ORDER BY id LIMIT ").push_bind(limit);
        into_notifications(query.build_query_as().fetch_all(&self.database.pool).await?)
    }

    async fn count(&self, tenant: &TenantId, filter: &ListFilter) -> Result<i64, StoreError> {
        let mut query = matching("SELECT count(*) FROM notifications", tenant, filter);
        Ok(query.build_query_scalar().fetch_one(&self.database.pool).await?)
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<Notification>, StoreError> {
        let mut tx = self.database.begin().await?;
        let rows = sqlx::query_as(CLAIM)
            .bind(&claim.token)
            .bind(claim.until.0)
            .bind(claim.now.0)
            .bind(i64::from(claim.limit))
            .fetch_all(&mut *tx)
            .await?;
        tx.commit().await?;
        into_notifications(rows)
    }

    async fn settle(&self, token: &str, settlements: &[Settlement]) -> Result<u64, StoreError> {
        let rows: Vec<SettledRow<'_>> = settlements.iter().map(SettledRow::from).collect();
        let mut tx = self.database.begin().await?;
        let done = sqlx::query(SETTLE)
            .bind(token)
            .bind(column(&rows, |row| row.tenant))
            .bind(column(&rows, |row| row.id))
            .bind(column(&rows, |row| row.state))
            .bind(column(&rows, |row| row.locale))
            .bind(column(&rows, |row| row.reason))
            .bind(column(&rows, |row| row.attempts))
            .bind(column(&rows, |row| row.due_time))
            .bind(column(&rows, |row| row.send_time))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(done.rows_affected())
    }
}

/// `select` with the conditions of `filter`.
fn matching(select: &str, tenant: &TenantId, filter: &ListFilter) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(select);
    query.push(" WHERE tenant = ").push_bind(tenant.as_str().to_owned());
    let conditions = [
        (" AND state = ", filter.state.map(State::as_str)),
        (" AND order_id = ", filter.order.as_ref().map(OrderId::as_str)),
        (" AND disruption = ", filter.disruption.as_ref().map(DisruptionId::as_str)),
        (" AND template = ", filter.template.map(Template::id)),
    ];
    for (condition, value) in conditions {
        if let Some(value) = value {
            query.push(condition).push_bind(value.to_owned());
        }
    }
    query
}

/// One column of `rows`, as an array.
fn column<R, T>(rows: &[R], field: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(field).collect()
}
