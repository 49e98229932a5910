//! One currency's balance on the account.

use std::collections::VecDeque;

use super::{RefundIndex, SeedError};

/// The most that may be captured in one currency, so that sums never overflow an i64.
const MAX_CAPTURED: i64 = 4_000_000_000_000_000_000;

/// What is available for refunds, in smallest units, and the refunds that wait for more.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) available: i64,
    captured: i64,
    /// Refunds that are pending for lack of funds, first come first served.
    pub(crate) waiting: VecDeque<RefundIndex>,
}

impl Account {
    /// Takes `amount` if it is there, wholly or not at all.
    pub(crate) fn debit(&mut self, amount: i64) -> bool {
        if self.available < amount {
            return false;
        }
        self.available -= amount;
        true
    }

    /// Books the money of a payment, or takes it off again when `amount` is negative.
    pub(crate) fn capture(&mut self, amount: i64) -> Result<(), SeedError> {
        let captured = self.captured.checked_add(amount).filter(|sum| *sum <= MAX_CAPTURED);
        self.captured = captured.ok_or(SeedError::BalanceOverflow)?;
        self.available = self.available.saturating_add(amount);
        Ok(())
    }
}
