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
