//! Reads one policy.

use redress_core::id::{PolicyId, TenantId};

use super::{RefundError, Refunds};
use crate::store::AppliedPolicy;

/// The newest version of the policy of this id.
pub async fn get_policy(
    app: &Refunds,
    tenant: &TenantId,
    id: &PolicyId,
) -> Result<AppliedPolicy, RefundError> {
    let found = app.store.policy(tenant, id).await?;
    found.ok_or_else(|| RefundError::not_found(id.resource_name()))
}
