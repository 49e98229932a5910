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

/// Reads an instant that must be there.
pub fn required(time: Option<&WireTimestamp>, field: &str) -> Result<Timestamp, FieldViolation> {
    let time = time.ok_or_else(|| FieldViolation::new(field, "value is required"))?;
    from_proto(time, field)
}
