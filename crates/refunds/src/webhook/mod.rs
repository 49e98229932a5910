//! The ingress for providers' webhooks: `POST /webhooks/{provider}` on a port of its own.
//!
//! Invariant: a webhook is a hint and nothing more. An authentic one that fits makes its attempt
//! due for a look-up, and only what the provider's API then says moves money; one that is not
//! authentic, or does not fit, changes nothing.

mod counts;
mod foreign;
mod judge;
mod receiver;
mod server;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use redress_core::clock::Clock;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::provider::SharedProvider;
use crate::store::SharedStore;
use crate::worker::WorkSignals;
use receiver::{Answer, Receiver};

pub use counts::{WebhookCounts, WebhookOutcome};
pub use foreign::{ForeignOutcome, ForeignRefunds};

/// The longest body that is read; events about refunds have a few KiB.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Where webhooks arrive. The secrets that they are signed with belong to the connectors.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
}

/// What webhooks are handed to.
pub struct WebhookDeps {
    /// Whose webhooks are taken, each below its name.
    pub providers: Vec<SharedProvider>,
    /// Who records refunds that were made somewhere else.
    pub foreign: Arc<dyn ForeignRefunds>,
    /// Where attempts are.
    pub store: SharedStore,
    /// What wakes the workers.
    pub signals: WorkSignals,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The port for webhooks cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("webhooks.listen: cannot listen on {listen}; is another process using the port?")]
pub struct WebhookBindError {
    listen: SocketAddr,
    source: io::Error,
}

/// The bound port, before it serves.
pub struct WebhookServer {
    listener: TcpListener,
    listen: SocketAddr,
    receiver: Arc<Receiver>,
}

impl WebhookServer {
    /// Binds the port.
    pub async fn bind(
        settings: &WebhookSettings,
        deps: WebhookDeps,
    ) -> Result<Self, WebhookBindError> {
        let failed = |source| WebhookBindError { listen: settings.listen, source };
        let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
        let listen = listener.local_addr().map_err(failed)?;
        let WebhookDeps { providers, foreign, store, signals, clock } = deps;
        let providers: HashMap<_, _> =
            providers.into_iter().map(|provider| (provider.name().to_owned(), provider)).collect();
        let counts = Arc::default();
        let receiver = Arc::new(Receiver { providers, foreign, store, signals, clock, counts });
        Ok(Self { listener, listen, receiver })
    }

    /// The address with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.listen
    }

    /// What became of webhooks, as they come.
    pub fn counts(&self) -> Arc<WebhookCounts> {
        Arc::clone(&self.receiver.counts)
    }

    /// Serves until `stop`, then ends requests in progress.
    pub async fn run(self, stop: CancellationToken) {
        tracing::info!(server.address = %self.listen, "webhook ingress listens");
        let counts = self.counts();
        let routes =
            Router::new().route("/webhooks/{provider}", post(receive)).with_state(self.receiver);
        server::serve(self.listener, routes, stop).await;
        tracing::info!(webhooks.counts = counts.summary(), "webhook ingress has stopped");
    }
}

async fn receive(
    State(receiver): State<Arc<Receiver>>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let Some(provider) = receiver.providers.get(&provider) else {
        return (StatusCode::NOT_FOUND, "no provider of this name is connected".to_owned());
    };
    let body = match timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let text = format!("the body is cut off or longer than {MAX_BODY_BYTES} bytes");
            return receiver.answer(WebhookOutcome::Rejected, StatusCode::PAYLOAD_TOO_LARGE, text);
        }
        Err(_) => {
            let text = "the body did not arrive in time".to_owned();
            return receiver.answer(WebhookOutcome::Rejected, StatusCode::REQUEST_TIMEOUT, text);
        }
    };
    receiver.take(provider, &headers, &body).await
}
