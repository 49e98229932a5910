//! The two kinds of errors: why a sandbox does not start, and what its API answers.
//!
//! [`ApiError`] is Stripe's error object. Its `type`, `code` and `param` are what a connector may
//! decide by; the message is for people.

use axum::Json;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::reply::Reply;

/// Why a sandbox could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting cannot be used; the text names it and says what it may be.
    #[error("setting `{field}` is invalid: {reason}")]
    Config {
        /// The setting's path, for example `faults.lost_answer`.
        field: &'static str,
        /// What is wrong and what is accepted.
        reason: String,
    },
    /// The address could not be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// The configured address.
        address: std::net::SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The operating system gave no random bytes for ids.
    #[error("cannot draw random bytes for object ids")]
    Entropy(#[source] getrandom::Error),
    /// The HTTP client for webhooks could not be built.
    #[error("cannot build the HTTP client for webhooks")]
    WebhookClient(#[source] reqwest::Error),
}

/// An answer in the shape of Stripe's error object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ApiError {
    #[serde(skip)]
    status: StatusCode,
    #[serde(skip)]
    rate_limited: Option<&'static str>,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc_url: Option<String>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<String>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: &'a ApiError,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            rate_limited: None,
            kind,
            code: None,
            doc_url: None,
            message: message.into(),
            param: None,
        }
    }

    fn request(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, "invalid_request_error", message)
    }

    fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self.doc_url =
            Some(format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-")));
        self
    }

    fn with_param(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }

    /// A parameter whose value is not acceptable, without a code of its own.
    pub(crate) fn invalid(param: &str, message: &str) -> Self {
        Self::request(StatusCode::BAD_REQUEST, message).with_param(param)
    }

    pub(crate) fn invalid_integer(param: &str, value: &str) -> Self {
        Self::invalid(param, &format!("Invalid integer: {value}"))
            .with_code("parameter_invalid_integer")
    }

    pub(crate) fn below_one(param: &str) -> Self {
        Self::invalid(param, "This value must be greater than or equal to 1.")
            .with_code("parameter_invalid_integer")
    }

    /// Three-decimal currencies, ISK and UGX: the amount must be a multiple of `step`.
    pub(crate) fn off_step(param: &str, step: i64) -> Self {
        Self::invalid(
            param,
            &format!("Invalid amount. Amounts in this currency must be divisible by {step}."),
        )
        .with_code("parameter_invalid_integer")
    }

    pub(crate) fn missing_parameter(param: &str) -> Self {
        Self::invalid(param, &format!("Missing required param: {param}."))
            .with_code("parameter_missing")
    }

    pub(crate) fn unknown_parameter(param: &str) -> Self {
        Self::invalid(param, &format!("Received unknown parameter: {param}"))
            .with_code("parameter_unknown")
    }

    pub(crate) fn malformed(message: &str) -> Self {
        Self::request(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn body_too_large() -> Self {
        Self::request(StatusCode::PAYLOAD_TOO_LARGE, "The request body is too large.")
    }

    pub(crate) fn no_such(object: &str, id: &str, param: &str) -> Self {
        Self::request(StatusCode::NOT_FOUND, format!("No such {object}: '{id}'"))
            .with_code("resource_missing")
            .with_param(param)
    }

    pub(crate) fn unknown_url(method: &http::Method, path: &str) -> Self {
        Self::request(
            StatusCode::NOT_FOUND,
            format!(
                "Unrecognized request URL ({method}: {path}). The sandbox serves payment intents, refunds and the balance."
            ),
        )
    }

    pub(crate) fn no_api_key() -> Self {
        Self::request(
            StatusCode::UNAUTHORIZED,
            "You did not provide an API key. Provide it in the Authorization header, as a Bearer \
             token or as the user name of basic authentication.",
        )
    }

    pub(crate) fn wrong_api_key() -> Self {
        Self::request(StatusCode::UNAUTHORIZED, "Invalid API Key provided.")
    }

    pub(crate) fn already_refunded(charge: &str) -> Self {
        Self::request(
            StatusCode::BAD_REQUEST,
            format!("Charge {charge} has already been refunded."),
        )
        .with_code("charge_already_refunded")
    }

    /// Stripe sends this one without a code.
    pub(crate) fn above_unrefunded(requested: &str, unrefunded: &str) -> Self {
        Self::invalid(
            "amount",
            &format!(
                "Refund amount ({requested}) is greater than unrefunded amount on charge ({unrefunded})"
            ),
        )
    }

    pub(crate) fn nothing_captured(payment_intent: &str) -> Self {
        Self::invalid(
            "payment_intent",
            &format!(
                "This PaymentIntent ({payment_intent}) does not have a successful charge to refund."
            ),
        )
    }

    pub(crate) fn balance_insufficient() -> Self {
        Self::request(
            StatusCode::BAD_REQUEST,
            "Insufficient funds in your account balance to refund this amount.",
        )
        .with_code("balance_insufficient")
    }

    pub(crate) fn amount_too_large(limit: &str) -> Self {
        Self::invalid("amount", &format!("Amount must be no more than {limit}"))
            .with_code("amount_too_large")
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "api_error",
            "An unexpected error occurred. The request may or may not have taken effect.",
        )
    }

    pub(crate) fn down() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "api_error",
            "The API is temporarily unavailable. Nothing was done.",
        )
    }

    /// `reason` is `endpoint-rate` or `global-rate`, sent as `Stripe-Rate-Limited-Reason`.
    pub(crate) fn rate_limited(reason: &'static str) -> Self {
        let mut error = Self::request(
            StatusCode::TOO_MANY_REQUESTS,
            "Request rate limit exceeded. Lower the rate of requests, or retry after the time in \
             the Retry-After header.",
        )
        .with_code("rate_limit");
        error.rate_limited = Some(reason);
        error
    }

    pub(crate) fn key_too_long() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "idempotency_error",
            "Idempotency keys must be printable text of 1 to 255 characters.",
        )
    }

    pub(crate) fn key_reused(key: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "idempotency_error",
            format!(
                "Keys for idempotent requests can only be used with the same parameters they were \
                 first used with. Try using a key other than '{key}' if you meant to execute a \
                 different request."
            ),
        )
    }

    pub(crate) fn key_in_use(key: &str) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "idempotency_error",
            format!(
                "There is currently another in-progress request using this Idempotent Key ({key}). \
                 Please try again later."
            ),
        )
        .with_code("idempotency_key_in_use")
    }

    /// The text for people.
    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The code a connector decides by, where Stripe has one.
    #[cfg(test)]
    pub(crate) fn code(&self) -> Option<&'static str> {
        self.code
    }

    /// Status and body, as they are stored under an idempotency key.
    pub(crate) fn to_reply(&self) -> Reply {
        Reply { status: self.status, body: json_body(&Envelope { error: self }) }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.to_reply().into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert("www-authenticate", HeaderValue::from_static("Bearer realm=\"Stripe\""));
        }
        if let Some(reason) = self.rate_limited {
            headers.insert("stripe-rate-limited-reason", HeaderValue::from_static(reason));
            headers.insert("retry-after", HeaderValue::from_static("1"));
        }
        response
    }
}

/// What the control plane answers when it cannot do what was asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ControlError {
    status: StatusCode,
    message: String,
}

impl ControlError {
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, message: message.into() }
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        (self.status, Json(serde_json::json!({ "error": self.message }))).into_response()
    }
}

/// Serialises one of the sandbox's own objects.
#[expect(clippy::expect_used, reason = "the objects are structs with string keys only")]
pub(crate) fn json_body(object: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(object).expect("structs with string keys always serialise"))
}
