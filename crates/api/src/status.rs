//! The one way from an error to a `tonic::Status`.
//!
//! Invariant: a status that leaves Redress carries `google.rpc.ErrorInfo`; one with code INTERNAL
//! says nothing about its cause, which is logged once, here.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::problem::Problem;
use crate::trace;

/// The `domain` of every `ErrorInfo`: who defines the reasons.
pub const ERROR_DOMAIN: &str = "redress.dev";

/// What callers wait when a problem names no time of its own.
pub const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Turns a problem into the status that leaves over the wire.
///
/// Always `ErrorInfo`; `BadRequest` when fields are named; `ResourceInfo` when a resource is;
/// `PreconditionFailure` for FAILED_PRECONDITION; `QuotaFailure` for RESOURCE_EXHAUSTED;
/// `RetryInfo` for UNAVAILABLE and RESOURCE_EXHAUSTED. Causes never leave: that of an INTERNAL
/// problem is logged as an error, that of any other as a warning.
pub fn to_status(problem: impl Problem) -> Status {
    build(&problem)
}

fn build(problem: &dyn Problem) -> Status {
    let code = problem.code();
    log_cause(problem, code);
    let mut metadata = problem.metadata();
    let message = if code == Code::Internal {
        metadata = Vec::new();
        "internal error: quote the trace id when you report it".to_owned()
    } else {
        problem.to_string()
    };
    if let (Code::Internal | Code::Unavailable, Some(id)) = (code, trace::current_trace_id()) {
        metadata.push(("trace_id", id));
    }

    let mut details = ErrorDetails::new();
    let subject = problem.resource().unwrap_or_default();
    let metadata: HashMap<String, String> =
        metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    details.set_error_info(problem.reason(), ERROR_DOMAIN, metadata);
    let violations: Vec<FieldViolation> = problem.violations().into_iter().map(wire).collect();
    if !violations.is_empty() {
        details.set_bad_request(violations);
    }
    match code {
        Code::FailedPrecondition => {
            details.add_precondition_failure_violation(problem.reason(), &subject, &message);
        }
        Code::ResourceExhausted => {
            details.add_quota_failure_violation(&subject, &message);
        }
        _ if !subject.is_empty() => {
            let collection = subject.split('/').next().unwrap_or_default();
            details.set_resource_info(collection, &subject, "", &message);
        }
        _ => {}
    }
    if matches!(code, Code::Unavailable | Code::ResourceExhausted) {
        details.set_retry_info(Some(problem.retry_after().unwrap_or(DEFAULT_RETRY_AFTER)));
    }
    Status::with_error_details(code, message, details)
}

fn wire(violation: crate::problem::FieldViolation) -> FieldViolation {
    FieldViolation {
        field: violation.field,
        description: violation.description,
        reason: violation.reason,
        localized_message: None,
    }
}

fn log_cause(problem: &dyn Problem, code: Code) {
    let causes = chain(problem.source());
    let reason = problem.reason();
    if code == Code::Internal {
        tracing::error!(
            error.reason = reason,
            error.message = %problem,
            error.causes = causes,
            "call failed on a defect"
        );
    } else if !causes.is_empty() {
        tracing::warn!(
            error.reason = reason,
            error.message = %problem,
            error.causes = causes,
            "call failed"
        );
    }
}

/// The messages of an error and of all below it, outermost first. `Display` of an error never
/// repeats its source, so nothing stands twice.
pub fn chain(mut next: Option<&(dyn Error + 'static)>) -> String {
    let mut text = String::new();
    while let Some(error) = next {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::error::ApiError;
    use crate::ports::PortError;

    /// Everything a client sees of a status, in a form that can be pinned.
    fn seen(status: &Status) -> String {
        let details = status.get_error_details();
        let mut lines = vec![format!("{:?}: {}", status.code(), status.message())];
        if let Some(info) = details.error_info() {
            let mut metadata: Vec<_> = info.metadata.iter().collect();
            metadata.sort();
            lines.push(format!("ErrorInfo {} {} {metadata:?}", info.domain, info.reason));
        }
        for violation in details.bad_request().iter().flat_map(|bad| &bad.field_violations) {
            let (field, reason) = (&violation.field, &violation.reason);
            lines.push(format!("BadRequest {field} {reason:?}: {}", violation.description));
        }
        for violation in details.precondition_failure().iter().flat_map(|f| &f.violations) {
            let (kind, subject) = (&violation.r#type, &violation.subject);
            lines.push(format!("PreconditionFailure {kind} {subject:?}"));
        }
        for violation in details.quota_failure().iter().flat_map(|quota| &quota.violations) {
            lines.push(format!("QuotaFailure {}", violation.description));
        }
        if let Some(resource) = details.resource_info() {
            let (kind, name) = (&resource.resource_type, &resource.resource_name);
            lines.push(format!("ResourceInfo {kind} {name}"));
        }
        if let Some(retry) = details.retry_info() {
            lines.push(format!("RetryInfo {:?}", retry.retry_delay));
        }
        lines.join("\n")
    }

    #[test]
    fn each_common_problem_has_its_code_reason_and_details() {
        let boxed = |text: &str| -> Box<dyn Error + Send + Sync> {
            Box::new(io::Error::other(text.to_owned()))
        };
        let problems = [
            ApiError::invalid("orders[0].currency", "unknown"),
            ApiError::Unauthenticated { reason: "TOKEN_EXPIRED", message: "expired".to_owned() },
            ApiError::PermissionDenied { reason: "ROLE_NOT_ALLOWED", message: "no".to_owned() },
            ApiError::not_found("refunds/7"),
            ApiError::AlreadyExists { name: "policies/flex".to_owned() },
            ApiError::FailedPrecondition {
                reason: "QUOTE_EXPIRED",
                message: "the quote expired".to_owned(),
                metadata: vec![("quote", "quotes/1".to_owned())],
                violations: Vec::new(),
            },
            ApiError::EtagMismatch { name: "cases/1".to_owned() },
            ApiError::Conflict { name: "cases/1".to_owned() },
            PortError::Unavailable(boxed("password=hunter2")).into(),
            ApiError::ResourceExhausted {
                reason: "RATE_LIMITED",
                message: "too many calls".to_owned(),
                retry_after: Some(Duration::from_millis(250)),
            },
            ApiError::DeadlineExceeded,
            PortError::Internal(boxed("password=hunter2")).into(),
        ];
        let all: Vec<String> = problems.iter().map(|problem| seen(&to_status(problem))).collect();
        insta::assert_snapshot!(all.join("\n\n"));
    }

    #[test]
    fn causes_are_told_outermost_first_and_once() {
        let inner = io::Error::other("disk gone");
        let problem = ApiError::from(PortError::Internal(Box::new(inner)));
        assert_eq!(chain(Some(&problem)), "internal error: disk gone");
        assert_eq!(chain(None), "");
    }
}
