//! What a failed call leaves behind: nothing, a refusal, or doubt.
//!
//! Invariant: only a failed connection, or a call that this side never sent, proves that nothing
//! happened; whatever is not clearly a refusal is doubt.

use std::error::Error as _;
use std::sync::Arc;

use redress_api::problem::Problem;
use redress_api::to_status;
use tonic::{Code, ConnectError, Status, TimeoutExpired};
use tonic_types::StatusExt as _;

/// What is known about a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// The call never left: the peer did nothing.
    NotSent,
    /// The peer answered that it would not do it.
    Refused,
    /// The peer may have done it: the answer was lost, late or internal. A command in doubt is
    /// repeated under the same `request_id`, or looked up.
    Unknown,
}

/// What is known after the error `status`.
///
/// tonic reports a deadline that its own side ran into as `CANCELLED` and a response that it could
/// not decode as `OUT_OF_RANGE`: both are doubt.
pub fn outcome(status: &Status) -> CallOutcome {
    if is_not_sent(status) {
        return CallOutcome::NotSent;
    }
    match status.code() {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unimplemented
        | Code::Unauthenticated => CallOutcome::Refused,
        // Our servers say why they are full; without a reason it was the connection that gave up.
        Code::ResourceExhausted if status.get_details_error_info().is_some() => {
            CallOutcome::Refused
        }
        _ => CallOutcome::Unknown,
    }
}

/// Whether the peer may have done what it was asked although the call failed with `status`.
pub fn is_unknown_outcome(status: &Status) -> bool {
    outcome(status) == CallOutcome::Unknown
}

/// Why a call failed on this side.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// No address to send it to.
    #[error("the peer's name resolves to no address")]
    Unresolved,
    /// Too little time to be worth sending.
    #[error("the deadline leaves no time to send the call")]
    TooLate,
    /// No credential to send it with.
    #[error("no token for the outgoing call")]
    Unauthorized(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time; the peer may have done its work.
    #[error("no answer before the deadline; the outcome is unknown")]
    Unanswered,
}

impl Problem for CallError {
    fn code(&self) -> Code {
        match self {
            Self::Unresolved => Code::Unavailable,
            Self::Unauthorized(_) => Code::Unauthenticated,
            Self::TooLate | Self::Unanswered => Code::DeadlineExceeded,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Unresolved => "PEER_NOT_FOUND",
            Self::TooLate => "DEADLINE_TOO_SHORT",
            Self::Unauthorized(_) => "TOKEN_MISSING",
            Self::Unanswered => "DEADLINE_EXCEEDED",
        }
    }
}

impl From<CallError> for Status {
    fn from(error: CallError) -> Self {
        let sent = matches!(error, CallError::Unanswered);
        let mut status = to_status(error);
        if !sent {
            status.set_source(Arc::new(NotSent));
        }
        status
    }
}

/// Marks a status of our own: the call was given up before it left.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the call was not sent")]
struct NotSent;

pub(crate) fn is_not_sent(status: &Status) -> bool {
    chain(status).any(|error| error.is::<NotSent>() || error.is::<ConnectError>())
}

/// The error of a call that the transport could not bring to an end.
pub(crate) fn from_transport(error: tonic::transport::Error) -> Status {
    let status = Status::from_error(Box::new(error));
    if chain(&status).any(<dyn std::error::Error>::is::<TimeoutExpired>) {
        return CallError::Unanswered.into();
    }
    status
}

fn chain(status: &Status) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let mut next = status.source();
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, StatusExt};

    use super::*;

    #[test]
    fn every_code_is_either_a_refusal_or_doubt() {
        let refusals = [3, 5, 6, 7, 9, 10, 12, 16];
        for code in 1..=16 {
            let expected =
                if refusals.contains(&code) { CallOutcome::Refused } else { CallOutcome::Unknown };
            assert_eq!(outcome(&Status::new(Code::from_i32(code), "")), expected, "{code}");
        }
    }

    #[test]
    fn a_full_server_that_says_so_has_refused() {
        let mut details = ErrorDetails::new();
        details.set_error_info("RATE_LIMITED", "redress", std::collections::HashMap::new());
        let status = Status::with_error_details(Code::ResourceExhausted, "slow down", details);
        assert_eq!(outcome(&status), CallOutcome::Refused);
    }

    #[test]
    fn only_what_never_left_is_not_sent() {
        assert_eq!(outcome(&CallError::Unresolved.into()), CallOutcome::NotSent);
        assert!(is_unknown_outcome(&Status::unavailable("draining")));
        assert!(is_unknown_outcome(&CallError::Unanswered.into()));
        assert!(is_unknown_outcome(&Status::cancelled("timeout expired")));
    }
}
