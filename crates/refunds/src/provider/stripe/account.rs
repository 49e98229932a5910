//! What Stripe says of the account: any refund of it, and its balance.
//!
//! Invariant: only Stripe's own error `resource_missing` says that a refund is missing; a balance
//! has every currency exactly, or it is unreadable.

use redress_core::money::Money;
use reqwest::StatusCode;

use super::http::Reply;
use super::wire::{self, BalanceEntry, BalanceObject, RefundObject};
use super::{amount, classify};
use crate::provider::{BalanceError, ReadOutcome};

/// What the answer to `GET /v1/refunds/{id}` says about a refund of anybody's.
pub(super) fn refund(reply: &Reply, id: &str) -> ReadOutcome {
    if reply.status == StatusCode::NOT_FOUND {
        let missing = classify::error(reply)
            .is_some_and(|error| error.code.as_deref() == Some("resource_missing"));
        return if missing { ReadOutcome::Missing } else { ReadOutcome::Inconclusive };
    }
    if !reply.status.is_success() {
        note_failure("retrieve_refund", reply.status);
        return ReadOutcome::Inconclusive;
    }
    let object = serde_json::from_slice::<RefundObject>(&reply.body).ok();
    let refund = object.and_then(RefundObject::into_foreign).filter(|refund| refund.id == id);
    if refund.is_none() {
        tracing::error!(
            provider.name = super::NAME,
            provider.refund = id,
            "answer about a refund cannot be read"
        );
    }
    refund.map_or(ReadOutcome::Inconclusive, ReadOutcome::Found)
}

/// What the answer to `GET /v1/balance` says. Only `available` counts: what is pending cannot pay a
/// refund yet (docs.stripe.com/refunds).
pub(super) fn balance(reply: &Reply) -> Result<Vec<Money>, BalanceError> {
    match reply.status {
        status if status.is_success() => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            note_failure("retrieve_balance", reply.status);
            return Err(BalanceError::Refused);
        }
        status => {
            note_failure("retrieve_balance", status);
            return Err(BalanceError::Unavailable { retry_after: reply.retry_after });
        }
    }
    let object: BalanceObject =
        serde_json::from_slice(&reply.body).map_err(|_| BalanceError::Unreadable)?;
    if object.object != "balance" {
        return Err(BalanceError::Unreadable);
    }
    object.available.iter().filter_map(available).collect()
}

/// One currency of a balance; `None` for one that Redress does not know or Stripe does not refund
/// in, as nothing can be refunded in it.
fn available(entry: &BalanceEntry) -> Option<Result<Money, BalanceError>> {
    let currency = wire::currency(&entry.currency)?;
    amount::step(currency)?;
    let money = amount::usable(currency, entry.amount)
        .and_then(|minor_units| Money::new(currency, minor_units).ok());
    Some(money.ok_or(BalanceError::Unreadable))
}

fn note_failure(operation: &str, status: StatusCode) {
    tracing::warn!(
        provider.name = super::NAME,
        provider.operation = operation,
        http.status = status.as_u16(),
        "stripe does not answer a question about the account"
    );
}

#[cfg(test)]
mod tests {
    use redress_core::clock::Timestamp;
    use redress_core::id::AttemptId;
    use serde_json::{Value, json};

    use super::*;
    use crate::provider::{ForeignRefund, ProviderStatus};

