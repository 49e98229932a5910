//! A finished answer, and how it reaches the client or does not.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

/// Status and JSON body: exactly what an idempotency key replays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        (self.status, json, self.body).into_response()
    }
}

/// What happens to an answer on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// It is sent.
    Now,
    /// It is sent after a pause, during which its idempotency key is in use.
    After(Duration),
    /// It is lost: the connection is closed before the first byte of the response.
    Cut,
}

/// Marks a response that must never be written; the connection is closed instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CutConnection;

/// A response that closes the connection, whatever its status says.
pub(crate) fn cut() -> Response {
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.extensions_mut().insert(CutConnection);
    response
}
