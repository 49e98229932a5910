//! The webhook ingress over real HTTP: what it takes, what it refuses, and what that changes.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use redress_core::clock::{Clock as _, Timestamp};
use redress_core::id::RefundId;
use redress_refunds::domain::attempt::AttemptState;
use redress_refunds::domain::settle::{AttemptFinding, Finding};
use redress_refunds::store::Claim;
use redress_refunds::webhook::{WebhookCounts, WebhookOutcome, WebhookServer, WebhookSettings};
use redress_refunds::worker::WorkSignals;
use redress_testkit::TestDatabase;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::shop::{self, Shop};

const SECRET: &str = "whsec_test";
const LATER: Duration = Duration::from_hours(1);

/// A serving ingress, and a shop with one refund that its provider has accepted as `re_1`.
struct Ingress {
    shop: Shop,
    refund: RefundId,
    attempt: String,
    address: std::net::SocketAddr,
    counts: Arc<WebhookCounts>,
    client: Client,
    ends: CancellationToken,
    running: JoinHandle<()>,
    _database: TestDatabase,
}

impl Ingress {
    async fn start() -> Self {
        let database = TestDatabase::sqlite();
        let shop = shop::open(database.url().to_owned()).await;
        let refund = shop.refund("A1").await;
        let attempt = accept(&shop, &refund).await;
        let settings = WebhookSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            stripe_secret: SECRET.into(),
        };
        let (store, clock) = (Arc::clone(&shop.store), shop.clock.clone());
        let server = WebhookServer::bind(&settings, store, WorkSignals::default(), clock);
        let ingress = server.await.unwrap();
        let (address, counts) = (ingress.local_addr(), ingress.counts());
        let ends = CancellationToken::new();
        let running = tokio::spawn(ingress.run(ends.clone()));
        let client = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self { shop, refund, attempt, address, counts, client, ends, running, _database: database }
    }

    async fn post(&self, signature: Option<String>, body: &str) -> (StatusCode, String) {
        let url = format!("http://{}/webhooks/stripe", self.address);
        let mut request = self.client.post(url).body(body.to_owned());
        if let Some(signature) = signature {
            request = request.header("stripe-signature", signature);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// Posts an event that was signed now.
    async fn event(&self, event: &Value) -> (StatusCode, String) {
        let body = event.to_string();
        self.post(Some(sign(&body, self.shop.clock.now())), &body).await
    }

    /// Whether the attempt is to be looked up at once.
    async fn is_due(&self) -> bool {
        let attempt = self.shop.attempt(&self.refund).await;
        assert_eq!(attempt.state, AttemptState::Accepted, "a webhook moves no money");
        attempt.due <= self.shop.clock.now()
    }
}

/// Lets the provider accept the refund as `re_1`, to be looked up much later.
async fn accept(shop: &Shop, refund: &RefundId) -> String {
    let now = shop.clock.now();
    let claim = Claim { provider: "stripe", claim: "c1", limit: 10, now, lease: LATER };
    let attempts = shop.store.claim_to_send(&claim).await.unwrap();
    assert_eq!(attempts.len(), 1);
    let finding = AttemptFinding {
        tenant: shop.tenant.clone(),
        attempt: attempts[0].id.clone(),
        claim: "c1".to_owned(),
        finding: Finding::Accepted { provider_refund: "re_1".to_owned(), check: now.plus(LATER) },
    };
    assert_eq!(shop.store.settle(&[finding], &*shop.ids, now).await.unwrap(), 1);
    shop.attempt(refund).await.id.to_string()
}

fn sign_with(secret: &str, body: &str, at: Timestamp) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let seconds = at.0 / 1_000_000;
    let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    let mut header = format!("t={seconds},v1=");
    for byte in tag.as_ref() {
        write!(header, "{byte:02x}").unwrap();
    }
    header
}

fn sign(body: &str, at: Timestamp) -> String {
    sign_with(SECRET, body, at)
}

fn event(kind: &str, id: &str, attempt: &str) -> Value {
    let object = json!({ "id": id, "object": "refund", "status": "succeeded",
        "metadata": { "redress_attempt": attempt } });
    json!({ "id": "evt_1", "object": "event", "type": kind, "data": { "object": object } })
}

