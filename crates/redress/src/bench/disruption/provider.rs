//! The sandbox as the bench runs it: in a process of its own, as a provider is, so that neither its
//! ledger nor its work is counted as the service's memory.
//!
//! Invariant: the process ends with the handle to it.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use redress_core::clock::{Clock as _, SystemClock};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::super::orders;
use crate::seed;

/// How long the sandbox may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the provider behaves.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    /// Requests that it takes in a calendar second, for each endpoint; 0 is no limit.
    pub rate: u32,
    /// How long each answer about a refund takes, in milliseconds.
    pub latency_ms: u64,
}

/// The running sandbox.
#[derive(Debug)]
pub(super) struct Provider {
    base_url: String,
    http: reqwest::Client,
    child: Child,
}

/// What the sandbox has counted.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Totals {
    /// Paid back, by currency.
    pub refunded_minor_units_by_currency: BTreeMap<String, i64>,
    /// Refunds that were made.
    pub refunds_made: u64,
    /// The most that were made for one attempt.
    pub max_refunds_per_attempt: u64,
    /// The most that one payment has.
    pub max_refunds_per_payment_intent: u64,
    /// `POST /v1/refunds` let through in one calendar second, at most.
    pub peak_refund_requests_admitted_per_s: u32,
    /// `POST /v1/refunds` received in one calendar second, refused ones included, at most.
    pub peak_refund_requests_per_s: u32,
    /// Requests that were refused for their rate.
    pub rate_limited_total: u64,
}

impl Provider {
    /// Starts it, knowing the payments of the first `count` orders.
    pub(super) async fn start(manner: Manner, count: usize) -> Result<Self> {
        let program = std::env::current_exe().context("this program cannot be found")?;
        let mut child = Command::new(program)
            .args(["sandbox", "--listen", "127.0.0.1:0", "--rate"])
            .arg(manner.rate.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("the payment sandbox cannot be started")?;
        let output = child.stdout.take().context("the payment sandbox says nothing")?;
        let mut lines = BufReader::new(output).lines();
        let Ok(Ok(Some(base_url))) = timeout(PATIENCE, lines.next_line()).await else {
            bail!("the payment sandbox does not say where it listens");
        };
        // The sandbox is local, whatever proxy the environment names.
        let http = reqwest::Client::builder().no_proxy().build()?;
        let provider = Self { base_url, http, child };
        if manner.latency_ms > 0 {
            provider.slow_down(manner.latency_ms).await?;
        }
        let orders = orders::orders(count, SystemClock.now());
        seed::payments(&provider.base_url, orders).await.context("the sandbox was not seeded")?;
        Ok(provider)
    }

    /// Has every answer about a refund take this long.
    async fn slow_down(&self, latency_ms: u64) -> Result<()> {
        let plan = json!({ "plan": { "slow_answer": 1_000, "slow_answer_ms": latency_ms } });
        let request = self.http.post(format!("{}/sandbox/faults", self.base_url));
        request.body(plan.to_string()).send().await?.error_for_status()?;
        Ok(())
    }

    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    pub(super) async fn totals(&self) -> Result<Totals> {
        let url = format!("{}/sandbox/totals", self.base_url);
        let response = self.http.get(url).send().await?.error_for_status()?;
        response.json().await.context("the sandbox's totals do not read")
    }

    /// Ends it.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.child.kill().await.context("the payment sandbox does not end")
    }
}
