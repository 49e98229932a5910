//! Signed webhooks: events about refunds, delivered in the background with bounded retries.
//!
//! The money path never waits for a webhook. The queue is bounded; an event that finds it full is
//! counted as dropped and logged, and a client finds the refund by asking, as it must anyway.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

use crate::app::{App, RequestInfo, locked};
use crate::config::{WebhookConfig, WebhookEndpoint};
use crate::ledger::{Ledger, RefundIndex, Status, status_attributes};

const HEX: &[u8; 16] = b"0123456789abcdef";

const API_VERSION: &str = "2025-04-30.basil";

/// What happened to a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventType {
    Created,
    Updated,
    Failed,
}

impl EventType {
    fn name(self) -> &'static str {
        match self {
            Self::Created => "refund.created",
            Self::Updated => "refund.updated",
            Self::Failed => "refund.failed",
        }
    }
}

/// A change that an event tells of.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) kind: EventType,
    pub(crate) refund: RefundIndex,
    /// The former status, for `previous_attributes`.
    pub(crate) before: Option<Status>,
}

/// One event on its way to one endpoint.
#[derive(Debug)]
pub(crate) struct Delivery {
    endpoint: WebhookEndpoint,
    event_id: String,
    body: Bytes,
    /// Before the first try.
    pause: Duration,
}

/// What became of events since the start.
#[derive(Debug, Default)]
struct Counts {
    delivered: AtomicU64,
    failed_attempts: AtomicU64,
    given_up: AtomicU64,
    dropped: AtomicU64,
}

/// The sending side: the endpoint, the queue and the counts.
#[derive(Debug)]
pub(crate) struct Webhooks {
    endpoint: Mutex<Option<WebhookEndpoint>>,
    queue: mpsc::Sender<Delivery>,
    copies: u32,
    jumble: Duration,
    /// Deliveries so far, from which each takes its pause.
    made: AtomicU64,
    counts: Counts,
}

impl Webhooks {
    /// The sender and the queue's other end, for [`run`].
    pub(crate) fn new(config: &WebhookConfig) -> (Self, mpsc::Receiver<Delivery>) {
        let (queue, receiver) = mpsc::channel(config.queue);
        let endpoint = Mutex::new(config.endpoint.clone());
        let webhooks = Self {
            endpoint,
            queue,
            copies: config.copies,
            jumble: Duration::from_millis(config.jumble_ms),
            made: AtomicU64::new(0),
            counts: Counts::default(),
        };
        (webhooks, receiver)
    }

    /// Sends later events to another endpoint, or to none.
    pub(crate) fn set_endpoint(&self, endpoint: Option<WebhookEndpoint>) {
        *locked(&self.endpoint) = endpoint;
    }

    /// Queues events about `changes`, with the refunds as they stand now.
    pub(crate) fn emit(
        &self,
        app: &App,
        ledger: &Ledger,
        changes: &[Change],
        request: Option<&RequestInfo>,
    ) {
        let Some(endpoint) = locked(&self.endpoint).clone() else { return };
        for change in changes {
            let event_id = app.ids.next("evt_");
            let event = event(app, ledger, change, &event_id, request);
            let body = Bytes::from(event.to_string());
            for _ in 0..self.copies {
                let pause = pause(self.made.fetch_add(1, Ordering::Relaxed), self.jumble);
                let (endpoint, event_id) = (endpoint.clone(), event_id.clone());
                let delivery = Delivery { endpoint, event_id, body: body.clone(), pause };
                if self.queue.try_send(delivery).is_err() {
                    self.counts.dropped.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(
                        event.kind = change.kind.name(),
                        "webhook dropped, its queue is full"
                    );
                }
            }
        }
    }

    /// Counts for the totals.
    pub(crate) fn to_json(&self) -> Value {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "delivered": read(&self.counts.delivered),
            "failed_attempts": read(&self.counts.failed_attempts),
            "given_up": read(&self.counts.given_up),
            "dropped": read(&self.counts.dropped),
        })
    }
}

/// The pause before delivery number `made`: spread evenly over `most` by SplitMix64, so that
/// neighbours overtake one another, and the same in every run.
fn pause(made: u64, most: Duration) -> Duration {
    let mut mixed = made.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(mixed % most.saturating_add(1))
}

