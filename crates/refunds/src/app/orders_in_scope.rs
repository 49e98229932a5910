//! The orders in the scope of a disruption, page by page.
//!
//! Invariant: at most three pages are in memory, however many orders there are: the one that the
//! caller works on and two that are read meanwhile, side by side. What a page tells of its orders is
//! what one instant knew.

use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
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
/// Pages that are read side by side.
const AHEAD: usize = 2;

/// Reads all orders with a line in a scope, by id.
pub(super) struct OrdersInScope(BoxStream<'static, Result<Vec<Order>, StoreError>>);

/// Which orders.
#[derive(Clone)]
struct Selector {
    store: SharedStore,
    tenant: TenantId,
    scope: Scope,
    /// Whose items are left out.
    beside: Option<DisruptionId>,
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
        let selector = Selector { store, tenant, scope, beside: beside.cloned() };
        let reader = selector.clone();
        let pages = stream::try_unfold(None, move |last| selector.clone().ids_behind(last))
            .map(move |ids| reader.clone().read(ids))
            .buffered(AHEAD);
        Self(pages.boxed())
    }

    /// The next page; `None` when there is no further one.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Order>>, RefundError> {
        Ok(self.0.try_next().await?)
    }
}

impl Selector {
    /// The ids of the page behind `last`, and the last of them; `None` when there are none.
    async fn ids_behind(
        self,
        last: Option<OrderId>,
    ) -> Result<Option<(Vec<OrderId>, Option<OrderId>)>, StoreError> {
        let Self { store, tenant, scope, beside } = &self;
        let ids = store.orders_in_scope(tenant, scope, beside.as_ref(), last.as_ref(), PAGE);
        let ids = ids.await?;
        let last = ids.last().cloned();
        Ok(last.is_some().then_some((ids, last)))
    }

    /// Reads a page in a task of its own; nobody reads on when its reader is gone.
    async fn read(self, ids: Result<Vec<OrderId>, StoreError>) -> Result<Vec<Order>, StoreError> {
        let ids = ids?;
        let reading = async move { self.store.orders(&self.tenant, &ids).await };
        match AbortOnDropHandle::new(tokio::spawn(reading.in_current_span())).await {
            Ok(read) => read,
            Err(ended) => Err(StoreError::Unavailable(Box::new(ended))),
        }
    }
}
