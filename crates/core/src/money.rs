//! Money as whole minor units of a currency.
//!
//! Invariant: an amount is an `i64` count of minor units (cents, fen, yen) and is never a float;
//! arithmetic is checked and two currencies never mix.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The largest amount that Redress accepts in one figure: a trillion minor units. It keeps sums
/// over millions of orders far away from the limits of `i64`.
pub const MAX_MINOR_UNITS: i64 = 1_000_000_000_000;

/// ISO 4217 codes and exponents (decimal places), as of the 2024 list. Funds codes, metals and
/// test codes are left out: no customer is refunded in them.
#[rustfmt::skip]
const CURRENCIES: &[(&str, u8)] = &[
    ("AED", 2), ("AFN", 2), ("ALL", 2), ("AMD", 2), ("AOA", 2), ("ARS", 2), ("AUD", 2), ("AWG", 2),
    ("AZN", 2), ("BAM", 2), ("BBD", 2), ("BDT", 2), ("BGN", 2), ("BHD", 3), ("BIF", 0), ("BMD", 2),
    ("BND", 2), ("BOB", 2), ("BRL", 2), ("BSD", 2), ("BTN", 2), ("BWP", 2), ("BYN", 2), ("BZD", 2),
    ("CAD", 2), ("CDF", 2), ("CHF", 2), ("CLP", 0), ("CNY", 2), ("COP", 2), ("CRC", 2), ("CUP", 2),
    ("CVE", 2), ("CZK", 2), ("DJF", 0), ("DKK", 2), ("DOP", 2), ("DZD", 2), ("EGP", 2), ("ERN", 2),
    ("ETB", 2), ("EUR", 2), ("FJD", 2), ("FKP", 2), ("GBP", 2), ("GEL", 2), ("GHS", 2), ("GIP", 2),
    ("GMD", 2), ("GNF", 0), ("GTQ", 2), ("GYD", 2), ("HKD", 2), ("HNL", 2), ("HTG", 2), ("HUF", 2),
    ("IDR", 2), ("ILS", 2), ("INR", 2), ("IQD", 3), ("IRR", 2), ("ISK", 0), ("JMD", 2), ("JOD", 3),
    ("JPY", 0), ("KES", 2), ("KGS", 2), ("KHR", 2), ("KMF", 0), ("KPW", 2), ("KRW", 0), ("KWD", 3),
    ("KYD", 2), ("KZT", 2), ("LAK", 2), ("LBP", 2), ("LKR", 2), ("LRD", 2), ("LSL", 2), ("LYD", 3),
    ("MAD", 2), ("MDL", 2), ("MGA", 2), ("MKD", 2), ("MMK", 2), ("MNT", 2), ("MOP", 2), ("MRU", 2),
    ("MUR", 2), ("MVR", 2), ("MWK", 2), ("MXN", 2), ("MYR", 2), ("MZN", 2), ("NAD", 2), ("NGN", 2),
    ("NIO", 2), ("NOK", 2), ("NPR", 2), ("NZD", 2), ("OMR", 3), ("PAB", 2), ("PEN", 2), ("PGK", 2),
    ("PHP", 2), ("PKR", 2), ("PLN", 2), ("PYG", 0), ("QAR", 2), ("RON", 2), ("RSD", 2), ("RUB", 2),
    ("RWF", 0), ("SAR", 2), ("SBD", 2), ("SCR", 2), ("SDG", 2), ("SEK", 2), ("SGD", 2), ("SHP", 2),
    ("SLE", 2), ("SOS", 2), ("SRD", 2), ("SSP", 2), ("STN", 2), ("SVC", 2), ("SYP", 2), ("SZL", 2),
    ("THB", 2), ("TJS", 2), ("TMT", 2), ("TND", 3), ("TOP", 2), ("TRY", 2), ("TTD", 2), ("TWD", 2),
    ("TZS", 2), ("UAH", 2), ("UGX", 0), ("USD", 2), ("UYU", 2), ("UZS", 2), ("VED", 2), ("VES", 2),
    ("VND", 0), ("VUV", 0), ("WST", 2), ("XAF", 0), ("XCD", 2), ("XCG", 2), ("XOF", 0), ("XPF", 0),
    ("YER", 2), ("ZAR", 2), ("ZMW", 2), ("ZWG", 2),
];

