//! What disruptions and their items are read and moved through, at the level of intentions.
//!
//! Invariant: each method is one bounded transaction, however many items there are; the one that
//! moves a disruption checks the version that was decided on, and an item that a worker takes on is
//! taken on once.

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_core::id::{DisruptionId, IdSource, OrderId, TenantId};
use redress_core::money::{Currency, Money};
use redress_store::StoreError;

use super::{ItemTerms, Listed, Page, RequestRecord};
use crate::domain::audit::AuditEntry;
use crate::domain::disruption::{
    Disruption, DisruptionEvent, Item, ItemPlan, ItemState, Reconciliation, Remedy, Scope,
};

/// Disruptions and their items.
#[async_trait]
pub trait DisruptionStore: Send + Sync {
    /// Orders with a line in `scope`, in order, after `after`; at most `limit`. With `beside`, only
    /// those that are no items of this disruption.
    async fn orders_in_scope(
        &self,
        tenant: &TenantId,
        scope: &Scope,
        beside: Option<&DisruptionId>,
        after: Option<&OrderId>,
        limit: i64,
    ) -> Result<Vec<OrderId>, StoreError>;

    /// How many orders have a line in `scope`.
    async fn count_scope(&self, tenant: &TenantId, scope: &Scope) -> Result<i64, StoreError>;

    /// Opens a disruption, with its event and the record of the request. `AlreadyExists` when its
    /// scope has one that is open.
    async fn create_disruption(
        &self,
        disruption: &Disruption,
        audit: &AuditEntry,
        request: &RequestRecord,
        ids: &dyn IdSource,
    ) -> Result<(), StoreError>;

    /// A disruption.
    async fn disruption(
        &self,
        tenant: &TenantId,
        id: &DisruptionId,
    ) -> Result<Option<Disruption>, StoreError>;

    /// A page of disruptions, by id.
    async fn list_disruptions(
        &self,
        tenant: &TenantId,
        filter: &DisruptionFilter,
        page: &Page,
    ) -> Result<Listed<Disruption>, StoreError>;

    /// Items of disruptions by state, lane and currency: count, requested, issued. What is held is
    /// left out.
    async fn item_totals(
        &self,
        tenant: &TenantId,
        ids: &[DisruptionId],
    ) -> Result<Vec<ItemTotals>, StoreError>;

    /// Items that are held, by currency.
    async fn held_totals(
        &self,
        tenant: &TenantId,
        id: &DisruptionId,
    ) -> Result<Vec<ItemTotals>, StoreError>;

    /// A page of items, by order. What is held is left out.
    async fn list_items(
        &self,
        tenant: &TenantId,
        id: &DisruptionId,
        filter: &ItemFilter,
        page: &Page,
    ) -> Result<Listed<Item>, StoreError>;

    /// What a disruption came to by items, refunds, attempts and postings, one for each currency,
    /// from one moment's look. What is held is left out.
    async fn reconcile(
        &self,
        tenant: &TenantId,
        id: &DisruptionId,
    ) -> Result<Vec<Reconciliation>, StoreError>;

    /// Removes the items that nobody has agreed to: every item of a draft, and what is held beside
    /// an approved selection. `VersionMismatch` when the disruption is no longer at `version`.
    async fn discard_items(&self, disruption: &Disruption) -> Result<(), StoreError>;

    /// Writes planned items, replacing those of the same orders that nobody has agreed to: as they
    /// begin in a draft, held beside an approved selection. `VersionMismatch` when the disruption
    /// is no longer at `version`.
    async fn freeze_items(
        &self,
        disruption: &Disruption,
        plans: &[ItemPlan],
    ) -> Result<(), StoreError>;

    /// Moves a disruption on, guarded by its version, with what the step does to its items, its
    /// event, the audit entry and the record of the request. `VersionMismatch` when somebody else
    /// was faster.
    async fn advance_disruption(
        &self,
        disruption: &Disruption,
        step: &Step<'_>,
        ids: &dyn IdSource,
    ) -> Result<Advanced, StoreError>;

