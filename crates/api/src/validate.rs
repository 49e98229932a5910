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
pub fn validated<T: Validate>(request: Request<T>) -> Result<Valid<T>, Status> {
    let valid = identified(request)?;
    check(&valid.message)?;
    Ok(valid)
}

/// The same for a message whose `.proto` declares no rule, and which therefore has no validation.
pub fn identified<T>(mut request: Request<T>) -> Result<Valid<T>, Status> {
    let caller = request.extensions_mut().remove::<Caller>();
    let caller = caller.ok_or_else(|| ApiError::Unauthenticated {
        reason: "TOKEN_MISSING",
        message: "no verified caller: send a bearer token in the authorization metadata".to_owned(),
    })?;
    let deadline = request.extensions().get::<Deadline>().copied();
    let meta = RequestMeta { deadline, traceparent: trace::current_traceparent() };
    Ok(Valid { caller, message: request.into_inner(), meta })
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

#[cfg(test)]
mod tests {
    use redress_core::caller::Role;
    use redress_core::id::TenantId;
    use redress_proto::common::v1::{ApplyTenantRequest, Tenant};
    use redress_proto::events::v1::{DeliverRequest, Event};
    use tonic::Code;
    use tonic_types::StatusExt;

    use super::*;

    fn caller() -> Caller {
        Caller {
            tenant: TenantId::new("arena").unwrap(),
            subject: "shop".to_owned(),
            issuer: "test".to_owned(),
            roles: vec![Role::Platform],
        }
    }

    #[test]
    fn a_request_without_a_verified_caller_goes_nowhere() {
        let status = validated(Request::new(ApplyTenantRequest::default())).unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
        assert_eq!(identified(Request::new(())).unwrap_err().code(), Code::Unauthenticated);
    }

    #[test]
    fn all_violations_come_at_once_with_their_paths() {
        let event = Event { id: "e".to_owned(), ..Event::default() };
        let mut request = Request::new(DeliverRequest {
            source: "elsewhere".to_owned(),
            partition: 16,
            events: vec![event],
        });
        request.extensions_mut().insert(caller());
        let status = validated(request).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        let lines: Vec<String> = violations
            .iter()
            .map(|v| format!("{} {}: {}", v.field, v.reason, v.description))
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_record_is_judged_under_its_own_path() {
        let violations = violations_of(&Tenant::default(), "tenants[3]");
        assert!(!violations.is_empty());
        assert!(violations.iter().all(|violation| violation.field.starts_with("tenants[3].")));
    }

    #[test]
    fn a_good_request_keeps_caller_and_deadline() {
        let mut request = Request::new(redress_proto::common::v1::GetTenantRequest {
            name: "tenants/arena".to_owned(),
        });
        let deadline = Deadline::after(std::time::Duration::from_secs(1));
        request.extensions_mut().insert(caller());
        request.extensions_mut().insert(deadline);
        let valid = validated(request).unwrap();
        assert_eq!(valid.caller, caller());
        assert_eq!(valid.meta.deadline, Some(deadline));
    }
}
