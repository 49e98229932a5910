//! What people do about a disruption once it is approved: start it, pause it, let it go on, call it
//! off, try again what failed.
//!
//! Invariant: the step, what it does to items, the audit entry with who and why, and the record of
//! the request are one write, guarded by the version that the caller has seen.

use std::collections::BTreeMap;

use redress_api::etag::check_etag;
use redress_core::caller::Role;
use redress_core::id::{AuditRecordId, DisruptionId, OrderId, TenantId};
use redress_store::StoreError;

use super::request::once;
use super::{DisruptionReport, Outcome, RefundError, Refunds, Request};
use crate::domain::audit::{AuditAction, AuditEntry};
use crate::domain::disruption::{Disruption, DisruptionEvent, DisruptionState};
use crate::store::{Advanced, Step};

/// What the caller asks for.
#[derive(Debug)]
pub struct ActOnDisruption<'a> {
    /// The disruption.
    pub id: DisruptionId,
    /// Start, pause, resume, abort or retry.
    pub event: DisruptionEvent,
    /// For a retry the orders, or all when empty.
    pub orders: Vec<OrderId>,
    /// Who asks: the subject of the credential.
    pub actor: String,
    /// What the actor may act as.
    pub roles: Vec<Role>,
    /// Why, in the actor's words.
    pub reason: String,
    /// The etag last seen; empty skips the check.
    pub etag: String,
    /// W3C `traceparent` of the call: of a start, the trace that everything the workers do
    /// continues.
    pub traceparent: Option<String>,
    /// The tenant, and what a repetition is recognised by.
    pub request: Request<'a, DisruptionReport>,
}

/// Carries the step out and returns the disruption as it is then.
pub async fn act_on_disruption(
    app: &Refunds,
    ask: ActOnDisruption<'_>,
) -> Result<Outcome<DisruptionReport>, RefundError> {
    once(&*app.store, ask.request.key, act(app, &ask)).await
}

async fn act(app: &Refunds, ask: &ActOnDisruption<'_>) -> Result<DisruptionReport, RefundError> {
    let before = find(app, &ask.request.key.tenant, &ask.id, &ask.etag).await?;
    let mut after = stepped(app, &before, ask.event)?;
    if ask.event == DisruptionEvent::Start {
        after.traceparent.clone_from(&ask.traceparent);
    }
    if ask.event == DisruptionEvent::Abort && before.state == DisruptionState::Draft {
        // What an interrupted approval left was never agreed to.
        app.store.discard_items(&before).await.map_err(|error| conflict(&before, error))?;
    }
    let totals = app.store.item_totals(&after.tenant, std::slice::from_ref(&after.id)).await?;
    let report = DisruptionReport::new(after, &totals);
    let audit =
        audit_of(app, &report.disruption, action(ask.event), (&ask.actor, &ask.roles, &ask.reason));
    let step = Step {
        event: ask.event,
        agreed: None,
        orders: &ask.orders,
        audit: &audit,
        record: &|changed| ask.request.record(&report.retried(changed)),
    };
    match app.store.advance_disruption(&report.disruption, &step, &*app.ids).await {
        Ok(Advanced::Done(changed)) => {
            app.signals.items_released();
            tracing::info!(
                disruption.name = ask.id.resource_name(),
                disruption.state = report.disruption.state.as_str(),
                orders.count = report.orders_in_scope,
                "disruption {}",
                ask.event.participle()
            );
            Ok(report.retried(changed))
        }
        Ok(Advanced::NothingToRetry) => {
            Err(RefundError::NothingToRetry { disruption: ask.id.clone(), order: None })
        }
        Ok(Advanced::NotRetryable(order)) => {
            Err(RefundError::NothingToRetry { disruption: ask.id.clone(), order: Some(order) })
        }
        // Nothing is agreed to by these steps.
        Ok(Advanced::Otherwise(found)) => Err(RefundError::TotalsChanged {
            expected: report.orders_in_scope,
            found: found.orders,
        }),
        Err(error) => Err(conflict(&report.disruption, error)),
    }
}

/// What the audit log calls a step.
pub(super) const fn action(event: DisruptionEvent) -> AuditAction {
    match event {
        DisruptionEvent::Approve => AuditAction::DISRUPTION_APPROVED,
        DisruptionEvent::Extend => AuditAction::DISRUPTION_EXTENDED,
        DisruptionEvent::Start => AuditAction::DISRUPTION_STARTED,
        DisruptionEvent::Pause => AuditAction::DISRUPTION_PAUSED,
        DisruptionEvent::Resume => AuditAction::DISRUPTION_RESUMED,
        DisruptionEvent::Abort => AuditAction::DISRUPTION_ABORTED,
        // Workers complete it, and no person.
        DisruptionEvent::Retry | DisruptionEvent::Complete => AuditAction::DISRUPTION_RETRIED,
    }
}

/// The disruption, if its etag is the one that was seen.
pub(super) async fn find(
    app: &Refunds,
    tenant: &TenantId,
    id: &DisruptionId,
    etag: &str,
) -> Result<Disruption, RefundError> {
    let name = id.resource_name();
    let found = app.store.disruption(tenant, id).await?;
    let found = found.ok_or_else(|| RefundError::not_found(&name))?;
    check_etag(etag, &name, found.version)?;
    Ok(found)
}

/// The disruption after `event`.
pub(super) fn stepped(
    app: &Refunds,
    before: &Disruption,
    event: DisruptionEvent,
) -> Result<Disruption, RefundError> {
    let state = before.state.next(event).ok_or_else(|| RefundError::DisruptionState {
        disruption: before.id.clone(),
        state: before.state,
        event,
    })?;
    let updated = app.clock.now();
    Ok(Disruption { state, version: before.version + 1, updated, ..before.clone() })
}

/// Another call has moved the disruption on, or the database failed.
pub(super) fn conflict(disruption: &Disruption, error: StoreError) -> RefundError {
    match error {
        StoreError::VersionMismatch => {
            RefundError::Conflict { name: disruption.id.resource_name() }
        }
        other => other.into(),
    }
}

/// What the audit log says of a step of somebody, with roles and reason.
pub(super) fn audit_of(
    app: &Refunds,
    disruption: &Disruption,
    action: AuditAction,
    (actor, roles, reason): (&str, &[Role], &str),
) -> AuditEntry {
    let mut details = BTreeMap::from([
        ("kind".to_owned(), disruption.change.kind().to_owned()),
        ("state".to_owned(), disruption.state.as_str().to_owned()),
        ("orders".to_owned(), disruption.scope_orders.to_string()),
    ]);
    if let Some(event) = disruption.event() {
        details.insert("event".to_owned(), event.resource_name());
    }
    AuditEntry {
        tenant: disruption.tenant.clone(),
        id: AuditRecordId::fresh(&*app.ids),
        actor: actor.to_owned(),
        roles: roles.to_vec(),
        action,
        resource: disruption.id.resource_name(),
        reason: reason.to_owned(),
        details,
        at: disruption.updated,
    }
}
