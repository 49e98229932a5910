//! Returns one case.

use redress_core::id::{CaseId, TenantId};

use super::CaseError;
use crate::domain::case::Case;
use crate::store::CaseStore;

/// The case `id` of `tenant`; another tenant's is not found, like a missing one.
pub async fn get_case(
    store: &dyn CaseStore,
    tenant: &TenantId,
    id: &CaseId,
) -> Result<Case, CaseError> {
    store.get(tenant, id).await?.ok_or_else(|| CaseError::NotFound(id.clone()))
}
