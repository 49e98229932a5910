//! The payment sandbox as the demo uses it: payments to refund, faults, and the provider's own
//! count of the money.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use redress_proto::refunds::v1::Order;
use redress_sandbox::{FaultPlan, RunningSandbox, Sandbox, SandboxConfig, SecretKey};
use serde::Deserialize;

use crate::cli::DemoArgs;
use crate::seed;

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
        seed::payments(&self.base_url(), orders).await?;
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
