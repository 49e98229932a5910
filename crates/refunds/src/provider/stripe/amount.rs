//! Amounts as Stripe counts them.
//!
//! Invariant: a conversion is exact or it is refused; nothing is rounded.
//!
//! Source: docs.stripe.com/currencies, "Zero-decimal currencies", "Three-decimal currencies" and
//! "Special cases". Stripe's table is its own: MGA has two decimals in ISO 4217 and none there;
//! ISK and UGX have none in ISO 4217 and are written with two there, which must be 00. The special
//! cases of HUF and TWD concern payouts to the merchant only.

use redress_core::money::Currency;

/// Currencies that Stripe counts in whole units.
const ZERO_DECIMAL: [&str; 15] = [
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
    "XOF", "XPF",
];
/// Currencies that Stripe counts in thousandths, the last digit of which must be 0.
const THREE_DECIMAL: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];
/// Currencies without decimals that Stripe counts in hundredths all the same.
const WHOLE_UNITS_IN_HUNDREDTHS: [&str; 2] = ["ISK", "UGX"];

/// Turns ISO 4217 minor units into Stripe's. `None` when Stripe cannot express the amount: it is
/// not above zero, it is finer than the currency's step there, or Stripe does not take the
/// currency.
pub(super) fn to_stripe(currency: Currency, minor_units: i64) -> Option<i64> {
    let unit = unit(currency)?;
    let amount = match unit.scale(currency) {
        Scale::Finer(scale) => minor_units.checked_mul(scale)?,
        Scale::Coarser(scale) if minor_units % scale == 0 => minor_units / scale,
        Scale::Coarser(_) => return None,
    };
    (amount > 0 && amount % unit.step == 0).then_some(amount)
}

/// Turns Stripe's units into ISO 4217 minor units. `None` when they are not a whole number of
/// those, or Stripe does not take the currency.
pub(super) fn from_stripe(currency: Currency, amount: i64) -> Option<i64> {
    match unit(currency)?.scale(currency) {
        Scale::Finer(scale) => (amount % scale == 0).then_some(amount / scale),
        Scale::Coarser(scale) => amount.checked_mul(scale),
    }
}

/// What of Stripe's units can be used in ISO 4217 minor units. Only of ISK and UGX is a rest left
/// over: fees may leave hundredths of them in a balance, which no refund can draw on.
pub(super) fn usable(currency: Currency, amount: i64) -> Option<i64> {
    match unit(currency)?.scale(currency) {
        Scale::Finer(scale) => Some(amount.div_euclid(scale)),
        Scale::Coarser(scale) => amount.checked_mul(scale),
    }
}

/// The smallest step, in ISO 4217 minor units, in which Stripe can pay the currency. `None` when
/// Stripe does not take it.
pub(super) fn step(currency: Currency) -> Option<i64> {
    let unit = unit(currency)?;
    Some(match unit.scale(currency) {
        // Every step in the table divides the scale, or the scale is 1.
        Scale::Finer(scale) => (unit.step / scale).max(1),
        Scale::Coarser(scale) => unit.step * scale,
    })
}

/// How Stripe counts a currency.
struct Unit {
    decimals: u8,
    /// What an amount must be a multiple of, in Stripe's units.
    step: i64,
}

/// Stripe's unit beside the ISO 4217 minor unit: so many to one.
enum Scale {
    /// Stripe's units to one minor unit.
    Finer(i64),
    /// Minor units to one of Stripe's.
    Coarser(i64),
}

impl Unit {
    fn scale(&self, currency: Currency) -> Scale {
        let difference = i32::from(self.decimals) - i32::from(currency.exponent());
        let scale = 10_i64.pow(difference.unsigned_abs());
        if difference >= 0 { Scale::Finer(scale) } else { Scale::Coarser(scale) }
    }
}

