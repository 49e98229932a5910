//! The notifications in SQLite.
//!
//! Invariant: every write is one statement. Sets travel as one JSON array, so that a batch of any
//! size is the same prepared statement.

use async_trait::async_trait;
use redress_core::id::{DisruptionId, NotificationId, OrderId, TenantId};
use redress_store::{SqliteDatabase, StoreError};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::rows::{NewRow, NotificationRow, SettledRow, columns, into_notifications};
use super::{Claim, ListFilter, NotificationStore, Settlement};
use crate::domain::notification::{NewNotification, Notification, State};
use crate::domain::template::Template;

const INSERT: &str = concat!(
    "INSERT INTO notifications (",
    columns!(),
    ", due_time) SELECT value ->> 'tenant', value ->> 'id', value ->> 'occasion', \
     value ->> 'template', value ->> 'order_id', value ->> 'customer', value ->> 'disruption', \
     value ->> 'refund', value ->> 'requested_currency', value ->> 'requested_minor_units', \
     value ->> 'issued_currency', value ->> 'issued_minor_units', 'PENDING', NULL, NULL, 0, \
     value ->> 'create_time', NULL, value ->> 'create_time' \
     FROM jsonb_each($1) WHERE true \
     ON CONFLICT (tenant, occasion) DO NOTHING"
);

const GET: &str =
    concat!("SELECT ", columns!(), " FROM notifications WHERE tenant = $1 AND id = $2");

const CLAIM: &str = concat!(
    "UPDATE notifications SET claim_token = $1, due_time = $2 \
     WHERE (tenant, id) IN (SELECT tenant, id FROM notifications \
     WHERE state = 'PENDING' AND due_time <= $3 ORDER BY due_time LIMIT $4) \
     RETURNING ",
    columns!()
);

// Only what is PENDING has a claim. Asking for the state too would let a plan read the index of all
// that is due for each row.
// jsonb_each has columns of its own, `id` among them: hence the names before the dots.
const SETTLE: &str = "UPDATE notifications AS n SET state = s.value ->> 'state', \
     locale = s.value ->> 'locale', reason = s.value ->> 'reason', \
     attempts = coalesce(s.value ->> 'attempts', n.attempts), \
     due_time = coalesce(s.value ->> 'due_time', n.due_time), \
     send_time = s.value ->> 'send_time', claim_token = NULL \
     FROM jsonb_each($2) AS s \
     WHERE n.tenant = s.value ->> 'tenant' AND n.id = s.value ->> 'id' \
     AND n.claim_token = $1";

/// Writes new notifications in the caller's transaction; those whose occasion has one already are
/// left out.
pub(super) async fn insert(
    conn: &mut SqliteConnection,
    notifications: &[NewNotification],
) -> Result<(), StoreError> {
    let rows: Vec<NewRow<'_>> = notifications.iter().map(NewRow::from).collect();
    sqlx::query(INSERT).bind(json(&rows)?).execute(conn).await?;
    Ok(())
}

/// [`NotificationStore`] over one SQLite file.
#[derive(Debug)]
pub(super) struct SqliteStore {
    database: SqliteDatabase,
}

impl SqliteStore {
    pub(super) const fn new(database: SqliteDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl NotificationStore for SqliteStore {
    async fn get(
        &self,
        tenant: &TenantId,
        id: &NotificationId,
    ) -> Result<Option<Notification>, StoreError> {
        let row: Option<NotificationRow> = sqlx::query_as(GET)
            .bind(tenant.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.database.read)
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
        into_notifications(query.build_query_as().fetch_all(&self.database.read).await?)
    }

    async fn count(&self, tenant: &TenantId, filter: &ListFilter) -> Result<i64, StoreError> {
        let mut query = matching("SELECT count(*) FROM notifications", tenant, filter);
        Ok(query.build_query_scalar().fetch_one(&self.database.read).await?)
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<Notification>, StoreError> {
        let rows = sqlx::query_as(CLAIM)
            .bind(&claim.token)
            .bind(claim.until.0)
            .bind(claim.now.0)
            .bind(i64::from(claim.limit))
            .fetch_all(&self.database.write)
            .await?;
        into_notifications(rows)
    }

    async fn settle(&self, token: &str, settlements: &[Settlement]) -> Result<u64, StoreError> {
        let rows: Vec<SettledRow<'_>> = settlements.iter().map(SettledRow::from).collect();
        let done = sqlx::query(SETTLE)
            .bind(token)
            .bind(json(&rows)?)
            .execute(&self.database.write)
            .await?;
        Ok(done.rows_affected())
    }
}

/// `select` with the conditions of `filter`.
fn matching(select: &str, tenant: &TenantId, filter: &ListFilter) -> QueryBuilder<Sqlite> {
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

fn json<T: serde::Serialize>(rows: &[T]) -> Result<String, StoreError> {
    serde_json::to_string(rows).map_err(|error| StoreError::Internal(Box::new(error)))
}
