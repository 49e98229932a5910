//! Requests per calendar second, counted exactly, and the limit on them.
//!
//! Every request is counted as received, also those that are refused; the peaks are kept for the
//! whole run, so that a test can prove that a client never went above a limit.

use std::collections::VecDeque;
use std::sync::Mutex;

use http::Method;
use serde::Serialize;

use crate::app::locked;
use crate::error::ApiError;

/// Stripe's named operations, each with a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    CreatePaymentIntent,
    RetrievePaymentIntent,
    CreateRefund,
    RetrieveRefund,
    ListRefunds,
    RetrieveBalance,
    Unknown,
}

const ENDPOINTS: usize = 7;

impl Endpoint {
    /// Whether it only tells what is there.
    fn is_read(self) -> bool {
        matches!(
            self,
            Self::RetrievePaymentIntent
                | Self::RetrieveRefund
                | Self::ListRefunds
                | Self::RetrieveBalance
        )
    }

    pub(crate) fn of(method: &Method, path: &str) -> Self {
        let post = method == Method::POST;
        match path
            .trim_start_matches("/v1/")
            .split_once('/')
            .unwrap_or((path.trim_start_matches("/v1/"), ""))
        {
            ("refunds", "") if post => Self::CreateRefund,
            ("refunds", "") => Self::ListRefunds,
            ("refunds", _) => Self::RetrieveRefund,
            ("payment_intents", "") => Self::CreatePaymentIntent,
            ("payment_intents", _) => Self::RetrievePaymentIntent,
            ("balance", "") => Self::RetrieveBalance,
            _ => Self::Unknown,
        }
    }
}

/// How many seconds are told apart.
const SECONDS_KEPT: usize = 120;

/// What was counted since the start, as the control plane shows it.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct RequestCounts {
    /// Requests to `/v1/`, refused ones included.
    pub(crate) requests_total: u64,
    /// The most requests received in one calendar second.
    pub(crate) peak_requests_per_s: u32,
    /// `POST /v1/refunds`, refused ones and replays included.
    pub(crate) refund_requests_total: u64,
    /// The most `POST /v1/refunds` received in one calendar second.
    pub(crate) peak_refund_requests_per_s: u32,
    /// `POST /v1/refunds` received in each calendar second that had any, refused ones included:
    /// the second and the count, the last [`SECONDS_KEPT`] of them, oldest first.
    pub(crate) refund_requests_by_second: VecDeque<(i64, u32)>,
    /// The most `POST /v1/refunds` let through in one calendar second.
    pub(crate) peak_refund_requests_admitted_per_s: u32,
    /// `GET`s of known endpoints, refused ones included.
    pub(crate) reads_total: u64,
    /// The most of them received in one calendar second.
    pub(crate) peak_reads_per_s: u32,
    /// Requests answered with 429.
    pub(crate) rate_limited_total: u64,
}

#[derive(Debug, Default)]
struct Window {
    second: i64,
    received: u32,
    admitted: u32,
    refunds_received: u32,
    reads_received: u32,
    admitted_by_endpoint: [u32; ENDPOINTS],
    counts: RequestCounts,
}

/// The limiter. A limit of 0 means unlimited.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    per_endpoint: u32,
    per_account: u32,
    window: Mutex<Window>,
}

impl RateLimiter {
    pub(crate) fn new(per_endpoint: u32, per_account: u32) -> Self {
        Self { per_endpoint, per_account, window: Mutex::default() }
    }

    /// Counts one request at `now` (microseconds UTC) and says whether it may go on.
    pub(crate) fn admit(&self, endpoint: Endpoint, now: i64) -> Result<(), ApiError> {
        let mut window = locked(&self.window);
        let window = &mut *window;
        let second = now.div_euclid(1_000_000);
        if second != window.second {
            let counts = std::mem::take(&mut window.counts);
            *window = Window { second, counts, ..Window::default() };
        }
        window.count_received(endpoint);
        let by_endpoint = &mut window.admitted_by_endpoint[endpoint as usize];
        let reason = if self.per_account > 0 && window.admitted >= self.per_account {
            "global-rate"
        } else if self.per_endpoint > 0 && *by_endpoint >= self.per_endpoint {
            "endpoint-rate"
        } else {
            *by_endpoint += 1;
            window.admitted += 1;
            if endpoint == Endpoint::CreateRefund {
                let peak = &mut window.counts.peak_refund_requests_admitted_per_s;
                *peak = (*peak).max(*by_endpoint);
            }
            return Ok(());
        };
        window.counts.rate_limited_total += 1;
        Err(ApiError::rate_limited(reason))
    }

