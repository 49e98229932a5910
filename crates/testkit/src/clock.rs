//! Clocks for tests.
//!
//! Invariant: they stand still until the test moves them.

use std::sync::Arc;

pub use redress_core::clock::{Clock, ManualClock, Timestamp};

/// 2026-03-02T09:00:00Z, a Monday: where [`manual`] clocks start.
pub const START: Timestamp = Timestamp(1_772_442_000_000_000);

/// A clock that stands at [`START`].
pub fn manual() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(START))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_what_its_documentation_says() {
        // 20,514 days after 1970-01-01 is 2026-03-02; 1970-01-01 was a Thursday.
        let days = START.0 / 86_400_000_000;
        assert_eq!((days, START.0 % 86_400_000_000), (20_514, 9 * 3_600_000_000));
        assert_eq!((days + 4) % 7, 1, "Sunday is 0");
    }
}
