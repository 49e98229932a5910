//! Currencies as Stripe treats them, which is not always as ISO 4217 does.
//!
//! Amounts are integers in the smallest unit *that Stripe uses*: a yen is 1, a euro 100. Two
//! groups have a step: three-decimal currencies are kept in thousandths but must end in 0, and
//! ISK and UGX are written with two decimals that must be 00 (docs.stripe.com/currencies).

use std::fmt;

use serde::{Serialize, Serializer};

/// A supported currency, as its three lower-case letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Currency([u8; 3]);

const ZERO_DECIMAL: &str = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf";
const THREE_DECIMAL: &str = "bhd jod kwd omr tnd";
const WHOLE_UNITS_ONLY: &str = "isk ugx";
const TWO_DECIMAL: &str = "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob \
    brl bsd bwp byn bzd cad cdf chf cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel \
    gip gmd gtq gyd hkd hnl htg huf idr ils inr jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad \
    mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln \
    qar ron rsd rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah \
    usd uyu uzs wst xcd yer zar zmw";

impl Currency {
    /// Reads a code in either case. `None` when Stripe does not support it.
    pub(crate) fn parse(code: &str) -> Option<Self> {
        let lower = code.to_ascii_lowercase();
        let known = [ZERO_DECIMAL, THREE_DECIMAL, WHOLE_UNITS_ONLY, TWO_DECIMAL]
            .iter()
            .any(|group| group.split_ascii_whitespace().any(|member| member == lower));
        let bytes: [u8; 3] = lower.as_bytes().try_into().ok()?;
        known.then_some(Self(bytes))
    }

    /// The code in lower case, as Stripe's objects carry it.
    pub(crate) fn lower(self) -> String {
        self.0.iter().map(|byte| char::from(*byte)).collect()
    }

    /// The code in upper case, as ISO 4217 and the control plane write it.
    pub(crate) fn upper(self) -> String {
        self.lower().to_ascii_uppercase()
    }

    fn within(self, group: &str) -> bool {
        group.split_ascii_whitespace().any(|member| member.as_bytes() == self.0)
    }

    /// How many decimals an amount has when it is written for people.
    fn decimals(self) -> usize {
        if self.within(ZERO_DECIMAL) {
            0
        } else if self.within(THREE_DECIMAL) {
            3
        } else {
            2
        }
    }

    /// Amounts must be a multiple of this many smallest units.
    pub(crate) fn step(self) -> i64 {
        if self.within(THREE_DECIMAL) {
            10
        } else if self.within(WHOLE_UNITS_ONLY) {
            100
        } else {
            1
        }
    }

    /// Writes a non-negative `amount` of smallest units as Stripe's messages do: `$12.50`, `¥300`.
    pub(crate) fn format(self, amount: i64) -> String {
        let decimals = self.decimals();
        let mut digits = format!("{amount:0>width$}", width = decimals + 1);
        if decimals > 0 {
            digits.insert(digits.len() - decimals, '.');
        }
        match &self.0 {
            b"usd" => format!("${digits}"),
            b"eur" => format!("€{digits}"),
            b"gbp" => format!("£{digits}"),
            b"jpy" => format!("¥{digits}"),
            _ => format!("{digits} {}", self.upper()),
        }
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.lower())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.lower())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_with_the_currencys_own_decimals() {
        for (code, amount, written, step) in [
            ("USD", 5, "$0.05", 1),
            ("eur", 123_456, "€1234.56", 1),
            ("jpy", 300, "¥300", 1),
            ("kwd", 1_230, "1.230 KWD", 10),
            ("isk", 50_000, "500.00 ISK", 100),
        ] {
            let currency = Currency::parse(code).unwrap();
            assert_eq!((currency.format(amount).as_str(), currency.step()), (written, step));
        }
    }

    #[test]
    fn unsupported_codes_are_refused() {
        for code in ["", "eu", "euro", "xxx", "€€€"] {
            assert!(Currency::parse(code).is_none(), "{code}");
        }
    }
}
