//! What refunds keeps, at the level of intentions.
//!
//! Invariant: each method is one transaction. Whatever belongs together (a refund, its counters,
//! its postings, its events, the record of the request) is written together or not at all, and
//! every row is reached through its tenant.

mod changes;
#[cfg(test)]
mod conformance;
mod overdrawn;
mod rows;

pub mod postgres;
pub mod sqlite;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_core::id::{
    DisruptionId, EventId, IdSource, OrderId, PolicyId, QuoteId, RefundId, TenantId,
};
use redress_policy::Policy;
use redress_store::{Database, Schema, StoreError};

use crate::domain::attempt::Attempt;
use crate::domain::disruption::{Disruption, DisruptionEvent, Item, ItemPlan, ItemState};
use crate::domain::ledger::CurrencySums;
use crate::domain::order::{Contact, Order};
use crate::domain::quote::Quote;
use crate::domain::refund::Refund;
use crate::domain::reserve::Shortage;
use crate::domain::settle::AttemptFinding;

/// Shared handle to the store.
pub type SharedStore = Arc<dyn RefundStore>;

/// The migrations of this service, after those of the platform.
pub static SCHEMA: Schema =
    Schema { service: "refunds", sqlite: &sqlite::MIGRATIONS, postgres: &postgres::MIGRATIONS };

/// The store of a connected database.
pub fn open(database: Database) -> SharedStore {
    match database {
        Database::Sqlite(database) => Arc::new(sqlite::SqliteStore::new(database)),
        Database::Postgres(database) => Arc::new(postgres::PostgresStore::new(database)),
    }
}

