//! One span a call.
//!
//! Invariant: the span continues the trace of the caller's W3C `traceparent`, if there is a valid
//! one, and never holds a token, a message or a person's data.

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tokio::time::Instant;
use tonic::{Code, Status};
use tracing::Instrument;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{Middleware, Next, Request, Response};

/// Opens a span around each call.
#[derive(Clone)]
pub(super) struct Trace;

struct Headers<'a>(&'a http::HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

impl Middleware for Trace {
    async fn handle<N: Next>(&self, request: Request, next: N) -> Response {
        let path = request.uri().path().trim_start_matches('/').to_owned();
        let (service, method) = path.split_once('/').unwrap_or((&path, ""));
        let span = tracing::info_span!(
            "grpc serve",
            otel.name = path,
            otel.kind = "server",
            otel.status_code = Empty,
            rpc.system = "grpc",
            rpc.service = service,
            rpc.method = method,
            rpc.grpc.status_code = Empty,
            redress.tenant = Empty,
        );
        let parent = TraceContextPropagator::new().extract(&Headers(request.headers()));
        // Fails only where no layer for traces is installed: then there is no trace to continue.
        span.set_parent(parent).ok();
        let started = Instant::now();
        let response = next.run(request).instrument(span.clone()).await;
        let code = code_of(&response);
        span.record("rpc.grpc.status_code", code as i32);
        if matches!(code, Code::Internal | Code::Unknown | Code::DataLoss) {
            span.record("otel.status_code", "ERROR");
        }
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        span.in_scope(|| tracing::debug!(rpc.code = ?code, duration_ms, "call served"));
        response
    }
}

/// The status of an answered call. A successful one sends it in its trailers, later.
fn code_of(response: &Response) -> Code {
    Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code())
}
