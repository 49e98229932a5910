//! One HTTP call to Stripe, with every limit set.
//!
//! Invariant: a call is made once. It ends within the timeout, follows no redirect, uses no proxy
//! of the environment and reads no more than [`MAX_ANSWER_BYTES`].

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, StatusCode, redirect, retry};

/// The longest answer that is read: a page of 100 refunds has about 100 KiB.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// How long a connection may take to be there, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest pause that is believed when Stripe asks for one.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// There was no connection, so not a byte of the request has left.
    #[error("no connection to the provider")]
    NotConnected(#[source] reqwest::Error),
    /// The request may have arrived.
    #[error("the provider's answer was lost")]
    Lost(#[source] reqwest::Error),
    /// The answer is longer than any that the API documents.
    #[error("the provider's answer is longer than {MAX_ANSWER_BYTES} bytes")]
    TooLong,
}

/// The HTTP client for `base_url`; one call takes at most `timeout`, connection included.
pub(super) fn client(base_url: &str, timeout: Duration) -> Result<Client, reqwest::Error> {
    let builder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout)
        .pool_idle_timeout(Duration::from_secs(30))
        .tcp_nodelay(true)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .user_agent(concat!("redress/", env!("CARGO_PKG_VERSION")));
    // Without TLS the machine's certificate store is not needed, and may be missing.
    let plain = base_url.starts_with("http://");
    let builder = if plain { builder.tls_certs_only([]) } else { builder };
    builder.build()
}

/// Makes the call and reads the answer.
pub(super) async fn call(request: RequestBuilder) -> Result<Reply, CallError> {
    let mut response = request.send().await.map_err(classify)?;
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(CallError::from_body)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(CallError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply { status, retry_after, body })
}

impl CallError {
    fn from_body(error: reqwest::Error) -> Self {
        Self::Lost(error.without_url())
    }
}

/// `is_connect` holds for failures of DNS, TCP, TLS and the HTTP handshake, all of which come
/// before hyper is handed the request; TLS early data is off. A total timeout that ends the call
/// while it still connects is no connect error, and counts as lost.
fn classify(error: reqwest::Error) -> CallError {
    let error = error.without_url();
    if error.is_connect() { CallError::NotConnected(error) } else { CallError::Lost(error) }
}

/// `Retry-After` in seconds; Stripe does not promise the header, and never uses a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}
