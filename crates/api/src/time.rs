//! Instants on the wire and in the domain.
//!
//! Invariant: the domain counts whole microseconds; finer digits of an incoming instant are cut
//! off, as AIP-142 allows, and one outside the years 1 to 9999 is refused.

use prost_types::Timestamp as WireTimestamp;
use redress_core::clock::Timestamp;

use crate::problem::FieldViolation;

/// 0001-01-01T00:00:00Z, in seconds.
const MIN_SECONDS: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z, in seconds.
const MAX_SECONDS: i64 = 253_402_300_799;

/// The wire form of an instant.
pub const fn to_proto(time: Timestamp) -> WireTimestamp {
    let (seconds, nanos) = time.seconds_and_nanos();
    WireTimestamp { seconds, nanos }
}

/// Reads an instant that stands in `field`.
pub fn from_proto(time: &WireTimestamp, field: &str) -> Result<Timestamp, FieldViolation> {
    if !(MIN_SECONDS..=MAX_SECONDS).contains(&time.seconds) {
        return Err(FieldViolation::new(field, "must lie in the years 1 to 9999"));
    }
    if !(0..1_000_000_000).contains(&time.nanos) {
        return Err(FieldViolation::new(field, "nanos must be 0 to 999999999"));
    }
    Ok(Timestamp(time.seconds * 1_000_000 + i64::from(time.nanos / 1_000)))
}

/// Reads an instant that may be there.
pub fn optional(
    time: Option<&WireTimestamp>,
    field: &str,
) -> Result<Option<Timestamp>, FieldViolation> {
    time.map(|time| from_proto(time, field)).transpose()
}

/// Reads an instant that must be there.
pub fn required(time: Option<&WireTimestamp>, field: &str) -> Result<Timestamp, FieldViolation> {
    let time = time.ok_or_else(|| FieldViolation::new(field, "value is required"))?;
    from_proto(time, field)
}

/// The microseconds of a length of time, what is finer cut off; `None` beyond 292,000 years.
pub fn micros(value: &prost_types::Duration) -> Option<i64> {
    let micros = value.seconds.checked_mul(1_000_000)?;
    micros.checked_add(i64::from(value.nanos) / 1_000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wire(seconds: i64, nanos: i32) -> WireTimestamp {
        WireTimestamp { seconds, nanos }
    }

    #[test]
    fn finer_digits_are_cut_and_the_range_is_kept() {
        assert_eq!(from_proto(&wire(1, 1_999), "t"), Ok(Timestamp(1_000_001)));
        assert_eq!(from_proto(&wire(-1, 999_999_999), "t"), Ok(Timestamp(-1)));
        for bad in [
            wire(MIN_SECONDS - 1, 0),
            wire(MAX_SECONDS + 1, 0),
            wire(i64::MAX, 0),
            wire(i64::MIN, 0),
            wire(0, -1),
            wire(0, 1_000_000_000),
        ] {
            assert_eq!(from_proto(&bad, "create_time").unwrap_err().field, "create_time");
        }
        assert_eq!(required(None, "create_time").unwrap_err().field, "create_time");
    }

    proptest! {
        #[test]
        fn instants_survive_the_way_there_and_back(
            micros in MIN_SECONDS * 1_000_000..=MAX_SECONDS * 1_000_000,
        ) {
            prop_assert_eq!(from_proto(&to_proto(Timestamp(micros)), "t"), Ok(Timestamp(micros)));
        }
    }
}