/// Everything that refunds reads and writes.
#[async_trait]
pub trait RefundStore: Send + Sync {
    /// Stores what is new or newer among `orders`, all in one transaction; one outcome each, in
    /// order. Counters of payments and lines that exist are kept. A payment that becomes overdrawn
    /// is announced, with an event id of `ids`.
    async fn import_orders(
        &self,
        tenant: &TenantId,
        orders: &[ImportedOrder],
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<Vec<ImportOutcome>, StoreError>;

    /// Orders by id, with their counters; those that do not exist are left out.
    async fn orders(&self, tenant: &TenantId, ids: &[OrderId]) -> Result<Vec<Order>, StoreError>;

    /// A page of orders, by id.
    async fn list_orders(
        &self,
        tenant: &TenantId,
        filter: &OrderFilter,
        page: &Page,
    ) -> Result<Listed<Order>, StoreError>;

    /// How to reach the buyers of orders, with the title of each order's first line.
    async fn contacts(
        &self,
        tenant: &TenantId,
        ids: &[OrderId],
    ) -> Result<Vec<(OrderId, Contact, String)>, StoreError>;

    /// Stores `policy` as its next version, or returns the newest when nothing but the version
    /// differs.
    async fn apply_policy(
        &self,
        tenant: &TenantId,
        policy: Policy,
        now: Timestamp,
    ) -> Result<Policy, StoreError>;

    /// The newest version of a policy.
    async fn policy(&self, tenant: &TenantId, id: &PolicyId) -> Result<Option<Policy>, StoreError>;

    /// The version that was in force at `at`: of those effective by then the one with the latest
    /// effective time; of several with the same time the newest.
    async fn policy_in_force(
        &self,
        tenant: &TenantId,
        id: &PolicyId,
        at: Timestamp,
    ) -> Result<Option<Policy>, StoreError>;

    /// The newest version of each policy, by id.
    async fn list_policies(
        &self,
        tenant: &TenantId,
        page: &Page,
    ) -> Result<Listed<Policy>, StoreError>;

    /// What an earlier call of `method` with this request id was answered.
    async fn replay(
        &self,
        tenant: &TenantId,
        method: &'static str,
        request_id: &str,
    ) -> Result<Option<StoredReply>, StoreError>;

    /// Stores a quote with the record of its request.
    async fn create_quote(
        &self,
        tenant: &TenantId,
        quote: &Quote,
        request: &RequestRecord,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// A quote, and the refund that accepted it.
    async fn quote(
        &self,
        tenant: &TenantId,
        id: &QuoteId,
    ) -> Result<Option<(Quote, Option<RefundId>)>, StoreError>;

    /// Reserves the money of `refund`, stores it with its attempts, postings and event, marks the
    /// quote as accepted and records the request.
    async fn create_refund(
        &self,
        refund: &Refund,
        quote: &QuoteId,
        request: &RequestRecord,
        ids: &dyn IdSource,
    ) -> Result<CreateOutcome, StoreError>;

    /// A refund with its attempts.
    async fn refund(&self, tenant: &TenantId, id: &RefundId) -> Result<Option<Refund>, StoreError>;

    /// A page of refunds with their attempts, by id.
    async fn list_refunds(
        &self,
        tenant: &TenantId,
        filter: &RefundFilter,
        page: &Page,
    ) -> Result<Listed<Refund>, StoreError>;

    /// Hands up to `limit` armed attempts of `provider` that are due to the caller, as sent.
    async fn claim_to_send(&self, claim: &Claim<'_>) -> Result<Vec<Attempt>, StoreError>;

    /// Hands up to `limit` attempts of `provider` to the caller whose outcome has to be looked up:
    /// accepted or unknown ones that are due, and sent ones whose holder vanished, which become
    /// unknown.
    async fn claim_to_look_up(&self, claim: &Claim<'_>) -> Result<Vec<Attempt>, StoreError>;

    /// Applies findings (all of distinct attempts): attempts, counters, postings, refunds, items
    /// and events. Findings of somebody who lost the claim change nothing. Returns how many were
    /// applied.
    async fn settle(
        &self,
        findings: &[AttemptFinding],
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<usize, StoreError>;

    /// Makes an attempt due at once, because a webhook hints at news. Unknown refunds change
    /// nothing; returns whether one was found.
    async fn hint(
        &self,
        provider: &str,
        provider_refund: &str,
        attempt: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// The attempt that a webhook is about, when it has come to rest.
    async fn attempt_at_rest(
        &self,
        provider: &str,
        provider_refund: &str,
        attempt: Option<&str>,
    ) -> Result<Option<Attempt>, StoreError>;

    /// When the next attempt of `provider` comes due, if any is open.
    async fn next_due(&self, provider: &str) -> Result<Option<Timestamp>, StoreError>;

    /// Orders with a line for `event`, by id, after `after`; at most `limit`.
    async fn orders_for_event(
        &self,
        tenant: &TenantId,
        event: &EventId,
        after: Option<&OrderId>,
        limit: i64,
    ) -> Result<Vec<Order>, StoreError>;

    /// Opens a disruption and records the request. `AlreadyExists` when the event has one.
    async fn create_disruption(
        &self,
        disruption: &Disruption,
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

    /// Items of a disruption by state and currency: count, requested, issued.
    async fn item_totals(
        &self,
        tenant: &TenantId,
        id: &DisruptionId,
    ) -> Result<Vec<ItemTotals>, StoreError>;

    /// A page of items, by order.
    async fn list_items(
        &self,
        tenant: &TenantId,
        id: &DisruptionId,
        state: Option<ItemState>,
        page: &Page,
    ) -> Result<Listed<Item>, StoreError>;

    /// Removes every item of a draft: what an interrupted approval left, whose orders may have left
    /// the event since. `VersionMismatch` when the disruption is no longer a draft at `version`.
    async fn discard_items(&self, disruption: &Disruption) -> Result<(), StoreError>;

    /// Writes planned items of a draft, replacing those of the same orders.
    /// `VersionMismatch` when the disruption is no longer a draft at `version`.
    async fn freeze_items(
        &self,
        disruption: &Disruption,
        plans: &[ItemPlan],
    ) -> Result<(), StoreError>;

    /// Moves a disruption on, guarded by its version, with its event and the record of the
    /// request. For `Approve`, `expected_items` must be the number of frozen items, or nothing
    /// changes and `VersionMismatch` is returned.
    async fn advance_disruption(
        &self,
        disruption: &Disruption,
        event: DisruptionEvent,
        expected_items: Option<i64>,
        request: &RequestRecord,
        ids: &dyn IdSource,
    ) -> Result<Disruption, StoreError>;

    /// Takes up to `limit` pending items of running disruptions and turns each into a reserved
    /// refund, an item for a person (when the money is gone) or a settled one (nothing due), with
    /// their events. Returns how many were taken.
    async fn start_items(
        &self,
        limit: i64,
        terms: &ItemTerms,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<usize, StoreError>;

    /// Completes running disruptions without an item that could still move. Returns how many.
    async fn complete_disruptions(
        &self,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<usize, StoreError>;

    /// The tenant's books and counters, summed by currency.
    async fn ledger_sums(&self, tenant: &TenantId) -> Result<Vec<CurrencySums>, StoreError>;
}

/// An order to import, with the digest of its content.
#[derive(Debug, Clone)]
pub struct ImportedOrder {
    /// The order; counters are zero.
    pub order: Order,
    /// SHA-256 of its content, source version included.
    pub digest: [u8; 32],
}

/// What became of an imported order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportOutcome {
    /// It was new.
    Created,
    /// It replaced an older version.
    Updated,
    /// It was known exactly so.
    Unchanged,
    /// A newer version is stored; it was ignored.
    Stale,
    /// Another content is stored under the same source version.
    Conflict,
    /// Its currency differs from the stored one's, which refunds may refer to.
    CurrencyChanged,
    /// A line costs less than refunds have taken up of it. (One that is gone is kept as removed.)
    BelowRefunded,
}

/// A request that must be answered alike when it comes again.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    /// The RPC, such as `RefundService/CreateRefund`.
    pub method: &'static str,
    /// The caller's id of the request.
    pub request_id: String,
    /// Hash of the request's body.
    pub fingerprint: [u8; 32],
    /// The encoded answer.
    pub response: Vec<u8>,
}

/// What an earlier request was answered.
#[derive(Debug, Clone)]
pub struct StoredReply {
    /// Hash of that request's body.
    pub fingerprint: Vec<u8>,
    /// The encoded answer.
    pub response: Vec<u8>,
}

/// What became of a refund that was to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateOutcome {
    /// It is stored and its money is reserved.
    Created,
    /// Money or lines are no longer there; nothing changed.
    Short(Shortage),
    /// Another refund has accepted the quote; nothing changed.
    QuoteUsed,
}

/// Who takes attempts on, and until when.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The lane.
    pub provider: &'a str,
    /// A fresh id: the fencing token of this claim.
    pub claim: &'a str,
    /// At most this many.
    pub limit: i64,
    /// The current time.
    pub now: Timestamp,
    /// How long the holder may take before others step in.
    pub lease: Duration,
}

/// What every refund of a disruption's items shares.
#[derive(Debug, Clone, Copy)]
pub struct ItemTerms {
    /// How long the law gives for paying, counted from the start.
    pub pay_within: Duration,
    /// How long the money takes to arrive, at most.
    pub arrival: Option<Duration>,
}

/// Which page of a list, by id.
#[derive(Debug, Clone)]
pub struct Page {
    /// At most this many.
    pub size: i64,
    /// The last id of the page before; `None` on the first page.
    pub after: Option<String>,
    /// Whether the number of all matches is asked for.
    pub count: bool,
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// The rows, at most as many as asked for.
    pub rows: Vec<T>,
    /// Whether there are more.
    pub more: bool,
    /// How many match in all, when asked for.
    pub total: Option<i64>,
}

/// Which orders.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// With a line for this event.
    pub event: Option<String>,
    /// Bought by this customer.
    pub customer: Option<String>,
    /// In this state.
    pub state: Option<String>,
}

/// Which refunds.
#[derive(Debug, Clone, Default)]
pub struct RefundFilter {
    /// Of this order.
    pub order: Option<String>,
    /// Of this disruption.
    pub disruption: Option<String>,
    /// In this state.
    pub state: Option<String>,
}

/// Which disruptions.
#[derive(Debug, Clone, Default)]
pub struct DisruptionFilter {
    /// Of this event.
    pub event: Option<String>,
    /// In this state.
    pub state: Option<String>,
}

/// Items of one state and currency.
#[derive(Debug, Clone)]
pub struct ItemTotals {
    /// The state.
    pub state: ItemState,
    /// ISO 4217 code.
    pub currency: redress_core::money::Currency,
    /// How many.
    pub count: i64,
    /// What is to be paid, in minor units.
    pub requested: i64,
    /// What has been paid, in minor units.
    pub issued: i64,
}
