//! Stores the next version of a policy.
//!
//! Invariant: a stored version never changes, its rules never contradict each other, and it promises
//! the laws that the tenant's settings hold the policy to.

use std::collections::BTreeMap;

use redress_core::caller::Role;
use redress_core::clock::Timestamp;
use redress_core::id::{AuditRecordId, TenantId};
use redress_policy::Policy;

use super::{RefundError, Refunds};
use crate::domain::audit::{AuditAction, AuditEntry};
use crate::domain::policy_choice::broken_promises;
use crate::store::AppliedPolicy;

/// What the caller asks for.
#[derive(Debug)]
pub struct ApplyPolicy {
    /// The policy with the file that it was read from.
    pub policy: AppliedPolicy,
    /// Who asks: the subject of the credential.
    pub actor: String,
    /// What the actor may act as.
    pub roles: Vec<Role>,
}

/// Stores the policy as its next version, or returns the newest when nothing but the version
/// differs.
pub async fn apply_policy(
    app: &Refunds,
    tenant: &TenantId,
    ask: ApplyPolicy,
) -> Result<AppliedPolicy, RefundError> {
    let problems = ask.policy.policy.problems();
    if !problems.is_empty() {
        return Err(RefundError::BadPolicy(problems));
    }
    let settings = app.tenants.get(tenant).await?;
    let broken = settings.iter().flat_map(|settings| broken_promises(settings, &ask.policy.policy));
    let laws: Vec<String> = broken.map(str::to_owned).collect();
    if !laws.is_empty() {
        let policy = ask.policy.policy.id;
        return Err(RefundError::LawNotPromised { policy, laws });
    }
    let (now, id) = (app.clock.now(), AuditRecordId::fresh(&*app.ids));
    let ApplyPolicy { policy, actor, roles } = ask;
    let entry = |policy: &Policy| audit(tenant, &id, &actor, &roles, policy, now);
    Ok(app.store.apply_policy(tenant, policy, &entry, now).await?)
}

fn audit(
    tenant: &TenantId,
    id: &AuditRecordId,
    actor: &str,
    roles: &[Role],
    policy: &Policy,
    now: Timestamp,
) -> AuditEntry {
    AuditEntry {
        tenant: tenant.clone(),
        id: id.clone(),
        actor: actor.to_owned(),
        roles: roles.to_vec(),
        action: AuditAction::POLICY_APPLIED,
        resource: policy.id.resource_name(),
        reason: String::new(),
        details: BTreeMap::from([("version".to_owned(), policy.version.to_string())]),
        at: now,
    }
}
