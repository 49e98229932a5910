//! How many connections are open, in all and from one place.
//!
//! Invariant: the counts equal the number of [`Slot`]s alive, whatever happens to a connection.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts connections.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    counts: Arc<Mutex<Counts>>,
    most: usize,
    most_per_ip: usize,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_ip: HashMap<IpAddr, usize>,
}

/// The place of one open connection.
#[derive(Debug)]
pub(super) struct Slot {
    gate: Gate,
    ip: IpAddr,
}

impl Gate {
    pub(super) fn new(most: usize, most_per_ip: usize) -> Self {
        Self { counts: Arc::default(), most, most_per_ip }
    }

    /// A place for a connection from `ip`, if there is one.
    pub(super) fn enter(&self, ip: IpAddr) -> Option<Slot> {
        let ip = origin(ip);
        // The counts change in one step, so a panic elsewhere cannot have left them half changed.
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let here = counts.by_ip.get(&ip).copied().unwrap_or(0);
        if counts.all >= self.most || here >= self.most_per_ip {
            return None;
        }
        counts.all += 1;
        counts.by_ip.insert(ip, here + 1);
        Some(Slot { gate: self.clone(), ip })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.gate.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        match counts.by_ip.get(&self.ip).copied() {
            Some(here) if here > 1 => counts.by_ip.insert(self.ip, here - 1),
            _ => counts.by_ip.remove(&self.ip),
        };
    }
}

/// What counts as one place: an IPv4 address, or the /64 that an IPv6 subscriber owns whole.
fn origin(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn both_caps_hold_and_places_come_back() {
        let gate = Gate::new(3, 2);
        let first = gate.enter(ip("10.0.0.1")).unwrap();
        let _second = gate.enter(ip("::ffff:10.0.0.1")).unwrap();
        assert!(gate.enter(ip("10.0.0.1")).is_none(), "two from one address are enough");
        let _third = gate.enter(ip("2001:db8::1")).unwrap();
        assert!(gate.enter(ip("10.0.0.2")).is_none(), "three are enough in all");
        drop(first);
        let _fourth = gate.enter(ip("2001:db8::2")).unwrap();
        assert_eq!(gate.counts.lock().unwrap().all, 3);
    }

    #[test]
    fn a_whole_ipv6_network_counts_as_one_place() {
        let gate = Gate::new(9, 1);
        let _slot = gate.enter(ip("2001:db8::1")).unwrap();
        assert!(gate.enter(ip("2001:db8::2")).is_none());
        assert!(gate.enter(ip("2001:db8:0:1::2")).is_some());
    }
}
