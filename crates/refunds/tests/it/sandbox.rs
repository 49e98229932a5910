//! A payment sandbox of one's own, and its control plane.

use std::net::SocketAddr;
use std::time::Duration;

use redress_refunds::provider::ProviderTerms;
use redress_refunds::provider::stripe::{REPLAY_WINDOW, StripeConnector, StripeSettings};
use redress_sandbox::{RunningSandbox, Sandbox, SandboxConfig};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// The key that sandboxes ask for.
pub(crate) const KEY: &str = "sk_test_redress_sandbox";
/// What webhooks are signed with.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_test";

/// The terms of the sandbox's account, without a limit on reads that a test would notice.
pub(crate) fn terms() -> ProviderTerms {
    ProviderTerms {
        visibility_window: Duration::from_secs(10),
        arrival: Duration::from_hours(24),
        concurrency: 8,
        timeout: Duration::from_secs(20),
        replay_window: Some(REPLAY_WINDOW),
        refund_window: None,
        reads_per_second: 10_000,
        sends_per_second: None,
        balance_gate: false,
        equal_amount_spacing: None,
        finds_by_reference: true,
    }
}

/// A connector to a sandbox, whose webhooks are signed with [`WEBHOOK_SECRET`].
pub(crate) fn connector(base_url: &str, terms: ProviderTerms) -> StripeConnector {
    let settings = StripeSettings {
        base_url: base_url.to_owned(),
        secret_key: KEY.into(),
        webhook_secrets: vec![WEBHOOK_SECRET.into()],
        terms,
    };
    StripeConnector::new(&settings).unwrap()
}

/// A running sandbox.
pub(crate) struct Bench {
    sandbox: RunningSandbox,
    client: Client,
}

impl Bench {
    /// On a free port, without rate limits.
    pub(crate) async fn start() -> Self {
        Self::with_rate(0).await
    }

    /// With a limit of requests per second and endpoint; 0 is none.
    pub(crate) async fn with_rate(requests_per_s: u32) -> Self {
        Self::with(SandboxConfig { requests_per_s, ..SandboxConfig::default() }).await
    }

    /// At an address that is known before.
    pub(crate) async fn at(listen: SocketAddr) -> Self {
        Self::with(SandboxConfig { requests_per_s: 0, listen, ..SandboxConfig::default() }).await
    }

    pub(crate) async fn with(config: SandboxConfig) -> Self {
        let sandbox = Sandbox::start(config).await.unwrap();
        let client = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self { sandbox, client }
    }

    pub(crate) fn base_url(&self) -> String {
        self.sandbox.base_url()
    }

    /// Posts to the control plane.
    pub(crate) async fn control(&self, path: &str, body: Value) {
        let url = format!("{}/sandbox/{path}", self.base_url());
        let answer = self.client.post(url).json(&body).send().await.unwrap();
        let status = answer.status();
        assert_eq!(status, StatusCode::OK, "{}", answer.text().await.unwrap());
    }

    /// A captured payment of `amount` in Stripe's units.
    pub(crate) async fn seed(&self, id: &str, amount: i64, currency: &str) {
        let payment = json!([{ "id": id, "amount": amount, "currency": currency }]);
        self.control("payment_intents", payment).await;
    }

    /// What happens to the next refunds of a payment.
    pub(crate) async fn inject(&self, payment: &str, faults: Value) {
        self.control("faults", json!({ "payment_intent": payment, "faults": faults })).await;
    }

    /// Refunds a part of a payment as somebody does in the provider's dashboard: without a word of
    /// ours on it. Returns the provider's id.
    pub(crate) async fn refund_in_dashboard(&self, payment: &str, amount: i64) -> String {
        let url = format!("{}/v1/refunds", self.base_url());
        let form = [("payment_intent", payment.to_owned()), ("amount", amount.to_string())];
        let answer = self.client.post(url).bearer_auth(KEY).form(&form).send().await.unwrap();
        let refund: Value = answer.json().await.unwrap();
        refund["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn totals(&self) -> Value {
        let url = format!("{}/sandbox/totals", self.base_url());
        self.client.get(url).send().await.unwrap().json().await.unwrap()
    }
}

/// Polls across the process boundary until there is a value, for at most twenty seconds.
pub(crate) async fn eventually<T>(probe: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(Instant::now() < deadline, "the condition was not met in twenty seconds");
        sleep(Duration::from_millis(5)).await;
    }
}
