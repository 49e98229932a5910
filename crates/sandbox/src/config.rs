//! The sandbox's settings. All have a default, so that an empty file starts a faithful, faultless
//! sandbox on a free port.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::auth::SecretKey;
use crate::clock::Clock;
use crate::error::Error;
use crate::faults::FaultPlan;

/// How one sandbox behaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxConfig {
    /// Where to listen; port 0 takes a free one. The control plane has no authentication, so keep
    /// this on loopback.
    pub listen: SocketAddr,
    /// The API key that `/v1/` asks for.
    pub secret_key: SecretKey,
    /// Requests per calendar second and endpoint; 0 is unlimited. Stripe: 25.
    pub requests_per_s: u32,
    /// Requests per calendar second over all endpoints; 0 is unlimited. Stripe: 100 in live mode.
    pub account_requests_per_s: u32,
    /// How long idempotency keys are kept, in milliseconds. Stripe: at least 24 hours.
    pub idempotency_window_ms: u64,
    /// What goes wrong, and how often.
    pub faults: FaultPlan,
    /// Where events go.
    pub webhooks: WebhookConfig,
    /// The source of time. Not part of a file: the machine's clock unless set in code.
    #[serde(skip)]
    pub clock: Clock,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            secret_key: SecretKey::new("sk_test_redress_sandbox"),
            requests_per_s: 25,
            account_requests_per_s: 0,
            idempotency_window_ms: 24 * 60 * 60 * 1_000,
            faults: FaultPlan::default(),
            webhooks: WebhookConfig::default(),
            clock: Clock::system(),
        }
    }
}

/// Where signed events go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookEndpoint {
    /// An `http://` or `https://` URL that answers 2xx when it has taken an event.
    pub url: String,
    /// The signing secret, for example `whsec_...`.
    pub secret: SecretKey,
}

/// The endpoint and how patiently events are delivered to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookConfig {
    /// Absent: no events. Can be set later through the control plane.
    pub endpoint: Option<WebhookEndpoint>,
    /// Milliseconds before the second try; doubles from try to try.
    pub initial_backoff_ms: u64,
    /// The longest pause between tries, in milliseconds.
    pub max_backoff_ms: u64,
    /// Tries per event, the first included; at least 1.
    pub max_attempts: u32,
    /// How long one try may take, in milliseconds.
    pub timeout_ms: u64,
    /// Events that may wait for delivery; further ones are dropped and counted. At least 1.
    pub queue: usize,
    /// Events in delivery at once; at least 1. Their order is not kept, as with Stripe.
    pub concurrency: usize,
    /// How often each event is delivered although it was taken; at least 1. Stripe promises no
    /// more than at least once.
    pub copies: u32,
    /// Each delivery waits up to this long before its first try, in milliseconds, so that events
    /// arrive out of order; the pauses are the same in every run.
    pub jumble_ms: u64,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            initial_backoff_ms: 200,
            max_backoff_ms: 10_000,
            max_attempts: 10,
            timeout_ms: 10_000,
            queue: 10_000,
            concurrency: 8,
            copies: 1,
            jumble_ms: 0,
        }
    }
}

impl SandboxConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        if self.secret_key.expose().is_empty() {
            return Err(invalid("secret_key", "must not be empty"));
        }
        if i64::try_from(self.idempotency_window_ms)
            .ok()
            .and_then(|ms| ms.checked_mul(1_000))
            .is_none()
        {
            return Err(invalid("idempotency_window_ms", "is longer than time can be counted"));
        }
        self.faults.validate()?;
        self.webhooks.validate()
    }

    /// The idempotency window in microseconds.
    pub(crate) fn idempotency_window_micros(&self) -> i64 {
        i64::try_from(self.idempotency_window_ms).unwrap_or(i64::MAX).saturating_mul(1_000)
    }
}

impl WebhookConfig {
    fn validate(&self) -> Result<(), Error> {
        if let Some(endpoint) = &self.endpoint {
            endpoint.validate()?;
        }
        for (field, is_zero) in [
            ("webhooks.max_attempts", self.max_attempts == 0),
            ("webhooks.timeout_ms", self.timeout_ms == 0),
            ("webhooks.queue", self.queue == 0),
            ("webhooks.concurrency", self.concurrency == 0),
            ("webhooks.copies", self.copies == 0),
        ] {
            if is_zero {
                return Err(invalid(field, "must be at least 1"));
            }
        }
        Ok(())
    }
}

impl WebhookEndpoint {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let url = reqwest::Url::parse(&self.url).ok();
        if !url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            return Err(invalid("webhooks.endpoint.url", "must be an http:// or https:// URL"));
        }
        if self.secret.expose().is_empty() {
            return Err(invalid("webhooks.endpoint.secret", "must not be empty"));
        }
        Ok(())
    }
}

fn invalid(field: &'static str, reason: &str) -> Error {
    Error::Config { field, reason: reason.to_owned() }
}
