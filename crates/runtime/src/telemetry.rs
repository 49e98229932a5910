//! Logs to standard error and spans to an OTLP collector.
//!
//! Invariant: every process has trace ids, whether or not anybody collects its spans, so that logs,
//! outbox rows and answers can name the trace; what was recorded is sent before the process ends.

use std::fmt;

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TracerProvider;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, fmt as format};

use crate::config::{LogFormat, TelemetrySettings};

/// Telemetry cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `telemetry.filter` is not a filter.
    #[error("telemetry.filter is not a filter")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The exporter cannot be built from `telemetry.otlp_endpoint`.
    #[error("telemetry.otlp_endpoint cannot be used")]
    Exporter(#[from] ExporterBuildError),
    /// Somebody set up logging in this process before.
    #[error("logging is set up already")]
    Twice(#[from] TryInitError),
}

/// Sends what is still held back when it is dropped.
#[must_use = "dropping it at once ends tracing"]
pub struct TelemetryGuard {
    provider: SdkTracerProvider,
}

impl fmt::Debug for TelemetryGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryGuard").finish_non_exhaustive()
    }
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(error.message = %error, "the last spans could not be sent");
        }
    }
}

/// Sets up logs and traces for this process, which calls itself `service`. Once a process, in a
/// binary, inside a tokio runtime when an OTLP endpoint is set.
pub fn init(
    settings: &TelemetrySettings,
    service: &'static str,
) -> Result<TelemetryGuard, TelemetryError> {
    let filter = EnvFilter::try_new(&settings.filter)?;
    let provider = provider(settings, service)?;
    let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer("redress"));
    let lines = format::layer().with_writer(std::io::stderr);
    let lines = match settings.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).with(traces).try_init()?;
    global::set_text_map_propagator(TraceContextPropagator::new());
    Ok(TelemetryGuard { provider })
}

fn provider(
    settings: &TelemetrySettings,
    service: &'static str,
) -> Result<SdkTracerProvider, TelemetryError> {
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", service),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    Ok(match &settings.otlp_endpoint {
        None => builder.build(),
        Some(endpoint) => {
            let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
            builder.with_batch_exporter(exporter).build()
        }
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