/// What is wrong with an amount or a currency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not an upper-case ISO 4217 code of a circulating currency.
    #[error("unknown currency {0:?}: expected an upper-case ISO 4217 code such as EUR")]
    UnknownCurrency(String),
    /// Two different currencies met in one sum.
    #[error("cannot combine {0} with {1}")]
    CurrencyMismatch(Currency, Currency),
    /// The result lies outside `±`[`MAX_MINOR_UNITS`].
    #[error("amount is outside the range of ±{MAX_MINOR_UNITS} minor units")]
    OutOfRange,
    /// Not a plain decimal number such as `107.81`.
    #[error("malformed amount {0:?}: expected a plain decimal number such as 107.81")]
    Malformed(String),
    /// More decimal places than the currency has.
    #[error("amount {amount:?} has more decimal places than {currency} has ({exponent})")]
    TooPrecise {
        /// The text as it came.
        amount: String,
        /// The currency it was read in.
        currency: Currency,
        /// The currency's number of decimal places.
        exponent: u8,
    },
}

/// An ISO 4217 currency that Redress knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(&'static str, u8);

impl Currency {
    /// The three-letter code, upper case.
    pub const fn code(self) -> &'static str {
        self.0
    }

    /// Decimal places: how many digits of the minor-unit count stand behind the decimal point.
    pub const fn exponent(self) -> u8 {
        self.1
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(code: &str) -> Result<Self, MoneyError> {
        CURRENCIES
            .binary_search_by_key(&code, |(known, _)| known)
            .map(|at| Self(CURRENCIES[at].0, CURRENCIES[at].1))
            .map_err(|_| MoneyError::UnknownCurrency(code.chars().take(16).collect()))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An amount in one currency, in minor units; may be negative in differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// The currency of the amount.
    pub currency: Currency,
    /// Count of minor units: 10781 is 107.81 EUR, 500 is 500 JPY.
    pub minor_units: i64,
}

impl Money {
    /// An amount inside `±`[`MAX_MINOR_UNITS`].
    pub fn new(currency: Currency, minor_units: i64) -> Result<Self, MoneyError> {
        if minor_units.unsigned_abs() > MAX_MINOR_UNITS.unsigned_abs() {
            return Err(MoneyError::OutOfRange);
        }
        Ok(Self { currency, minor_units })
    }

    /// Nothing, in `currency`.
    pub const fn zero(currency: Currency) -> Self {
        Self { currency, minor_units: 0 }
    }

    /// Reads a decimal text such as `107.81`, `-3` or `0.5`, exactly, in the currency's own
    /// exponent. Digits beyond the exponent are accepted only when they are zeros.
    pub fn parse_decimal(currency: Currency, text: &str) -> Result<Self, MoneyError> {
        let malformed = || MoneyError::Malformed(text.chars().take(32).collect());
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let dangling_point = digits.ends_with('.');
        if whole.is_empty() || dangling_point || !all_digits(whole) || !all_digits(fraction) {
            return Err(malformed());
        }
        let exponent = usize::from(currency.exponent());
        let (kept, rest) = fraction.split_at(fraction.len().min(exponent));
        if rest.bytes().any(|b| b != b'0') {
            return Err(MoneyError::TooPrecise {
                amount: text.chars().take(32).collect(),
                currency,
                exponent: currency.exponent(),
            });
        }
        let minor: i64 =
            format!("{whole}{kept:0<exponent$}").parse().map_err(|_| MoneyError::OutOfRange)?;
        Self::new(currency, if negative { -minor } else { minor })
    }

    /// The sum, when both have one currency and the result is in range.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch(self.currency, other.currency));
        }
        let sum = self.minor_units.checked_add(other.minor_units).ok_or(MoneyError::OutOfRange)?;
        Self::new(self.currency, sum)
    }
}

/// Decimal form with the code in front: `EUR 107.81`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.currency, self.decimal())
    }
}