fn event(
    app: &App,
    ledger: &Ledger,
    change: &Change,
    event_id: &str,
    request: Option<&RequestInfo>,
) -> Value {
    let mut data = json!({ "object": ledger.refund_at(change.refund).object() });
    if let Some(before) = change.before {
        data["previous_attributes"] = status_attributes(before);
    }
    json!({
        "id": event_id,
        "object": "event",
        "api_version": API_VERSION,
        "created": app.clock.now_seconds(),
        "data": data,
        "livemode": false,
        "pending_webhooks": 1,
        "request": {
            "id": request.map(|info| &*info.id),
            "idempotency_key": request.and_then(|info| info.idempotency_key.as_deref()),
        },
        "type": change.kind.name(),
    })
}

/// The `Stripe-Signature` header: HMAC-SHA256 over `timestamp.body`, timestamp in Unix seconds.
pub(crate) fn signature(secret: &str, timestamp: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(timestamp.to_string().as_bytes());
    context.update(b".");
    context.update(body);
    let mut header = format!("t={timestamp},v1=");
    for byte in context.sign().as_ref() {
        header.extend([byte >> 4, byte & 15].map(|digit| char::from(HEX[usize::from(digit)])));
    }
    header
}

/// Delivers until the sandbox stops; what is still queued then is not delivered.
pub(crate) async fn run(
    app: Arc<App>,
    mut queue: mpsc::Receiver<Delivery>,
    client: reqwest::Client,
    config: WebhookConfig,
) {
    let permits = Arc::new(Semaphore::new(config.concurrency));
    loop {
        let next = async {
            let permit = Arc::clone(&permits).acquire_owned().await.ok()?;
            Some((permit, queue.recv().await?))
        };
        let (permit, delivery) = tokio::select! {
            () = app.stop.cancelled() => return,
            next = next => match next {
                Some(next) => next,
                None => return,
            },
        };
        let (app, client, config) = (Arc::clone(&app), client.clone(), config.clone());
        app.tasks.clone().spawn(async move {
            tokio::select! {
                () = app.stop.cancelled() => {}
                () = deliver(&app, &client, &config, &delivery) => {}
            }
            drop(permit);
        });
    }
}

async fn deliver(app: &App, client: &reqwest::Client, config: &WebhookConfig, delivery: &Delivery) {
    let counts = &app.webhooks.counts;
    tokio::time::sleep(delivery.pause).await;
    let mut backoff = config.initial_backoff_ms;
    for attempt in 1..=config.max_attempts {
        match send(app, client, delivery).await {
            Ok(()) => {
                counts.delivered.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Err(reason) => {
                counts.failed_attempts.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(
                    event.id = delivery.event_id,
                    attempt,
                    error = reason,
                    "webhook not taken by its endpoint"
                );
            }
        }
        if attempt < config.max_attempts {
            tokio::time::sleep(Duration::from_millis(backoff)).await;
            backoff = backoff.saturating_mul(2).min(config.max_backoff_ms);
        }
    }
    counts.given_up.fetch_add(1, Ordering::Relaxed);
    tracing::warn!(
        event.id = delivery.event_id,
        attempts = config.max_attempts,
        "webhook given up, its endpoint never took it"
    );
}

/// One try. Each is signed anew, as its timestamp is part of what is signed.
async fn send(app: &App, client: &reqwest::Client, delivery: &Delivery) -> Result<(), String> {
    let secret = delivery.endpoint.secret.expose();
    let response = client
        .post(&delivery.endpoint.url)
        .header("content-type", "application/json; charset=utf-8")
        .header("stripe-signature", signature(secret, app.clock.now_seconds(), &delivery.body))
        .body(delivery.body.clone())
        .send()
        .await
        .map_err(|error| error.without_url().to_string())?;
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(format!("answered with status {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_spread_within_their_bound_and_repeat() {
        let most = Duration::from_millis(100);
        let run = || -> Vec<Duration> { (0..1_000).map(|made| pause(made, most)).collect() };
        let pauses = run();
        assert_eq!(pauses, run());
        assert!(pauses.iter().all(|pause| *pause <= most));
        let overtaken = pauses.windows(2).filter(|pair| pair[0] > pair[1]).count();
        assert!((400..600).contains(&overtaken), "{overtaken}");
        assert_eq!(pause(7, Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn the_signature_covers_timestamp_and_body() {
        // From `printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test`.
        let expected = "t=1700000000,v1=\
                        c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925";
        assert_eq!(signature("whsec_test", 1_700_000_000, br#"{"id":"evt_1"}"#), expected);
    }
}