#[tokio::test]
async fn an_authentic_event_makes_its_attempt_due() {
    for (kind, id, metadata) in [
        ("refund.updated", "re_1", "other"),
        ("refund.failed", "re_unheard", ""),
        ("charge.refund.updated", "re_1", "not an id / at all"),
    ] {
        let ingress = Ingress::start().await;
        let attempt = if metadata.is_empty() { &ingress.attempt } else { metadata };
        assert!(!ingress.is_due().await);
        let (status, text) = ingress.event(&event(kind, id, attempt)).await;
        assert_eq!((status, &*text), (StatusCode::OK, "hinted"), "{kind}");
        assert!(ingress.is_due().await, "{kind}");
        assert_eq!(ingress.counts.of(WebhookOutcome::Hinted), 1);
    }
}

#[tokio::test]
async fn what_is_authentic_and_none_of_ours_is_taken_and_changes_nothing() {
    let ingress = Ingress::start().await;
    for (event, answer) in [
        (event("refund.updated", "re_9", "other"), "unmatched"),
        (event("charge.refunded", "re_1", &ingress.attempt), "ignored"),
        (event("payment_intent.succeeded", "re_1", &ingress.attempt), "ignored"),
        (json!({ "type": "ping", "data": { "object": null } }), "ignored"),
    ] {
        let (status, text) = ingress.event(&event).await;
        assert_eq!((status, &*text), (StatusCode::OK, answer), "{event}");
    }
    assert!(!ingress.is_due().await);
    assert_eq!(ingress.counts.of(WebhookOutcome::Unmatched), 1);
    assert_eq!(ingress.counts.of(WebhookOutcome::Ignored), 3);
}

#[tokio::test]
async fn what_is_not_authentic_is_refused_and_changes_nothing() {
    let ingress = Ingress::start().await;
    let body = event("refund.updated", "re_1", &ingress.attempt).to_string();
    let now = ingress.shop.clock.now();
    let too_old = Timestamp(now.0 - 301_000_000);
    let tampered = body.replace("re_1", "re_2");
    for (signature, sent, reason) in [
        (None, &body, "header Stripe-Signature is missing"),
        (Some("nonsense".to_owned()), &body, "header Stripe-Signature is malformed"),
        (Some(sign_with("whsec_other", &body, now)), &body, "no v1 signature fits"),
        (Some(sign(&body, now)), &tampered, "no v1 signature fits"),
        (Some(sign(&body, too_old)), &body, "more than 300 seconds"),
    ] {
        let (status, text) = ingress.post(signature, sent).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(text.starts_with(reason) || text.contains(reason), "{text}");
    }
    assert!(!ingress.is_due().await);
    assert_eq!(ingress.counts.of(WebhookOutcome::Rejected), 5);
    assert_eq!(ingress.counts.of(WebhookOutcome::Hinted), 0);
}

#[tokio::test]
async fn a_secret_that_is_being_rolled_brings_several_signatures() {
    let ingress = Ingress::start().await;
    let body = event("refund.updated", "re_1", "other").to_string();
    let now = ingress.shop.clock.now();
    let old = sign_with("whsec_old", &body, now);
    let both = format!("{old},{}", sign(&body, now).split_once(',').unwrap().1);
    assert_eq!(ingress.post(Some(both), &body).await.0, StatusCode::OK);
    assert!(ingress.is_due().await);
}

#[tokio::test]
async fn bodies_that_cannot_be_read_get_a_clear_answer() {
    let ingress = Ingress::start().await;
    let now = ingress.shop.clock.now();
    for body in ["", "{", "[]", r#"{"type":"refund.updated"}"#] {
        let (status, text) = ingress.post(Some(sign(body, now)), body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(text, "the body is not an event of Stripe's");
    }
    let nameless = json!({ "type": "refund.updated", "data": { "object": {} } });
    let (status, text) = ingress.event(&nameless).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(text, "data.object.id is not the id of a refund");
    assert_eq!(ingress.counts.of(WebhookOutcome::Unreadable), 5);

    let huge = "x".repeat(300 * 1024);
    let (status, _) = ingress.post(Some(sign(&huge, now)), &huge).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let url = format!("http://{}/webhooks/paypal", ingress.address);
    let answer = ingress.client.post(url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_ingress_ends_although_a_connection_is_silent() {
    let ingress = Ingress::start().await;
    let mut silent = TcpStream::connect(ingress.address).await.unwrap();
    silent.write_all(b"POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    ingress.ends.cancel();
    ingress.running.await.unwrap();
    let mut rest = Vec::new();
    // Closed in order or reset: either way nothing is left to read.
    let _ended = silent.read_to_end(&mut rest).await;
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 4"), "{rest:?}");
    assert!(TcpStream::connect(ingress.address).await.is_err());
}
