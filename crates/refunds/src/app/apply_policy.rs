//! Stores the next version of a policy.
//!
//! Invariant: a stored version never changes, and its tiers never contradict each other.

use redress_core::id::TenantId;
use redress_policy::Policy;

use super::{RefundError, Refunds};

/// Stores `policy` as its next version, or returns the newest when nothing but the version
/// differs.
pub async fn apply_policy(
    app: &Refunds,
    tenant: &TenantId,
    policy: Policy,
) -> Result<Policy, RefundError> {
    let problems = policy.problems();
    if !problems.is_empty() {
        return Err(RefundError::BadPolicy(problems));
    }
    Ok(app.store.apply_policy(tenant, policy, app.clock.now()).await?)
}
