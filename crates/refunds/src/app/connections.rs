//! Which providers Redress can send through.
//!
//! Invariant: fixed for the life of the process; a tender whose provider is not listed goes to a
//! person.

use std::time::Duration;

use crate::provider::SharedProvider;

/// The connected providers with what they promise.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    names: Vec<String>,
    arrivals: Vec<Duration>,
}

impl Connections {
    /// What `providers` offer.
    pub fn of(providers: &[SharedProvider]) -> Self {
        Self {
            names: providers.iter().map(|provider| provider.name().to_owned()).collect(),
            arrivals: providers.iter().map(|provider| provider.terms().arrival).collect(),
        }
    }

    /// Their names on payments, such as `stripe`.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How long money sent through `used` takes at most, by those of them that are connected;
    /// `None` when none of them is.
    pub fn arrival<'a>(&self, used: impl IntoIterator<Item = &'a str>) -> Option<Duration> {
        let arrival_of = |name: &str| {
            let at = self.names.iter().position(|known| known == name)?;
            self.arrivals.get(at).copied()
        };
        used.into_iter().filter_map(arrival_of).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_arrives_when_the_slowest_connected_provider_says() {
        let days = |days: u64| Duration::from_hours(24 * days);
        let connections = Connections {
            names: vec!["stripe".to_owned(), "fastpay".to_owned()],
            arrivals: vec![days(10), days(1)],
        };
        assert_eq!(connections.arrival(["fastpay", "giftcard"]), Some(days(1)));
        assert_eq!(connections.arrival(["fastpay", "stripe"]), Some(days(10)));
        assert_eq!(connections.arrival(["giftcard"]), None);
    }
}