    /// What was counted so far.
    pub(crate) fn counts(&self) -> RequestCounts {
        locked(&self.window).counts.clone()
    }
}

impl Window {
    fn count_received(&mut self, endpoint: Endpoint) {
        let counts = &mut self.counts;
        self.received += 1;
        counts.requests_total += 1;
        counts.peak_requests_per_s = counts.peak_requests_per_s.max(self.received);
        if endpoint == Endpoint::CreateRefund {
            self.refunds_received += 1;
            counts.refund_requests_total += 1;
            counts.peak_refund_requests_per_s =
                counts.peak_refund_requests_per_s.max(self.refunds_received);
            let seconds = &mut counts.refund_requests_by_second;
            match seconds.back_mut() {
                Some((last, count)) if *last == self.second => *count += 1,
                _ => seconds.push_back((self.second, 1)),
            }
            if seconds.len() > SECONDS_KEPT {
                seconds.pop_front();
            }
        }
        if endpoint.is_read() {
            self.reads_received += 1;
            counts.reads_total += 1;
            counts.peak_reads_per_s = counts.peak_reads_per_s.max(self.reads_received);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_limit_holds_per_endpoint_and_calendar_second() {
        let limiter = RateLimiter::new(2, 0);
        let at = |endpoint, now| limiter.admit(endpoint, now).is_ok();
        assert!(at(Endpoint::CreateRefund, SECOND - 1));
        for expected in [true, true, false, false] {
            assert_eq!(at(Endpoint::CreateRefund, SECOND), expected);
        }
        assert!(at(Endpoint::ListRefunds, SECOND + 1), "another endpoint has its own limit");
        assert!(at(Endpoint::CreateRefund, 2 * SECOND), "the next second is new");
        let counts = limiter.counts();
        assert_eq!((counts.requests_total, counts.rate_limited_total), (7, 2));
        assert_eq!(counts.peak_requests_per_s, 5);
        assert_eq!(counts.peak_refund_requests_per_s, 4);
        assert_eq!(counts.peak_refund_requests_admitted_per_s, 2);
        assert_eq!(counts.refund_requests_by_second, [(0, 1), (1, 4), (2, 1)]);
    }

    #[test]
    fn only_the_last_seconds_are_told_apart() {
        let limiter = RateLimiter::new(0, 0);
        for second in 0..200 {
            assert!(limiter.admit(Endpoint::CreateRefund, second * SECOND).is_ok());
        }
        let seconds = limiter.counts().refund_requests_by_second;
        assert_eq!((seconds.len(), seconds.front()), (SECONDS_KEPT, Some(&(80, 1))));
    }

    #[test]
    fn reads_of_all_endpoints_are_counted_together() {
        use Endpoint::{CreateRefund, ListRefunds, RetrieveBalance, RetrieveRefund, Unknown};
        let limiter = RateLimiter::new(1, 0);
        for endpoint in [ListRefunds, ListRefunds, RetrieveRefund, CreateRefund, Unknown] {
            let _admitted_or_not = limiter.admit(endpoint, 0);
        }
        for endpoint in [RetrieveBalance, RetrieveRefund] {
            assert!(limiter.admit(endpoint, SECOND).is_ok());
        }
        let counts = limiter.counts();
        assert_eq!((counts.reads_total, counts.peak_reads_per_s), (5, 3));
    }

    #[test]
    fn the_account_has_a_limit_across_endpoints() {
        let limiter = RateLimiter::new(0, 1);
        assert!(limiter.admit(Endpoint::ListRefunds, 0).is_ok());
        assert!(limiter.admit(Endpoint::CreateRefund, 0).is_err());
    }

    #[test]
    fn zero_is_unlimited() {
        let limiter = RateLimiter::new(0, 0);
        assert!((0..1_000).all(|_| limiter.admit(Endpoint::CreateRefund, 0).is_ok()));
    }

    #[test]
    fn paths_are_named_operations() {
        for (method, path, endpoint) in [
            (Method::POST, "/v1/refunds", Endpoint::CreateRefund),
            (Method::GET, "/v1/refunds", Endpoint::ListRefunds),
            (Method::GET, "/v1/refunds/re_1", Endpoint::RetrieveRefund),
            (Method::GET, "/v1/payment_intents/pi_1", Endpoint::RetrievePaymentIntent),
            (Method::GET, "/v1/balance", Endpoint::RetrieveBalance),
            (Method::GET, "/v1/charges", Endpoint::Unknown),
        ] {
            assert_eq!(Endpoint::of(&method, path), endpoint, "{method} {path}");
        }
    }
}
