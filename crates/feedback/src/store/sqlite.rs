//! Invitations and responses in SQLite.
//!
//! Invariant: reads go to the readers; each write is one IMMEDIATE transaction.

mod batch;

use async_trait::async_trait;
use redress_api::request_id::RequestKey;
use redress_core::id::{EventId, InvitationId, TenantId};
use redress_store::idempotency::{self, IdempotencyRecord};
use redress_store::{SqliteDatabase, StoreError};
use sqlx::{QueryBuilder, Sqlite};

use super::rows::{InvitationRow, ScoreSumsRow};
use super::{FeedbackStore, record_key};
use crate::domain::invitation::{Invitation, InvitationFilter};
use crate::domain::rating::ScoreSums;
use crate::domain::response::Response;

pub(super) use batch::{known, save};

/// Feedback in a SQLite file.
#[derive(Debug)]
pub(super) struct SqliteFeedback {
    database: SqliteDatabase,
}

impl SqliteFeedback {
    pub(super) const fn new(database: SqliteDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl FeedbackStore for SqliteFeedback {
    async fn invitation(
        &self,
        tenant: &TenantId,
        id: &InvitationId,
    ) -> Result<Option<Invitation>, StoreError> {
        let row: Option<InvitationRow> =
            sqlx::query_as("SELECT * FROM invitations WHERE tenant = $1 AND invitation_id = $2")
                .bind(tenant.as_str())
                .bind(id.as_str())
                .fetch_optional(&self.database.read)
                .await?;
        row.map(InvitationRow::into_invitation).transpose()
    }

    async fn list_invitations(
        &self,
        tenant: &TenantId,
        filter: &InvitationFilter,
        after: Option<&InvitationId>,
        limit: i64,
    ) -> Result<Vec<Invitation>, StoreError> {
        let mut query = QueryBuilder::new("SELECT * FROM invitations");
        push_where(&mut query, tenant, filter);
        if let Some(after) = after {
            query.push(" AND invitation_id > ").push_bind(after.as_str().to_owned());
        }
        query.push(" ORDER BY invitation_id LIMIT ").push_bind(limit);
        let rows: Vec<InvitationRow> =
            query.build_query_as().fetch_all(&self.database.read).await?;
        rows.into_iter().map(InvitationRow::into_invitation).collect()
    }

    async fn count_invitations(
        &self,
        tenant: &TenantId,
        filter: &InvitationFilter,
    ) -> Result<i64, StoreError> {
        let mut query = QueryBuilder::new("SELECT COUNT(*) FROM invitations");
        push_where(&mut query, tenant, filter);
        Ok(query.build_query_scalar().fetch_one(&self.database.read).await?)
    }

    async fn score_sums(
        &self,
        tenant: &TenantId,
        event: &EventId,
    ) -> Result<ScoreSums, StoreError> {
        let row: ScoreSumsRow = sqlx::query_as(
            "SELECT COUNT(*) AS count, COALESCE(SUM(score), 0) AS sum,
                 COALESCE(SUM(score * score), 0) AS sum_of_squares
             FROM responses WHERE tenant = $1 AND event_id = $2",
        )
        .bind(tenant.as_str())
        .bind(event.as_str())
        .fetch_one(&self.database.read)
        .await?;
        Ok(row.into())
    }

    async fn outcome(&self, request: &RequestKey) -> Result<Option<IdempotencyRecord>, StoreError> {
        let mut conn = self.database.read.acquire().await?;
        idempotency::find_sqlite(&mut conn, record_key(request)).await
    }

    async fn record_response(
        &self,
        answered: &Invitation,
        response: &Response,
        record: &IdempotencyRecord,
    ) -> Result<(), StoreError> {
        let mut tx = self.database.begin().await?;
        idempotency::insert_sqlite(&mut tx, std::slice::from_ref(record)).await?;
        let updated = sqlx::query(
            "UPDATE invitations SET state = $4, reason_code = $5, version = $3 + 1
             WHERE tenant = $1 AND invitation_id = $2 AND version = $3",
        )
        .bind(answered.tenant.as_str())
        .bind(answered.id.as_str())
        .bind(answered.version - 1)
        .bind(answered.state.as_str())
        .bind(answered.state.reason_code())
        .execute(&mut *tx)
        .await?;
        if updated.rows_affected() != 1 {
            return Err(StoreError::VersionMismatch);
        }
        sqlx::query(
            "INSERT INTO responses (tenant, response_id, invitation_id, event_id, score, comment,
                 created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(response.tenant.as_str())
        .bind(response.id.as_str())
        .bind(response.invitation.as_str())
        .bind(response.event.as_str())
        .bind(response.score)
        .bind(response.comment.as_str())
        .bind(response.created.0)
        .execute(&mut *tx)
        .await?;
        self.database.commit(tx).await
    }
}

fn push_where(query: &mut QueryBuilder<Sqlite>, tenant: &TenantId, filter: &InvitationFilter) {
    query.push(" WHERE tenant = ").push_bind(tenant.as_str().to_owned());
    if let Some(state) = filter.state {
        query.push(" AND state = ").push_bind(state);
    }
    if let Some(event) = &filter.event {
        query.push(" AND event_id = ").push_bind(event.as_str().to_owned());
    }
    if let Some(disruption) = &filter.disruption {
        query.push(" AND disruption_id = ").push_bind(disruption.as_str().to_owned());
    }
    if let Some(reason) = filter.reason_code {
        query.push(" AND reason_code = ").push_bind(reason.as_str());
    }
}
