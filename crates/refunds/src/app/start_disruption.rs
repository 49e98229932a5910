//! Lets the workers pay the frozen items of a disruption.

use redress_api::etag::check_etag;
use redress_core::id::DisruptionId;
use redress_store::StoreError;

use super::request::once;
use super::{DisruptionReport, Outcome, RefundError, Refunds, Request};
use crate::domain::disruption::{Disruption, DisruptionEvent};

/// What the caller asks for.
#[derive(Debug)]
pub struct StartDisruption<'a> {
    /// The disruption.
    pub id: DisruptionId,
    /// The etag last seen; empty skips the check.
    pub etag: String,
    /// W3C `traceparent` of the call: the trace that everything the workers do continues.
    pub traceparent: Option<String>,
    /// The tenant, and what a repetition is recognised by.
    pub request: Request<'a, DisruptionReport>,
}

/// Starts the disruption and wakes the workers.
pub async fn start_disruption(
    app: &Refunds,
    ask: StartDisruption<'_>,
) -> Result<Outcome<DisruptionReport>, RefundError> {
    once(&*app.store, ask.request.key, start(app, &ask)).await
}

async fn start(app: &Refunds, ask: &StartDisruption<'_>) -> Result<DisruptionReport, RefundError> {
    let tenant = &ask.request.key.tenant;
    let name = ask.id.resource_name();
    let found = app.store.disruption(tenant, &ask.id).await?;
    let approved = found.ok_or_else(|| RefundError::not_found(&name))?;
    check_etag(&ask.etag, &name, approved.version)?;
    let not_approved =
        || RefundError::NotApproved { disruption: approved.id.clone(), state: approved.state };
    let state = approved.state.next(DisruptionEvent::Start).ok_or_else(not_approved)?;

    let totals = app.store.item_totals(tenant, &ask.id).await?;
    let started = Disruption {
        state,
        traceparent: ask.traceparent.clone(),
        version: approved.version + 1,
        updated: app.clock.now(),
        ..approved
    };
    let report = DisruptionReport::new(started, &totals);
    let record = ask.request.record(&report);
    let event = DisruptionEvent::Start;
    match app.store.advance_disruption(&report.disruption, event, None, &record, &*app.ids).await {
        Ok(disruption) => {
            app.signals.items_released();
            let orders = report.orders_in_scope;
            tracing::info!(disruption.name = name, orders.count = orders, "disruption started");
            Ok(DisruptionReport { disruption, ..report })
        }
        Err(StoreError::VersionMismatch) => Err(RefundError::Conflict { name }),
        Err(error) => Err(error.into()),
    }
}
