//! The trace of a call: its span, and the W3C header that lets the peer continue it.

use http::{HeaderMap, HeaderName, HeaderValue};
use redress_api::trace::current_traceparent;
use tracing::Span;

/// <https://www.w3.org/TR/trace-context/>
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The span of one outgoing call; `path` is `/package.Service/Method`.
pub(crate) fn call_span(path: &str) -> Span {
    let path = path.trim_start_matches('/');
    let (service, method) = path.split_once('/').unwrap_or((path, ""));
    tracing::info_span!(
        "grpc call",
        otel.name = path,
        otel.kind = "client",
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = tracing::field::Empty,
    )
}

/// Names the current span as the parent of what the peer does. Leaves the headers alone when
/// nothing is traced.
pub(crate) fn inject(headers: &mut HeaderMap) {
    let parent = current_traceparent().and_then(|text| HeaderValue::from_str(&text).ok());
    if let Some(parent) = parent {
        headers.insert(TRACEPARENT, parent);
    }
}
