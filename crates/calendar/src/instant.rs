//! Instants as text.
//!
//! Invariant: an instant is read only where it names its offset from UTC; nothing is guessed.

use redress_core::clock::Timestamp;

/// Not an instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an instant with its offset, such as 2026-12-19T14:30:00Z or \
         2026-12-19T15:30:00+01:00; a leap second does not count"
)]
pub struct InvalidInstant;

/// Reads RFC 3339. A leap second is refused: no clock here counts it.
pub fn parse_instant(text: &str) -> Result<Timestamp, InvalidInstant> {
    let bytes = text.as_bytes();
    // The parser behind is more generous: it takes a missing second, and reads :60 as :59.
    let shaped = bytes.len() >= 20
        && bytes[..19].iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            10 => b"Tt ".contains(byte),
            13 | 16 => *byte == b':',
            _ => byte.is_ascii_digit(),
        })
        && &bytes[17..19] != b"60"
        && !text.contains('[');
    if !shaped {
        return Err(InvalidInstant);
    }
    let instant: jiff::Timestamp = text.parse().map_err(|_| InvalidInstant)?;
    Ok(Timestamp(instant.as_microsecond()))
}

/// RFC 3339 in UTC. An instant beyond the year 9999, which no calendar can write, is given as its
/// count of microseconds.
pub fn format_instant(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0)
        .map_or_else(|_| format!("{} microseconds after 1970", at.0), |instant| instant.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_with_their_offset() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1970-01-01t00:00:01z", 1_000_000),
            ("1970-01-01 00:00:00.000001Z", 1),
            ("1969-12-31T23:59:59Z", -1_000_000),
        ] {
            assert_eq!(parse_instant(text), Ok(Timestamp(micros)), "{text}");
        }
    }

    #[test]
    fn what_is_not_one_instant_is_refused() {
        for text in [
            "2026-12-19T14:30:00",
            "2026-12-19",
            "2026-12-19T14:30Z",
            "2016-12-31T23:59:60Z",
            "2026-12-19T24:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-12-19T14:30:00+01:00[Europe/Berlin]",
            "tomorrow at a quarter past",
            "",
        ] {
            assert_eq!(parse_instant(text), Err(InvalidInstant), "{text}");
        }
    }

    #[test]
    fn an_instant_is_written_as_it_is_read() {
        let at = parse_instant("2026-12-19T15:30:00.5+01:00").unwrap();
        assert_eq!(format_instant(at), "2026-12-19T14:30:00.5Z");
        assert_eq!(
            format_instant(Timestamp(i64::MAX)),
            format!("{} microseconds after 1970", i64::MAX)
        );
    }
}