    fn reply(status: u16, body: &Value) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            body: body.to_string().into_bytes(),
        }
    }

    fn money(currency: &str, minor_units: i64) -> Money {
        Money::new(currency.parse().unwrap(), minor_units).unwrap()
    }

    fn object(changes: &Value) -> Value {
        let mut object = json!({
            "id": "re_1", "object": "refund", "amount": 500, "currency": "isk",
            "payment_intent": "pi_1", "charge": "ch_1", "metadata": {}, "status": "succeeded",
            "created": 1_700_000_000,
        });
        for (field, value) in changes.as_object().unwrap() {
            object[field] = value.clone();
        }
        object
    }

    fn read(changes: &Value) -> ReadOutcome {
        refund(&reply(200, &object(changes)), "re_1")
    }

    #[test]
    fn a_refund_of_anybodys_is_read_in_our_terms() {
        let expected = ForeignRefund {
            id: "re_1".to_owned(),
            payment_reference: "pi_1".to_owned(),
            amount: money("ISK", 5),
            status: ProviderStatus::Succeeded,
            attempt: None,
            created: Timestamp(1_700_000_000_000_000),
        };
        assert_eq!(read(&json!({})), ReadOutcome::Found(expected.clone()));
        let ours = json!({ "metadata": { "redress_attempt": "a1" } });
        let attempt = Some(AttemptId::new("a1").unwrap());
        assert_eq!(read(&ours), ReadOutcome::Found(ForeignRefund { attempt, ..expected.clone() }));
        let other_metadata = json!({ "metadata": { "redress_attempt": "no id / at all" } });
        assert_eq!(read(&other_metadata), ReadOutcome::Found(expected.clone()));
        let of_charge = ForeignRefund { payment_reference: "ch_1".to_owned(), ..expected };
        assert_eq!(read(&json!({ "payment_intent": null })), ReadOutcome::Found(of_charge));
    }

    #[test]
    fn what_stripe_does_not_document_is_inconclusive() {
        for changes in [
            json!({ "id": "re_2" }),
            json!({ "object": "charge" }),
            json!({ "amount": 501 }),
            json!({ "amount": 0 }),
            json!({ "amount": -500 }),
            json!({ "currency": "xxx" }),
            json!({ "currency": "iqd" }),
            json!({ "status": "thinking" }),
            json!({ "created": null }),
            json!({ "created": i64::MAX }),
            json!({ "payment_intent": null, "charge": null }),
        ] {
            assert_eq!(read(&changes), ReadOutcome::Inconclusive, "{changes}");
        }
    }

    #[test]
    fn only_stripe_itself_can_say_that_a_refund_is_missing() {
        let failure = |code: &str| json!({ "error": { "type": "x", "code": code } });
        for (status, body, expected) in [
            (404, failure("resource_missing"), ReadOutcome::Missing),
            (404, failure("other"), ReadOutcome::Inconclusive),
            (404, json!("<html>"), ReadOutcome::Inconclusive),
            (400, failure("resource_missing"), ReadOutcome::Inconclusive),
            (429, failure("rate_limit"), ReadOutcome::Inconclusive),
            (500, failure("resource_missing"), ReadOutcome::Inconclusive),
        ] {
            assert_eq!(refund(&reply(status, &body), "re_1"), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_balance_is_told_in_minor_units() {
        let entries = json!([
            { "amount": 12_345, "currency": "eur" },
            { "amount": -100, "currency": "usd" },
            { "amount": 12_300, "currency": "isk" },
            { "amount": 7, "currency": "mga" },
            { "amount": 7, "currency": "usdc" },
        ]);
        let body = json!({ "object": "balance", "available": entries, "pending": [] });
        let expected =
            [money("EUR", 12_345), money("USD", -100), money("ISK", 123), money("MGA", 700)];
        assert_eq!(balance(&reply(200, &body)).unwrap(), expected);
    }

    #[test]
    fn a_balance_that_cannot_be_had_says_why() {
        let retry_after = None;
        for (status, body, expected) in [
            (200, json!({ "object": "list", "available": [] }), BalanceError::Unreadable),
            (200, json!({ "object": "balance" }), BalanceError::Unreadable),
            (
                200,
                json!({ "object": "balance",
                    "available": [{ "amount": i64::MAX, "currency": "eur" }] }),
                BalanceError::Unreadable,
            ),
            (401, json!({}), BalanceError::Refused),
            (403, json!({}), BalanceError::Refused),
            (429, json!({}), BalanceError::Unavailable { retry_after }),
            (500, json!({}), BalanceError::Unavailable { retry_after }),
        ] {
            assert_eq!(balance(&reply(status, &body)), Err(expected), "{status} {body}");
        }
    }
}
