//! Who calls, and may they?
//!
//! Invariant: default deny. Only health and (where it is served) reflection need no token; every
//! other call reaches its handler with a verified [`Caller`] whose role the contract lists.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use redress_api::{AccessTable, ApiError};
use redress_core::caller::{Caller, Role};

use super::{Middleware, Next, Request, Response, is_health, is_reflection, refuse};
use crate::auth::{TokenRefusal, TokenVerifier};
use crate::config::Plan;

/// Verifies tokens and keeps the access rules.
#[derive(Clone)]
pub(super) struct Auth {
    verifier: Arc<TokenVerifier>,
    access: Arc<AccessTable>,
    reflection: bool,
}

impl Auth {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            verifier: Arc::clone(&plan.verifier),
            access: Arc::clone(&plan.access),
            reflection: plan.reflection,
        }
    }

    fn admit(&self, request: &Request) -> Result<Caller, Refusal> {
        let path = request.uri().path();
        let rule = self.access.rule(path).ok_or(Refusal::UnknownMethod)?;
        let caller = self.verifier.verify(bearer(request.headers())?)?;
        if caller.has_any(&rule.roles) {
            return Ok(caller);
        }
        Err(Refusal::Role(rule.roles.clone()))
    }
}

enum Refusal {
    UnknownMethod,
    Token(TokenRefusal),
    Role(Vec<Role>),
}

impl From<TokenRefusal> for Refusal {
    fn from(refusal: TokenRefusal) -> Self {
        Self::Token(refusal)
    }
}

impl Refusal {
    fn into_response(self) -> Response {
        match self {
            // Which methods exist is public; the layer around this one adds the details.
            Self::UnknownMethod => tonic::Status::unimplemented("no such method").into_http(),
            Self::Token(refusal) => refuse(refusal.into()),
            Self::Role(roles) => {
                let names: Vec<&str> = roles.into_iter().map(Role::as_str).collect();
                let message = format!("the method needs one of the roles: {}", names.join(", "));
                refuse(ApiError::PermissionDenied { reason: "ROLE_NOT_ALLOWED", message })
            }
        }
    }
}

/// The token of the one `authorization` header; two would leave open which one counts.
fn bearer(headers: &http::HeaderMap) -> Result<&str, TokenRefusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(TokenRefusal::Missing)?;
    if values.next().is_some() {
        return Err(TokenRefusal::Invalid);
    }
    let text = value.to_str().map_err(|_| TokenRefusal::Invalid)?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token),
        _ => Err(TokenRefusal::Missing),
    }
}

impl Middleware for Auth {
    async fn handle<N: Next>(&self, mut request: Request, next: N) -> Response {
        let path = request.uri().path();
        if is_health(path) || (self.reflection && is_reflection(path)) {
            return next.run(request).await;
        }
        match self.admit(&request) {
            Ok(caller) => {
                tracing::Span::current().record("redress.tenant", caller.tenant.as_str());
                // The token has done its work and goes no further.
                request.headers_mut().remove(AUTHORIZATION);
                request.extensions_mut().insert(caller);
                next.run(request).await
            }
            Err(refusal) => refusal.into_response(),
        }
    }
}
