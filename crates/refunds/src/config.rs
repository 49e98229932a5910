//! The settings of this service, as written, and what they mean.
//!
//! Invariant: nothing starts on settings that were not checked; every mistake is told at once, by
//! the key that has to be changed.

mod problem;
mod secret;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::provider::ProviderTerms;
use crate::provider::stripe::StripeSettings;
use crate::store::ItemTerms;
use crate::webhook::WebhookSettings;
use crate::worker::WorkerSettings;

use problem::Checker;
pub use problem::{ConfigProblem, ConfigProblems};

/// Settings as written in a file or the environment; everything has a default.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RefundsConfig {
    /// How long a quote can be accepted, in minutes; 30 when not given.
    pub quote_validity_minutes: u64,
    /// By when the refunds of a cancelled event have to be paid, in days from its start; 14 when
    /// not given.
    pub cancellation_pay_within_days: u64,
    /// Payment providers. Tenders of others go to a person.
    pub providers: ProvidersConfig,
    /// Where providers' webhooks arrive.
    pub webhooks: WebhooksConfig,
    /// How patient the workers are.
    pub worker: WorkerConfig,
}

impl Default for RefundsConfig {
    fn default() -> Self {
        Self {
            quote_validity_minutes: 30,
            cancellation_pay_within_days: 14,
            providers: ProvidersConfig::default(),
            webhooks: WebhooksConfig::default(),
            worker: WorkerConfig::default(),
        }
    }
}

/// The providers that Redress can send through.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProvidersConfig {
    /// Stripe; not connected when not given.
    pub stripe: Option<StripeConfig>,
}

/// An account at Stripe.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StripeConfig {
    /// Where the API is; `https://api.stripe.com` when not given.
    pub base_url: String,
    /// The secret or restricted key; mostly given in the environment.
    pub secret_key: Option<SecretString>,
    /// A file that holds the key, instead of `secret_key`.
    pub secret_key_file: Option<PathBuf>,
    /// The signing secret of the webhook endpoint, `whsec_...`; no webhooks when not given.
    pub webhook_secret: Option<SecretString>,
    /// A file that holds the signing secret, instead of `webhook_secret`.
    pub webhook_secret_file: Option<PathBuf>,
    /// How long one call may take, connection included; 20 000 when not given.
    pub timeout_ms: u64,
    /// How long after sending a refund may be missing from Stripe's lists; 10 000 when not given.
    pub visibility_window_ms: u64,
    /// Calls under way at once; 32 when not given.
    pub concurrency: usize,
    /// How long customers wait for the money at most, in civil days; 14 when not given, because
    /// Stripe says 5 to 10 business days (docs.stripe.com/refunds).
    pub arrival_days: u64,
}

impl Default for StripeConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.stripe.com".to_owned(),
            secret_key: None,
            secret_key_file: None,
            webhook_secret: None,
            webhook_secret_file: None,
            timeout_ms: 20_000,
            visibility_window_ms: 10_000,
            concurrency: 32,
            arrival_days: 14,
        }
    }
}

/// The ingress for webhooks.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhooksConfig {
    /// Address and port, such as `0.0.0.0:8080`; needed when a provider has a webhook secret.
    pub listen: Option<SocketAddr>,
}

/// How patient the workers are, in milliseconds.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerConfig {
    /// The longest wait before looking for work that another process left; 5 000 when not given.
    pub poll_ms: u64,
    /// How long calls under way may take when the service stops; 25 000 when not given.
    pub drain_ms: u64,
    /// How soon a lost answer is looked up; 1 000 when not given.
    pub look_up_first_ms: u64,
    /// The longest pause between look-ups that fail; 300 000 when not given.
    pub look_up_cap_ms: u64,
    /// How soon an accepted refund is looked up, the pause doubling from then on; 5 000 when not
    /// given.
    pub check_first_ms: u64,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            poll_ms: 5_000,
            drain_ms: 25_000,
            look_up_first_ms: 1_000,
            look_up_cap_ms: 300_000,
            check_first_ms: 5_000,
        }
    }
}

/// Checked settings.
#[derive(Debug, Clone)]
pub struct RefundsSettings {
    /// How long a quote can be accepted.
    pub quote_validity: Duration,
    /// Stripe, when it is connected.
    pub stripe: Option<StripeSettings>,
    /// Where webhooks arrive, when any provider signs them.
    pub webhooks: Option<WebhookSettings>,
    /// How patient the workers are, and the terms of cancelled events.
    pub worker: WorkerSettings,
}

