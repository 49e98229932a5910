//! What an answer of Stripe proves.
//!
//! Invariant: what is not in the table of the parent module is unknown; an answer without Stripe's
//! own error object may come from anything on the way and proves nothing.

use std::time::Duration;

use reqwest::StatusCode;

use super::http::Reply;
use super::wire::{ErrorEnvelope, ErrorObject, Expected, RefundList, RefundObject};
use crate::domain::attempt::Reason;
use crate::provider::{LookUpOutcome, ProviderRefund, SendOutcome};

/// How long a lane rests when Stripe does not accept our key: somebody has to mend a setting.
pub(super) const CONFIGURATION_PAUSE: Duration = Duration::from_mins(1);

/// What the answer to `POST /v1/refunds` proves.
pub(super) fn sent(reply: &Reply, expected: &Expected<'_>) -> SendOutcome {
    if reply.status.is_success() {
        return match refund(reply, expected) {
            Some(refund) => SendOutcome::Answered(refund),
            None => SendOutcome::Unknown,
        };
    }
    let Some(error) = error(reply) else {
        tracing::warn!(
            provider.name = "stripe",
            http.status = reply.status.as_u16(),
            "refund answered without an error of stripe's, its outcome is unknown"
        );
        return SendOutcome::Unknown;
    };
    match reply.status {
        StatusCode::TOO_MANY_REQUESTS => SendOutcome::NotSent { retry_after: reply.retry_after },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            log_rejected_key(reply.status);
            SendOutcome::NotSent { retry_after: Some(CONFIGURATION_PAUSE) }
        }
        StatusCode::BAD_REQUEST | StatusCode::PAYMENT_REQUIRED | StatusCode::NOT_FOUND
            if matches!(&*error.kind, "invalid_request_error" | "card_error") =>
        {
            let reason = refusal(error.code.as_deref());
            tracing::info!(
                provider.name = "stripe",
                http.status = reply.status.as_u16(),
                error.code = error.code.as_deref().unwrap_or("none"),
                attempt.id = expected.attempt.as_str(),
                attempt.reason = reason.code(),
                "refund refused by its provider"
            );
            SendOutcome::Refused(reason)
        }
        status => {
            tracing::warn!(
                provider.name = "stripe",
                http.status = status.as_u16(),
                error.kind = error.kind,
                attempt.id = expected.attempt.as_str(),
                "refund answered with an error that proves nothing, its outcome is unknown"
            );
            SendOutcome::Unknown
        }
    }
}

/// Why Stripe refused (docs.stripe.com/error-codes).
fn refusal(code: Option<&str>) -> Reason {
    match code {
        Some("charge_already_refunded") => Reason::AlreadyRefunded,
        Some("balance_insufficient" | "insufficient_funds") => Reason::InsufficientBalance,
        _ => Reason::ProviderRefused,
    }
}

/// The refund in a successful answer, when it is ours.
fn refund(reply: &Reply, expected: &Expected<'_>) -> Option<ProviderRefund> {
    match serde_json::from_slice::<RefundObject>(&reply.body) {
        Ok(object) => ours(object, expected),
        Err(error) => {
            tracing::error!(
                provider.name = "stripe",
                attempt.id = expected.attempt.as_str(),
                error = %error,
                "answer about a refund cannot be read"
            );
            None
        }
    }
}

/// The refund, when it is the one that was asked for and its status is known.
fn ours(object: RefundObject, expected: &Expected<'_>) -> Option<ProviderRefund> {
    if let Some(field) = expected.mismatch(&object) {
        tracing::error!(
            provider.name = "stripe",
            attempt.id = expected.attempt.as_str(),
            refund.mismatch = field,
            "answer tells of another refund than was asked for, a person has to compare them"
        );
        return None;
    }
    let refund = object.into_refund();
    if refund.is_none() {
        tracing::error!(
            provider.name = "stripe",
            attempt.id = expected.attempt.as_str(),
            "answer has a refund status that is not known"
        );
    }
    refund
}

/// What the answer to `GET /v1/refunds/{id}` proves.
pub(super) fn retrieved(reply: &Reply, expected: &Expected<'_>) -> LookUpOutcome {
    if !reply.status.is_success() {
        return not_listed(reply, expected);
    }
    match refund(reply, expected) {
        Some(refund) => LookUpOutcome::Found(refund),
        None => LookUpOutcome::Inconclusive { retry_after: None },
    }
}

/// What one page of a payment's refunds proves.
#[derive(Debug)]
pub(super) enum Page {
    /// The search is over.
    Decided(LookUpOutcome),
    /// Not on this page; there is another one after this id.
    After(String),
}

/// What a page of `GET /v1/refunds?payment_intent=` proves.
pub(super) fn listed(reply: &Reply, expected: &Expected<'_>) -> Page {
    const INCONCLUSIVE: Page = Page::Decided(LookUpOutcome::Inconclusive { retry_after: None });
    if !reply.status.is_success() {
        return Page::Decided(not_listed(reply, expected));
    }
    let list = match serde_json::from_slice::<RefundList>(&reply.body) {
        Ok(list) if list.object == "list" => list,
        _ => {
            tracing::error!(
                provider.name = "stripe",
                attempt.id = expected.attempt.as_str(),
                "answer is not a list of refunds"
            );
            return INCONCLUSIVE;
        }
    };
    let is_foreign =
        |refund: &RefundObject| refund.payment_intent() != Some(expected.payment_intent);
    if list.data.iter().any(is_foreign) {
        tracing::error!(
            provider.name = "stripe",
            attempt.id = expected.attempt.as_str(),
            "list has refunds of another payment than was asked for"
        );
        return INCONCLUSIVE;
    }
    let bottom = list.data.last().map(|refund| refund.id.clone());
    let is_for_attempt =
        |refund: &RefundObject| refund.attempt() == Some(expected.attempt.as_str());
    if let Some(object) = list.data.into_iter().find(is_for_attempt) {
        return match ours(object, expected) {
            Some(refund) => Page::Decided(LookUpOutcome::Found(refund)),
            None => INCONCLUSIVE,
        };
    }
    match (list.has_more, bottom) {
        (false, _) => Page::Decided(LookUpOutcome::Absent),
        (true, Some(id)) => Page::After(id),
        (true, None) => INCONCLUSIVE,
    }
}

/// An error as the answer to a question proves nothing; it may ask for time.
fn not_listed(reply: &Reply, expected: &Expected<'_>) -> LookUpOutcome {
    let retry_after = match reply.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            log_rejected_key(reply.status);
            Some(CONFIGURATION_PAUSE)
        }
        StatusCode::TOO_MANY_REQUESTS => reply.retry_after,
        status => {
            tracing::warn!(
                provider.name = "stripe",
                http.status = status.as_u16(),
                attempt.id = expected.attempt.as_str(),
                "refund could not be looked up"
            );
            None
        }
    };
    LookUpOutcome::Inconclusive { retry_after }
}

/// Stripe's own error in an answer.
pub(super) fn error(reply: &Reply) -> Option<ErrorObject> {
    serde_json::from_slice::<ErrorEnvelope>(&reply.body).ok().map(|envelope| envelope.error)
}

fn log_rejected_key(status: StatusCode) {
    tracing::error!(
        provider.name = "stripe",
        http.status = status.as_u16(),
        "stripe does not accept our secret key for refunds, check providers.stripe.secret_key"
    );
}

#[cfg(test)]
mod tests;
