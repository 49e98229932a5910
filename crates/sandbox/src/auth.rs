//! The gate in front of `/v1/`: request ids, rate limits, the API key and the "down" switch.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::app::{App, RequestInfo};
use crate::error::ApiError;
use crate::rate_limit::Endpoint;

/// A secret of the sandbox: the API key or a webhook's signing secret. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretKey(String);

impl SecretKey {
    /// Wraps the secret's text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret's text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretKey(..)")
    }
}

/// Lets a request through to its endpoint, or answers for it.
pub(crate) async fn gate(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id: Arc<str> = app.ids.next("req_").into();
    let mut response = match admit(&app, &request, &id) {
        Err(error) => error.into_response(),
        Ok(info) => {
            request.extensions_mut().insert(info);
            next.run(request).await
        }
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("request-id", value);
    }
    response
}

fn admit(app: &App, request: &Request, id: &Arc<str>) -> Result<RequestInfo, ApiError> {
    let endpoint = Endpoint::of(request.method(), request.uri().path());
    app.limiter.admit(endpoint, app.clock.now_micros())?;
    authenticate(&app.secret_key, request.headers())?;
    if app.ledger().faults.down {
        return Err(ApiError::down());
    }
    let key = request.headers().get("idempotency-key");
    let key = key.map(|value| value.to_str().map_err(|_| ApiError::key_too_long())).transpose()?;
    Ok(RequestInfo { id: Arc::clone(id), idempotency_key: key.map(Arc::from) })
}

/// Accepts `Bearer KEY` and basic authentication with the key as user name.
fn authenticate(expected: &SecretKey, headers: &HeaderMap) -> Result<(), ApiError> {
    let header = headers.get(AUTHORIZATION).ok_or_else(ApiError::no_api_key)?;
    let text = header.to_str().map_err(|_| ApiError::wrong_api_key())?;
    let (scheme, credentials) = text.split_once(' ').ok_or_else(ApiError::no_api_key)?;
    let given = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => credentials.trim().as_bytes().to_vec(),
        "basic" => {
            let decoded = BASE64_STANDARD.decode(credentials.trim());
            let mut user = decoded.map_err(|_| ApiError::wrong_api_key())?;
            let end = user.iter().position(|byte| *byte == b':').unwrap_or(user.len());
            user.truncate(end);
            user
        }
        _ => return Err(ApiError::no_api_key()),
    };
    verify_slices_are_equal(&given, expected.expose().as_bytes())
        .map_err(|_| ApiError::wrong_api_key())
}
