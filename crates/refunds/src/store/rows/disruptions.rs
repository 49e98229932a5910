//! Rows of disruptions and their items.
//!
//! Invariant: an item's plan is read back exactly as it was frozen.

use redress_core::chain::Hash;
use redress_core::clock::Timestamp;
use redress_core::id::{CustomerId, DisruptionId, EventId, OrderId, RefundId, TenantId};
use redress_core::money::Money;
use redress_store::StoreError;

use super::super::changes::PendingItem;
use super::super::{ItemTotals, Selection, Work};
use super::{decode, encode, read};
use crate::domain::disruption::{
    Change, Disruption, DisruptionState, Item, ItemPlan, ItemState, Remedy, Scope,
};
use crate::domain::fact::{AtRest, Needs};
use crate::domain::refund::DisruptionRef;

/// By what equal scopes are recognised: SHA-256 over their one form.
pub(in crate::store) fn scope_digest(scope: &Scope) -> Result<Vec<u8>, StoreError> {
    let form = encode(&scope.clone().normalised())?;
    Ok(Hash::GENESIS.followed_by(&form).as_bytes().to_vec())
}

#[derive(sqlx::FromRow)]
pub(in crate::store) struct DisruptionRow {
    pub tenant: String,
    pub disruption_id: String,
    pub scope: Vec<u8>,
    pub change: Vec<u8>,
    pub terms: Vec<u8>,
    pub state: String,
    pub scope_orders: i64,
    pub requester: String,
    pub approver: Option<String>,
    pub traceparent: Option<String>,
    pub version: i64,
    pub created: i64,
    pub updated: i64,
}

impl DisruptionRow {
    pub(in crate::store) fn into_disruption(self) -> Result<Disruption, StoreError> {
        const TABLE: &str = "disruptions";
        let key = self.disruption_id.clone();
        let id = DisruptionId::new(self.disruption_id).ok();
        Ok(Disruption {
            tenant: read(TenantId::new(self.tenant).ok(), TABLE, "tenant", &key)?,
            id: read(id, TABLE, "disruption_id", &key)?,
            scope: decode(&self.scope, TABLE, "scope", &key)?,
            change: decode(&self.change, TABLE, "change", &key)?,
            terms: decode(&self.terms, TABLE, "terms", &key)?,
            state: read(DisruptionState::parse(&self.state), TABLE, "state", &key)?,
            scope_orders: self.scope_orders,
            requester: self.requester,
            approver: self.approver,
            traceparent: self.traceparent,
            version: self.version,
            created: Timestamp(self.created),
            updated: Timestamp(self.updated),
        })
    }
}

const ITEMS: &str = "disruption_items";

#[derive(sqlx::FromRow)]
pub(in crate::store) struct ItemRow {
    pub order_id: String,
    pub state: String,
    pub remedy: Option<String>,
    pub lane: String,
    pub refund_id: Option<String>,
    pub currency: String,
    pub requested: i64,
    pub issued: i64,
    pub reason_code: String,
    pub next_action: String,
}

impl ItemRow {
    pub(in crate::store) fn into_item(self) -> Result<Item, StoreError> {
        let key = self.order_id.clone();
        let remedy = match self.remedy {
            None => None,
            Some(remedy) => Some(read(Remedy::parse(&remedy), ITEMS, "remedy", &key)?),
        };
        Ok(Item {
            order: read(OrderId::new(self.order_id).ok(), ITEMS, "order_id", &key)?,
            state: read(ItemState::parse(&self.state), ITEMS, "state", &key)?,
            remedy,
            lane: self.lane,
            refund: refund_id(self.refund_id, &key)?,
            currency: read(self.currency.parse().ok(), ITEMS, "currency", &key)?,
            requested: self.requested,
            issued: self.issued,
            reason_code: self.reason_code,
            next_action: self.next_action,
        })
    }
}

fn change_from(kind: &str, key: &str) -> Result<&'static str, StoreError> {
    read(Change::parse_kind(kind), "disruptions", "kind", key)
}

fn refund_id(id: Option<String>, key: &str) -> Result<Option<RefundId>, StoreError> {
    id.map(|id| read(RefundId::new(id).ok(), ITEMS, "refund_id", key)).transpose()
}

/// A pending item with what its refund takes from the disruption.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct PendingItemRow {
    pub order_id: String,
    pub plan: Vec<u8>,
    pub refund_id: Option<String>,
    pub kind: String,
    pub terms: Vec<u8>,
    pub requester: String,
    pub traceparent: Option<String>,
}

