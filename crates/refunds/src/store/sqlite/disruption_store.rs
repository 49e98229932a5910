//! Which function of SQLite is behind each method about disruptions.

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_core::id::{DisruptionId, IdSource, OrderId, TenantId};
use redress_store::StoreError;

use super::super::{
    Advanced, DisruptionFilter, DisruptionStore, ItemFilter, ItemRecord, ItemTerms, ItemTotals,
    Listed, Page, RequestRecord, Step, Take, Work,
};
use super::{SqliteStore, disruptions, items, reconcile, scope, taking};
use crate::domain::audit::AuditEntry;
use crate::domain::disruption::{Disruption, Item, ItemPlan, Reconciliation, Remedy, Scope};

#[async_trait]
impl DisruptionStore for SqliteStore {
    async fn orders_in_scope(
        &self,
        tenant: &TenantId,
        scope: &Scope,
        beside: Option<&DisruptionId>,
        after: Option<&OrderId>,
        limit: i64,
    ) -> Result<Vec<OrderId>, StoreError> {
        scope::orders(&self.database, tenant, scope, beside, after, limit).await
    }

    async fn count_scope(&self, tenant: &TenantId, scope: &Scope) -> Result<i64, StoreError> {
        scope::count(&self.database, tenant, scope).await
    }

    async fn create_disruption(
        &self,
        disruption: &Disruption,
        audit: &AuditEntry,
        request: &RequestRecord,
        ids: &dyn IdSource,
    ) -> Result<(), StoreError> {
        disruptions::create(&self.database, disruption, audit, request, ids).await
    }

    async fn disruption(
        &self,
        tenant: &TenantId,
        id: &DisruptionId,
    ) -> Result<Option<Disruption>, StoreError> {
        disruptions::get(&mut *self.database.read.acquire().await?, tenant, id).await
    }

    async fn list_disruptions(
        &self,
        tenant: &TenantId,
        filter: &DisruptionFilter,
        page: &Page,
    ) -> Result<Listed<Disruption>, StoreError> {
        disruptions::list(&self.database, tenant, filter, page).await
    }

    async fn item_totals(
        &self,
        tenant: &TenantId,
        ids: &[DisruptionId],
    ) -> Result<Vec<ItemTotals>, StoreError> {
        items::totals(&self.database, tenant, ids, false).await
    }

    async fn held_totals(
        &self,
        tenant: &TenantId,
        id: &DisruptionId,
    ) -> Result<Vec<ItemTotals>, StoreError> {
        items::totals(&self.database, tenant, std::slice::from_ref(id), true).await
    }

    async fn list_items(
        &self,
        tenant: &TenantId,
        id: &DisruptionId,
        filter: &ItemFilter,
        page: &Page,
    ) -> Result<Listed<Item>, StoreError> {
        items::list(&self.database, tenant, id, filter, page).await
    }

    async fn reconcile(
        &self,
        tenant: &TenantId,
        id: &DisruptionId,
    ) -> Result<Vec<Reconciliation>, StoreError> {
        reconcile::reconcile(&self.database, tenant, id).await
    }

    async fn discard_items(&self, disruption: &Disruption) -> Result<(), StoreError> {
        items::discard(&self.database, disruption).await
    }

    async fn freeze_items(
        &self,
        disruption: &Disruption,
        plans: &[ItemPlan],
    ) -> Result<(), StoreError> {
        items::freeze(&self.database, disruption, plans).await
    }

    async fn advance_disruption(
        &self,
        disruption: &Disruption,
        step: &Step<'_>,
        ids: &dyn IdSource,
    ) -> Result<Advanced, StoreError> {
        disruptions::advance(&self.database, disruption, step, ids).await
    }

    async fn choose(
        &self,
        disruption: &Disruption,
        order: &OrderId,
        remedy: Remedy,
        record: ItemRecord<'_>,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<Option<Item>, StoreError> {
        items::choose(&self.database, disruption, order, remedy, record, ids, now).await
    }

    async fn work(&self) -> Result<Vec<Work>, StoreError> {
        taking::work(&self.database).await
    }

    async fn next_item(&self, work: &Work) -> Result<Option<OrderId>, StoreError> {
        taking::next_item(&self.database, work).await
    }

    async fn start_items(
        &self,
        work: &Work,
        take: &Take,
        backlog: i64,
        terms: &ItemTerms,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        taking::start_items(&self.database, work, take, backlog, terms, ids, now).await
    }

    async fn set_aside(
        &self,
        work: &Work,
        order: &OrderId,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        taking::set_aside(&self.database, work, order, ids, now).await
    }

    async fn lapse_choices(
        &self,
        limit: i64,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        items::lapse(&self.database, limit, ids, now).await
    }

    async fn abort_items(&self, limit: i64) -> Result<usize, StoreError> {
        items::abort(&self.database, limit).await
    }

    async fn complete_disruptions(
        &self,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        disruptions::complete(&self.database, ids, now).await
    }
}
