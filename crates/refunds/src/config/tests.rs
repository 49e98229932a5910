use std::io::Write as _;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::*;

fn config(value: Value) -> RefundsConfig {
    serde_json::from_value(value).unwrap()
}

/// The keys of all problems.
fn problems(value: Value) -> Vec<String> {
    let problems = config(value).resolve().unwrap_err();
    problems.0.into_iter().map(|problem| problem.key).collect()
}

#[test]
fn nothing_given_is_a_service_without_providers() {
    let settings = config(json!({})).resolve().unwrap();
    assert_eq!(settings.quote_validity, Duration::from_mins(30));
    assert!(settings.stripe.is_none() && settings.webhooks.is_none());
    assert_eq!(settings.worker.item_terms.pay_within, days(14));
    assert_eq!(settings.worker.deadline_warning, days(2));
    assert_eq!(settings.worker.item_terms.arrival, None);
}

#[test]
fn a_key_is_enough_to_connect_stripe() {
    let stripe = json!({ "providers": { "stripe": { "secret_key": "sk_live_1" } } });
    let settings = config(stripe).resolve().unwrap();
    let stripe = settings.stripe.unwrap();
    assert_eq!(stripe.base_url, "https://api.stripe.com");
    assert_eq!(stripe.secret_key.expose_secret(), "sk_live_1");
    assert_eq!(stripe.terms.timeout, Duration::from_secs(20));
    assert_eq!(stripe.terms.visibility_window, Duration::from_secs(10));
    assert_eq!(stripe.terms.concurrency, 32);
    assert_eq!(stripe.terms.arrival, days(14));
    assert_eq!(stripe.terms.replay_window, Some(days(1)));
    assert_eq!(stripe.terms.refund_window, None);
    assert_eq!(stripe.terms.reads_per_second, 20);
    assert_eq!((stripe.terms.sends_per_second, stripe.terms.balance_gate), (Some(25), true));
    assert!(stripe.webhook_secrets.is_empty());
    assert_eq!(settings.worker.item_terms.arrival, Some(days(14)));
}

#[test]
fn a_lane_can_be_without_a_limit_and_pay_whatever_the_balance_is() {
    let stripe = json!({ "providers": { "stripe": {
        "secret_key": "sk_test_1", "sends_per_second": 0, "balance_gate": false,
    } } });
    let terms = config(stripe).resolve().unwrap().stripe.unwrap().terms;
    assert_eq!((terms.sends_per_second, terms.balance_gate), (None, false));
}

#[test]
fn secrets_come_from_files_without_their_line_ends() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"whsec_1\n").unwrap();
    let settings = config(json!({
        "providers": { "stripe": {
            "secret_key": "sk_test_1", "webhook_secret_file": file.path()
        } },
        "webhooks": { "listen": "127.0.0.1:0" },
    }));
    let settings = settings.resolve().unwrap();
    let secrets = settings.stripe.unwrap().webhook_secrets;
    assert_eq!(exposed(&secrets), ["whsec_1"]);
    assert_eq!(settings.webhooks.unwrap().listen.to_string(), "127.0.0.1:0");
}

fn exposed(secrets: &[SecretString]) -> Vec<&str> {
    secrets.iter().map(ExposeSecret::expose_secret).collect()
}

#[test]
fn a_signing_secret_that_is_replaced_is_accepted_beside_the_new_one() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"whsec_old\n").unwrap();
    let settings = config(json!({
        "providers": { "stripe": {
            "secret_key": "sk_test_1",
            "webhook_secret": "whsec_new",
            "previous_webhook_secret_file": file.path(),
        } },
        "webhooks": { "listen": "127.0.0.1:0" },
    }));
    let stripe = settings.resolve().unwrap().stripe.unwrap();
    assert_eq!(exposed(&stripe.webhook_secrets), ["whsec_new", "whsec_old"]);
    let alone = problems(json!({
        "providers": { "stripe": {
            "secret_key": "sk_test_1", "previous_webhook_secret": "whsec_old"
        } },
        "webhooks": { "listen": "127.0.0.1:0" },
    }));
    assert_eq!(alone, ["providers.stripe.previous_webhook_secret"]);
}

