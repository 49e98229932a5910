//! The settings of this service, as written, and what they mean.
//!
//! Invariant: nothing starts on settings that were not checked; every mistake is told at once, by
//! the key that has to be changed.

mod problem;
mod secret;
mod stripe;

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use crate::provider::stripe::StripeSettings;
use crate::store::ItemTerms;
use crate::webhook::WebhookSettings;
use crate::worker::WorkerSettings;

use problem::Checker;
pub use problem::{ConfigProblem, ConfigProblems};
pub use stripe::StripeConfig;

/// Settings as written in a file or the environment; everything has a default.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RefundsConfig {
    /// How long a quote can be accepted, in minutes; 30 when not given.
    pub quote_validity_minutes: u64,
    /// By when the refunds of a cancelled event have to be paid, in days from its start; 14 when
    /// not given.
    pub cancellation_pay_within_days: u64,
    /// How long before the end of a refund's legal clock its deadline is announced, in hours; 48
    /// when not given.
    pub deadline_warning_hours: u64,
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
            deadline_warning_hours: 48,
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
    /// How long the outcome of an attempt may stay unclear before a person is asked; 900 000 when
    /// not given.
    pub ask_person_after_ms: u64,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            poll_ms: 5_000,
            drain_ms: 25_000,
            look_up_first_ms: 1_000,
            look_up_cap_ms: 300_000,
            check_first_ms: 5_000,
            ask_person_after_ms: 900_000,
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
        let warning = check.range("deadline_warning_hours", self.deadline_warning_hours, 1..=720);
        let deadline_warning = Duration::from_hours(warning);
        let stripe = self.providers.stripe.as_ref();
        let stripe = stripe.map(|stripe| stripe.resolve(&mut check));
        let signed = stripe.as_ref().is_some_and(|stripe| !stripe.webhook_secrets.is_empty());
        let webhooks = self.webhooks.resolve(signed, &mut check);
        let item_terms = ItemTerms {
            pay_within: days(pay_within),
            arrival: stripe.as_ref().map(|stripe| stripe.terms.arrival),
        };
        let worker = self.worker.resolve(item_terms, deadline_warning, &mut check);
        let quote_validity = Duration::from_mins(quote);
        check.finish(RefundsSettings { quote_validity, stripe, webhooks, worker })
    }
}

impl WebhooksConfig {
    /// The ingress, when any provider's webhooks are `signed`.
    fn resolve(&self, signed: bool, check: &mut Checker) -> Option<WebhookSettings> {
        if !signed {
            return None;
        }
        if self.listen.is_none() {
            let reason = "is missing: providers.stripe.webhook_secret needs a port to listen on, \
                          such as 0.0.0.0:8080";
            check.problem("webhooks.listen", reason);
        }
        self.listen.map(|listen| WebhookSettings { listen })
    }
}

impl WorkerConfig {
    fn resolve(
        &self,
        item_terms: ItemTerms,
        deadline_warning: Duration,
        check: &mut Checker,
    ) -> WorkerSettings {
        let mut millis = |name: &str, value: u64, most: u64| {
            Duration::from_millis(check.range(&format!("worker.{name}"), value, 1..=most))
        };
        WorkerSettings {
            poll: millis("poll_ms", self.poll_ms, 60_000),
            drain: millis("drain_ms", self.drain_ms, 600_000),
            look_up_first: millis("look_up_first_ms", self.look_up_first_ms, 3_600_000),
            look_up_cap: millis("look_up_cap_ms", self.look_up_cap_ms, 86_400_000),
            check_first: millis("check_first_ms", self.check_first_ms, 3_600_000),
            ask_person_after: millis(
                "ask_person_after_ms",
                self.ask_person_after_ms,
                7 * 86_400_000,
            ),
            deadline_warning,
            item_terms,
        }
    }
}

fn days(count: u64) -> Duration {
    Duration::from_hours(24 * count)
}

#[cfg(test)]
mod tests;
