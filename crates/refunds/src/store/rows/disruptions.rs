//! Rows of disruptions and their items.
//!
//! Invariant: an item's plan is read back exactly as it was frozen.

use redress_core::clock::Timestamp;
use redress_core::id::{DisruptionId, EventId, OrderId, RefundId, TenantId};
use redress_store::StoreError;

use super::super::ItemTotals;
use super::{decode, read};
use crate::domain::disruption::{
    Disruption, DisruptionKind, DisruptionState, Item, ItemPlan, ItemState,
};

#[derive(sqlx::FromRow)]
pub(in crate::store) struct DisruptionRow {
    pub tenant: String,
    pub disruption_id: String,
    pub event_id: String,
    pub kind: String,
    pub state: String,
    pub requester: String,
    pub traceparent: Option<String>,
    pub version: i64,
    pub created: i64,
    pub updated: i64,
}

impl DisruptionRow {
    pub(in crate::store) fn into_disruption(self) -> Result<Disruption, StoreError> {
        let key = self.disruption_id.clone();
        let id = DisruptionId::new(self.disruption_id).ok();
        Ok(Disruption {
            tenant: read(TenantId::new(self.tenant).ok(), "disruptions", "tenant", &key)?,
            id: read(id, "disruptions", "disruption_id", &key)?,
            event: read(EventId::new(self.event_id).ok(), "disruptions", "event_id", &key)?,
            kind: read(DisruptionKind::parse(&self.kind), "disruptions", "kind", &key)?,
            state: read(DisruptionState::parse(&self.state), "disruptions", "state", &key)?,
            requester: self.requester,
            traceparent: self.traceparent,
            version: self.version,
            created: Timestamp(self.created),
            updated: Timestamp(self.updated),
        })
    }
}

#[derive(sqlx::FromRow)]
pub(in crate::store) struct ItemRow {
    pub order_id: String,
    pub state: String,
    pub refund_id: Option<String>,
    pub currency: String,
    pub requested: i64,
    pub issued: i64,
    pub reason_code: String,
    pub next_action: String,
}

impl ItemRow {
    pub(in crate::store) fn into_item(self) -> Result<Item, StoreError> {
        const TABLE: &str = "disruption_items";
        let key = self.order_id.clone();
        let refund = match self.refund_id {
            None => None,
            Some(id) => Some(read(RefundId::new(id).ok(), TABLE, "refund_id", &key)?),
        };
        Ok(Item {
            order: read(OrderId::new(self.order_id).ok(), TABLE, "order_id", &key)?,
            state: read(ItemState::parse(&self.state), TABLE, "state", &key)?,
            refund,
            currency: read(self.currency.parse().ok(), TABLE, "currency", &key)?,
            requested: self.requested,
            issued: self.issued,
            reason_code: self.reason_code,
            next_action: self.next_action,
        })
    }
}

/// A pending item with what its refund takes from the disruption.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct PendingItemRow {
    pub tenant: String,
    pub disruption_id: String,
    pub order_id: String,
    pub plan: Vec<u8>,
    pub event_id: String,
    pub requester: String,
    pub traceparent: Option<String>,
}

#[derive(sqlx::FromRow)]
pub(in crate::store) struct ItemTotalsRow {
    pub state: String,
    pub currency: String,
    pub count: i64,
    pub requested: i64,
    pub issued: i64,
}

impl ItemTotalsRow {
    pub(in crate::store) fn into_totals(self) -> Result<ItemTotals, StoreError> {
        const TABLE: &str = "disruption_items";
        Ok(ItemTotals {
            state: read(ItemState::parse(&self.state), TABLE, "state", &self.state)?,
            currency: read(self.currency.parse().ok(), TABLE, "currency", &self.currency)?,
            count: self.count,
            requested: self.requested,
            issued: self.issued,
        })
    }
}

/// A frozen plan's JSON.
pub(in crate::store) fn plan_from(body: &[u8], order: &str) -> Result<ItemPlan, StoreError> {
    decode(body, "disruption_items", "plan", order)
}
