//! The ingress for providers' webhooks: `POST /webhooks/stripe` on a port of its own.
//!
//! Invariant: a webhook is a hint and nothing more. An authentic one makes its attempt due for a
//! look-up, and only what the provider's API then says moves money; one that is not authentic
//! changes nothing.

mod counts;
mod server;
mod signature;

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use redress_core::clock::Clock;
use redress_core::id::is_valid_id;
use redress_store::StoreError;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::domain::attempt::AttemptState;
use crate::provider::stripe;
use crate::store::SharedStore;
use crate::worker::WorkSignals;

pub use counts::{WebhookCounts, WebhookOutcome};

/// The longest body that is read; Stripe's events about refunds have a few KiB.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest id of a refund that is looked for.
const MAX_REFUND_ID_LEN: usize = 255;

/// Where webhooks arrive and how they are recognised.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The signing secret of the endpoint at Stripe: `whsec_...`.
    pub stripe_secret: SecretString,
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

/// What a webhook is handed to.
struct Receiver {
    key: hmac::Key,
    store: SharedStore,
    signals: WorkSignals,
    clock: Arc<dyn Clock>,
    counts: Arc<WebhookCounts>,
}

impl WebhookServer {
    /// Binds the port.
    pub async fn bind(
        settings: &WebhookSettings,
        store: SharedStore,
        signals: WorkSignals,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WebhookBindError> {
        let failed = |source| WebhookBindError { listen: settings.listen, source };
        let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
        let listen = listener.local_addr().map_err(failed)?;
        let secret = settings.stripe_secret.expose_secret();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let counts = Arc::default();
        let receiver = Arc::new(Receiver { key, store, signals, clock, counts });
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
            Router::new().route("/webhooks/stripe", post(receive)).with_state(self.receiver);
        server::serve(self.listener, routes, stop).await;
        let count = |outcome| counts.of(outcome);
        tracing::info!(
            webhooks.hinted = count(WebhookOutcome::Hinted),
            webhooks.unmatched = count(WebhookOutcome::Unmatched),
            webhooks.ignored = count(WebhookOutcome::Ignored),
            webhooks.rejected = count(WebhookOutcome::Rejected),
            webhooks.unreadable = count(WebhookOutcome::Unreadable),
            webhooks.deferred = count(WebhookOutcome::Deferred),
            "webhook ingress has stopped"
        );
    }
}

/// Status and text for the sender.
type Answer = (StatusCode, String);

async fn receive(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Body) -> Answer {
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
    let header = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    if let Err(error) = signature::verify(&receiver.key, header, &body, receiver.clock.now()) {
        let text = error.to_string();
        return receiver.answer(WebhookOutcome::Rejected, StatusCode::BAD_REQUEST, text);
    }
    receiver.take(&body).await
}

impl Receiver {
    /// Makes the attempt that an authentic event tells of due.
    async fn take(&self, body: &Bytes) -> Answer {
        let Ok(event) = serde_json::from_slice::<Event>(body) else {
            return self.unreadable("the body is not an event of Stripe's");
        };
        if !event.kind.starts_with("refund.") && event.kind != "charge.refund.updated" {
            return self.ok(WebhookOutcome::Ignored);
        }
        let refund = &event.data.object;
        let id = refund["id"].as_str().unwrap_or_default();
        if !(1..=MAX_REFUND_ID_LEN).contains(&id.len()) {
            return self.unreadable("data.object.id is not the id of a refund");
        }
        let attempt = refund["metadata"][stripe::ATTEMPT_KEY].as_str().filter(|id| is_valid_id(id));
        let status = refund["status"].as_str().unwrap_or_default();
        match self.consider(id, attempt, status).await {
            Ok(outcome) => self.ok(outcome),
            Err(error) => {
                let error: &dyn Error = &error;
                tracing::error!(error, "webhook cannot be taken because the database fails");
                let text = "temporarily unavailable, send it again".to_owned();
                self.answer(WebhookOutcome::Deferred, StatusCode::SERVICE_UNAVAILABLE, text)
            }
        }
    }

    /// Makes the attempt due, or tells what the webhook means for one that has come to rest.
    async fn consider(
        &self,
        id: &str,
        attempt: Option<&str>,
        status: &str,
    ) -> Result<WebhookOutcome, StoreError> {
        if self.store.hint(stripe::NAME, id, attempt, self.clock.now()).await? {
            self.signals.news_expected();
            return Ok(WebhookOutcome::Hinted);
        }
        let at_rest = self.store.attempt_at_rest(stripe::NAME, id, attempt).await?;
        let Some(settled) = at_rest.filter(|settled| contradicts(settled.state, status)) else {
            return Ok(WebhookOutcome::Unmatched);
        };
        tracing::error!(
            attempt.id = settled.id.as_str(),
            attempt.state = settled.state.as_str(),
            provider.refund = id,
            provider.status = status,
            "provider contradicts a settled attempt, compare the books with the provider"
        );
        Ok(WebhookOutcome::Contradicts)
    }

    fn unreadable(&self, reason: &str) -> Answer {
        self.answer(WebhookOutcome::Unreadable, StatusCode::BAD_REQUEST, reason.to_owned())
    }

    fn ok(&self, outcome: WebhookOutcome) -> Answer {
        self.answer(outcome, StatusCode::OK, outcome.as_str().to_owned())
    }

    /// Counts and logs. Whoever finds the port can send rubbish, so of webhooks that are refused
    /// only each first, second, fourth, eighth and so on is worth a warning.
    fn answer(&self, outcome: WebhookOutcome, status: StatusCode, text: String) -> Answer {
        let count = self.counts.add(outcome);
        let (name, status_code) = (outcome.as_str(), status.as_u16());
        if status.is_success() || !count.is_power_of_two() {
            tracing::debug!(webhook.outcome = name, webhooks.count = count, "webhook answered");
        } else {
            tracing::warn!(
                webhook.outcome = name,
                webhooks.count = count,
                http.status = status_code,
                reason = text,
                "webhook refused"
            );
        }
        (status, text)
    }
}

/// Whether a provider's status of a refund denies the state in which its attempt was settled.
fn contradicts(settled: AttemptState, status: &str) -> bool {
    match settled {
        AttemptState::Failed => matches!(status, "pending" | "requires_action" | "succeeded"),
        AttemptState::Succeeded => matches!(status, "failed" | "canceled"),
        _ => false,
    }
}

/// An event, as far as it is read (docs.stripe.com/api/events/object).
#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    data: EventData,
}

#[derive(Debug, Deserialize)]
struct EventData {
    object: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_money_that_moved_after_settlement_contradicts() {
        use AttemptState::{Failed, Succeeded, Unknown};
        for (settled, status, expected) in [
            (Failed, "succeeded", true),
            (Failed, "pending", true),
            (Failed, "failed", false),
            (Succeeded, "failed", true),
            (Succeeded, "canceled", true),
            (Succeeded, "succeeded", false),
            (Unknown, "succeeded", false),
        ] {
            assert_eq!(contradicts(settled, status), expected, "{settled:?} {status}");
        }
    }
}