impl RefundsConfig {
    /// Checks everything and reads the files of secrets.
    pub fn resolve(&self) -> Result<RefundsSettings, ConfigProblems> {
        let mut check = Checker::default();
        let quote = check.range("quote_validity_minutes", self.quote_validity_minutes, 1..=1_440);
        let pay_within =
            check.range("cancellation_pay_within_days", self.cancellation_pay_within_days, 1..=365);
        let stripe = self.providers.stripe.as_ref();
        let webhook_secret = stripe.and_then(|stripe| stripe.webhook_secret(&mut check));
        let stripe = stripe.map(|stripe| stripe.resolve(&mut check));
        let webhooks = self.webhooks.resolve(webhook_secret, &mut check);
        let item_terms = ItemTerms {
            pay_within: days(pay_within),
            arrival: stripe.as_ref().map(|stripe| stripe.terms.arrival),
        };
        let worker = self.worker.resolve(item_terms, &mut check);
        let quote_validity = Duration::from_mins(quote);
        check.finish(RefundsSettings { quote_validity, stripe, webhooks, worker })
    }
}

impl StripeConfig {
    fn resolve(&self, check: &mut Checker) -> StripeSettings {
        let key = |name: &str| format!("providers.stripe.{name}");
        let secret_key = secret::read(
            check,
            &key("secret_key"),
            self.secret_key.as_ref(),
            self.secret_key_file.as_deref(),
        );
        if secret_key.is_none() && self.secret_key.is_none() && self.secret_key_file.is_none() {
            check.problem(key("secret_key"), "is missing: give it, or secret_key_file");
        }
        let secret_key = secret_key.unwrap_or_default();
        let is_https = self.base_url.starts_with("https://");
        if !is_https && !self.base_url.starts_with("http://") {
            check.problem(key("base_url"), "expected https://<host>, like https://api.stripe.com");
        } else if !is_https && is_live(&secret_key) {
            check.problem(key("base_url"), "a live key is sent over https:// only");
        }
        let millis = |check: &mut Checker, name: &str, value: u64, most: u64| {
            Duration::from_millis(check.range(&key(name), value, 1..=most))
        };
        let terms = ProviderTerms {
            visibility_window: millis(
                check,
                "visibility_window_ms",
                self.visibility_window_ms,
                86_400_000,
            ),
            timeout: millis(check, "timeout_ms", self.timeout_ms, 120_000),
            arrival: days(check.range(&key("arrival_days"), self.arrival_days, 1..=90)),
            concurrency: check.range(&key("concurrency"), self.concurrency, 1..=1_024),
        };
        StripeSettings { base_url: self.base_url.clone(), secret_key, terms }
    }

    fn webhook_secret(&self, check: &mut Checker) -> Option<SecretString> {
        secret::read(
            check,
            "providers.stripe.webhook_secret",
            self.webhook_secret.as_ref(),
            self.webhook_secret_file.as_deref(),
        )
    }
}

impl WebhooksConfig {
    fn resolve(
        &self,
        secret: Option<SecretString>,
        check: &mut Checker,
    ) -> Option<WebhookSettings> {
        match (self.listen, secret) {
            (Some(listen), Some(stripe_secret)) => Some(WebhookSettings { listen, stripe_secret }),
            (None, Some(_)) => {
                let reason = "is missing: providers.stripe.webhook_secret needs a port to listen \
                              on, such as 0.0.0.0:8080";
                check.problem("webhooks.listen", reason);
                None
            }
            (_, None) => None,
        }
    }
}

impl WorkerConfig {
    fn resolve(&self, item_terms: ItemTerms, check: &mut Checker) -> WorkerSettings {
        let mut millis = |name: &str, value: u64, most: u64| {
            Duration::from_millis(check.range(&format!("worker.{name}"), value, 1..=most))
        };
        WorkerSettings {
            poll: millis("poll_ms", self.poll_ms, 60_000),
            drain: millis("drain_ms", self.drain_ms, 600_000),
            look_up_first: millis("look_up_first_ms", self.look_up_first_ms, 3_600_000),
            look_up_cap: millis("look_up_cap_ms", self.look_up_cap_ms, 86_400_000),
            check_first: millis("check_first_ms", self.check_first_ms, 3_600_000),
            item_terms,
        }
    }
}

fn days(count: u64) -> Duration {
    Duration::from_hours(24 * count)
}

/// Whether a key moves real money.
fn is_live(key: &SecretString) -> bool {
    let key = key.expose_secret();
    key.starts_with("sk_live_") || key.starts_with("rk_live_")
}

#[cfg(test)]
mod tests;
