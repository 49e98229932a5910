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
    let (decimals, step) = unit(currency)?;
    let difference = i32::from(decimals) - i32::from(currency.exponent());
    let scale = 10_i64.pow(difference.unsigned_abs());
    let amount = if difference >= 0 {
        minor_units.checked_mul(scale)?
    } else if minor_units % scale == 0 {
        minor_units / scale
    } else {
        return None;
    };
    (amount > 0 && amount % step == 0).then_some(amount)
}

/// Decimals at Stripe, and the step that an amount must be a multiple of.
fn unit(currency: Currency) -> Option<(u8, i64)> {
    let code = currency.code();
    if ZERO_DECIMAL.contains(&code) {
        Some((0, 1))
    } else if THREE_DECIMAL.contains(&code) {
        Some((3, 10))
    } else if WHOLE_UNITS_IN_HUNDREDTHS.contains(&code) {
        Some((2, 100))
    } else {
        // What is left and has no two decimals (IQD, LYD) is not a currency that Stripe takes.
        (currency.exponent() == 2).then_some((2, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(to_stripe(code.parse().unwrap(), minor_units), expected, "{code}");
        }
    }
}
