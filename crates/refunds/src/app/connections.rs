//! Which providers Redress can send through.
//!
//! Invariant: fixed for the life of the process; a tender whose provider is not listed, or that is
//! too old for it, goes to a person.

use std::time::Duration;

use redress_core::clock::Timestamp;
use redress_core::money::Currency;

use crate::domain::attempt::Reason;
use crate::domain::price::Routing;
use crate::provider::SharedProvider;

/// The connected providers.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    providers: Vec<SharedProvider>,
}

impl Connections {
    /// What `providers` offer.
    pub fn of(providers: &[SharedProvider]) -> Self {
        Self { providers: providers.to_vec() }
    }

    /// The connector of that name on payments.
    pub fn find(&self, name: &str) -> Option<&SharedProvider> {
        self.providers.iter().find(|provider| provider.name() == name)
    }

    /// How long money sent through `used` takes at most, by those of them that are connected;
    /// `None` when none of them is.
    pub fn arrival<'a>(&self, used: impl IntoIterator<Item = &'a str>) -> Option<Duration> {
        let arrival_of = |name: &str| self.find(name).map(|provider| provider.terms().arrival);
        used.into_iter().filter_map(arrival_of).max()
    }
}

impl Routing for Connections {
    fn step(
        &self,
        provider: &str,
        captured: Timestamp,
        currency: Currency,
        now: Timestamp,
    ) -> Result<i64, Reason> {
        let provider = self.find(provider).ok_or(Reason::NoConnector)?;
        let window = provider.terms().refund_window;
        if window.is_some_and(|window| now.since(captured) > window) {
            return Err(Reason::OutOfRefundWindow);
        }
        provider.step(currency).ok_or(Reason::AmountNotPayable)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use secrecy::SecretString;

    use super::*;
    use crate::provider::ProviderTerms;
    use crate::provider::stripe::{StripeConnector, StripeSettings};

    fn connections(refund_window: Option<Duration>) -> Connections {
        let terms = ProviderTerms {
            visibility_window: Duration::ZERO,
            arrival: Duration::from_hours(240),
            concurrency: 1,
            timeout: Duration::from_secs(1),
            replay_window: None,
            refund_window,
            reads_per_second: 1,
            sends_per_second: None,
            balance_gate: false,
            equal_amount_spacing: None,
            finds_by_reference: true,
        };
        let settings = StripeSettings {
            base_url: "http://127.0.0.1:9".to_owned(),
            secret_key: SecretString::from("sk_test_1"),
            webhook_secrets: Vec::new(),
            terms,
        };
        Connections::of(&[Arc::new(StripeConnector::new(&settings).unwrap())])
    }

    #[test]
    fn money_arrives_when_the_slowest_connected_provider_says() {
        let connections = connections(None);
        assert_eq!(connections.arrival(["stripe", "giftcard"]), Some(Duration::from_hours(240)));
        assert_eq!(connections.arrival(["giftcard"]), None);
    }

    #[test]
    fn a_payment_is_sent_on_where_it_can_be() {
        let day = Duration::from_hours(24);
        let connections = connections(Some(day * 180));
        let step = |provider: &str, code: &str, days: u32| {
            let now = Timestamp(0).plus(day * days);
            connections.step(provider, Timestamp(0), code.parse().unwrap(), now)
        };
        assert_eq!(step("stripe", "EUR", 180), Ok(1));
        assert_eq!(step("stripe", "KWD", 1), Ok(10));
        assert_eq!(step("stripe", "EUR", 181), Err(Reason::OutOfRefundWindow));
        assert_eq!(step("stripe", "IQD", 1), Err(Reason::AmountNotPayable));
        assert_eq!(step("giftcard", "EUR", 1), Err(Reason::NoConnector));
    }
}