#[test]
fn a_tenants_agreement_with_stripe_can_limit_the_age_of_payments() {
    let stripe = json!({ "secret_key": "sk_test_1", "refund_window_days": 180 });
    let settings = config(json!({ "providers": { "stripe": stripe } })).resolve().unwrap();
    assert_eq!(settings.stripe.unwrap().terms.refund_window, Some(days(180)));
}

#[test]
fn every_mistake_is_told_at_once_by_its_key() {
    let all = problems(json!({
        "quote_validity_minutes": 0,
        "cancellation_pay_within_days": 1000,
        "deadline_warning_hours": 0,
        "providers": { "stripe": {
            "base_url": "ftp://stripe",
            "secret_key": "sk test",
            "webhook_secret": "whsec_1",
            "timeout_ms": 0,
            "visibility_window_ms": 0,
            "concurrency": 0,
            "arrival_days": 0,
            "reads_per_second": 0,
            "sends_per_second": 10_001,
            "refund_window_days": 0,
        } },
        "worker": {
            "poll_ms": 0, "drain_ms": 0, "look_up_first_ms": 0, "look_up_cap_ms": 0,
            "check_first_ms": 0, "ask_person_after_ms": 0,
        },
    }));
    let expected = [
        "quote_validity_minutes",
        "cancellation_pay_within_days",
        "deadline_warning_hours",
        "providers.stripe.secret_key",
        "providers.stripe.base_url",
        "providers.stripe.visibility_window_ms",
        "providers.stripe.timeout_ms",
        "providers.stripe.arrival_days",
        "providers.stripe.concurrency",
        "providers.stripe.reads_per_second",
        "providers.stripe.sends_per_second",
        "providers.stripe.refund_window_days",
        "webhooks.listen",
        "worker.poll_ms",
        "worker.drain_ms",
        "worker.look_up_first_ms",
        "worker.look_up_cap_ms",
        "worker.check_first_ms",
        "worker.ask_person_after_ms",
    ];
    assert_eq!(all, expected);
}

#[test]
fn mistakes_about_secrets_name_the_key_and_never_the_secret() {
    let stripe = |fields: Value| json!({ "providers": { "stripe": fields } });
    let cases = [
        (stripe(json!({})), "providers.stripe.secret_key"),
        (stripe(json!({ "secret_key": "" })), "providers.stripe.secret_key"),
        (
            stripe(json!({ "secret_key": "sk_test_1", "secret_key_file": "key" })),
            "providers.stripe.secret_key",
        ),
        (stripe(json!({ "secret_key_file": "/nowhere/key" })), "providers.stripe.secret_key_file"),
        (
            stripe(json!({ "secret_key": "sk_live_1", "base_url": "http://proxy" })),
            "providers.stripe.base_url",
        ),
    ];
    for (given, key) in cases {
        let written = format!("{given}");
        let problems = config(given).resolve().unwrap_err();
        assert_eq!(problems.0.len(), 1, "{problems}");
        assert_eq!(problems.0[0].key, key, "{written}");
        let text = format!("{problems}");
        assert!(!text.contains("sk_live_1") && !text.contains("sk_test_1"), "{text}");
        assert!(text.contains(key), "{text}");
    }
}

#[test]
fn unknown_keys_are_refused_and_secrets_are_not_printed() {
    let typo = json!({ "providers": { "stripe": { "timeout": 5 } } });
    let error = serde_json::from_value::<RefundsConfig>(typo).unwrap_err().to_string();
    assert!(error.contains("unknown field `timeout`"), "{error}");
    let config = config(json!({ "providers": { "stripe": { "secret_key": "sk_test_1" } } }));
    assert!(!format!("{config:?}").contains("sk_test_1"));
}
