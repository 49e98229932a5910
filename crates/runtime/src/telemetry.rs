//! Logs to standard error and spans to an OTLP collector.
//!
//! Invariant: every process has trace ids, whether or not anybody collects its spans, so that logs,
//! outbox rows and answers can name the trace; what was recorded is sent before the process ends.

use std::fmt;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Level;
use tracing_subscriber::filter::filter_fn;
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
/// binary, inside a tokio runtime when an OTLP endpoint is set. The filter is for logs: what is
/// traced does not depend on how much is written.
pub fn init(
    settings: &TelemetrySettings,
    service: &'static str,
) -> Result<TelemetryGuard, TelemetryError> {
    let filter = EnvFilter::try_new(&settings.filter)?;
    let provider = provider(settings, service)?;
    let traces = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("redress"))
        .with_filter(filter_fn(|metadata| metadata.is_span() && *metadata.level() <= Level::INFO));
    let lines = format::layer().with_writer(std::io::stderr);
    let lines = match settings.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(traces).try_init()?;
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
