//! Deadlines on the wire: the `grpc-timeout` header.
//!
//! Invariant: what is sent is never longer than what is left.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that tells a server how long its caller will wait.
pub(crate) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// A call with less time than this is not sent: it could not be answered.
pub(crate) const TOO_SHORT: Duration = Duration::from_millis(5);

/// The header's value: whole milliseconds, cut; at most eight digits, as the protocol asks.
pub(crate) fn to_header(left: Duration) -> HeaderValue {
    const MAX: u128 = 99_999_999;
    let text = if left.as_millis() <= MAX {
        format!("{}m", left.as_millis())
    } else {
        format!("{}S", u128::from(left.as_secs()).min(MAX))
    };
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("0m"))
}

/// Reads the header a generated client set through `Request::set_timeout`; `None` without one or
/// when it is not of the protocol's form, which tonic never makes.
pub(crate) fn from_headers(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

/// What a callee gets of the time an incoming call has left: a tenth stays here, to answer in.
pub(crate) fn forwarded(left: Duration) -> Duration {
    left.saturating_sub(left / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_str(text).unwrap());
        from_headers(&headers)
    }

    #[test]
    fn written_values_read_back_cut_to_their_unit() {
        for (left, text, back) in [
            (Duration::from_micros(4_999_900), "4999m", Duration::from_millis(4999)),
            (Duration::from_secs(100_000), "100000S", Duration::from_secs(100_000)),
            (Duration::MAX, "99999999S", Duration::from_secs(99_999_999)),
            (Duration::ZERO, "0m", Duration::ZERO),
        ] {
            let header = to_header(left);
            assert_eq!(header.to_str().unwrap(), text);
            assert_eq!(read(text), Some(back));
        }
    }

    #[test]
    fn all_units_are_known_and_all_else_is_refused() {
        assert_eq!(read("2H"), Some(Duration::from_hours(2)));
        assert_eq!(read("2M"), Some(Duration::from_mins(2)));
        assert_eq!(read("2u"), Some(Duration::from_micros(2)));
        assert_eq!(read("2n"), Some(Duration::from_nanos(2)));
        for bad in ["", "m", "5", "-5m", "5 m", "123456789m", "5d", "+5m"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_tenth_of_the_time_stays_here() {
        assert_eq!(forwarded(Duration::from_secs(1)), Duration::from_millis(900));
    }
}