impl Money {
    /// The amount as a decimal text without the currency, such as `107.81` or `-0.05`.
    pub fn decimal(&self) -> String {
        let exponent = usize::from(self.currency.exponent());
        let sign = if self.minor_units < 0 { "-" } else { "" };
        let digits = self.minor_units.unsigned_abs().to_string();
        if exponent == 0 {
            return format!("{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = exponent + 1);
        let (whole, fraction) = padded.split_at(padded.len() - exponent);
        format!("{sign}{whole}.{fraction}")
    }
}

/// Splits `total` over `weights` by largest remainder: the parts sum to `total` exactly, no part
/// differs from its exact share by a whole unit, and ties go to the earlier part.
///
/// Returns `None` when the weights are empty, all zero or negative, or `total` is negative.
pub fn split_by_largest_remainder(total: i64, weights: &[i64]) -> Option<Vec<i64>> {
    let sum: i128 = weights.iter().map(|w| i128::from(*w)).sum();
    if total < 0 || sum <= 0 || weights.iter().any(|w| *w < 0) {
        return None;
    }
    let exact = |weight: i64| i128::from(total) * i128::from(weight);
    let mut parts = Vec::with_capacity(weights.len());
    for weight in weights {
        parts.push(i64::try_from(exact(*weight) / sum).ok()?);
    }
    let missing = usize::try_from(total - parts.iter().sum::<i64>()).ok()?;
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|at| std::cmp::Reverse(exact(weights[*at]) % sum));
    for at in by_remainder.into_iter().take(missing) {
        parts[at] += 1;
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn currency_table_is_sorted_for_binary_search() {
        assert!(CURRENCIES.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn decimal_texts_read_in_the_exponent_of_their_currency() {
        for (code, text, minor) in [
            ("EUR", "107.81", 10781),
            ("EUR", "107.8", 10780),
            ("EUR", "107", 10700),
            ("EUR", "-0.05", -5),
            ("EUR", "1.1000", 110),
            ("JPY", "500", 500),
            ("JPY", "500.00", 500),
            ("KWD", "1.234", 1234),
        ] {
            assert_eq!(Money::parse_decimal(currency(code), text).unwrap().minor_units, minor);
        }
    }

    #[test]
    fn amounts_are_shown_in_the_exponent_of_their_currency() {
        for (code, minor, shown) in [
            ("EUR", 10781, "EUR 107.81"),
            ("EUR", -5, "EUR -0.05"),
            ("EUR", 0, "EUR 0.00"),
            ("JPY", 500, "JPY 500"),
            ("JPY", -500, "JPY -500"),
            ("JPY", 0, "JPY 0"),
            ("KWD", 1234, "KWD 1.234"),
        ] {
            assert_eq!(Money::new(currency(code), minor).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn nothing_is_split_into_nothings_and_who_has_no_weight_gets_nothing() {
        assert_eq!(split_by_largest_remainder(0, &[1, 2]), Some(vec![0, 0]));
        assert_eq!(split_by_largest_remainder(5, &[0, 1, 0]), Some(vec![0, 5, 0]));
    }

    #[test]
    fn what_does_not_divide_goes_to_the_largest_remainder() {
        assert_eq!(split_by_largest_remainder(10, &[1, 5]), Some(vec![2, 8]), "1.67 and 8.33");
        assert_eq!(split_by_largest_remainder(10, &[5, 1]), Some(vec![8, 2]));
    }

    #[test]
    fn a_currency_is_shown_as_its_code() {
        let euro = currency("EUR");
        assert_eq!((euro.code(), &*euro.to_string(), &*format!("{euro:?}")), ("EUR", "EUR", "EUR"));
    }

    #[test]
    fn bad_decimal_texts_are_refused() {
        for text in ["", ".", ".5", "1.", "1e5", "1,5", "--1", "+1", " 1", "1.234", "NaN", "٣"] {
            assert!(Money::parse_decimal(currency("EUR"), text).is_err(), "{text:?}");
        }
        assert_eq!(
            Money::parse_decimal(currency("EUR"), "99999999999999999999"),
            Err(MoneyError::OutOfRange)
        );
    }

    #[test]
    fn unknown_currencies_are_refused() {
        for code in ["", "eur", "EURO", "XXX", "E"] {
            assert!(matches!(code.parse::<Currency>(), Err(MoneyError::UnknownCurrency(_))));
        }
    }

    #[test]
    fn currencies_do_not_mix() {
        let euro = Money::zero(currency("EUR"));
        assert!(euro.checked_add(Money::zero(currency("CNY"))).is_err());
    }

    #[test]
    fn a_split_without_weight_is_refused() {
        assert_eq!(split_by_largest_remainder(10, &[]), None);
        assert_eq!(split_by_largest_remainder(10, &[0, 0]), None);
        assert_eq!(split_by_largest_remainder(10, &[5, -1]), None);
        assert_eq!(split_by_largest_remainder(-1, &[1]), None);
        assert_eq!(split_by_largest_remainder(10, &[1, 1, 1]), Some(vec![4, 3, 3]));
    }

    proptest! {
        #[test]
        fn decimal_text_reads_back(
            minor in -MAX_MINOR_UNITS..=MAX_MINOR_UNITS,
            at in 0..CURRENCIES.len(),
        ) {
            let money = Money::new(currency(CURRENCIES[at].0), minor).unwrap();
            prop_assert_eq!(Money::parse_decimal(money.currency, &money.decimal()), Ok(money));
        }

        #[test]
        fn split_parts_sum_to_the_whole_and_stay_within_one_unit(
            total in 0..=MAX_MINOR_UNITS,
            weights in prop::collection::vec(0..1_000_000_i64, 1..20),
        ) {
            prop_assume!(weights.iter().sum::<i64>() > 0);
            let parts = split_by_largest_remainder(total, &weights).unwrap();
            prop_assert_eq!(parts.iter().sum::<i64>(), total);
            let sum: i128 = weights.iter().map(|w| i128::from(*w)).sum();
            for (part, weight) in parts.iter().zip(&weights) {
                let difference = i128::from(*part) * sum - i128::from(total) * i128::from(*weight);
                prop_assert!(difference.abs() < sum);
            }
        }
    }
}
