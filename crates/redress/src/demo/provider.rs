//! The payment sandbox as the demo uses it: payments to refund, faults, and the provider's own
//! count of the money.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use redress_proto::refunds::v1::{Order, payment};
use redress_sandbox::{FaultPlan, RunningSandbox, Sandbox, SandboxConfig, SecretKey};
use serde::Deserialize;
use serde_json::json;

use crate::cli::DemoArgs;

/// Payments told to the sandbox in one request.
const SEED_CHUNK: usize = 5_000;

/// Faults in a thousand payments: enough to meet each kind in the sample of 240 orders.
const FAULTS: FaultPlan = FaultPlan {
    seed: 0,
    lost_answer: 20,
    error_before: 20,
    error_after: 10,
    slow_answer: 10,
    card_closed: 15,
    returned: 0,
    balance_pending: 0,
    balance_refused: 10,
    slow_answer_ms: 300,
    card_closed_ms: 500,
    returned_ms: 0,
    balance_pending_fails_ms: None,
};

/// The running sandbox.
#[derive(Debug)]
pub(super) struct Provider {
    sandbox: RunningSandbox,
    http: reqwest::Client,
}

/// The provider's own count.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ProviderTotals {
    /// Paid back, by currency.
    pub refunded_minor_units_by_currency: BTreeMap<String, i64>,
    /// The most refunds that succeeded for one attempt of ours.
    pub max_refunds_per_attempt: u64,
}

impl Provider {
    pub(super) async fn start(args: &DemoArgs, key: &str) -> Result<Self> {
        let config = SandboxConfig {
            requests_per_s: args.provider_rate,
            secret_key: SecretKey::new(key),
            faults: FaultPlan { seed: args.seed, ..FAULTS },
            ..SandboxConfig::default()
        };
        let sandbox = Sandbox::start(config).await.context("the payment sandbox cannot start")?;
        Ok(Self { sandbox, http: reqwest::Client::builder().no_proxy().build()? })
    }

    pub(super) fn base_url(&self) -> String {
        self.sandbox.base_url()
    }

    /// Tells the sandbox of every payment that the orders were paid with there.
    pub(super) async fn seed(&self, orders: impl Iterator<Item = Order>) -> Result<()> {
        let mut lines = String::new();
        let mut pending = 0;
        for order in orders {
            for payment in order.payments.iter().filter(|p| p.provider == "stripe") {
                let captured = payment.captured.clone().unwrap_or_default();
                let earlier = payment.refunded_elsewhere.clone().unwrap_or_default();
                let tender = match payment.tender() {
                    payment::Tender::Wallet => "alipay",
                    _ => "card",
                };
                let record = json!({
                    "id": payment.provider_reference,
                    "amount": captured.minor_units,
                    "currency": captured.currency_code,
                    "amount_refunded": earlier.minor_units,
                    "payment_method_type": tender,
                });
                writeln!(lines, "{record}")?;
                pending += 1;
            }
            if pending >= SEED_CHUNK {
                self.put(std::mem::take(&mut lines)).await?;
                pending = 0;
            }
        }
        if pending > 0 {
            self.put(lines).await?;
        }
        Ok(())
    }

    async fn put(&self, lines: String) -> Result<()> {
        let url = format!("{}/sandbox/payment_intents", self.base_url());
        let response = self.http.post(url).body(lines).send().await?;
        let status = response.status();
        ensure!(status.is_success(), "the sandbox refused a payment: {}", response.text().await?);
        Ok(())
    }

    pub(super) async fn totals(&self) -> Result<ProviderTotals> {
        let url = format!("{}/sandbox/totals", self.base_url());
        let response = self.http.get(url).send().await?.error_for_status()?;
        response.json().await.context("the sandbox's totals do not read")
    }

    pub(super) async fn stop(self) {
        self.sandbox.shutdown().await;
    }
}
