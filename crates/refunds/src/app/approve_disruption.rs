//! Freezes the selection of a disruption.
//!
//! Invariant: what was agreed to is what is paid: the number of frozen items is compared with the
//! preview's in the write that approves. An approval that is interrupted leaves a draft, which can
//! be approved again.

use redress_api::etag::check_etag;
use redress_core::id::DisruptionId;
use redress_store::StoreError;

use super::orders_in_scope::OrdersInScope;
use super::request::once;
use super::{DisruptionReport, Outcome, RefundError, Refunds, Request};
use crate::domain::disruption::{Disruption, DisruptionEvent, ItemPlan, plan_item};
use crate::store::ItemTotals;

/// What the caller asks for.
#[derive(Debug)]
pub struct ApproveDisruption<'a> {
    /// The disruption.
    pub id: DisruptionId,
    /// The number of orders in scope that was agreed to.
    pub expected_orders: i64,
    /// The etag last seen; empty skips the check.
    pub etag: String,
    /// The tenant, and what a repetition is recognised by.
    pub request: Request<'a, DisruptionReport>,
}

/// Freezes what is due on each order in scope and approves it.
pub async fn approve_disruption(
    app: &Refunds,
    ask: ApproveDisruption<'_>,
) -> Result<Outcome<DisruptionReport>, RefundError> {
    once(&*app.store, ask.request.key, approve(app, &ask)).await
}

async fn approve(
    app: &Refunds,
    ask: &ApproveDisruption<'_>,
) -> Result<DisruptionReport, RefundError> {
    let tenant = &ask.request.key.tenant;
    let name = ask.id.resource_name();
    let found = app.store.disruption(tenant, &ask.id).await?;
    let draft = found.ok_or_else(|| RefundError::not_found(&name))?;
    check_etag(&ask.etag, &name, draft.version)?;
    let not_draft = || RefundError::NotDraft { disruption: draft.id.clone(), state: draft.state };
    let state = draft.state.next(DisruptionEvent::Approve).ok_or_else(not_draft)?;

    let totals = freeze(app, &draft).await?;
    let updated = app.clock.now();
    let approved = Disruption { state, version: draft.version + 1, updated, ..draft.clone() };
    let report = DisruptionReport::new(approved, &totals);
    if report.orders_in_scope != ask.expected_orders {
        return Err(totals_changed(ask, report.orders_in_scope));
    }

    let record = ask.request.record(&report);
    let (event, expected) = (DisruptionEvent::Approve, Some(ask.expected_orders));
    let moved =
        app.store.advance_disruption(&report.disruption, event, expected, &record, &*app.ids).await;
    match moved {
        Ok(disruption) => {
            let orders = report.orders_in_scope;
            tracing::info!(disruption.name = name, orders.count = orders, "disruption approved");
            Ok(DisruptionReport { disruption, ..report })
        }
        Err(StoreError::VersionMismatch) => Err(what_changed(app, ask, &draft).await?),
        Err(error) => Err(error.into()),
    }
}

/// Freezes exactly the orders in scope, and adds them up.
async fn freeze(app: &Refunds, draft: &Disruption) -> Result<Vec<ItemTotals>, RefundError> {
    let planned = plan_all(app, draft).await?;
    let totals = app.store.item_totals(&draft.tenant, &draft.id).await?;
    if count(&totals) == planned {
        return Ok(totals);
    }
    // An interrupted approval left items of orders that have left the event since. Only then are
    // items discarded, because they may be those of a second approval at the same time.
    app.store.discard_items(draft).await.map_err(|error| changed(draft, error))?;
    plan_all(app, draft).await?;
    Ok(app.store.item_totals(&draft.tenant, &draft.id).await?)
}

/// Plans every order in scope, one page at a time, and stores the plans; returns how many.
async fn plan_all(app: &Refunds, draft: &Disruption) -> Result<i64, RefundError> {
    let (tenant, event) = (&draft.tenant, &draft.event);
    let mut scope = OrdersInScope::of(app, tenant, event);
    let mut planned = 0;
    while let Some(orders) = scope.next().await? {
        let now = app.clock.now();
        let plan = |order| plan_item(order, event, &*app.connections, now);
        let plans: Vec<ItemPlan> = orders.iter().map(plan).collect();
        let frozen = app.store.freeze_items(draft, &plans).await;
        frozen.map_err(|error| changed(draft, error))?;
        planned += i64::try_from(plans.len()).unwrap_or(i64::MAX);
    }
    Ok(planned)
}

fn count(totals: &[ItemTotals]) -> i64 {
    totals.iter().map(|total| total.count).sum()
}

/// Another call has moved the draft on, or the database failed.
fn changed(draft: &Disruption, error: StoreError) -> RefundError {
    match error {
        StoreError::VersionMismatch => RefundError::Conflict { name: draft.id.resource_name() },
        other => other.into(),
    }
}

/// Tells which of its two guards kept the store from approving.
async fn what_changed(
    app: &Refunds,
    ask: &ApproveDisruption<'_>,
    draft: &Disruption,
) -> Result<RefundError, RefundError> {
    let tenant = &draft.tenant;
    let now = app.store.disruption(tenant, &draft.id).await?;
    if now.is_none_or(|now| now.version != draft.version) {
        return Ok(RefundError::Conflict { name: draft.id.resource_name() });
    }
    let totals = app.store.item_totals(tenant, &draft.id).await?;
    Ok(totals_changed(ask, count(&totals)))
}

const fn totals_changed(ask: &ApproveDisruption<'_>, found: i64) -> RefundError {
    RefundError::TotalsChanged { expected: ask.expected_orders, found }
}
