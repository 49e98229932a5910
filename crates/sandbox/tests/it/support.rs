//! A sandbox under test, a client that speaks Stripe's shape, and a clock that stands still.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use redress_sandbox::{Clock, RunningSandbox, Sandbox, SandboxConfig};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

pub(crate) const KEY: &str = "sk_test_redress_sandbox";

/// A clock that moves only when told to.
#[derive(Clone)]
pub(crate) struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_700_000_000_000_000)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn clock(&self) -> Clock {
        let now = Arc::clone(&self.0);
        Clock::from_fn(move || now.load(Ordering::SeqCst))
    }
}

/// A status and a JSON body, with the headers that matter.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    pub(crate) headers: reqwest::header::HeaderMap,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, body: response.json().await.unwrap() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status, `error.type`, `error.code` and `error.param` in one line.
    pub(crate) fn error(&self) -> String {
        let error = &self.body["error"];
        let text = |name: &str| error[name].as_str().unwrap_or("-").to_owned();
        format!("{} {} {} {}", self.status.as_u16(), text("type"), text("code"), text("param"))
    }

    pub(crate) fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap()
    }

    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_else(|| panic!("no id in {self:?}")).to_owned()
    }
}

/// A running sandbox and a client for it.
pub(crate) struct Bench {
    pub(crate) sandbox: RunningSandbox,
    pub(crate) client: Client,
}

pub(crate) type Params<'a> = &'a [(&'a str, &'a str)];

impl Bench {
    /// Without rate limits, unless `config` sets them.
    pub(crate) async fn start() -> Self {
        Self::with(unlimited()).await
    }

    pub(crate) async fn with(config: SandboxConfig) -> Self {
        let sandbox = Sandbox::start(config).await.unwrap();
        let client = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self { sandbox, client }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.sandbox.base_url()))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = self.request(Method::GET, path).bearer_auth(KEY);
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, params: Params<'_>) -> Answer {
        let request = self.request(Method::POST, path).bearer_auth(KEY).form(params);
        Answer::of(request.send().await.unwrap()).await
    }

    /// `POST /v1/refunds` under an idempotency key; `Err` when no answer came.
    pub(crate) async fn refund(
        &self,
        key: &str,
        params: Params<'_>,
    ) -> Result<Answer, reqwest::Error> {
        let request = self.request(Method::POST, "/v1/refunds").bearer_auth(KEY);
        let response = request.header("idempotency-key", key).form(params).send().await?;
        Ok(Answer::of(response).await)
    }

    pub(crate) async fn control(&self, path: &str, body: Value) -> Answer {
        let request = self.request(Method::POST, &format!("/sandbox/{path}")).json(&body);
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn seed(&self, id: &str, amount: i64, currency: &str) {
        let record = json!([{ "id": id, "amount": amount, "currency": currency }]);
        let answer = self.control("payment_intents", record).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }

    pub(crate) async fn inject(&self, payment_intent: &str, faults: Value) {
        let body = json!({ "payment_intent": payment_intent, "faults": faults });
        let answer = self.control("faults", body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }

    pub(crate) async fn totals(&self) -> Value {
        self.get("/sandbox/totals").await.body
    }

    /// The ledger's lines.
    pub(crate) async fn export(&self) -> Vec<Value> {
        let response = self.request(Method::GET, "/sandbox/refunds").send().await.unwrap();
        let text = response.text().await.unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Asks for a refund until it has `status`.
    pub(crate) async fn until_status(&self, id: &str, status: &str) -> Value {
        let path = format!("/v1/refunds/{id}");
        eventually(async || {
            let refund = self.get(&path).await.body;
            (refund["status"] == status).then_some(refund)
        })
        .await
    }
}

pub(crate) fn unlimited() -> SandboxConfig {
    SandboxConfig { requests_per_s: 0, ..SandboxConfig::default() }
}

/// Polls across the process boundary until there is a value, for at most ten seconds.
pub(crate) async fn eventually<T>(probe: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(Instant::now() < deadline, "the condition was not met in ten seconds");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
