//! Ids for tests.
//!
//! Invariant: ids made later sort later, and the same test makes the same ids.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redress_core::id::{IdSource, Ids};

/// Ids that count: `00000001`, `00000002` and so on.
#[derive(Debug, Default)]
pub struct CountingIds(AtomicU64);

impl IdSource for CountingIds {
    fn next_id(&self) -> String {
        format!("{:08}", self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// A source of ids that starts at 1.
pub fn counting() -> Ids {
    Arc::new(CountingIds::default())
}
