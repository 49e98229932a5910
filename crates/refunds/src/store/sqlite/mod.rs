//! The store on SQLite: one writer, set-based statements fed with one JSON parameter each.
//!
//! Invariant: whatever writes runs in a transaction that began with BEGIN IMMEDIATE, so nobody else
//! writes between its reads and its commit.

mod attempts;
mod creating;
mod deadlines;
mod disruption_store;
mod disruptions;
mod external;
mod import;
mod items;
mod lanes;
mod ledger;
mod orders;
mod policies;
mod reconcile;
mod refunds;
mod scope;
mod taking;
mod write;

#[cfg(test)]
pub(super) use ledger::insert_audit;

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_core::id::{
    CustomerId, EventId, IdSource, OrderId, PolicyId, QuoteId, RefundId, TenantId,
};
use redress_core::tenant::Tenant;
use redress_policy::Policy;
use redress_store::{SqliteDatabase, StoreError};
use sqlx::migrate::Migrator;

use super::{
    ActOutcome, AmbiguousRefund, AppliedPolicy, AuditOf, Claim, CreateOutcome, Decision,
    ImportOutcome, ImportedOrder, Listed, NewRefund, OrderFilter, Page, PaymentAt, RefundFilter,
    RefundStore, RequestRecord, StoredQuote, StoredReply,
};
use crate::domain::attempt::Attempt;
use crate::domain::ledger::CurrencySums;
use crate::domain::order::{Contact, Order};
use crate::domain::quote::Quote;
use crate::domain::refund::Refund;
use crate::domain::settle::AttemptFinding;

/// The migrations of this service.
pub static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Refunds in a SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    database: SqliteDatabase,
}

impl SqliteStore {
    /// A store over a connected and migrated database.
    pub const fn new(database: SqliteDatabase) -> Self {
        Self { database }
    }
}

/// Cuts a list that was read one row too far.
fn listed<T>(mut rows: Vec<T>, page: &Page, total: Option<i64>) -> Listed<T> {
    let size = usize::try_from(page.size).unwrap_or(0);
    let more = rows.len() > size;
    rows.truncate(size);
    Listed { rows, more, total }
}

/// The statements about legal clocks, whose plans a test reads: to mark, and to list.
#[cfg(test)]
pub(super) const DEADLINE_STATEMENTS: (&str, &str) = (deadlines::MARK, deadlines::LIST);

