//! Ports for processes that are started again where they were.
//!
//! Invariant: they lie below the range from which systems take ports for outgoing connections and
//! for port 0, so that nobody gets one by chance while its process is down.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// The first port, and how many groups of four follow it.
const FIRST: u32 = 20_000;
const GROUPS: u32 = 3_000;

/// The first of four ports in a row that are free. No two calls of one test process get the same.
pub(crate) fn four_in_a_row() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // Test processes that run at the same time start in different places.
    let start = std::process::id().wrapping_mul(37) % GROUPS;
    for _ in 0..GROUPS {
        let group = (start + TAKEN.fetch_add(1, Ordering::Relaxed)) % GROUPS;
        let first = u16::try_from(FIRST + 4 * group).unwrap();
        let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if (first..first + 4).all(is_free) {
            return first;
        }
    }
    panic!("no four ports in a row are free between {FIRST} and {}", FIRST + 4 * GROUPS);
}