impl PendingItemRow {
    pub(in crate::store) fn into_item(self, work: &Work) -> Result<PendingItem, StoreError> {
        let plan: ItemPlan = decode(&self.plan, ITEMS, "plan", &self.order_id)?;
        Ok(PendingItem {
            tenant: work.tenant.clone(),
            disruption: DisruptionRef { id: work.disruption.clone(), event: plan.event.clone() },
            requester: self.requester,
            traceparent: self.traceparent,
            change: change_from(&self.kind, &self.order_id)?,
            terms: decode(&self.terms, "disruptions", "terms", work.disruption.as_str())?,
            refund: refund_id(self.refund_id, &self.order_id)?,
            plan,
        })
    }
}

/// An item that moves without a refund, with what its event tells.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct ItemFactRow {
    pub tenant: String,
    pub disruption_id: String,
    pub order_id: String,
    pub customer: String,
    pub event_id: String,
    pub refund_id: Option<String>,
    pub currency: String,
    pub requested: i64,
    pub issued: i64,
    pub kind: String,
    pub traceparent: Option<String>,
}

/// Whose an item is, and what it is about.
pub(in crate::store) struct ItemSubject {
    pub tenant: TenantId,
    pub disruption: DisruptionRef,
    pub traceparent: Option<String>,
}

impl ItemFactRow {
    /// The item at rest in `outcome`.
    pub(in crate::store) fn at_rest(
        self,
        outcome: ItemState,
        needs: Needs,
    ) -> Result<(ItemSubject, AtRest), StoreError> {
        let key = self.order_id.clone();
        let currency = read(self.currency.parse().ok(), ITEMS, "currency", &key)?;
        let disruption = DisruptionRef {
            id: read(DisruptionId::new(self.disruption_id).ok(), ITEMS, "disruption_id", &key)?,
            event: read(EventId::new(self.event_id).ok(), "order_lines", "event_id", &key)?,
        };
        let subject = ItemSubject {
            tenant: read(TenantId::new(self.tenant).ok(), ITEMS, "tenant", &key)?,
            disruption,
            traceparent: self.traceparent,
        };
        let at_rest = AtRest {
            order: read(OrderId::new(self.order_id).ok(), ITEMS, "order_id", &key)?,
            customer: read(CustomerId::new(self.customer).ok(), "orders", "customer", &key)?,
            refund: refund_id(self.refund_id, &key)?,
            change: change_from(&self.kind, &key)?,
            outcome,
            requested: Money { currency, minor_units: self.requested },
            issued: self.issued,
            needs,
        };
        Ok((subject, at_rest))
    }
}

#[derive(sqlx::FromRow)]
pub(in crate::store) struct WorkRow {
    pub tenant: String,
    pub disruption_id: String,
    pub lane: String,
}

impl WorkRow {
    pub(in crate::store) fn into_work(self) -> Result<Work, StoreError> {
        const TABLE: &str = "disruption_lanes";
        let key = self.disruption_id.clone();
        let id = DisruptionId::new(self.disruption_id).ok();
        Ok(Work {
            tenant: read(TenantId::new(self.tenant).ok(), TABLE, "tenant", &key)?,
            disruption: read(id, TABLE, "disruption_id", &key)?,
            lane: self.lane,
        })
    }
}

/// What was counted and summed by currency.
pub(in crate::store) fn selection_from(
    rows: Vec<(String, i64, i64)>,
    id: &DisruptionId,
) -> Result<Selection, StoreError> {
    let mut selection = Selection { orders: 0, sums: Vec::with_capacity(rows.len()) };
    for (code, orders, minor_units) in rows {
        let currency = read(code.parse().ok(), ITEMS, "currency", id.as_str())?;
        selection.orders += orders;
        selection.sums.push(Money { currency, minor_units });
    }
    selection.sums.sort_unstable_by_key(|sum| sum.currency);
    Ok(selection)
}

#[derive(sqlx::FromRow)]
pub(in crate::store) struct ItemTotalsRow {
    pub disruption_id: String,
    pub state: String,
    pub lane: String,
    pub currency: String,
    pub count: i64,
    pub requested: i64,
    pub issued: i64,
}

impl ItemTotalsRow {
    pub(in crate::store) fn into_totals(self) -> Result<ItemTotals, StoreError> {
        let state = match self.state.as_str() {
            "HELD" => Some(ItemState::Held),
            shown => ItemState::parse(shown),
        };
        let id = DisruptionId::new(&*self.disruption_id).ok();
        Ok(ItemTotals {
            disruption: read(id, ITEMS, "disruption_id", &self.disruption_id)?,
            state: read(state, ITEMS, "state", &self.state)?,
            lane: self.lane,
            currency: read(self.currency.parse().ok(), ITEMS, "currency", &self.currency)?,
            count: self.count,
            requested: self.requested,
            issued: self.issued,
        })
    }
}
