//! From this service's errors to the API's.
//!
//! Invariant: a database that may come back is UNAVAILABLE, everything else that a caller cannot
//! mend is INTERNAL and says nothing of its cause.

use redress_api::ApiError;
use redress_api::ports::PortError;
use redress_store::StoreError;

use crate::app::preview_template::PreviewError;

pub(super) fn store(error: StoreError) -> ApiError {
    PortError::from(error).into()
}

pub(super) fn preview(error: PreviewError) -> ApiError {
    match error {
        PreviewError::TenantNotApplied => ApiError::FailedPrecondition {
            reason: "TENANT_NOT_APPLIED",
            message: "the tenant's settings have not been applied yet: call ApplyTenant first"
                .to_owned(),
            metadata: Vec::new(),
            violations: Vec::new(),
        },
        PreviewError::Tenants(error) => error.into(),
        defect => ApiError::Internal(Box::new(defect)),
    }
}
