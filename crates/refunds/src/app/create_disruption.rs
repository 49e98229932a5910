//! Opens a disruption as a draft.
//!
//! Invariant: a scope has at most one disruption that is neither completed nor called off, and only
//! one that somebody bought something in.

use redress_core::caller::Role;
use redress_core::id::DisruptionId;
use redress_store::{StoreError, idempotency};

use super::get_disruption::DisruptionReport;
use super::request::once;
use super::{Outcome, RefundError, Refunds, Request};
use crate::app::act_on_disruption::audit_of;
use crate::domain::audit::AuditAction;
use crate::domain::disruption::{Change, Disruption, DisruptionState, Problem, Scope, Terms};
use crate::store::{DisruptionFilter, Page};

/// What the caller asks for.
#[derive(Debug)]
pub struct CreateDisruption<'a> {
    /// Which orders, and which of their lines.
    pub scope: Scope,
    /// What happened.
    pub change: Change,
    /// What is offered and what is kept.
    pub terms: Terms,
    /// Who opens it: the subject of the credential.
    pub requester: String,
    /// What the requester may act as.
    pub roles: Vec<Role>,
    /// Why, in the requester's words.
    pub reason: String,
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

/// Everything that cannot be meant about a disruption.
pub(super) fn check(
    app: &Refunds,
    scope: &Scope,
    change: &Change,
    terms: &Terms,
) -> Result<(), RefundError> {
    let now = app.clock.now();
    let mut problems: Vec<Problem> = scope.problems();
    problems.extend(change.problems(scope, now));
    problems.extend(terms.problems(change, now));
    if problems.is_empty() { Ok(()) } else { Err(RefundError::BadDisruption(problems)) }
}

/// No order has a line in scope.
pub(super) fn nothing_in(scope: &Scope) -> RefundError {
    match scope.events.as_slice() {
        [event] => RefundError::not_found(event.resource_name()),
        _ => RefundError::not_found("an order in this scope"),
    }
}

async fn open(app: &Refunds, ask: &CreateDisruption<'_>) -> Result<DisruptionReport, RefundError> {
    check(app, &ask.scope, &ask.change, &ask.terms)?;
    let tenant = &ask.request.key.tenant;
    let scope = ask.scope.clone().normalised();
    let scope_orders = app.store.count_scope(tenant, &scope).await?;
    if scope_orders == 0 {
        return Err(nothing_in(&scope));
    }
    let now = app.clock.now();
    let draft = Disruption {
        tenant: tenant.clone(),
        id: DisruptionId::fresh(&*app.ids),
        scope,
        change: ask.change.clone(),
        terms: ask.terms.clone(),
        state: DisruptionState::Draft,
        scope_orders,
        requester: ask.requester.clone(),
        approver: None,
        traceparent: ask.traceparent.clone(),
        version: 1,
        created: now,
        updated: now,
    };
    let audit = audit_of(
        app,
        &draft,
        AuditAction::DISRUPTION_CREATED,
        (&ask.requester, &ask.roles, &ask.reason),
    );
    let opened = DisruptionReport::new(draft, &[]);
    let record = ask.request.record(&opened);
    match app.store.create_disruption(&opened.disruption, &audit, &record, &*app.ids).await {
        Ok(()) => Ok(opened),
        Err(error) if is_second_of_scope(&error) => match known(app, &opened.disruption).await? {
            Some(id) => Err(RefundError::DisruptionExists(id)),
            None => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

fn is_second_of_scope(error: &StoreError) -> bool {
    matches!(error, StoreError::AlreadyExists { .. }) && !idempotency::is_duplicate(error)
}

/// The open disruption that the scope has already.
async fn known(app: &Refunds, draft: &Disruption) -> Result<Option<DisruptionId>, RefundError> {
    let event = draft.event().map(|event| event.as_str().to_owned());
    let filter = DisruptionFilter { event, ..DisruptionFilter::default() };
    let mut page = Page { size: 100, after: None, count: false };
    loop {
        let listed = app.store.list_disruptions(&draft.tenant, &filter, &page).await?;
        let same = |other: &&Disruption| other.state.is_open() && other.scope == draft.scope;
        if let Some(found) = listed.rows.iter().find(same) {
            return Ok(Some(found.id.clone()));
        }
        match listed.rows.last().filter(|_| listed.more) {
            Some(last) => page.after = Some(last.id.as_str().to_owned()),
            None => return Ok(None),
        }
    }
}
