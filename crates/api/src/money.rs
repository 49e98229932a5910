//! Money on the wire and in the domain.
//!
//! Invariant: only amounts in a known currency and in range become domain money.

use redress_core::money::{Currency, Money};
use redress_proto::common::v1 as pb;

use crate::problem::FieldViolation;

/// The wire form of an amount.
pub fn to_proto(money: Money) -> pb::Money {
    pb::Money { currency_code: money.currency.code().to_owned(), minor_units: money.minor_units }
}

/// Reads an amount that stands in `field`.
pub fn from_proto(money: &pb::Money, field: &str) -> Result<Money, FieldViolation> {
    let currency: Currency =
        money.currency_code.parse().map_err(|error: redress_core::money::MoneyError| {
            FieldViolation::new("currency_code", error.to_string()).under(field)
        })?;
    Money::new(currency, money.minor_units)
        .map_err(|error| FieldViolation::new("minor_units", error.to_string()).under(field))
}

/// Reads an amount that must be there.
pub fn required(money: Option<&pb::Money>, field: &str) -> Result<Money, FieldViolation> {
    let money = money.ok_or_else(|| FieldViolation::new(field, "value is required"))?;
    from_proto(money, field)
}

#[cfg(test)]
mod tests {
    use redress_core::money::MAX_MINOR_UNITS;

    use super::*;

    fn wire(code: &str, minor_units: i64) -> pb::Money {
        pb::Money { currency_code: code.to_owned(), minor_units }
    }

    #[test]
    fn amounts_survive_the_way_there_and_back() {
        for (code, minor) in [("EUR", 10781), ("JPY", 500), ("KWD", -1), ("CNY", MAX_MINOR_UNITS)] {
            let money = from_proto(&wire(code, minor), "gross").unwrap();
            assert_eq!(to_proto(money), wire(code, minor));
        }
    }

    #[test]
    fn bad_amounts_name_their_field() {
        let field = |money: Option<&pb::Money>| required(money, "gross").unwrap_err().field;
        assert_eq!(field(None), "gross");
        assert_eq!(field(Some(&wire("XXX", 1))), "gross.currency_code");
        assert_eq!(field(Some(&wire("eur", 1))), "gross.currency_code");
        assert_eq!(field(Some(&wire("EUR", MAX_MINOR_UNITS + 1))), "gross.minor_units");
        assert_eq!(field(Some(&wire("EUR", -MAX_MINOR_UNITS - 1))), "gross.minor_units");
        assert_eq!(field(Some(&wire("EUR", i64::MIN))), "gross.minor_units");
    }
}
