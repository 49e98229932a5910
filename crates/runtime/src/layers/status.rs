//! Statuses that the library made get what all ours have.
//!
//! Invariant: no status leaves without `ErrorInfo`, and a message that cannot be decoded is the
//! caller's mistake, not a defect of ours.

use std::collections::HashMap;

use redress_api::ApiError;
use redress_api::problem::FieldViolation;
use redress_api::status::ERROR_DOMAIN;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::{Middleware, Next, Request, Response, refuse};

/// Completes statuses.
#[derive(Clone)]
pub(super) struct Complete;

impl Middleware for Complete {
    async fn handle<N: Next>(&self, request: Request, next: N) -> Response {
        let response = next.run(request).await;
        match Status::from_header_map(response.headers()) {
            Some(status) if status.code() != Code::Ok && status.details().is_empty() => {
                complete(&status)
            }
            _ => response,
        }
    }
}

fn complete(status: &Status) -> Response {
    let undecodable = status.message().starts_with("failed to decode Protobuf message");
    if status.code() == Code::Internal && undecodable {
        return refuse(ApiError::InvalidArgument {
            reason: "MALFORMED_MESSAGE",
            violations: vec![FieldViolation::new("", "the message is not valid protobuf")],
        });
    }
    let reason = reason_of(status.code());
    let details = ErrorDetails::with_error_info(reason, ERROR_DOMAIN, HashMap::new());
    let metadata = status.metadata().clone();
    let message = status.message().to_owned();
    Status::with_error_details_and_metadata(status.code(), message, details, metadata).into_http()
}

const fn reason_of(code: Code) -> &'static str {
    match code {
        Code::Unimplemented => "METHOD_NOT_FOUND",
        Code::OutOfRange | Code::ResourceExhausted => "MESSAGE_TOO_LARGE",
        Code::InvalidArgument => "MALFORMED_MESSAGE",
        Code::Cancelled => "CANCELLED",
        _ => "PROTOCOL_ERROR",
    }
}
