//! Stripe's webhooks: which are authentic, and what they say of a refund.
//!
//! Invariant: nothing is parsed before a signature fits, and an event about a refund is read whole
//! or refused.

use aws_lc_rs::hmac;
use http::HeaderMap;
use redress_core::clock::Timestamp;
use redress_core::id::is_valid_id;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::signature;
use super::wire::RefundObject;
use crate::provider::{WebhookError, WebhookNotice};

/// An event, as far as it is read (docs.stripe.com/api/events/object).
#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    data: EventData,
}

#[derive(Debug, Deserialize)]
struct EventData {
    object: Value,
}

/// The keys of signing secrets: none when no webhooks are expected, two while one is replaced.
pub(super) fn keys(secrets: &[SecretString]) -> Vec<hmac::Key> {
    let key = |secret: &SecretString| {
        hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes())
    };
    secrets.iter().map(key).collect()
}

/// What an event says of a refund, once it is known to be Stripe's.
pub(super) fn read(
    keys: &[hmac::Key],
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Option<WebhookNotice>, WebhookError> {
    if keys.is_empty() {
        return Err(WebhookError::NotExpected);
    }
    let header = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    signature::verify(keys, header, body, now)?;
    let event: Event = serde_json::from_slice(body)
        .map_err(|_| WebhookError::Malformed("the body is not an event of Stripe's"))?;
    if !event.kind.starts_with("refund.") && event.kind != "charge.refund.updated" {
        return Ok(None);
    }
    notice(event.data.object).map(Some)
}

fn notice(object: Value) -> Result<WebhookNotice, WebhookError> {
    let refund: RefundObject = serde_json::from_value(object).map_err(|_| {
        WebhookError::Malformed(
            "data.object is not a refund: expected id, object, amount and currency",
        )
    })?;
    if !refund.is_refund() {
        return Err(WebhookError::Malformed(
            "data.object is not a refund: expected object \"refund\" and an id like re_...",
        ));
    }
    let amount = refund.money().ok_or(WebhookError::Malformed(
        "data.object.amount is none that Stripe pays in data.object.currency",
    ))?;
    Ok(WebhookNotice {
        attempt: refund.attempt().filter(|id| is_valid_id(id)).map(str::to_owned),
        payment_reference: refund.payment_intent().unwrap_or_default().to_owned(),
        amount: Some(amount),
        status: refund.status(),
        provider_refund: refund.id,
    })
}

#[cfg(test)]
mod tests {
    use redress_core::money::Money;
    use serde_json::json;

    use super::*;
    use crate::domain::attempt::Reason;
    use crate::provider::ProviderStatus;

    fn object(changes: &Value) -> Value {
        let mut object = json!({
            "id": "re_1", "object": "refund", "amount": 500, "currency": "eur",
            "payment_intent": "pi_1", "metadata": { "redress_attempt": "a1" },
            "status": "failed", "failure_reason": "lost_or_stolen_card",
        });
        for (field, value) in changes.as_object().unwrap() {
            object[field] = value.clone();
        }
        object
    }

    #[test]
    fn a_refund_in_an_event_is_read_in_our_terms() {
        let expected = WebhookNotice {
            provider_refund: "re_1".to_owned(),
            attempt: Some("a1".to_owned()),
            payment_reference: "pi_1".to_owned(),
            amount: Money::new("EUR".parse().unwrap(), 500).ok(),
            status: Some(ProviderStatus::Failed(Reason::AccountClosed)),
        };
        assert_eq!(notice(object(&json!({}))), Ok(expected.clone()));
        for metadata in [json!(null), json!({}), json!({ "redress_attempt": "no id / at all" })] {
            let foreign = WebhookNotice { attempt: None, ..expected.clone() };
            assert_eq!(notice(object(&json!({ "metadata": metadata }))), Ok(foreign));
        }
        let unknown = WebhookNotice { status: None, ..expected };
        assert_eq!(notice(object(&json!({ "status": "thinking" }))), Ok(unknown));
    }

    #[test]
    fn what_is_no_refund_is_malformed() {
        for changes in [
            json!({ "id": null }),
            json!({ "id": "" }),
            json!({ "id": "../balance" }),
            json!({ "id": "x".repeat(256) }),
            json!({ "object": "charge" }),
            json!({ "amount": null }),
            json!({ "amount": "500" }),
            json!({ "amount": 0 }),
            json!({ "currency": "xxx" }),
            json!({ "currency": "isk", "amount": 501 }),
        ] {
            let refused = matches!(notice(object(&changes)), Err(WebhookError::Malformed(_)));
            assert!(refused, "{changes}");
        }
    }

    #[test]
    fn without_a_secret_no_webhook_is_expected() {
        let read = read(&keys(&[]), &HeaderMap::new(), b"", Timestamp(0));
        assert_eq!(read, Err(WebhookError::NotExpected));
    }
}
