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

#[cfg(test)]
mod tests {
    //! The one test of these unit tests that sets telemetry up, which works once a process.

    use std::convert::Infallible;
    use std::net::SocketAddr;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use futures::future::BoxFuture;
    use http_body_util::BodyExt;
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;
    use tokio::time::timeout;
    use tonic::body::Body;
    use tonic::server::NamedService;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    /// A collector that hands on what it is sent.
    #[derive(Clone)]
    struct Collector(mpsc::Sender<Vec<u8>>);

    impl NamedService for Collector {
        const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
    }

    impl tower::Service<http::Request<Body>> for Collector {
        type Response = http::Response<Body>;
        type Error = Infallible;
        type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<Body>) -> Self::Future {
            let sender = self.0.clone();
            Box::pin(async move {
                let bytes = request.into_body().collect().await.unwrap().to_bytes();
                sender.send(bytes.to_vec()).await.unwrap();
                Ok(tonic::Status::ok("").into_http())
            })
        }
    }

    async fn collector() -> (SocketAddr, mpsc::Receiver<Vec<u8>>) {
        let (sender, receiver) = mpsc::channel(8);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = futures::stream::unfold(listener, |listener| async {
            let accepted = listener.accept().await.map(|(stream, _)| stream);
            Some((accepted, listener))
        });
        let server = tonic::transport::Server::builder().add_service(Collector(sender));
        tokio::spawn(server.serve_with_incoming(incoming));
        (address, receiver)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn spans_are_sent_to_the_collector_before_the_process_ends() {
        let (address, mut received) = collector().await;
        let settings = TelemetrySettings {
            filter: "off".to_owned(),
            otlp_endpoint: Some(format!("http://{address}")),
            ..TelemetrySettings::default()
        };
        let guard = init(&settings, "redress-test").unwrap();
        tracing::info_span!("a span to be collected").in_scope(|| {});
        tokio::task::spawn_blocking(move || drop(guard)).await.unwrap();
        let bytes = timeout(SOON, received.recv()).await.unwrap().unwrap();
        let contains =
            |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(contains("a span to be collected"));
        assert!(contains("redress-test"));
    }
}
