//! The first lines of every RPC: who calls, and is the message well-formed?
//!
//! Invariant: a handler that goes through [`validated`] sees only messages that keep every rule
//! declared in the `.proto` files, and only calls whose credential was verified.

use redress_core::caller::Caller;
use redress_proto::Validate;
use tonic::{Request, Status};

use crate::deadline::Deadline;
use crate::error::ApiError;
use crate::problem::FieldViolation;
use crate::trace;

/// A request that passed the checks.
#[derive(Debug, Clone)]
pub struct Valid<T> {
    /// The verified caller; its tenant is the tenant of the call.
    pub caller: Caller,
    /// The message; keeps all declared rules.
    pub message: T,
    /// What else came with the call.
    pub meta: RequestMeta,
}

/// What comes with a call besides its message.
#[derive(Debug, Clone, Default)]
pub struct RequestMeta {
    /// How long the caller waits.
    pub deadline: Option<Deadline>,
    /// W3C `traceparent` of this call, to be stored with the events it causes.
    pub traceparent: Option<String>,
}

/// Takes a request apart: the caller from its extensions (UNAUTHENTICATED when there is none), the
/// message after its validation (INVALID_ARGUMENT with all violations at once).
pub fn validated<T: Validate>(mut request: Request<T>) -> Result<Valid<T>, Status> {
    let caller =
        request.extensions_mut().remove::<Caller>().ok_or_else(|| ApiError::Unauthenticated {
            reason: "TOKEN_MISSING",
            message: "no verified caller: send a bearer token in the authorization metadata"
                .to_owned(),
        })?;
    let deadline = request.extensions().get::<Deadline>().copied();
    let message = request.into_inner();
    check(&message)?;
    let meta = RequestMeta { deadline, traceparent: trace::current_traceparent() };
    Ok(Valid { caller, message, meta })
}

/// Checks a message against its declared rules.
pub fn check<T: Validate>(message: &T) -> Result<(), ApiError> {
    let violations = violations_of(message, "");
    if violations.is_empty() { Ok(()) } else { Err(ApiError::invalid_fields(violations)) }
}

/// Every violation in `message`, with paths as seen from the message that holds it at `path`
/// (such as `orders[3]`; empty for the message itself). For records that are judged one by one.
pub fn violations_of<T: Validate>(message: &T, path: &str) -> Vec<FieldViolation> {
    let Err(error) = message.validate() else { return Vec::new() };
    let convert = |violation: &prost_protovalidate::Violation| {
        let rule = violation.rule_id();
        let description = match violation.message() {
            "" => format!("breaks the rule {rule}"),
            text => text.to_owned(),
        };
        let reason = rule.replace('.', "_").to_ascii_uppercase();
        FieldViolation { field: violation.field_path(), description, reason }.under(path)
    };
    error.violations().iter().map(convert).collect()
}