#[async_trait]
impl RefundStore for SqliteStore {
    async fn import_orders(
        &self,
        tenant: &TenantId,
        orders: &[ImportedOrder],
        settings: Option<&Tenant>,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<Vec<ImportOutcome>, StoreError> {
        import::import(&self.database, tenant, orders, settings, ids, now).await
    }

    async fn orders(&self, tenant: &TenantId, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        orders::load(&mut *self.database.read.begin().await?, tenant, ids).await
    }

    async fn list_orders(
        &self,
        tenant: &TenantId,
        filter: &OrderFilter,
        page: &Page,
    ) -> Result<Listed<Order>, StoreError> {
        orders::list(&self.database, tenant, filter, page).await
    }

    async fn contacts(
        &self,
        tenant: &TenantId,
        ids: &[OrderId],
    ) -> Result<Vec<(OrderId, Contact, String)>, StoreError> {
        orders::contacts(&self.database, tenant, ids).await
    }

    async fn apply_policy(
        &self,
        tenant: &TenantId,
        policy: AppliedPolicy,
        audit: AuditOf<'_, Policy>,
        now: Timestamp,
    ) -> Result<AppliedPolicy, StoreError> {
        policies::apply(&self.database, tenant, policy, audit, now).await
    }

    async fn policy(
        &self,
        tenant: &TenantId,
        id: &PolicyId,
    ) -> Result<Option<AppliedPolicy>, StoreError> {
        policies::newest(&mut *self.database.read.acquire().await?, tenant, id).await
    }

    async fn policy_version(
        &self,
        tenant: &TenantId,
        id: &PolicyId,
        version: i64,
    ) -> Result<Option<Policy>, StoreError> {
        policies::version(&self.database, tenant, id, version).await
    }

    async fn policy_in_force(
        &self,
        tenant: &TenantId,
        id: &PolicyId,
        at: Timestamp,
    ) -> Result<Option<Policy>, StoreError> {
        policies::in_force(&self.database, tenant, id, at).await
    }

    async fn list_policies(
        &self,
        tenant: &TenantId,
        page: &Page,
    ) -> Result<Listed<AppliedPolicy>, StoreError> {
        policies::list(&self.database, tenant, page).await
    }

    async fn replay(
        &self,
        tenant: &TenantId,
        method: &'static str,
        request_id: &str,
    ) -> Result<Option<StoredReply>, StoreError> {
        refunds::replay(&self.database, tenant, method, request_id).await
    }

    async fn create_quote(
        &self,
        tenant: &TenantId,
        quote: &Quote,
        request: &RequestRecord,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        refunds::create_quote(&self.database, tenant, quote, request, now).await
    }

    async fn quotes(
        &self,
        keys: &[(TenantId, QuoteId)],
    ) -> Result<Vec<Option<StoredQuote>>, StoreError> {
        refunds::quotes(&self.database, keys).await
    }

    async fn create_refunds(
        &self,
        refunds: &[NewRefund],
        ids: &dyn IdSource,
    ) -> Result<Vec<CreateOutcome>, StoreError> {
        creating::create(&self.database, refunds, ids).await
    }

    async fn act(
        &self,
        tenant: &TenantId,
        id: &RefundId,
        decision: &Decision<'_>,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<ActOutcome, StoreError> {
        creating::act(&self.database, tenant, id, decision, ids, now).await
    }

    async fn buyer_refunds(
        &self,
        tenant: &TenantId,
        customer: &CustomerId,
        events: &[EventId],
    ) -> Result<Vec<(EventId, i64)>, StoreError> {
        creating::buyer_refunds(&self.database, tenant, customer, events).await
    }

    async fn payments_at(
        &self,
        provider: &str,
        reference: &str,
        limit: i64,
    ) -> Result<Vec<PaymentAt>, StoreError> {
        external::payments_at(&self.database, provider, reference, limit).await
    }

    async fn record_external(
        &self,
        refund: &Refund,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        external::record(&self.database, refund, ids, now).await
    }

    async fn announce_ambiguous(
        &self,
        ambiguous: &AmbiguousRefund,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        external::announce_ambiguous(&self.database, ambiguous, ids, now).await
    }

    async fn refund(&self, tenant: &TenantId, id: &RefundId) -> Result<Option<Refund>, StoreError> {
        refunds::get(&self.database, tenant, id).await
    }

    async fn list_refunds(
        &self,
        tenant: &TenantId,
        filter: &RefundFilter,
        page: &Page,
    ) -> Result<Listed<Refund>, StoreError> {
        refunds::list(&self.database, tenant, filter, page).await
    }

    async fn claim_to_look_up(&self, claim: &Claim<'_>) -> Result<Vec<Attempt>, StoreError> {
        attempts::claim_to_look_up(&self.database, claim).await
    }

    async fn settle(
        &self,
        findings: &[AttemptFinding],
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        attempts::settle(&self.database, findings, ids, now).await
    }

    async fn hint(
        &self,
        provider: &str,
        provider_refund: &str,
        attempt: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        attempts::hint(&self.database, provider, provider_refund, attempt, now).await
    }

    async fn attempt_by_provider_refund(
        &self,
        provider: &str,
        provider_refund: &str,
        attempt: Option<&str>,
    ) -> Result<Option<Attempt>, StoreError> {
        attempts::by_provider_refund(&self.database, provider, provider_refund, attempt).await
    }

    async fn next_due(&self, provider: &str) -> Result<Option<Timestamp>, StoreError> {
        attempts::next_due(&self.database, provider).await
    }

    async fn ledger_sums(&self, tenant: &TenantId) -> Result<Vec<CurrencySums>, StoreError> {
        refunds::ledger_sums(&self.database, tenant).await
    }
}
