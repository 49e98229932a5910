//! Rows that both databases share.
//!
//! Invariant: what was stored reads back exactly as it was written, or as `Corrupt`.

use redress_core::clock::Timestamp;
use redress_core::id::{
    CustomerId, DisruptionId, EventId, InvalidId, InvitationId, OrderId, SurveyId, TenantId,
};
use redress_store::StoreError;

use crate::domain::invitation::{Invitation, State};
use crate::domain::rating::ScoreSums;

/// An invitation as a row of `invitations`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct InvitationRow {
    tenant: String,
    invitation_id: String,
    survey_id: String,
    state: String,
    reason_code: String,
    customer_id: String,
    order_id: String,
    event_id: String,
    disruption_id: String,
    created_at: i64,
    version: i64,
}

impl InvitationRow {
    pub(super) fn into_invitation(self) -> Result<Invitation, StoreError> {
        let corrupt =
            |column| StoreError::corrupt("invitations", column, self.invitation_id.clone());
        let id = |column| move |_: InvalidId| corrupt(column);
        Ok(Invitation {
            tenant: TenantId::new(self.tenant).map_err(id("tenant"))?,
            id: InvitationId::new(self.invitation_id.clone()).map_err(id("invitation_id"))?,
            survey: SurveyId::new(self.survey_id).map_err(id("survey_id"))?,
            state: State::read(&self.state, &self.reason_code).map_err(|_| corrupt("state"))?,
            customer: CustomerId::new(self.customer_id).map_err(id("customer_id"))?,
            order: OrderId::new(self.order_id).map_err(id("order_id"))?,
            event: EventId::new(self.event_id).map_err(id("event_id"))?,
            disruption: DisruptionId::new(self.disruption_id).map_err(id("disruption_id"))?,
            created: Timestamp(self.created_at),
            version: self.version,
        })
    }
}

/// When a customer was last asked, as a row of `customers`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct AskedRow {
    tenant: String,
    customer_id: String,
    asked_at: Option<i64>,
}

/// A customer and when they were last asked; `None` when never.
pub(super) type Asked = ((TenantId, CustomerId), Option<Timestamp>);

impl AskedRow {
    pub(super) fn into_asked(self) -> Result<Asked, StoreError> {
        // A customer's id may be a person's name: it stays out of the message.
        let corrupt = |column| move |_: InvalidId| StoreError::corrupt("customers", column, "?");
        let tenant = TenantId::new(self.tenant).map_err(corrupt("tenant"))?;
        let customer = CustomerId::new(self.customer_id).map_err(corrupt("customer_id"))?;
        Ok(((tenant, customer), self.asked_at.map(Timestamp)))
    }
}

/// What the aggregation over the answers about one event yields.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct ScoreSumsRow {
    count: i64,
    sum: i64,
    sum_of_squares: i64,
}

impl From<ScoreSumsRow> for ScoreSums {
    fn from(row: ScoreSumsRow) -> Self {
        Self { count: row.count, sum: row.sum, sum_of_squares: row.sum_of_squares }
    }
}
