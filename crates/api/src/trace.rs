//! Traces as text: the current one, and one to continue.
//!
//! Invariant: what is returned is W3C trace context of the span that is entered now, or nothing
//! when nobody traces.

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

fn current() -> Option<SpanContext> {
    let context = tracing::Span::current().context();
    let span = context.span().span_context().clone();
    span.is_valid().then_some(span)
}

/// The id of the current trace, 32 hexadecimal digits.
pub fn current_trace_id() -> Option<String> {
    current().map(|span| span.trace_id().to_string())
}

/// The current span as a W3C `traceparent`, for an outbox row or an outgoing call.
pub fn current_traceparent() -> Option<String> {
    current().map(|span| {
        format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8())
    })
}

struct Stored<'a>(&'a str);

impl Extractor for Stored<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

/// Makes `span` continue the trace of a stored W3C `traceparent`, such as an event's. Call it
/// before the span is entered. An unreadable text leaves the span as it is.
pub fn span_with_parent(span: Span, traceparent: Option<&str>) -> Span {
    if let Some(text) = traceparent {
        let parent = TraceContextPropagator::new().extract(&Stored(text));
        // Fails only where no layer for traces is installed: then there is no trace to continue.
        span.set_parent(parent).ok();
    }
    span
}
