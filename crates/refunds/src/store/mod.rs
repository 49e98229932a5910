//! What refunds keeps, at the level of intentions.
//!
//! Invariant: each method is one transaction. Whatever belongs together (a refund, its counters,
//! its postings, its events, the record of the request) is written together or not at all, and
//! every row is reached through its tenant.

mod chain;
mod changes;
#[cfg(test)]
mod conformance;
mod creating;
mod deadlines;
mod disruptions;
mod importing;
mod lanes;
mod ledger;
mod overdrawn;
mod rows;
mod types;

pub mod postgres;
pub mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_core::id::{
    CustomerId, EventId, IdSource, OrderId, PolicyId, QuoteId, RefundId, TenantId,
};
use redress_core::tenant::Tenant;
use redress_policy::Policy;
use redress_store::idempotency::IdempotencyRecord;
use redress_store::{Database, Schema, StoreError};

use crate::domain::attempt::Attempt;
use crate::domain::ledger::CurrencySums;
use crate::domain::order::{Contact, Order};
use crate::domain::quote::Quote;
use crate::domain::refund::Refund;
use crate::domain::settle::AttemptFinding;

pub use deadlines::{Announced, DeadlinePage, DeadlineStore, Watch};
pub use disruptions::{
    Advanced, DisruptionFilter, DisruptionStore, ItemFilter, ItemRecord, ItemTotals, Selection,
    Step, Take, Work,
};
pub use lanes::{Again, LaneState, LaneStore, Slot, Taken};
pub use ledger::{AuditFilter, CHAIN_BATCH, CHAIN_LEASE, ChainPage, LedgerStore, Slice};
pub use types::{
    ActOutcome, AmbiguousRefund, AppliedPolicy, AuditOf, Claim, CreateOutcome, Decision,
    ImportOutcome, ImportedOrder, ItemTerms, Listed, NewRefund, Offer, OrderFilter, Page,
    PaymentAt, RefundFilter, RequestRecord, StoredQuote, StoredReply,
};

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

/// The records of requests that one transaction answers.
fn records(requests: &[(TenantId, RequestRecord)], now: Timestamp) -> Vec<IdempotencyRecord> {
    requests.iter().map(|(tenant, request)| request.record(tenant, now)).collect()
}