    /// Records what the buyer of an order has chosen, where the item allows it. `None` when it does
    /// not, or there is no such item; then nothing changes. `VersionMismatch` when the disruption is
    /// no longer at `version`.
    async fn choose(
        &self,
        disruption: &Disruption,
        order: &OrderId,
        remedy: Remedy,
        record: ItemRecord<'_>,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<Option<Item>, StoreError>;

    /// Which running disruptions have pending items in which lanes.
    async fn work(&self) -> Result<Vec<Work>, StoreError>;

    /// The order of the pending item that is next.
    async fn next_item(&self, work: &Work) -> Result<Option<OrderId>, StoreError>;

    /// Takes pending items on and turns each into a reserved refund, a further
    /// attempt, an item for a person (when the money is gone) or a settled one (nothing due), with
    /// their events. Takes no more than what keeps the armed attempts of the lane below `backlog`.
    /// An item that cannot be read goes to a person. Returns how many were taken.
    async fn start_items(
        &self,
        work: &Work,
        take: &Take,
        backlog: i64,
        terms: &ItemTerms,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<usize, StoreError>;

    /// Hands an item to a person, because it cannot be taken on, with its event. Returns whether it
    /// was still pending.
    async fn set_aside(
        &self,
        work: &Work,
        order: &OrderId,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Decides for up to `limit` buyers of running disruptions who have not chosen in time. Returns
    /// for how many.
    async fn lapse_choices(
        &self,
        limit: i64,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<usize, StoreError>;

    /// Leaves up to `limit` items of disruptions that were called off untouched for good. Returns
    /// how many.
    async fn abort_items(&self, limit: i64) -> Result<usize, StoreError>;

    /// Completes disruptions without an item that could still move. Returns how many.
    async fn complete_disruptions(
        &self,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<usize, StoreError>;
}

/// Makes the record of a request from an item as it is then.
pub type ItemRecord<'a> = &'a (dyn for<'i> Fn(&'i Item) -> RequestRecord + Sync);

/// Which disruptions.
#[derive(Debug, Clone, Default)]
pub struct DisruptionFilter {
    /// Whose scope names this event.
    pub event: Option<String>,
    /// In this state.
    pub state: Option<String>,
}

/// Which items.
#[derive(Debug, Clone, Default)]
pub struct ItemFilter {
    /// In this state.
    pub state: Option<ItemState>,
    /// Paid through this provider.
    pub lane: Option<String>,
    /// For this reason.
    pub reason_code: Option<String>,
}

/// Items of one disruption, state, lane and currency.
#[derive(Debug, Clone)]
pub struct ItemTotals {
    /// The disruption.
    pub disruption: DisruptionId,
    /// The state.
    pub state: ItemState,
    /// The provider; empty when Redress sends nothing.
    pub lane: String,
    /// ISO 4217 code.
    pub currency: Currency,
    /// How many.
    pub count: i64,
    /// What is to be paid, in minor units.
    pub requested: i64,
    /// What has been paid, in minor units.
    pub issued: i64,
}

/// What is to be paid, as one agrees to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// How many orders.
    pub orders: i64,
    /// The sums, one for each currency, sorted by it.
    pub sums: Vec<Money>,
}

/// How a disruption moves on, and what that does to its items.
pub struct Step<'a> {
    /// What happens.
    pub event: DisruptionEvent,
    /// What was agreed to: for `Approve` of what is frozen, for `Extend` of what is held. `None` for
    /// other events.
    pub agreed: Option<&'a Selection>,
    /// For `Retry` the orders, or all when empty.
    pub orders: &'a [OrderId],
    /// What the audit log says.
    pub audit: &'a AuditEntry,
    /// Makes the record of the request from the number of items that changed.
    pub record: &'a (dyn Fn(i64) -> RequestRecord + Sync),
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advanced {
    /// It is done; so many items changed.
    Done(i64),
    /// This is there, and not what was agreed to; nothing changed.
    Otherwise(Selection),
    /// There is nothing to try again; nothing changed.
    NothingToRetry,
    /// The item of this order cannot be tried again; nothing changed.
    NotRetryable(OrderId),
}

/// Pending items of one running disruption in one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The owner.
    pub tenant: TenantId,
    /// The disruption.
    pub disruption: DisruptionId,
    /// The provider; empty for items that need none.
    pub lane: String,
}

/// Which pending items are taken on in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Take {
    /// The next ones, up to so many.
    Next(i64),
    /// That of one order.
    Only(OrderId),
}

impl Take {
    /// How many items at most.
    pub const fn limit(&self) -> i64 {
        match self {
            Self::Next(limit) => *limit,
            Self::Only(_) => 1,
        }
    }

    /// The order of the item, where it is one that is named.
    pub fn order(&self) -> Option<&str> {
        match self {
            Self::Next(_) => None,
            Self::Only(order) => Some(order.as_str()),
        }
    }
}
