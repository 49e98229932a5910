//! The webhook ingress over real HTTP: what it takes, what it refuses, and what that changes.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use redress_core::clock::{Clock as _, Timestamp};
use redress_core::id::RefundId;
use redress_refunds::domain::attempt::{Attempt, AttemptState};
use redress_refunds::domain::settle::{AttemptFinding, Finding};
use redress_refunds::provider::stripe::{StripeConnector, StripeSettings};
use redress_refunds::provider::{ForeignRefund, ReadOutcome, SharedProvider};
use redress_refunds::store::Claim;
use redress_refunds::webhook::{
    ForeignOutcome, ForeignRefunds, WebhookCounts, WebhookDeps, WebhookOutcome, WebhookServer,
    WebhookSettings,
};
use redress_refunds::worker::WorkSignals;
use redress_store::StoreError;
use redress_testkit::TestDatabase;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::sandbox::{Bench, KEY, WEBHOOK_SECRET, terms};
use crate::shop::{self, Shop};

const PREVIOUS_SECRET: &str = "whsec_previous";
const LATER: Duration = Duration::from_hours(1);

/// Keeps what was made somewhere else, as the provider tells it.
#[derive(Default)]
pub(crate) struct Records(Mutex<Vec<ForeignRefund>>);

impl Records {
    fn amounts(&self) -> Vec<i64> {
        self.0.lock().unwrap().iter().map(|refund| refund.amount.minor_units).collect()
    }
}

#[async_trait]
impl ForeignRefunds for Records {
    async fn record(
        &self,
        provider: &SharedProvider,
        provider_refund: &str,
    ) -> Result<ForeignOutcome, StoreError> {
        let refund = match provider.read_refund(provider_refund).await {
            ReadOutcome::Found(refund) => refund,
            ReadOutcome::Missing => return Ok(ForeignOutcome::Unmatched),
            ReadOutcome::Inconclusive => return Ok(ForeignOutcome::Inconclusive),
        };
        let mut known = self.0.lock().unwrap();
        if known.contains(&refund) {
            return Ok(ForeignOutcome::Known);
        }
        known.push(refund);
        Ok(ForeignOutcome::Recorded)
    }
}

