//! The payment provider: a sandbox in the test's process, its control plane, and its own count of
//! the money.
//!
//! Invariant: the figures are the provider's; nothing of ours is added to them.

use std::collections::BTreeMap;
use std::time::Duration;

use redress_proto::refunds::v1::Order;
use redress_sandbox::{RunningSandbox, Sandbox, SandboxConfig, SecretKey};
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Value, json};

use super::books::{Books, ByCurrency};

/// The key that the connector and the sandbox share.
pub(crate) const SECRET_KEY: &str = "sk_test_redress_scenarios";

/// A running sandbox.
pub(crate) struct Provider {
    sandbox: RunningSandbox,
    http: Client,
    /// What may be paid back on each payment, in minor units.
    refundable: BTreeMap<String, i64>,
}

/// The provider's own count. Money is in minor units by ISO 4217 code.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Totals {
    #[serde(rename = "refunded_minor_units_by_currency")]
    pub(crate) refunded: ByCurrency,
    #[serde(rename = "pending_minor_units_by_currency")]
    pub(crate) pending: ByCurrency,
    pub(crate) max_refunds_per_attempt: u64,
    pub(crate) refunds_without_attempt: u64,
    pub(crate) refund_requests_total: u64,
    pub(crate) refunds_made: u64,
    /// By the sandbox's names of the faults.
    pub(crate) faults_injected: BTreeMap<String, u64>,
    pub(crate) webhooks: WebhookTotals,
}

/// What became of the provider's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct WebhookTotals {
    pub(crate) delivered: u64,
    pub(crate) given_up: u64,
    pub(crate) dropped: u64,
}

/// A refund as the provider has it.
#[derive(Debug, Deserialize)]
pub(crate) struct RefundLine {
    pub(crate) payment_intent: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) status: String,
}

impl Provider {
    /// A sandbox that takes `config.secret_key` for granted: it is ours.
    pub(crate) async fn start(config: SandboxConfig) -> Self {
        let config = SandboxConfig { secret_key: SecretKey::new(SECRET_KEY), ..config };
        let sandbox = Sandbox::start(config).await.unwrap();
        let http = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
        Self { sandbox, http, refundable: BTreeMap::new() }
    }

    pub(crate) fn base_url(&self) -> String {
        self.sandbox.base_url()
    }

    /// Tells the provider of every card payment of `orders`.
    pub(crate) async fn seed(&mut self, orders: &[Order]) {
        let mut lines = String::new();
        for payment in orders.iter().flat_map(|order| &order.payments) {
            if payment.provider != "stripe" {
                continue;
            }
            let captured = payment.captured.clone().unwrap();
            let earlier = payment.refunded_elsewhere.clone().unwrap().minor_units;
            let record = json!({
                "id": payment.provider_reference,
                "amount": captured.minor_units,
                "currency": captured.currency_code,
                "amount_refunded": earlier,
            });
            lines += &record.to_string();
            lines.push('\n');
            let left = captured.minor_units - earlier;
            self.refundable.insert(payment.provider_reference.clone(), left);
        }
        self.post("payment_intents", lines).await;
    }

    /// Asks the control plane for faults, in its own words.
    pub(crate) async fn set_faults(&self, faults: &Value) {
        self.post("faults", faults.to_string()).await;
    }

    /// How many answers are still to be cut.
    pub(crate) async fn answers_to_cut(&self) -> u64 {
        self.get("faults").await["cut_next_refund_answers"].as_u64().unwrap()
    }

    pub(crate) async fn totals(&self) -> Totals {
        serde_json::from_value(self.get("totals").await).unwrap()
    }

    /// What our books must agree with: the same money, each attempt paid at most once, no payment
    /// refunded beyond what it held.
    pub(crate) async fn assert_agrees(&self, books: &Books) {
        let totals = self.totals().await;
        assert_eq!(books.refunded, totals.refunded, "paid by our count and by the provider's");
        assert_eq!(totals.pending, ByCurrency::new(), "refunds without an end");
        assert!(totals.max_refunds_per_attempt <= 1, "an attempt was paid twice: {totals:?}");
        assert_eq!(totals.refunds_without_attempt, 0, "{totals:?}");
        let mut paid: BTreeMap<String, i64> = BTreeMap::new();
        for refund in self.refunds().await {
            if refund.status == "succeeded" {
                *paid.entry(refund.payment_intent).or_default() += refund.amount;
            }
        }
        for (payment, amount) in paid {
            assert!(amount <= self.refundable[&payment], "{payment}: {amount} refunded");
        }
    }

    /// Every refund that it was ever asked for and took on.
    pub(crate) async fn refunds(&self) -> Vec<RefundLine> {
        let url = format!("{}/sandbox/refunds", self.base_url());
        let text = self.http.get(url).send().await.unwrap().text().await.unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn get(&self, what: &str) -> Value {
        let url = format!("{}/sandbox/{what}", self.base_url());
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Sends events of its refunds to `url` from now on, or to nobody.
    pub(crate) async fn set_webhook_endpoint(&self, endpoint: &Value) {
        self.post("webhook_endpoint", endpoint.to_string()).await;
    }

    async fn post(&self, what: &str, body: String) {
        let url = format!("{}/sandbox/{what}", self.base_url());
        let response = self.http.post(url).body(body).send().await.unwrap();
        let status = response.status();
        assert!(status.is_success(), "{what}: {status} {}", response.text().await.unwrap());
    }
}
