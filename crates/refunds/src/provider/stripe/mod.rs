//! Stripe, and whatever speaks its API for refunds.
//!
//! Invariant: the idempotency key of a refund is its attempt's id, which also stands in its
//! metadata, so that a refund whose answer was lost can be found in the payment's own list.
//!
//! # What an answer proves
//!
//! `POST /v1/refunds`, first match; "error" is Stripe's error object, without which a status
//! proves nothing, as anything between here and Stripe may have sent it.
//!
//! | answer | outcome | because |
//! |---|---|---|
//! | no connection (DNS, TCP, TLS) | not sent | no byte of the request has left |
//! | none: timeout, reset, cut | unknown | the request may have arrived |
//! | 2xx, a refund that is ours: `pending`, `requires_action` | answered, pending | refund object |
//! | `succeeded` | answered, succeeded | refund object |
//! | `failed`, `canceled` | answered, failed by `failure_reason` | refund object |
//! | 2xx, anything else: other amount, currency, payment or reference | unknown | authentic is not valid |
//! | 429 with error (`rate_limit`, `lock_timeout`) | not sent, after `Retry-After` | turned away before it is processed |
//! | 401, 403 with error | not sent, after a minute | our key is wrong; no customer's refund has failed |
//! | 400, 402, 404 `charge_already_refunded` | refused, already refunded | validated, not executed |
//! | the same `balance_insufficient`, `insufficient_funds` | refused, insufficient balance | the same |
//! | the same, other `invalid_request_error`, `card_error` | refused | the same |
//! | 400 `idempotency_error`, 409 `idempotency_key_in_use` | unknown | the first request under the key may still pay |
//! | everything else: 3xx, 408, 424, 5xx, unreadable | unknown | Stripe: treat the result of a 5xx as indeterminate |
//!
//! Sources: docs.stripe.com/api/errors, /error-codes, /error-low-level, /rate-limits,
//! /api/idempotent_requests, /api/refunds/object, /refunds#failed-refunds.
//!
//! A look-up finds a refund by its id (`GET /v1/refunds/{id}`), or else reads the payment's list
//! (`GET /v1/refunds?payment_intent=`) to the end. Only the whole list proves absence.

mod amount;
mod classify;
mod http;
mod wire;

use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use redress_core::id::AttemptId;
use reqwest::{Client, Method, RequestBuilder, Url};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

use super::{LookUp, LookUpOutcome, Provider, ProviderTerms, RefundOrder, SendOutcome};
use crate::domain::attempt::Reason;
use classify::Page;
use http::{CallError, Reply};
use wire::Expected;

pub(crate) use wire::ATTEMPT_KEY;

/// The provider's name on payments.
pub const NAME: &str = "stripe";

/// The API version whose objects are read; pinned, so that a change of the account's default does
/// not change the answers.
const API_VERSION: &str = "2025-04-30.basil";
/// The form field of [`ATTEMPT_KEY`].
const METADATA_FIELD: &str = "metadata[redress_attempt]";
/// Refunds on one page; the most that Stripe gives.
const PAGE_SIZE: &str = "100";
/// Pages read at most. A payment with more refunds than this is left to a person.
const MAX_PAGES: usize = 20;

/// Which account, where, and how hard it may be pushed.
#[derive(Debug, Clone)]
pub struct StripeSettings {
    /// Where the API is, without path: `https://api.stripe.com`.
    pub base_url: String,
    /// The account's secret or restricted key; it needs to write and to read refunds.
    pub secret_key: SecretString,
    /// Promises and limits.
    pub terms: ProviderTerms,
}

/// The connector cannot be set up with these settings.
#[derive(Debug, thiserror::Error)]
pub enum StripeSetupError {
    /// Not a URL of a server.
    #[error("providers.stripe.base_url: expected https://<host>, such as https://api.stripe.com")]
    BaseUrl,
    /// The HTTP client cannot be built, mostly for want of trusted certificates.
    #[error("providers.stripe: TLS cannot be set up; install the system's CA certificates")]
    Client(#[source] reqwest::Error),
}

/// Sends refunds to Stripe.
pub struct StripeConnector {
    client: Client,
    refunds: Url,
    secret_key: SecretString,
    terms: ProviderTerms,
}

impl fmt::Debug for StripeConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripeConnector")
            .field("refunds", &self.refunds.as_str())
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

impl StripeConnector {
    /// A connector with its own pool of connections; connects to nothing yet.
    pub fn new(settings: &StripeSettings) -> Result<Self, StripeSetupError> {
        let base = settings.base_url.trim_end_matches('/');
        // The base alone has to be a URL: `http:` would take the path's first segment for a host.
        let is_server = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        let refunds = Url::parse(base)
            .ok()
            .filter(is_server)
            .and_then(|_| Url::parse(&format!("{base}/v1/refunds")).ok())
            .ok_or(StripeSetupError::BaseUrl)?;
        let client =
            http::client(base, settings.terms.timeout).map_err(StripeSetupError::Client)?;
        let secret_key = settings.secret_key.clone();
        Ok(Self { client, refunds, secret_key, terms: settings.terms })
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client
            .request(method, url)
            .bearer_auth(self.secret_key.expose_secret())
            .header("stripe-version", API_VERSION)
    }

