//! What people do about a refund: approve, reject, take back, try again, record an outcome.
//!
//! Invariant: the decision, the audit entry with who and why, and the record of the request are one
//! write, decided on the refund as it is then.

use std::collections::BTreeMap;

use redress_api::etag::check_etag;
use redress_core::caller::Role;
use redress_core::clock::Timestamp;
use redress_core::id::{AuditRecordId, RefundId};

use super::request::once;
use super::{Outcome, RefundError, Refunds, Request, get_refund};
use crate::domain::act::{self, Action};
use crate::domain::audit::AuditEntry;
use crate::domain::refund::Refund;
use crate::store::{ActOutcome, Decision};

/// What the caller asks for.
#[derive(Debug)]
pub struct ActOnRefund<'a> {
    /// The refund.
    pub id: RefundId,
    /// What is to be done.
    pub action: Action,
    /// Who asks: the subject of the credential.
    pub actor: String,
    /// What the actor may act as.
    pub roles: Vec<Role>,
    /// Why, in the actor's words.
    pub reason: String,
    /// The etag last seen; empty skips the check.
    pub etag: String,
    /// The tenant, and what a repetition is recognised by.
    pub request: Request<'a, Refund>,
}

/// Carries the action out and returns the refund as it is then.
pub async fn act_on_refund(
    app: &Refunds,
    ask: ActOnRefund<'_>,
) -> Result<Outcome<Refund>, RefundError> {
    once(&*app.store, ask.request.key, decide(app, &ask)).await
}

async fn decide(app: &Refunds, ask: &ActOnRefund<'_>) -> Result<Refund, RefundError> {
    let tenant = &ask.request.key.tenant;
    let name = ask.id.resource_name();
    let now = app.clock.now();
    let seen = get_refund(app, tenant, &ask.id).await?;
    check_etag(&ask.etag, &name, seen.version)?;
    let audit_id = AuditRecordId::fresh(&*app.ids);
    let decision = Decision {
        action: &ask.action,
        actor: &ask.actor,
        expected_version: (!ask.etag.is_empty()).then_some(seen.version),
        audit: &|refund| audit(ask, &audit_id, refund, now),
        record: &|refund| ask.request.record(refund),
    };
    match app.store.act(tenant, &ask.id, &decision, &*app.ids, now).await? {
        ActOutcome::Done(refund) => {
            app.signals.attempts_armed();
            app.signals.attempts_settled();
            tracing::info!(
                refund.name = name,
                refund.state = refund.state.as_str(),
                refund.action = ask.action.audit_action().as_str(),
                "refund decided about"
            );
            Ok(*refund)
        }
        ActOutcome::NotFound => Err(RefundError::not_found(name)),
        ActOutcome::Stale => Err(RefundError::Conflict { name }),
        ActOutcome::Refused(cause) => {
            Err(RefundError::NotAllowed { refund: ask.id.clone(), cause })
        }
    }
}

fn audit(ask: &ActOnRefund<'_>, id: &AuditRecordId, refund: &Refund, now: Timestamp) -> AuditEntry {
    let mut details = BTreeMap::from([
        ("amount".to_owned(), refund.requested.to_string()),
        ("currency".to_owned(), refund.currency.code().to_owned()),
        ("state".to_owned(), refund.state.as_str().to_owned()),
    ]);
    if let Some(code) = refund.override_code {
        details.insert("override_code".to_owned(), code.as_str().to_owned());
    }
    if let Action::Resolve { attempt, outcome } = &ask.action {
        details.insert("attempt".to_owned(), attempt.as_str().to_owned());
        let outcome = match outcome {
            act::Outcome::Paid { reference } => {
                details.insert("provider_reference".to_owned(), reference.clone());
                "PAID"
            }
            act::Outcome::NotPaid => "NOT_PAID",
        };
        details.insert("outcome".to_owned(), outcome.to_owned());
    }
    AuditEntry {
        tenant: refund.tenant.clone(),
        id: id.clone(),
        actor: ask.actor.clone(),
        roles: ask.roles.clone(),
        action: ask.action.audit_action(),
        resource: refund.id.resource_name(),
        reason: ask.reason.clone(),
        details,
        at: now,
    }
}