/// What is left over with two decimals passes, also where Stripe's list of currencies does not
/// have it today: a payment in it was taken there, so it can be given back there.
fn unit(currency: Currency) -> Option<Unit> {
    let code = currency.code();
    let (decimals, step) = if ZERO_DECIMAL.contains(&code) {
        (0, 1)
    } else if THREE_DECIMAL.contains(&code) {
        (3, 10)
    } else if WHOLE_UNITS_IN_HUNDREDTHS.contains(&code) {
        (2, 100)
    } else if currency.exponent() == 2 {
        (2, 1)
    } else {
        // IQD and LYD.
        return None;
    };
    Some(Unit { decimals, step })
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    /// Every currency that Redress knows.
    static CURRENCIES: LazyLock<Vec<Currency>> = LazyLock::new(|| {
        let letters = || 'A'..='Z';
        let pairs = letters().flat_map(|a| letters().map(move |b| [a, b]));
        let codes = pairs.flat_map(|[a, b]| letters().map(move |c| String::from_iter([a, b, c])));
        codes.filter_map(|code| code.parse().ok()).collect()
    });

    #[test]
    fn amounts_follow_stripes_own_table() {
        let cases = [
            ("EUR", 1, Some(1)),
            ("EUR", 10_781, Some(10_781)),
            ("HUF", 12_345, Some(12_345)),
            ("TWD", 12_345, Some(12_345)),
            ("JPY", 500, Some(500)),
            ("KRW", 1, Some(1)),
            ("MGA", 50_000, Some(500)),
            ("MGA", 50_010, None),
            ("KWD", 5_120, Some(5_120)),
            ("KWD", 5_124, None),
            ("BHD", 10, Some(10)),
            ("ISK", 5, Some(500)),
            ("UGX", 20_000, Some(2_000_000)),
            ("IQD", 1_000, None),
            ("LYD", 1_000, None),
            ("EUR", 0, None),
            ("EUR", -5, None),
            ("ISK", i64::MAX, None),
        ];
        for (code, minor_units, expected) in cases {
            assert_eq!(to_stripe(currency(code), minor_units), expected, "{code}");
        }
    }

    #[test]
    fn each_currency_has_its_step_in_its_own_minor_units() {
        for (code, expected) in [
            ("EUR", Some(1)),
            ("HUF", Some(1)),
            ("JPY", Some(1)),
            ("ISK", Some(1)),
            ("UGX", Some(1)),
            ("KWD", Some(10)),
            ("BHD", Some(10)),
            ("MGA", Some(100)),
            ("IQD", None),
            ("LYD", None),
        ] {
            assert_eq!(step(currency(code)), expected, "{code}");
        }
    }

    #[test]
    fn a_balance_counts_what_can_be_used_of_it() {
        for (code, amount, expected) in [
            ("EUR", 1_234, Some(1_234)),
            ("EUR", -1_234, Some(-1_234)),
            ("JPY", 500, Some(500)),
            ("MGA", 500, Some(50_000)),
            ("KWD", 1_234, Some(1_234)),
            ("ISK", 12_345, Some(123)),
            ("ISK", -12_345, Some(-124)),
            ("UGX", 99, Some(0)),
            ("IQD", 1_000, None),
        ] {
            assert_eq!(usable(currency(code), amount), expected, "{code} {amount}");
        }
        assert_eq!(from_stripe(currency("ISK"), 12_345), None, "nothing is rounded in a refund");
    }

    #[test]
    fn the_property_below_is_about_all_currencies() {
        assert!(CURRENCIES.len() > 140, "{} currencies", CURRENCIES.len());
    }

    proptest! {
        #[test]
        fn multiples_of_the_step_can_be_paid_and_nothing_else(count in 1..=1_000_000_000_i64) {
            for &currency in CURRENCIES.iter() {
                let Some(step) = step(currency) else {
                    prop_assert_eq!(to_stripe(currency, count), None, "{}", currency);
                    continue;
                };
                let amount = count * step;
                let paid = to_stripe(currency, amount);
                prop_assert!(paid.is_some(), "{} {}", currency, amount);
                let back = paid.and_then(|paid| from_stripe(currency, paid));
                prop_assert_eq!(back, Some(amount), "{}", currency);
                for off in 1..step {
                    prop_assert_eq!(to_stripe(currency, amount - off), None, "{}", currency);
                }
            }
        }
    }
}
