//! From the errors of the use cases to what leaves over the wire.
//!
//! Invariant: closed. Each way a case can refuse has one code and one stable reason.

use redress_api::{ApiError, to_status};
use tonic::Status;

use crate::app::CaseError;

/// The status of a refused call.
pub(super) fn refuse(error: CaseError) -> Status {
    to_status(match error {
        CaseError::NotFound(id) => ApiError::not_found(id.resource_name()),
        CaseError::NotOpen { id, not_open } => ApiError::FailedPrecondition {
            reason: "CASE_NOT_OPEN",
            message: format!("{}: {not_open}; what was done stands in it", id.resource_name()),
            metadata: vec![
                ("name", id.resource_name()),
                ("state", not_open.state.as_str().to_owned()),
            ],
            violations: Vec::new(),
        },
        CaseError::Conflict(id) => ApiError::Conflict { name: id.resource_name() },
        CaseError::Api(error) => error,
        CaseError::Store(error) => redress_api::ports::PortError::from(error).into(),
    })
}
