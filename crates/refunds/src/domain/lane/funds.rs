//! Whether a provider's balance covers what a lane is about to send, by currency.
//!
//! Invariant: a currency whose next attempts are not covered waits, and no other one does; waiting
//! changes no attempt.

use std::time::Duration;

use redress_core::clock::Timestamp;
use redress_core::money::{Currency, Money};

use crate::domain::settle::backoff;

/// How often at most the balance is compared with what is armed.
pub const FUNDS_GAP: Duration = Duration::from_secs(2);
/// The longest pause between two looks at a balance that does not cover what waits for it.
const LONGEST_GAP: Duration = Duration::from_secs(30);

/// What is armed on a lane in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmedSum {
    /// The currency.
    pub currency: Currency,
    /// All of it, in minor units.
    pub armed: i64,
    /// What is sent next of it, in minor units.
    pub next: i64,
}

/// A currency of a lane that waits for funds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FundsWait {
    /// The currency.
    pub currency: Currency,
    /// What was armed at the last look, in minor units.
    pub needed: i64,
    /// What the provider had then, in minor units; may be negative. `None` while it has not been
    /// asked since it refused for want of funds.
    pub available: Option<i64>,
    /// Since when it waits.
    pub since: Timestamp,
    /// Looks that did not help.
    pub checks: i32,
}

/// Who waits for funds from now on, after a look at the `balance`. A currency that is not in the
/// balance has nothing.
pub fn who_waits(
    armed: &[ArmedSum],
    balance: &[Money],
    waiting: &[FundsWait],
    now: Timestamp,
) -> Vec<FundsWait> {
    let wait = |sum: &ArmedSum| {
        let of_currency = balance.iter().find(|money| money.currency == sum.currency);
        let available = of_currency.map_or(0, |money| money.minor_units);
        if available >= sum.next {
            return None;
        }
        let before = waiting.iter().find(|wait| wait.currency == sum.currency);
        Some(FundsWait {
            currency: sum.currency,
            needed: sum.armed,
            available: Some(available),
            since: before.map_or(now, |wait| wait.since),
            checks: before.map_or(0, |wait| wait.checks).saturating_add(1),
        })
    };
    armed.iter().filter_map(wait).collect()
}

/// When to look at the balance again: soon while anything is sent, and less and less often while
/// everything waits.
pub fn next_check(armed: &[ArmedSum], waits: &[FundsWait], now: Timestamp) -> Timestamp {
    let fewest = waits.iter().map(|wait| wait.checks).min().unwrap_or(0);
    let all_wait = !waits.is_empty() && waits.len() == armed.len();
    let gap = if all_wait { backoff(fewest - 1, FUNDS_GAP, LONGEST_GAP) } else { FUNDS_GAP };
    now.plus(gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(60_000_000);

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    fn sum(code: &str, armed: i64, next: i64) -> ArmedSum {
        ArmedSum { currency: currency(code), armed, next }
    }

    fn money(code: &str, minor_units: i64) -> Money {
        Money::new(currency(code), minor_units).unwrap()
    }

    #[test]
    fn a_currency_waits_while_the_balance_does_not_cover_what_is_sent_next() {
        let armed = [sum("EUR", 9_000, 500), sum("USD", 400, 400), sum("SEK", 7, 7)];
        let balance = [money("EUR", 500), money("USD", 399)];
        let waits = who_waits(&armed, &balance, &[], NOW);
        let waiting = |code, needed, available| FundsWait {
            currency: currency(code),
            needed,
            available: Some(available),
            since: NOW,
            checks: 1,
        };
        assert_eq!(waits, [waiting("USD", 400, 399), waiting("SEK", 7, 0)]);
        assert_eq!(next_check(&armed, &waits, NOW), NOW.plus(FUNDS_GAP));

        let later = NOW.plus(Duration::from_mins(1));
        let balance = [money("EUR", -1), money("USD", 399), money("SEK", 7)];
        let again = who_waits(&armed, &balance, &waits, later);
        let [euro, dollar] = again.as_slice() else { panic!("{again:?}") };
        assert_eq!((euro.since, euro.checks, euro.available), (later, 1, Some(-1)));
        assert_eq!((dollar.since, dollar.checks), (NOW, 2));
    }

    #[test]
    fn the_pause_grows_while_everything_waits() {
        let armed = [sum("EUR", 10, 10)];
        let mut waits = Vec::new();
        let mut pauses = Vec::new();
        for _ in 0..6 {
            waits = who_waits(&armed, &[], &waits, NOW);
            pauses.push(next_check(&armed, &waits, NOW).since(NOW).as_secs());
        }
        assert_eq!(pauses, [2, 4, 8, 16, 30, 30]);
        let covered = who_waits(&armed, &[money("EUR", 10)], &waits, NOW);
        assert_eq!(covered, []);
        assert_eq!(next_check(&armed, &covered, NOW), NOW.plus(FUNDS_GAP));
    }
}