/// A serving ingress, and a shop with one refund of 12.50 EUR that its provider has accepted as
/// `re_1`.
struct Ingress {
    shop: Shop,
    bench: Bench,
    refund: RefundId,
    attempt: String,
    address: std::net::SocketAddr,
    counts: Arc<WebhookCounts>,
    records: Arc<Records>,
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
        let bench = Bench::start().await;
        bench.seed("pi_A1", 1_250, "EUR").await;
        let records = Arc::new(Records::default());
        let settings = WebhookSettings { listen: "127.0.0.1:0".parse().unwrap() };
        let deps = WebhookDeps {
            providers: vec![provider(&bench.base_url(), &[WEBHOOK_SECRET, PREVIOUS_SECRET])],
            foreign: records.clone(),
            store: Arc::clone(&shop.store),
            signals: WorkSignals::default(),
            clock: shop.clock.clone(),
        };
        let ingress = WebhookServer::bind(&settings, deps).await.unwrap();
        let (address, counts) = (ingress.local_addr(), ingress.counts());
        let ends = CancellationToken::new();
        let running = tokio::spawn(ingress.run(ends.clone()));
        let client = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self {
            shop,
            bench,
            refund,
            attempt,
            address,
            counts,
            records,
            client,
            ends,
            running,
            _database: database,
        }
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

fn provider(base_url: &str, secrets: &[&str]) -> SharedProvider {
    let settings = StripeSettings {
        base_url: base_url.to_owned(),
        secret_key: KEY.into(),
        webhook_secrets: secrets.iter().copied().map(Into::into).collect(),
        terms: terms(),
    };
    Arc::new(StripeConnector::new(&settings).unwrap())
}

/// Lets the provider accept the refund as `re_1`, to be looked up much later.
async fn accept(shop: &Shop, refund: &RefundId) -> String {
    let now = shop.clock.now();
    let claim = Claim { provider: "stripe", claim: "c1", limit: 10, now, lease: LATER };
    let taken = shop.store.claim_to_send(&claim, None).await.unwrap();
    let [attempt] = taken.attempts.try_into().unwrap();
    let check = now.plus(LATER);
    settle(shop, &attempt, Finding::Accepted { provider_refund: "re_1".to_owned(), check }).await;
    shop.attempt(refund).await.id.to_string()
}

/// Stores what the holder of an attempt has learned.
async fn settle(shop: &Shop, held: &Attempt, finding: Finding) {
    let (tenant, attempt, claim) = (held.tenant.clone(), held.id.clone(), held.claim.clone());
    let found = AttemptFinding { tenant, attempt, claim, finding };
    let settled = shop.store.settle(&[found], &*shop.ids, shop.clock.now()).await;
    assert_eq!(settled.unwrap(), 1);
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

pub(crate) fn sign(body: &str, at: Timestamp) -> String {
    sign_with(WEBHOOK_SECRET, body, at)
}

/// An event about a refund of 12.50 EUR on `pi_A1`.
pub(crate) fn event(kind: &str, id: &str, attempt: &str) -> Value {
    let object = json!({
        "id": id, "object": "refund", "status": "succeeded", "amount": 1_250, "currency": "eur",
        "payment_intent": "pi_A1", "metadata": { "redress_attempt": attempt },
    });
    json!({ "id": "evt_1", "object": "event", "type": kind, "data": { "object": object } })
}

/// The same event with another value in one field of its refund.
pub(crate) fn with(mut event: Value, field: &str, value: Value) -> Value {
    event["data"]["object"][field] = value;
    event
}

#[tokio::test]
async fn an_authentic_event_makes_its_attempt_due() {
    for (kind, id, metadata) in [
        ("refund.updated", "re_1", "ours"),
        ("refund.failed", "re_1", ""),
        ("charge.refund.updated", "re_1", "not an id / at all"),
    ] {
        let ingress = Ingress::start().await;
        let attempt = if metadata == "ours" { &ingress.attempt } else { metadata };
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
        (event("refund.updated", "re_9", ""), "unmatched"),
        (event("charge.refunded", "re_1", &ingress.attempt), "ignored"),
        (event("payment_intent.succeeded", "re_1", &ingress.attempt), "ignored"),
        (json!({ "type": "ping", "data": { "object": null } }), "ignored"),
    ] {
        let (status, text) = ingress.event(&event).await;
        assert_eq!((status, &*text), (StatusCode::OK, answer), "{event}");
    }
    assert!(!ingress.is_due().await);
    assert_eq!(ingress.counts.of(WebhookOutcome::Unmatched), 2);
    assert_eq!(ingress.counts.of(WebhookOutcome::Ignored), 3);
    // Stripe was asked about the one without our reference only.
    assert_eq!(ingress.bench.totals().await["reads_total"], 1);
}

#[tokio::test]
async fn a_wrong_amount_currency_payment_or_reference_changes_nothing() {
    let ingress = Ingress::start().await;
    let good = || event("refund.updated", "re_1", &ingress.attempt);
    let wrong = [
        with(good(), "amount", json!(125_000)),
        with(good(), "amount", json!(1)),
        with(good(), "currency", json!("usd")),
        with(good(), "payment_intent", json!("pi_B2")),
        with(good(), "id", json!("re_2")),
        with(good(), "metadata", json!({ "redress_attempt": "other" })),
    ];
    let before = ingress.shop.stored(&ingress.refund).await;
    for event in &wrong {
        let (status, text) = ingress.event(event).await;
        assert_eq!((status, &*text), (StatusCode::OK, "mismatched"), "{event}");
    }
    assert_eq!(ingress.shop.stored(&ingress.refund).await, before);
    assert_eq!(ingress.counts.of(WebhookOutcome::Mismatched), 6);
    assert_eq!(ingress.counts.of(WebhookOutcome::Hinted), 0);
    assert_eq!(ingress.event(&good()).await.1, "hinted");
}

#[tokio::test]
async fn a_webhook_before_our_own_commit_twice_and_out_of_order_moves_nothing_by_itself() {
    let ingress = Ingress::start().await;
    let shop = &ingress.shop;
    // Its answer is on the way: the sender holds the second attempt, whose refund has no id here.
    let refund = shop.refund("B1").await;
    let now = shop.clock.now();
    let claim = Claim { provider: "stripe", claim: "c2", limit: 1, now, lease: LATER };
    let sent = shop.store.claim_to_send(&claim, None).await.unwrap().attempts.pop().unwrap();
    let early =
        with(event("refund.updated", "re_7", sent.id.as_str()), "payment_intent", json!("pi_B1"));
    for _ in 0..2 {
        assert_eq!(ingress.event(&early).await.1, "hinted");
    }
    assert_eq!(shop.attempt(&refund).await, sent);
    settle(shop, &sent, Finding::Succeeded { provider_refund: "re_7".to_owned() }).await;

    // The older events come last; only one that denies what is settled is worth a person's time.
    for (status, answer) in
        [("succeeded", "known"), ("pending", "known"), ("failed", "contradicts")]
    {
        let late = with(early.clone(), "status", json!(status));
        assert_eq!(ingress.event(&late).await.1, answer, "{status}");
    }
    assert_eq!(shop.attempt(&refund).await.state, AttemptState::Succeeded);
    assert_eq!(ingress.counts.of(WebhookOutcome::Hinted), 2);
    assert_eq!(ingress.counts.of(WebhookOutcome::Known), 2);
    assert_eq!(ingress.counts.of(WebhookOutcome::Contradicts), 1);
    assert!(!ingress.is_due().await, "the other attempt has nothing to do with it");
}

#[tokio::test]
async fn a_refund_made_in_the_dashboard_is_handed_on_as_the_provider_tells_it() {
    let ingress = Ingress::start().await;
    let id = ingress.bench.refund_in_dashboard("pi_A1", 700).await;
    let mut event = with(event("refund.created", &id, ""), "metadata", json!({}));
    // What the event says of the amount is not what is recorded.
    event = with(event, "amount", json!(999));
    for answer in ["recorded", "known"] {
        let (status, text) = ingress.event(&event).await;
        assert_eq!((status, &*text), (StatusCode::OK, answer));
    }
    assert_eq!(ingress.records.amounts(), [700]);
    ingress.bench.control("faults", json!({ "down": true })).await;
    let (status, _) = ingress.event(&event).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "Stripe sends it again");
    for (outcome, count) in
        [(WebhookOutcome::Recorded, 1), (WebhookOutcome::Known, 1), (WebhookOutcome::Deferred, 1)]
    {
        assert_eq!(ingress.counts.of(outcome), count, "{outcome:?}");
    }
    assert!(!ingress.is_due().await);
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
    assert_eq!(ingress.counts.of(WebhookOutcome::Rejected), 4);
    assert_eq!(ingress.counts.of(WebhookOutcome::OutOfTime), 1);
    assert_eq!(ingress.counts.of(WebhookOutcome::Hinted), 0);
}

#[tokio::test]
async fn while_a_secret_is_replaced_both_are_accepted() {
    for (secrets, expected) in [
        (&[WEBHOOK_SECRET][..], StatusCode::OK),
        (&[PREVIOUS_SECRET], StatusCode::OK),
        (&["whsec_older", WEBHOOK_SECRET], StatusCode::OK),
        (&["whsec_older"], StatusCode::BAD_REQUEST),
    ] {
        let ingress = Ingress::start().await;
        let body = event("refund.updated", "re_1", &ingress.attempt).to_string();
        let now = ingress.shop.clock.now();
        let signatures = secrets.iter().map(|secret| sign_with(secret, &body, now));
        let time = format!("t={}", now.0 / 1_000_000);
        let header = signatures.fold(time, |header, signature| {
            format!("{header},{}", signature.split_once(',').unwrap().1)
        });
        assert_eq!(ingress.post(Some(header), &body).await.0, expected, "{secrets:?}");
        assert_eq!(ingress.is_due().await, expected == StatusCode::OK);
    }
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
    let good = || event("refund.updated", "re_1", &ingress.attempt);
    for (event, reason) in [
        (json!({ "type": "refund.updated", "data": { "object": {} } }), "data.object is not"),
        (with(good(), "id", json!("")), "data.object is not a refund"),
        (with(good(), "amount", json!(-1)), "data.object.amount"),
    ] {
        let (status, text) = ingress.event(&event).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(text.starts_with(reason), "{text}");
    }
    assert_eq!(ingress.counts.of(WebhookOutcome::Unreadable), 7);
    assert!(!ingress.is_due().await);

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
