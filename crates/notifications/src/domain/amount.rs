//! Amounts as a customer reads them: the language's own marks, with the ISO 4217 code.
//!
//! Invariant: the digits are those of the minor-unit count; nothing is rounded or converted. A
//! code instead of a symbol, because "$" and "¥" name several currencies.

use redress_core::money::Money;

use super::locale::Locale;

/// Keeps the code on the amount's line and Russian digit groups together.
const NO_BREAK_SPACE: char = '\u{a0}';

struct Marks {
    decimal: char,
    group: char,
    code_first: bool,
}

const fn marks(locale: Locale) -> Marks {
    match locale {
        Locale::En | Locale::Zh => Marks { decimal: '.', group: ',', code_first: true },
        Locale::De => Marks { decimal: ',', group: '.', code_first: false },
        Locale::Ru => Marks { decimal: ',', group: NO_BREAK_SPACE, code_first: false },
    }
}

/// The amount in the manner of `locale`: 1078100 minor units of EUR are `EUR 10,781.00` in
/// English and `10.781,00 EUR` in German.
pub fn format_amount(money: Money, locale: Locale) -> String {
    let Marks { decimal, group, code_first } = marks(locale);
    let plain = money.decimal();
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));

    let mut number = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            number.push(group);
        }
        number.push(digit);
    }
    if !fraction.is_empty() {
        number.push(decimal);
        number.push_str(fraction);
    }
    let code = money.currency.code();
    if code_first {
        format!("{code}{NO_BREAK_SPACE}{number}")
    } else {
        format!("{number}{NO_BREAK_SPACE}{code}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_the_language_writes_them() {
        let cases = [
            ("EUR", 10_781, Locale::En, "EUR\u{a0}107.81"),
            ("EUR", 10_781, Locale::Zh, "EUR\u{a0}107.81"),
            ("EUR", 10_781, Locale::De, "107,81\u{a0}EUR"),
            ("EUR", 10_781, Locale::Ru, "107,81\u{a0}EUR"),
            ("EUR", 123_456_789, Locale::De, "1.234.567,89\u{a0}EUR"),
            ("RUB", 123_456_789, Locale::Ru, "1\u{a0}234\u{a0}567,89\u{a0}RUB"),
            ("JPY", 1_500, Locale::En, "JPY\u{a0}1,500"),
            ("KWD", 1_234_567, Locale::En, "KWD\u{a0}1,234.567"),
            ("EUR", 5, Locale::De, "0,05\u{a0}EUR"),
            ("EUR", 0, Locale::En, "EUR\u{a0}0.00"),
            ("EUR", -100_000, Locale::En, "EUR\u{a0}-1,000.00"),
        ];
        for (currency, minor_units, locale, expected) in cases {
            let money = Money::new(currency.parse().unwrap(), minor_units).unwrap();
            assert_eq!(format_amount(money, locale), expected);
        }
    }
}
