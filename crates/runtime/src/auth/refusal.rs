//! Why a token does not count.
//!
//! Invariant: the caller learns which of a few reasons it was, never what stands in the token.

use redress_api::ApiError;

/// Why a token does not count; each maps to UNAUTHENTICATED.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// There is none.
    #[error("no bearer token: send `authorization: Bearer TOKEN`")]
    Missing,
    /// Not a token, a wrong signature or algorithm, or claims that are missing or mistyped.
    #[error("the bearer token is malformed or its signature does not hold")]
    Invalid,
    /// Its time is over.
    #[error("the bearer token has expired: get a new one")]
    Expired,
    /// Its time has not come.
    #[error("the bearer token is not valid yet: check the clocks")]
    NotYetValid,
    /// Nobody configured knows its issuer.
    #[error("the bearer token's issuer is not known here")]
    UnknownIssuer,
    /// It was made for somebody else.
    #[error("the bearer token is meant for another audience")]
    WrongAudience,
    /// Its issuer may not speak for that tenant.
    #[error("the bearer token's issuer may not assert its tenant")]
    TenantNotAllowed,
    /// Its issuer may not grant that role.
    #[error("the bearer token's issuer may not assert one of its roles")]
    RoleNotAllowed,
}

impl TokenRefusal {
    /// Stable reason in `ErrorInfo`.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "TOKEN_MISSING",
            Self::Invalid => "TOKEN_INVALID",
            Self::Expired => "TOKEN_EXPIRED",
            Self::NotYetValid => "TOKEN_NOT_YET_VALID",
            Self::UnknownIssuer => "TOKEN_ISSUER_UNKNOWN",
            Self::WrongAudience => "TOKEN_AUDIENCE_MISMATCH",
            Self::TenantNotAllowed => "TOKEN_TENANT_NOT_ALLOWED",
            Self::RoleNotAllowed => "TOKEN_ROLE_NOT_ALLOWED",
        }
    }
}

impl From<TokenRefusal> for ApiError {
    fn from(refusal: TokenRefusal) -> Self {
        Self::Unauthenticated { reason: refusal.reason(), message: refusal.to_string() }
    }
}
