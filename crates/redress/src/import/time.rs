//! Times and time zones as files write them.
//!
//! Invariant: a time is read only with its offset from UTC; nothing guesses a zone.

use redress_core::clock::Timestamp;

use super::record::shape;

/// The names of the IANA time zone database, sorted; release 2025b.
const ZONES: &str = include_str!("zones.txt");

/// Reads an RFC 3339 time such as `2026-10-01T08:00:00Z`, cut to microseconds. The error describes
/// the text without showing it.
pub(crate) fn parse_time(text: &str) -> Result<Timestamp, String> {
    let wrong = || {
        let found = shape(text);
        format!("expected an RFC 3339 time such as 2026-10-01T08:00:00Z, found {found}")
    };
    if !has_rfc3339_form(text.as_bytes()) {
        return Err(wrong());
    }
    let time: prost_types::Timestamp =
        text.parse().map_err(|_| "is a date or time that does not exist".to_owned())?;
    redress_api::time::from_proto(&time, "").map_err(|violation| violation.description)
}

fn has_rfc3339_form(text: &[u8]) -> bool {
    const FORM: &[u8] = b"dddd-dd-ddTdd:dd:dd";
    let matches = |form: &[u8], text: &[u8]| {
        form.iter().zip(text).all(|(f, t)| if *f == b'd' { t.is_ascii_digit() } else { f == t })
    };
    let Some((head, mut rest)) = text.split_at_checked(FORM.len()) else { return false };
    if !matches(FORM, head) {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if !(1..=9).contains(&digits) {
            return false;
        }
        rest = &fraction[digits..];
    }
    match rest {
        b"Z" => true,
        [b'+' | b'-', offset @ ..] => offset.len() == 5 && matches(b"dd:dd", offset),
        _ => false,
    }
}

/// Whether the IANA database has a zone of that name.
pub(crate) fn is_time_zone(name: &str) -> bool {
    !name.contains('\n') && ZONES.lines().any(|zone| zone == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_instants() {
        let at = |text| parse_time(text).map(|time| time.0);
        assert_eq!(at("1970-01-01T00:00:01Z"), Ok(1_000_000));
        assert_eq!(at("1970-01-01T01:00:00.5+01:00"), Ok(500_000));
        assert_eq!(at("2026-11-21T22:04:33.456633Z"), Ok(1_795_298_673_456_633));
        assert_eq!(at("1970-01-01T00:00:00.123456789Z"), Ok(123_456));
    }

    #[test]
    fn everything_else_is_refused_without_being_shown() {
        let bad = [
            "",
            "2026-10-01",
            "2026-10-01T08:00:00",
            "2026-10-01 08:00:00Z",
            "2026-13-01T08:00:00Z",
            "2026-02-30T08:00:00Z",
            "2026-10-01T25:00:00Z",
            "2026-10-01T08:00:00.Z",
            "buyer0@example.org",
            "01.10.2026 08:00",
        ];
        for text in bad {
            let error = parse_time(text).unwrap_err();
            assert!(!error.contains("buyer0"), "{error}");
        }
    }

    #[test]
    fn zones_are_those_of_the_database() {
        assert!(ZONES.lines().is_sorted());
        for zone in ["Europe/Berlin", "Asia/Shanghai", "UTC", "America/Argentina/Ushuaia"] {
            assert!(is_time_zone(zone), "{zone}");
        }
        for zone in ["", "Europe/Atlantis", "europe/berlin", "Berlin", "Europe/Berlin\nUTC"] {
            assert!(!is_time_zone(zone), "{zone:?}");
        }
    }
}
