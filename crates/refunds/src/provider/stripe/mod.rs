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
//!
//! # Its terms
//!
//! Keys are honoured for at least 24 hours and then forgotten (/api/idempotent_requests). No age of
//! a payment is documented from which on it cannot be refunded; a tenant's own agreement may have
//! one. Equal amounts need no distance. An account has 25 requests a second and endpoint unless
//! agreed otherwise (/rate-limits), so that 20 reads leave room for people and other systems.
//!
//! A card refund that the balance does not cover is pending until it does, and fails after 45 days;
//! others fail at once (/refunds). So with [`ProviderTerms::balance_gate`] refunds wait before they
//! are sent. An error is stored under its key like a refund (/api/idempotent_requests): what was
//! refused for want of funds is sent again under another key only.

mod account;
mod amount;
mod classify;
mod http;
mod signature;
mod webhook;
mod wire;

use std::error::Error;
use std::fmt;
use std::time::Duration;

use ::http::HeaderMap;
use async_trait::async_trait;
use aws_lc_rs::hmac;
use redress_core::clock::Timestamp;
use redress_core::id::AttemptId;
use redress_core::money::{Currency, Money};
use reqwest::{Client, Method, RequestBuilder, Url};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

use super::{
    BalanceError, LookUp, LookUpOutcome, Provider, ProviderTerms, ReadBudget, ReadOutcome,
    RefundOrder, SendOutcome, WebhookError, WebhookNotice,
};
use crate::domain::attempt::Reason;
use classify::Page;
use http::{CallError, Reply};
use wire::{Expected, is_refund_id};

/// The provider's name on payments.
pub const NAME: &str = "stripe";
/// How long Stripe honours an idempotency key at least (docs.stripe.com/api/idempotent_requests).
pub const REPLAY_WINDOW: Duration = Duration::from_hours(24);

/// The API version whose objects are read; pinned, so that a change of the account's default does
/// not change the answers.
const API_VERSION: &str = "2025-04-30.basil";
/// The form field of [`wire::ATTEMPT_KEY`].
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
    /// The account's secret or restricted key; it needs to write and to read refunds, and to read
    /// the balance.
    pub secret_key: SecretString,
    /// The signing secrets of the webhook endpoint, each of which is accepted: two while one is
    /// replaced, none when no webhooks are expected.
    pub webhook_secrets: Vec<SecretString>,
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
    balance: Url,
    secret_key: SecretString,
    webhook_keys: Vec<hmac::Key>,
    terms: ProviderTerms,
    reads: ReadBudget,
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
        Url::parse(base).ok().filter(is_server).ok_or(StripeSetupError::BaseUrl)?;
        let url = |path: &str| Url::parse(&format!("{base}{path}"));
        let (Ok(refunds), Ok(balance)) = (url("/v1/refunds"), url("/v1/balance")) else {
            return Err(StripeSetupError::BaseUrl);
        };
        let terms = settings.terms;
        Ok(Self {
            client: http::client(base, terms.timeout).map_err(StripeSetupError::Client)?,
            refunds,
            balance,
            secret_key: settings.secret_key.clone(),
            webhook_keys: webhook::keys(&settings.webhook_secrets),
            terms,
            reads: ReadBudget::new(terms.reads_per_second),
        })
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
        attempt: Option<&AttemptId>,
        request: RequestBuilder,
    ) -> Result<Reply, CallError> {
        let attempt = attempt.map(AttemptId::as_str);
        let span = tracing::info_span!(
            "provider.call",
            provider.name = NAME,
            provider.operation = operation,
            attempt.id = attempt,
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
                    attempt.id = attempt,
                    error,
                    "no answer from the provider"
                );
            }),
        }
        result
    }

    /// Makes one read, when the budget has room for it. Its caller sets the limit of the time.
    async fn read(
        &self,
        operation: &'static str,
        attempt: Option<&AttemptId>,
        request: RequestBuilder,
    ) -> Result<Reply, CallError> {
        let _turn = self.reads.turn().await;
        self.call(operation, attempt, request).await
    }

    /// Asks for a refund whose id has been checked.
    fn refund_request(&self, id: &str) -> RequestBuilder {
        let mut url = self.refunds.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(id);
        }
        self.request(Method::GET, url)
    }

    async fn retrieve(&self, id: &str, expected: &Expected<'_>) -> LookUpOutcome {
        if !is_refund_id(id) {
            return LookUpOutcome::Inconclusive { retry_after: None };
        }
        let request = self.refund_request(id);
        match self.read("retrieve_refund", Some(expected.attempt), request).await {
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
            let Ok(reply) = self.read("list_refunds", Some(expected.attempt), request).await else {
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

    fn step(&self, currency: Currency) -> Option<i64> {
        amount::step(currency)
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
        match self.call("create_refund", Some(attempt), request).await {
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

    async fn read_refund(&self, provider_refund: &str) -> ReadOutcome {
        if !is_refund_id(provider_refund) {
            return ReadOutcome::Missing;
        }
        let read = self.read("retrieve_refund", None, self.refund_request(provider_refund));
        match timeout(self.terms.timeout, read).await {
            Ok(Ok(reply)) => account::refund(&reply, provider_refund),
            Ok(Err(_)) | Err(_) => ReadOutcome::Inconclusive,
        }
    }

    async fn balance(&self) -> Result<Vec<Money>, BalanceError> {
        let request = self.request(Method::GET, self.balance.clone());
        let read = self.read("retrieve_balance", None, request);
        match timeout(self.terms.timeout, read).await {
            Ok(Ok(reply)) => account::balance(&reply),
            Ok(Err(_)) | Err(_) => Err(BalanceError::Unavailable { retry_after: None }),
        }
    }

    fn read_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<WebhookNotice>, WebhookError> {
        webhook::read(&self.webhook_keys, headers, body, now)
    }
}
