//! The settings of an account at Stripe.
//!
//! Invariant: what Stripe promises of itself, such as how long it honours a key, is no setting.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::problem::Checker;
use super::{days, secret};
use crate::provider::ProviderTerms;
use crate::provider::stripe::{REPLAY_WINDOW, StripeSettings};

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
    /// The signing secret that `webhook_secret` replaces, accepted as well while Stripe still signs
    /// with it.
    pub previous_webhook_secret: Option<SecretString>,
    /// A file that holds it, instead of `previous_webhook_secret`.
    pub previous_webhook_secret_file: Option<PathBuf>,
    /// How long one call may take, connection included; 20 000 when not given.
    pub timeout_ms: u64,
    /// How long after sending a refund may be missing from Stripe's lists; 10 000 when not given.
    pub visibility_window_ms: u64,
    /// Calls under way at once; 32 when not given.
    pub concurrency: usize,
    /// Refunds a second that all processes on one database send together; 25 when not given, which
    /// is what Stripe allows an account on each endpoint (docs.stripe.com/rate-limits). 0: no limit.
    pub sends_per_second: u32,
    /// Whether refunds wait while the balance in their currency does not cover them; true when not
    /// given. The key must be allowed to read the balance.
    pub balance_gate: bool,
    /// Reads a second that this process may make; 20 when not given, of the 25 that Stripe allows
    /// an account on each endpoint (docs.stripe.com/rate-limits).
    pub reads_per_second: u32,
    /// The age in days from which on a payment is not refunded any more; no limit when not given,
    /// as Stripe documents none.
    pub refund_window_days: Option<u64>,
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
            previous_webhook_secret: None,
            previous_webhook_secret_file: None,
            timeout_ms: 20_000,
            visibility_window_ms: 10_000,
            concurrency: 32,
            sends_per_second: 25,
            balance_gate: true,
            reads_per_second: 20,
            refund_window_days: None,
            arrival_days: 14,
        }
    }
}

impl StripeConfig {
    /// Checks everything and reads the files of secrets.
    pub(super) fn resolve(&self, check: &mut Checker) -> StripeSettings {
        let secret_key = self.secret_key(check);
        let is_https = self.base_url.starts_with("https://");
        if !is_https && !self.base_url.starts_with("http://") {
            let reason = "expected https://<host>, like https://api.stripe.com";
            check.problem(key("base_url"), reason);
        } else if !is_https && is_live(&secret_key) {
            check.problem(key("base_url"), "a live key is sent over https:// only");
        }
        let base_url = self.base_url.clone();
        let webhook_secrets = self.webhook_secrets(check);
        StripeSettings { base_url, secret_key, webhook_secrets, terms: self.terms(check) }
    }

    fn terms(&self, check: &mut Checker) -> ProviderTerms {
        let millis = |check: &mut Checker, name: &str, value: u64, most: u64| {
            Duration::from_millis(check.range(&key(name), value, 1..=most))
        };
        let visible = self.visibility_window_ms;
        ProviderTerms {
            visibility_window: millis(check, "visibility_window_ms", visible, 86_400_000),
            timeout: millis(check, "timeout_ms", self.timeout_ms, 120_000),
            arrival: days(check.range(&key("arrival_days"), self.arrival_days, 1..=90)),
            concurrency: check.range(&key("concurrency"), self.concurrency, 1..=1_024),
            reads_per_second: check.range(
                &key("reads_per_second"),
                self.reads_per_second,
                1..=10_000,
            ),
            sends_per_second: match self.sends_per_second {
                0 => None,
                limit => Some(check.range(&key("sends_per_second"), limit, 1..=10_000)),
            },
            balance_gate: self.balance_gate,
            refund_window: self
                .refund_window_days
                .map(|age| days(check.range(&key("refund_window_days"), age, 1..=3_650))),
            replay_window: Some(REPLAY_WINDOW),
            equal_amount_spacing: None,
            finds_by_reference: true,
        }
    }

    fn secret_key(&self, check: &mut Checker) -> SecretString {
        let (given, file) = (self.secret_key.as_ref(), self.secret_key_file.as_deref());
        if given.is_none() && file.is_none() {
            check.problem(key("secret_key"), "is missing: give it, or secret_key_file");
        }
        secret::read(check, &key("secret_key"), given, file).unwrap_or_default()
    }

    /// The newer signing secret first.
    fn webhook_secrets(&self, check: &mut Checker) -> Vec<SecretString> {
        let current = secret::read(
            check,
            &key("webhook_secret"),
            self.webhook_secret.as_ref(),
            self.webhook_secret_file.as_deref(),
        );
        let previous = secret::read(
            check,
            &key("previous_webhook_secret"),
            self.previous_webhook_secret.as_ref(),
            self.previous_webhook_secret_file.as_deref(),
        );
        let has_current = self.webhook_secret.is_some() || self.webhook_secret_file.is_some();
        if previous.is_some() && !has_current {
            let reason = "is given without webhook_secret, which replaces it: give the one that \
                          is in force as webhook_secret";
            check.problem(key("previous_webhook_secret"), reason);
        }
        [current, previous].into_iter().flatten().collect()
    }
}

fn key(name: &str) -> String {
    format!("providers.stripe.{name}")
}

/// Whether a key moves real money.
fn is_live(key: &SecretString) -> bool {
    let key = key.expose_secret();
    key.starts_with("sk_live_") || key.starts_with("rk_live_")
}
