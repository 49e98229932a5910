//! The problems that every service has in common, ready to use.
//!
//! Invariant: each variant has one code and, unless it carries its own, one reason; an aggregate's
//! own problems are variants of its own enum, not of this one.

use std::error::Error;
use std::time::Duration;

use tonic::Code;

use crate::ports::PortError;
use crate::problem::{FieldViolation, Problem};

/// A cause that is logged and never shown.
pub type Source = Box<dyn Error + Send + Sync>;

/// A common problem of an API call.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Bad fields, all of them.
    #[error("{}", describe(violations))]
    InvalidArgument {
        /// `INVALID_FIELD`, or the reason of a rule that stands across fields.
        reason: &'static str,
        /// What is wrong where; never empty.
        violations: Vec<FieldViolation>,
    },
    /// No credential, or none that counts.
    #[error("{message}")]
    Unauthenticated {
        /// `TOKEN_MISSING`, `TOKEN_EXPIRED`, ...
        reason: &'static str,
        /// What is wrong with the credential; never the credential.
        message: String,
    },
    /// The caller's roles do not reach the method.
    #[error("{message}")]
    PermissionDenied {
        /// Such as `ROLE_NOT_ALLOWED`.
        reason: &'static str,
        /// What would be needed.
        message: String,
    },
    /// It does not exist, or not for this caller: both look the same.
    #[error("{name} not found")]
    NotFound {
        /// Resource name, as the caller wrote it.
        name: String,
    },
    /// Something of that name exists already.
    #[error("{name} already exists")]
    AlreadyExists {
        /// Resource name.
        name: String,
    },
    /// The state of the system does not allow it.
    #[error("{message}")]
    FailedPrecondition {
        /// Why, `UPPER_SNAKE`.
        reason: &'static str,
        /// What stands in the way and what would help.
        message: String,
        /// The dynamic parts of the message.
        metadata: Vec<(&'static str, String)>,
        /// Fields of the request that would help, each with what is asked for; mostly empty.
        violations: Vec<FieldViolation>,
    },
    /// The resource changed since the caller read it.
    #[error("{name} has changed since its etag was read: read it again")]
    EtagMismatch {
        /// Resource name.
        name: String,
    },
    /// Another call changed the resource at the same moment.
    #[error("{name} was changed by another call at the same time: read it and try again")]
    Conflict {
        /// Resource name.
        name: String,
    },
    /// Something the service depends on does not answer, or the service is going away.
    #[error("temporarily unavailable, try again later")]
    Unavailable {
        /// How long to wait; one second when `None`.
        retry_after: Option<Duration>,
        /// The cause, for the log.
        #[source]
        source: Option<Source>,
    },
    /// A limit is reached.
    #[error("{message}")]
    ResourceExhausted {
        /// Which limit, `UPPER_SNAKE`.
        reason: &'static str,
        /// Which limit, for people.
        message: String,
        /// How long to wait; one second when `None`.
        retry_after: Option<Duration>,
    },
    /// The time that the caller gave, or the server's own limit, is over. What was started may
    /// still take effect: the same call with the same `request_id` tells.
    #[error("the deadline has passed; a call that changes something may still take effect")]
    DeadlineExceeded,
    /// A defect. The cause goes to the log; the caller gets the trace id.
    #[error("internal error")]
    Internal(#[source] Source),
}

impl ApiError {
    /// One bad field.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldViolation::new(field, description)])
    }

    /// Several bad fields at once.
    pub const fn invalid_fields(violations: Vec<FieldViolation>) -> Self {
        Self::InvalidArgument { reason: "INVALID_FIELD", violations }
    }

    /// The named resource does not exist for this caller.
    pub fn not_found(name: impl Into<String>) -> Self {
        Self::NotFound { name: name.into() }
    }
}

fn describe(violations: &[FieldViolation]) -> String {
    match violations {
        [] => "invalid argument".to_owned(),
        [one] => format!("{}: {}", one.field, one.description),
        [first, rest @ ..] => {
            format!("{}: {} (and {} more)", first.field, first.description, rest.len())
        }
    }
}

impl Problem for ApiError {
    fn code(&self) -> Code {
        match self {
            Self::InvalidArgument { .. } => Code::InvalidArgument,
            Self::Unauthenticated { .. } => Code::Unauthenticated,
            Self::PermissionDenied { .. } => Code::PermissionDenied,
            Self::NotFound { .. } => Code::NotFound,
            Self::AlreadyExists { .. } => Code::AlreadyExists,
            Self::FailedPrecondition { .. } => Code::FailedPrecondition,
            Self::EtagMismatch { .. } | Self::Conflict { .. } => Code::Aborted,
            Self::Unavailable { .. } => Code::Unavailable,
            Self::ResourceExhausted { .. } => Code::ResourceExhausted,
            Self::DeadlineExceeded => Code::DeadlineExceeded,
            Self::Internal(_) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::InvalidArgument { reason, .. }
            | Self::Unauthenticated { reason, .. }
            | Self::PermissionDenied { reason, .. }
            | Self::FailedPrecondition { reason, .. }
            | Self::ResourceExhausted { reason, .. } => reason,
            Self::NotFound { .. } => "RESOURCE_NOT_FOUND",
            Self::AlreadyExists { .. } => "RESOURCE_ALREADY_EXISTS",
            Self::EtagMismatch { .. } => "ETAG_MISMATCH",
            Self::Conflict { .. } => "CONCURRENT_CHANGE",
            Self::Unavailable { .. } => "TEMPORARILY_UNAVAILABLE",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Internal(_) => "INTERNAL",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::FailedPrecondition { metadata, .. } => metadata.clone(),
            Self::NotFound { name }
            | Self::AlreadyExists { name }
            | Self::EtagMismatch { name }
            | Self::Conflict { name } => vec![("name", name.clone())],
            _ => Vec::new(),
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::InvalidArgument { violations, .. }
            | Self::FailedPrecondition { violations, .. } => violations.clone(),
            _ => Vec::new(),
        }
    }

    fn resource(&self) -> Option<String> {
        match self {
            Self::NotFound { name } | Self::AlreadyExists { name } => Some(name.clone()),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } | Self::ResourceExhausted { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }
}

impl From<PortError> for ApiError {
    fn from(error: PortError) -> Self {
        match error {
            PortError::Unavailable(source) => {
                Self::Unavailable { retry_after: None, source: Some(source) }
            }
            PortError::Internal(source) => Self::Internal(source),
        }
    }
}

impl From<ApiError> for tonic::Status {
    fn from(error: ApiError) -> Self {
        crate::to_status(error)
    }
}
