//! From the errors of the use cases to what leaves over the wire.
//!
//! Invariant: closed. Each way feedback can refuse has one code and one stable reason.

use redress_api::{ApiError, to_status};
use tonic::Status;

use crate::app::FeedbackError;
use crate::domain::invitation::CannotAnswer;

/// The status of a refused call.
pub(super) fn refuse(error: FeedbackError) -> Status {
    to_status(match error {
        FeedbackError::NotFound(id) => ApiError::not_found(id.resource_name()),
        FeedbackError::CannotAnswer { id, reason } => {
            let name = id.resource_name();
            let message = format!("{name}: {reason}");
            match reason {
                CannotAnswer::NotInvited(why) => ApiError::FailedPrecondition {
                    reason: "NOT_INVITED",
                    message,
                    metadata: vec![("name", name), ("reason_code", why.as_str().to_owned())],
                    violations: Vec::new(),
                },
                CannotAnswer::AlreadyAnswered => ApiError::FailedPrecondition {
                    reason: "ALREADY_ANSWERED",
                    message,
                    metadata: vec![("name", name)],
                    violations: Vec::new(),
                },
            }
        }
        FeedbackError::Conflict(id) => ApiError::Conflict { name: id.resource_name() },
        FeedbackError::Api(error) => error,
        FeedbackError::Store(error) => redress_api::ports::PortError::from(error).into(),
    })
}