    /// Makes one call in a span of its own.
    async fn call(
        &self,
        operation: &'static str,
        attempt: &AttemptId,
        request: RequestBuilder,
    ) -> Result<Reply, CallError> {
        let span = tracing::info_span!(
            "provider.call",
            provider.name = NAME,
            provider.operation = operation,
            attempt.id = attempt.as_str(),
            http.status = tracing::field::Empty,
            duration_ms = tracing::field::Empty,
        );
        let started = Instant::now();
        let result = http::call(request).instrument(span.clone()).await;
        span.record("duration_ms", started.elapsed().as_millis());
        match &result {
            Ok(reply) => {
                span.record("http.status", reply.status.as_u16());
            }
            Err(error) => span.in_scope(|| {
                let error: &dyn Error = error;
                tracing::warn!(
                    provider.name = NAME,
                    provider.operation = operation,
                    attempt.id = attempt.as_str(),
                    error,
                    "no answer from the provider"
                );
            }),
        }
        result
    }

    async fn retrieve(&self, id: &str, expected: &Expected<'_>) -> LookUpOutcome {
        let mut url = self.refunds.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(id);
        }
        let request = self.request(Method::GET, url);
        match self.call("retrieve_refund", expected.attempt, request).await {
            Ok(reply) => classify::retrieved(&reply, expected),
            Err(_) => LookUpOutcome::Inconclusive { retry_after: None },
        }
    }

    async fn search(&self, expected: &Expected<'_>) -> LookUpOutcome {
        let mut after: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let request = self
                .request(Method::GET, self.refunds.clone())
                .query(&[("payment_intent", expected.payment_intent), ("limit", PAGE_SIZE)])
                .query(&after.as_ref().map(|id| [("starting_after", id)]));
            let Ok(reply) = self.call("list_refunds", expected.attempt, request).await else {
                return LookUpOutcome::Inconclusive { retry_after: None };
            };
            match classify::listed(&reply, expected) {
                Page::Decided(outcome) => return outcome,
                Page::After(last) => after = Some(last),
            }
        }
        tracing::error!(
            provider.name = NAME,
            attempt.id = expected.attempt.as_str(),
            "payment has more refunds than are searched, a person has to look for this one"
        );
        LookUpOutcome::Inconclusive { retry_after: None }
    }
}

#[async_trait]
impl Provider for StripeConnector {
    fn name(&self) -> &'static str {
        NAME
    }

    fn terms(&self) -> ProviderTerms {
        self.terms
    }

    async fn send(&self, order: &RefundOrder) -> SendOutcome {
        let (attempt, payment) = (&order.attempt, &order.payment_reference);
        let Some(expected) = Expected::new(attempt, payment, order.currency, order.amount) else {
            tracing::warn!(
                provider.name = NAME,
                attempt.id = attempt.as_str(),
                currency = order.currency.code(),
                amount_minor_units = order.amount,
                "refund not sent, stripe cannot express its amount"
            );
            return SendOutcome::Refused(Reason::ProviderRefused);
        };
        let form = [
            ("payment_intent", payment.clone()),
            ("amount", expected.amount.to_string()),
            (METADATA_FIELD, attempt.to_string()),
        ];
        let request = self
            .request(Method::POST, self.refunds.clone())
            .header("idempotency-key", attempt.as_str())
            .form(&form);
        match self.call("create_refund", attempt, request).await {
            Ok(reply) => classify::sent(&reply, &expected),
            Err(CallError::NotConnected(_)) => SendOutcome::NotSent { retry_after: None },
            Err(CallError::Lost(_) | CallError::TooLong) => SendOutcome::Unknown,
        }
    }

    async fn look_up(&self, query: &LookUp) -> LookUpOutcome {
        let (attempt, payment) = (&query.attempt, &query.payment_reference);
        let inconclusive = LookUpOutcome::Inconclusive { retry_after: None };
        let Some(expected) = Expected::new(attempt, payment, query.currency, query.amount) else {
            return inconclusive;
        };
        let search = async {
            if query.provider_refund.is_empty() {
                self.search(&expected).await
            } else {
                self.retrieve(&query.provider_refund, &expected).await
            }
        };
        // Several pages together take no longer than one call may.
        timeout(self.terms.timeout, search).await.unwrap_or(inconclusive)
    }
}
