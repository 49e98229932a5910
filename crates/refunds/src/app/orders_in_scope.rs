//! The orders in the scope of a disruption, page by page.
//!
//! Invariant: at most two pages are in memory, however many orders there are: the one that the
//! caller works on and the one that is read meanwhile.

use redress_core::id::{DisruptionId, OrderId, TenantId};
use redress_store::StoreError;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::{RefundError, Refunds};
use crate::domain::disruption::Scope;
use crate::domain::order::Order;
use crate::store::SharedStore;

/// Orders read at a time.
const PAGE: i64 = 1_000;

/// A page under way; nobody reads on when its reader is gone.
type Reading = AbortOnDropHandle<Result<Vec<Order>, StoreError>>;

/// Reads all orders with a line in a scope, by id.
pub(super) struct OrdersInScope {
    store: SharedStore,
    tenant: TenantId,
    scope: Scope,
    /// Whose items are left out.
    beside: Option<DisruptionId>,
    next: Option<Reading>,
}

impl OrdersInScope {
    /// Begins to read; with `beside` only what is no item of that disruption.
    pub(super) fn of(
        app: &Refunds,
        tenant: &TenantId,
        scope: &Scope,
        beside: Option<&DisruptionId>,
    ) -> Self {
        let (store, tenant, scope) = (app.store.clone(), tenant.clone(), scope.clone());
        let mut pages = Self { store, tenant, scope, beside: beside.cloned(), next: None };
        pages.read_behind(None);
        pages
    }

    /// The next page; `None` when there is no further one.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Order>>, RefundError> {
        let Some(reading) = self.next.take() else { return Ok(None) };
        let orders = match reading.await {
            Ok(read) => read?,
            Err(ended) => return Err(StoreError::Unavailable(Box::new(ended)).into()),
        };
        let is_full = i64::try_from(orders.len()).is_ok_and(|read| read >= PAGE);
        if let Some(last) = orders.last().filter(|_| is_full) {
            self.read_behind(Some(last.id.clone()));
        }
        Ok((!orders.is_empty()).then_some(orders))
    }

    fn read_behind(&mut self, last: Option<OrderId>) {
        let (store, tenant) = (self.store.clone(), self.tenant.clone());
        let (scope, beside) = (self.scope.clone(), self.beside.clone());
        let reading = async move {
            store.orders_in_scope(&tenant, &scope, beside.as_ref(), last.as_ref(), PAGE).await
        };
        self.next = Some(AbortOnDropHandle::new(tokio::spawn(reading.in_current_span())));
    }
}
