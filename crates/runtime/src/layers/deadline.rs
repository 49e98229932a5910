//! How long a call may take.
//!
//! Invariant: every call has a deadline, taken from `grpc-timeout` less a tenth, so that what it
//! causes and its answer still arrive in time; a header that is not of the protocol's form is
//! refused, never ignored. Of an answer that is a stream the deadline limits the beginning; what
//! limits the rest stands in [`super::streams`].

use std::time::Duration;

use redress_api::{ApiError, Deadline};
use tokio::time::timeout_at;

use super::{Middleware, Next, Request, Response, refuse};
use crate::config::TimeSettings;

/// A call with less time than this is not started: nobody would see its answer.
const TOO_SHORT: Duration = Duration::from_millis(5);

/// Gives each call its deadline and keeps it.
#[derive(Clone)]
pub(super) struct Deadlines {
    default: Duration,
    max: Duration,
}

impl Deadlines {
    pub(super) const fn new(times: &TimeSettings) -> Self {
        Self {
            default: Duration::from_millis(times.default_deadline_ms),
            max: Duration::from_millis(times.max_deadline_ms),
        }
    }

    fn budget(&self, headers: &http::HeaderMap) -> Result<Duration, ApiError> {
        let Some(value) = headers.get("grpc-timeout") else { return Ok(self.default) };
        let asked = value.to_str().ok().and_then(parse).ok_or_else(|| {
            ApiError::invalid("grpc-timeout", "must be 1 to 8 digits and one of H M S m u n")
        })?;
        if asked < TOO_SHORT {
            return Err(ApiError::DeadlineExceeded);
        }
        Ok(asked.saturating_sub(asked / 10).min(self.max))
    }
}

/// Reads the value of `grpc-timeout`, as the protocol's grammar has it.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
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

impl Middleware for Deadlines {
    async fn handle<N: Next>(&self, mut request: Request, next: N) -> Response {
        let deadline = match self.budget(request.headers()) {
            Ok(budget) => Deadline::after(budget),
            Err(refusal) => return refuse(refusal),
        };
        request.extensions_mut().insert(deadline);
        // Dropping the call is safe: the layer below lets a handler that has started finish.
        match timeout_at(deadline.instant(), next.run(request)).await {
            Ok(response) => response,
            Err(_elapsed) => refuse(ApiError::DeadlineExceeded),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_of_the_header_is_kept_strictly() {
        for (text, expected) in [
            ("1H", Duration::from_hours(1)),
            ("2M", Duration::from_mins(2)),
            ("3S", Duration::from_secs(3)),
            ("45m", Duration::from_millis(45)),
            ("99999999u", Duration::from_micros(99_999_999)),
            ("7n", Duration::from_nanos(7)),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        for text in
            ["", "S", "5", "-5S", "+5S", " 5S", "5 S", "5s", "123456789S", "1.5S", "5SS", "5ä"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_tenth_is_kept_back_and_the_longest_is_capped() {
        let deadlines = Deadlines { default: Duration::from_secs(10), max: Duration::from_mins(1) };
        let budget = |text: &str| {
            let mut headers = http::HeaderMap::new();
            headers.insert("grpc-timeout", http::HeaderValue::from_str(text).unwrap());
            deadlines.budget(&headers)
        };
        assert_eq!(budget("10S").unwrap(), Duration::from_secs(9));
        assert_eq!(budget("5H").unwrap(), Duration::from_mins(1));
        assert!(matches!(budget("4m"), Err(ApiError::DeadlineExceeded)));
        assert!(matches!(budget("soon"), Err(ApiError::InvalidArgument { .. })));
        assert_eq!(deadlines.budget(&http::HeaderMap::new()).unwrap(), Duration::from_secs(10));
    }
}
