//! What an authentic webhook does.
//!
//! Invariant: it makes a fitting attempt due for a look-up, or has the provider asked about a
//! refund that is none of ours; it moves no money by itself.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use redress_core::clock::Clock;
use redress_store::StoreError;

use super::foreign::{ForeignOutcome, ForeignRefunds};
use super::judge::{contradicts, mismatch};
use super::{WebhookCounts, WebhookOutcome};
use crate::domain::attempt::Attempt;
use crate::provider::{SharedProvider, WebhookError, WebhookNotice};
use crate::store::SharedStore;
use crate::worker::WorkSignals;

/// Status and text for the sender.
pub(super) type Answer = (StatusCode, String);

/// What webhooks are handed to.
pub(super) struct Receiver {
    /// By the name in the path.
    pub(super) providers: HashMap<String, SharedProvider>,
    pub(super) foreign: Arc<dyn ForeignRefunds>,
    pub(super) store: SharedStore,
    pub(super) signals: WorkSignals,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) counts: Arc<WebhookCounts>,
}

impl Receiver {
    /// Checks a webhook of `provider` and does what it asks for.
    pub(super) async fn take(
        &self,
        provider: &SharedProvider,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Answer {
        let notice = match provider.read_webhook(headers, body, self.clock.now()) {
            Ok(Some(notice)) => notice,
            Ok(None) => return self.ok(WebhookOutcome::Ignored),
            Err(error) => {
                let (outcome, status) = refusal(error);
                return self.answer(outcome, status, error.to_string());
            }
        };
        match self.consider(provider, &notice).await {
            Ok(WebhookOutcome::Deferred) => self.defer(),
            Ok(outcome) => self.ok(outcome),
            Err(error) => {
                let error: &dyn Error = &error;
                tracing::error!(error, "webhook cannot be taken because the database fails");
                self.defer()
            }
        }
    }

    async fn consider(
        &self,
        provider: &SharedProvider,
        notice: &WebhookNotice,
    ) -> Result<WebhookOutcome, StoreError> {
        let (id, reference) = (notice.provider_refund.as_str(), notice.attempt.as_deref());
        let stored = self.store.attempt_by_provider_refund(provider.name(), id, reference).await?;
        match stored {
            Some(stored) => self.hint(&stored, notice).await,
            // Our reference on a refund that nobody here has made: another installation's.
            None if reference.is_some() => Ok(WebhookOutcome::Unmatched),
            None => Ok(match self.foreign.record(provider, id).await? {
                ForeignOutcome::Recorded => WebhookOutcome::Recorded,
                ForeignOutcome::Known => WebhookOutcome::Known,
                ForeignOutcome::Ambiguous => WebhookOutcome::Ambiguous,
                ForeignOutcome::Unmatched => WebhookOutcome::Unmatched,
                ForeignOutcome::Inconclusive => WebhookOutcome::Deferred,
            }),
        }
    }

    /// Makes the attempt due, or tells what the notice means for one that nobody waits for.
    async fn hint(
        &self,
        stored: &Attempt,
        notice: &WebhookNotice,
    ) -> Result<WebhookOutcome, StoreError> {
        let (attempt, refund) = (stored.id.as_str(), notice.provider_refund.as_str());
        if let Some(field) = mismatch(stored, notice) {
            tracing::error!(
                provider.name = stored.provider,
                provider.refund = refund,
                attempt.id = attempt,
                webhook.mismatch = field,
                "webhook tells of another refund than was asked for, a person has to compare them"
            );
            return Ok(WebhookOutcome::Mismatched);
        }
        let now = self.clock.now();
        if self.store.hint(&stored.provider, refund, Some(attempt), now).await? {
            self.signals.news_expected();
            return Ok(WebhookOutcome::Hinted);
        }
        if !contradicts(stored.state, notice.status) {
            return Ok(WebhookOutcome::Known);
        }
        tracing::error!(
            provider.name = stored.provider,
            provider.refund = refund,
            provider.status = notice.status.map_or("unknown", |status| status.as_str()),
            attempt.id = attempt,
            attempt.state = stored.state.as_str(),
            "provider contradicts a settled attempt, compare the books with the provider"
        );
        Ok(WebhookOutcome::Contradicts)
    }

    fn defer(&self) -> Answer {
        let text = "temporarily unavailable, send it again".to_owned();
        self.answer(WebhookOutcome::Deferred, StatusCode::SERVICE_UNAVAILABLE, text)
    }

    fn ok(&self, outcome: WebhookOutcome) -> Answer {
        self.answer(outcome, StatusCode::OK, outcome.as_str().to_owned())
    }

    /// Counts and logs. Whoever finds the port can send rubbish, so of webhooks that are refused
    /// only each first, second, fourth, eighth and so on is worth a warning.
    pub(super) fn answer(
        &self,
        outcome: WebhookOutcome,
        status: StatusCode,
        text: String,
    ) -> Answer {
        let count = self.counts.add(outcome);
        let (name, status_code) = (outcome.as_str(), status.as_u16());
        if status.is_success() || !count.is_power_of_two() {
            tracing::debug!(webhook.outcome = name, webhooks.count = count, "webhook answered");
        } else {
            tracing::warn!(
                webhook.outcome = name,
                webhooks.count = count,
                http.status = status_code,
                reason = text,
                "webhook refused"
            );
        }
        (status, text)
    }
}

/// How a webhook that is not taken is counted and answered.
fn refusal(error: WebhookError) -> (WebhookOutcome, StatusCode) {
    match error {
        WebhookError::NotExpected => (WebhookOutcome::Rejected, StatusCode::NOT_FOUND),
        WebhookError::BadSignature(_) => (WebhookOutcome::Rejected, StatusCode::BAD_REQUEST),
        WebhookError::OutOfTime { .. } => (WebhookOutcome::OutOfTime, StatusCode::BAD_REQUEST),
        WebhookError::Malformed(_) => (WebhookOutcome::Unreadable, StatusCode::BAD_REQUEST),
    }
}
