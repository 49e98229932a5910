use redress_core::id::AttemptId;
use serde_json::{Value, json};

use super::*;
use crate::provider::ProviderStatus;

const ATTEMPT: &str = "0190aaaa";

fn refund(changes: &Value) -> Value {
    let mut object = json!({
        "id": "re_1", "object": "refund", "amount": 500, "currency": "eur",
        "payment_intent": "pi_1", "metadata": { "redress_attempt": ATTEMPT },
        "status": "succeeded", "charge": "ch_1", "created": 1,
    });
    for (field, value) in changes.as_object().unwrap() {
        object[field] = value.clone();
    }
    object
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply {
        status: StatusCode::from_u16(status).unwrap(),
        retry_after: None,
        body: body.to_string().into_bytes(),
    }
}

fn failure(kind: &str, code: &str) -> Value {
    json!({ "error": { "type": kind, "code": code, "message": "for people" } })
}

/// Runs `check` with the refund of 5.00 EUR that was asked for.
fn expecting<T>(check: impl FnOnce(&Expected<'_>) -> T) -> T {
    let attempt = AttemptId::new(ATTEMPT).unwrap();
    check(&Expected::new(&attempt, "pi_1", "EUR".parse().unwrap(), 500).unwrap())
}

fn answered(status: ProviderStatus) -> SendOutcome {
    SendOutcome::Answered(ProviderRefund { id: "re_1".to_owned(), status })
}

#[test]
fn a_refund_of_ours_is_an_answer() {
    use ProviderStatus::{Failed, Pending, Succeeded};
    let cases = [
        (json!({}), Succeeded),
        (json!({ "currency": "EUR" }), Succeeded),
        (json!({ "status": "pending", "pending_reason": "insufficient_funds" }), Pending),
        (json!({ "status": "requires_action" }), Pending),
        (json!({ "status": "canceled" }), Failed(Reason::ProviderRefused)),
        (json!({ "status": "failed" }), Failed(Reason::ProviderRefused)),
        (
            json!({ "status": "failed", "failure_reason": "expired_or_canceled_card" }),
            Failed(Reason::AccountClosed),
        ),
        (
            json!({ "status": "failed", "failure_reason": "lost_or_stolen_card" }),
            Failed(Reason::AccountClosed),
        ),
        (
            json!({ "status": "failed", "failure_reason": "insufficient_funds" }),
            Failed(Reason::InsufficientBalance),
        ),
        (
            json!({ "status": "failed", "failure_reason": "declined" }),
            Failed(Reason::ProviderRefused),
        ),
    ];
    for (changes, status) in cases {
        let outcome = expecting(|e| sent(&reply(200, &refund(&changes)), e));
        assert_eq!(outcome, answered(status), "{changes}");
    }
}

#[test]
fn an_answer_about_anything_else_proves_nothing() {
    let others = [
        json!({ "amount": 501 }),
        json!({ "currency": "usd" }),
        json!({ "payment_intent": "pi_2" }),
        json!({ "payment_intent": null }),
        json!({ "metadata": { "redress_attempt": "another" } }),
        json!({ "metadata": {} }),
        json!({ "metadata": null }),
        json!({ "object": "charge" }),
        json!({ "id": "" }),
        json!({ "id": null }),
        json!({ "status": "thinking" }),
        json!({ "status": null }),
        json!({ "amount": "500" }),
        json!({ "amount": 500.5 }),
    ];
    for changes in others {
        let reply = reply(200, &refund(&changes));
        assert_eq!(expecting(|e| sent(&reply, e)), SendOutcome::Unknown, "{changes}");
        let inconclusive = LookUpOutcome::Inconclusive { retry_after: None };
        assert_eq!(expecting(|e| retrieved(&reply, e)), inconclusive, "{changes}");
    }
    for body in ["", "{", "[]", "<html>", "null"] {
        let reply =
            Reply { status: StatusCode::OK, retry_after: None, body: body.as_bytes().to_vec() };
        assert_eq!(expecting(|e| sent(&reply, e)), SendOutcome::Unknown, "{body}");
    }
}

#[test]
fn errors_are_classified_by_what_they_prove() {
    use Reason::{AlreadyRefunded, InsufficientBalance, ProviderRefused};
    use SendOutcome::{NotSent, Refused, Unknown};
    let invalid = "invalid_request_error";
    let pause = Some(CONFIGURATION_PAUSE);
    let cases = [
        (400, invalid, "charge_already_refunded", Refused(AlreadyRefunded)),
        (400, invalid, "balance_insufficient", Refused(InsufficientBalance)),
        (400, invalid, "insufficient_funds", Refused(InsufficientBalance)),
        (400, invalid, "parameter_invalid_integer", Refused(ProviderRefused)),
        (402, "card_error", "expired_card", Refused(ProviderRefused)),
        (404, invalid, "resource_missing", Refused(ProviderRefused)),
        (429, invalid, "rate_limit", NotSent { retry_after: None }),
        (429, invalid, "lock_timeout", NotSent { retry_after: None }),
        (401, invalid, "", NotSent { retry_after: pause }),
        (403, invalid, "", NotSent { retry_after: pause }),
        (400, "idempotency_error", "", Unknown),
        (409, "idempotency_error", "idempotency_key_in_use", Unknown),
        (400, "api_error", "", Unknown),
        (408, invalid, "", Unknown),
        (424, "api_error", "", Unknown),
        (500, "api_error", "", Unknown),
        (503, "api_error", "", Unknown),
        (302, invalid, "", Unknown),
    ];
    for (status, kind, code, expected) in cases {
        let outcome = expecting(|e| sent(&reply(status, &failure(kind, code)), e));
        assert_eq!(outcome, expected, "{status} {kind} {code}");
    }
}

#[test]
fn an_error_that_is_not_stripes_proves_nothing() {
    for status in [400, 401, 403, 404, 429, 500, 502, 504] {
        for body in [json!("<html>"), json!({}), json!({ "error": "no" }), json!({ "error": {} })] {
            let outcome = expecting(|e| sent(&reply(status, &body), e));
            assert_eq!(outcome, SendOutcome::Unknown, "{status} {body}");
        }
    }
}

#[test]
fn a_pause_that_stripe_asks_for_is_passed_on() {
    let mut reply = reply(429, &failure("invalid_request_error", "rate_limit"));
    reply.retry_after = Some(Duration::from_secs(7));
    let outcome = expecting(|e| sent(&reply, e));
    assert_eq!(outcome, SendOutcome::NotSent { retry_after: reply.retry_after });
    let outcome = expecting(|e| retrieved(&reply, e));
    assert_eq!(outcome, LookUpOutcome::Inconclusive { retry_after: reply.retry_after });
}

fn list(data: &Value, has_more: bool) -> Value {
    json!({ "object": "list", "data": data, "has_more": has_more, "url": "/v1/refunds" })
}

#[test]
fn only_the_whole_list_proves_absence() {
    let other = |id: &str| refund(&json!({ "id": id, "metadata": { "redress_attempt": "x" } }));
    let cases = [
        (list(&json!([]), false), "Absent"),
        (list(&json!([other("re_9")]), false), "Absent"),
        (list(&json!([other("re_9"), other("re_8")]), true), "after re_8"),
        (list(&json!([other("re_9"), refund(&json!({}))]), true), "Found"),
        (list(&json!([]), true), "Inconclusive"),
        (list(&json!([refund(&json!({ "amount": 1 }))]), false), "Inconclusive"),
        (list(&json!([refund(&json!({ "payment_intent": "pi_2" }))]), false), "Inconclusive"),
        (list(&json!([{ "id": "re_1" }]), false), "Inconclusive"),
        (refund(&json!({})), "Inconclusive"),
    ];
    for (body, expected) in cases {
        let page = match expecting(|e| listed(&reply(200, &body), e)) {
            Page::After(last) => format!("after {last}"),
            Page::Decided(LookUpOutcome::Absent) => "Absent".to_owned(),
            Page::Decided(LookUpOutcome::Found(_)) => "Found".to_owned(),
            Page::Decided(LookUpOutcome::Inconclusive { .. }) => "Inconclusive".to_owned(),
        };
        assert_eq!(page, expected, "{body}");
    }
    for status in [400, 401, 404, 429, 500] {
        let page = expecting(|e| listed(&reply(status, &list(&json!([]), false)), e));
        assert!(matches!(page, Page::Decided(LookUpOutcome::Inconclusive { .. })), "{status}");
    }
}