/// Everything that refunds reads and writes; of disruptions [`DisruptionStore`] speaks, of the books
/// and their chains [`LedgerStore`], of the lanes of providers [`LaneStore`], of legal clocks
/// [`DeadlineStore`].
#[async_trait]
pub trait RefundStore:
    DisruptionStore + LaneStore + LedgerStore + DeadlineStore + Send + Sync
{
    /// Stores what is new or newer among `orders`, all in one transaction; one outcome each, in
    /// order. Counters of payments and lines that exist are kept. An order is pinned to the policy
    /// version that it was sold under as soon as that is known: of the policy it names, else of
    /// the one that `settings` choose for it. A payment that becomes overdrawn and a line that becomes smaller than what
    /// refunds have taken up are announced, with event ids of `ids`.
    async fn import_orders(
        &self,
        tenant: &TenantId,
        orders: &[ImportedOrder],
        settings: Option<&Tenant>,
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

    /// Stores a policy as its next version, with the entry of the audit log that `audit` makes of
    /// it, or returns the newest when nothing but the version differs.
    async fn apply_policy(
        &self,
        tenant: &TenantId,
        policy: AppliedPolicy,
        audit: AuditOf<'_, Policy>,
        now: Timestamp,
    ) -> Result<AppliedPolicy, StoreError>;

    /// The newest version of a policy.
    async fn policy(
        &self,
        tenant: &TenantId,
        id: &PolicyId,
    ) -> Result<Option<AppliedPolicy>, StoreError>;

    /// One version of a policy.
    async fn policy_version(
        &self,
        tenant: &TenantId,
        id: &PolicyId,
        version: i64,
    ) -> Result<Option<Policy>, StoreError>;

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
    ) -> Result<Listed<AppliedPolicy>, StoreError>;

    /// What an earlier call of `method` with this request id was answered.
    async fn replay(
        &self,
        tenant: &TenantId,
        method: &'static str,
        request_id: &str,
    ) -> Result<Option<StoredReply>, StoreError>;

    /// Stores a quote with the record of its request, and pins the order, unless it is pinned, to
    /// the policy version that the quote was priced under.
    async fn create_quote(
        &self,
        tenant: &TenantId,
        quote: &Quote,
        request: &RequestRecord,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Quotes, whose they are, and what became of them; one answer for each key, in order, `None`
    /// where the tenant has no such quote.
    async fn quotes(
        &self,
        keys: &[(TenantId, QuoteId)],
    ) -> Result<Vec<Option<StoredQuote>>, StoreError>;

    /// For each new refund: reserves its money, stores it with its attempts, postings, event and
    /// audit entry, marks its quote as accepted and records its request. All that can be stored is
    /// stored in one transaction, and each outcome is that of the refunds one after another; one
    /// outcome each, in order.
    async fn create_refunds(
        &self,
        refunds: &[NewRefund],
        ids: &dyn IdSource,
    ) -> Result<Vec<CreateOutcome>, StoreError>;

    /// Applies what somebody decided about a refund: attempts, counters, lines, postings, event,
    /// audit entry, and the record of the request.
    async fn act(
        &self,
        tenant: &TenantId,
        id: &RefundId,
        decision: &Decision<'_>,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<ActOutcome, StoreError>;

    /// How many refunds of a buyer count against what policies give each buyer once, for those of
    /// `events` that have any.
    async fn buyer_refunds(
        &self,
        tenant: &TenantId,
        customer: &CustomerId,
        events: &[EventId],
    ) -> Result<Vec<(EventId, i64)>, StoreError>;

    /// The payments that a provider knows under `reference`, over all tenants, at most `limit`.
    async fn payments_at(
        &self,
        provider: &str,
        reference: &str,
        limit: i64,
    ) -> Result<Vec<PaymentAt>, StoreError>;

    /// Records a refund that was made at the provider past Redress: the refund with its one
    /// succeeded attempt, the payment's counters, the posting, and the payment's mark when it is
    /// overdrawn now, with its event. `false` when the provider's refund is known: nothing changes.
    async fn record_external(
        &self,
        refund: &Refund,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Announces once that a refund made at the provider fits several payments of a tenant.
    /// `false` when it was announced before.
    async fn announce_ambiguous(
        &self,
        ambiguous: &AmbiguousRefund,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// A refund with its attempts.
    async fn refund(&self, tenant: &TenantId, id: &RefundId) -> Result<Option<Refund>, StoreError>;

    /// A page of refunds with their attempts, by id.
    async fn list_refunds(
        &self,
        tenant: &TenantId,
        filter: &RefundFilter,
        page: &Page,
    ) -> Result<Listed<Refund>, StoreError>;

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

    /// Makes an attempt due at once, because a webhook hints at news; one that somebody holds is
    /// due when they let go of it unsettled, as they may have asked before. Unknown refunds change
    /// nothing; returns whether one was found whose outcome is open.
    async fn hint(
        &self,
        provider: &str,
        provider_refund: &str,
        attempt: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// The attempt, in whatever state, that made a provider's refund: by the provider's id of it,
    /// else by the attempt's id that the refund carries.
    async fn attempt_by_provider_refund(
        &self,
        provider: &str,
        provider_refund: &str,
        attempt: Option<&str>,
    ) -> Result<Option<Attempt>, StoreError>;

    /// When the next attempt of `provider` comes due, if any is open.
    async fn next_due(&self, provider: &str) -> Result<Option<Timestamp>, StoreError>;

    /// The tenant's books and counters, summed by currency.
    async fn ledger_sums(&self, tenant: &TenantId) -> Result<Vec<CurrencySums>, StoreError>;
}
