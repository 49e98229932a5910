//! The current trace, as text.
//!
//! Invariant: what is returned is W3C trace context of the span that is entered now, or nothing
//! when nobody traces.

use opentelemetry::trace::{SpanContext, TraceContextExt};
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
