//! Opens a disruption as a draft.
//!
//! Invariant: an event has at most one disruption, and only one that somebody bought something
//! for.

use redress_core::id::{DisruptionId, EventId};
use redress_store::{StoreError, idempotency};

use super::get_disruption::report;
use super::request::once;
use super::{DisruptionReport, Outcome, RefundError, Refunds, Request};
use crate::domain::disruption::{Disruption, DisruptionKind, DisruptionState};
use crate::store::{DisruptionFilter, Page};

/// What the caller asks for.
#[derive(Debug)]
pub struct CreateDisruption<'a> {
    /// What it is about.
    pub event: EventId,
    /// What happened.
    pub kind: DisruptionKind,
    /// Who opens it: the subject of the credential.
    pub requester: String,
    /// W3C `traceparent` of the call.
    pub traceparent: Option<String>,
    /// The tenant, and what a repetition is recognised by.
    pub request: Request<'a, DisruptionReport>,
}

/// Opens the disruption.
pub async fn create_disruption(
    app: &Refunds,
    ask: CreateDisruption<'_>,
) -> Result<Outcome<DisruptionReport>, RefundError> {
    once(&*app.store, ask.request.key, open(app, &ask)).await
}

async fn open(app: &Refunds, ask: &CreateDisruption<'_>) -> Result<DisruptionReport, RefundError> {
    let tenant = &ask.request.key.tenant;
    let now = app.clock.now();
    let draft = Disruption {
        tenant: tenant.clone(),
        id: DisruptionId::fresh(&*app.ids),
        event: ask.event.clone(),
        kind: ask.kind,
        state: DisruptionState::Draft,
        requester: ask.requester.clone(),
        traceparent: ask.traceparent.clone(),
        version: 1,
        created: now,
        updated: now,
    };
    let opened = report(app, draft).await?;
    if opened.orders_in_scope == 0 {
        return Err(RefundError::not_found(ask.event.resource_name()));
    }
    let record = ask.request.record(&opened);
    match app.store.create_disruption(&opened.disruption, &record, &*app.ids).await {
        Ok(()) => Ok(opened),
        Err(error) if is_second_of_event(&error) => match known(app, ask).await? {
            Some(id) => Err(RefundError::DisruptionExists(id)),
            None => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

fn is_second_of_event(error: &StoreError) -> bool {
    matches!(error, StoreError::AlreadyExists { .. }) && !idempotency::is_duplicate(error)
}

/// The disruption that the event has already.
async fn known(
    app: &Refunds,
    ask: &CreateDisruption<'_>,
) -> Result<Option<DisruptionId>, RefundError> {
    let event = Some(ask.event.as_str().to_owned());
    let filter = DisruptionFilter { event, ..DisruptionFilter::default() };
    let page = Page { size: 1, after: None, count: false };
    let listed = app.store.list_disruptions(&ask.request.key.tenant, &filter, &page).await?;
    Ok(listed.rows.into_iter().next().map(|disruption| disruption.id))
}
