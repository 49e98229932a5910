//! Stripe's shape: objects, errors, authentication, pages.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Bench, KEY, Params};

#[tokio::test]
async fn a_payment_intent_is_created_confirmed_and_retrieved() {
    let bench = Bench::start().await;
    let params: Params = &[
        ("amount", "2500"),
        ("currency", "EUR"),
        ("payment_method_types[]", "card"),
        ("payment_method_types[]", "link"),
        ("metadata[order]", "A-1"),
        ("confirm", "true"),
    ];
    let created = bench.post("/v1/payment_intents", params).await;
    assert_eq!(created.status, StatusCode::OK);
    assert!(created.header("request-id").unwrap().starts_with("req_"));
    let id = created.id();
    assert!(id.starts_with("pi_"));
    let expected = json!({
        "object": "payment_intent",
        "amount": 2500,
        "amount_received": 2500,
        "currency": "eur",
        "status": "succeeded",
        "payment_method_types": ["card", "link"],
        "metadata": { "order": "A-1" },
        "livemode": false,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&created.body[field], value, "{field}");
    }
    assert_eq!(bench.get(&format!("/v1/payment_intents/{id}")).await.body, created.body);

    let unconfirmed: Params = &[("amount", "100"), ("currency", "usd")];
    let unconfirmed = bench.post("/v1/payment_intents", unconfirmed).await;
    assert_eq!(unconfirmed.body["status"], "requires_confirmation");
    let id = unconfirmed.id();
    let refused = bench.post("/v1/refunds", &[("payment_intent", id.as_str())]).await;
    assert_eq!(refused.error(), "400 invalid_request_error - payment_intent");
}

#[tokio::test]
async fn a_refund_has_stripes_fields() {
    let bench = Bench::start().await;
    bench.seed("pi_1", 5000, "EUR").await;
    let params: Params = &[
        ("payment_intent", "pi_1"),
        ("amount", "1200"),
        ("reason", "requested_by_customer"),
        ("metadata[redress_attempt]", "at_1"),
    ];
    let refund = bench.post("/v1/refunds", params).await;
    assert_eq!(refund.status, StatusCode::OK);
    let id = refund.id();
    let expected = json!({
        "id": id,
        "object": "refund",
        "amount": 1200,
        "balance_transaction": format!("txn_{}", &id[3..]),
        "charge": "ch_1",
        "created": refund.body["created"],
        "currency": "eur",
        "destination_details": {
            "type": "card",
            "card": {
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
        },
        "metadata": { "redress_attempt": "at_1" },
        "payment_intent": "pi_1",
        "reason": "requested_by_customer",
        "receipt_number": null,
        "source_transfer_reversal": null,
        "status": "succeeded",
        "transfer_reversal": null,
    });
    assert_eq!(refund.body, expected);
    assert!(refund.body["created"].as_i64().unwrap() > 1_700_000_000, "Unix seconds");
    assert_eq!(bench.get(&format!("/v1/refunds/{id}")).await.body, expected);
}

#[tokio::test]
async fn refunds_are_listed_newest_first_in_pages() {
    let bench = Bench::start().await;
    bench.seed("pi_1", 5000, "EUR").await;
    bench.seed("pi_2", 5000, "EUR").await;
    let mut newest_first = Vec::new();
    for intent in ["pi_1", "pi_2", "pi_1", "pi_1"] {
        let params: Params = &[("payment_intent", intent), ("amount", "1")];
        newest_first.insert(0, (intent, bench.post("/v1/refunds", params).await.id()));
    }
    let of_first: Vec<&str> =
        newest_first.iter().filter(|(pi, _)| *pi == "pi_1").map(|(_, id)| id.as_str()).collect();

    let ids = |body: &serde_json::Value| -> Vec<String> {
        body["data"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap().into()).collect()
    };
    let first = bench.get("/v1/refunds?payment_intent=pi_1&limit=2").await.body;
    assert_eq!(ids(&first), of_first[..2]);
    assert_eq!((&first["has_more"], &first["object"]), (&json!(true), &json!("list")));
    assert_eq!(first["url"], "/v1/refunds");
    let after = of_first[1];
    let path = format!("/v1/refunds?payment_intent=pi_1&limit=2&starting_after={after}");
    let second = bench.get(&path).await.body;
    assert_eq!(ids(&second), of_first[2..]);
    assert_eq!(second["has_more"], false);
    let all = bench.get("/v1/refunds").await.body;
    assert_eq!(ids(&all), newest_first.iter().map(|(_, id)| id.clone()).collect::<Vec<_>>());
    let after_newest = format!("/v1/refunds?starting_after={}", newest_first[0].1);
    assert_eq!(ids(&bench.get(&after_newest).await.body).len(), 3);

    for (path, error) in [
        ("/v1/refunds?limit=101", "400 invalid_request_error - limit"),
        ("/v1/refunds?limit=0", "400 invalid_request_error parameter_invalid_integer limit"),
        ("/v1/refunds?charge=ch_1", "400 invalid_request_error parameter_unknown charge"),
        (
            "/v1/refunds?payment_intent=pi_x",
            "404 invalid_request_error resource_missing payment_intent",
        ),
        (
            "/v1/refunds?starting_after=re_x",
            "404 invalid_request_error resource_missing starting_after",
        ),
    ] {
        assert_eq!(bench.get(path).await.error(), error, "{path}");
    }
}

#[tokio::test]
async fn bad_parameters_are_refused_by_name() {
    let bench = Bench::start().await;
    bench.seed("pi_1", 5000, "EUR").await;
    let pi = ("payment_intent", "pi_1");
    let integer = "400 invalid_request_error parameter_invalid_integer amount";
    let cases: &[(Params, &str)] = &[
        (&[], "400 invalid_request_error parameter_missing payment_intent"),
        (&[pi, ("amount", "0")], integer),
        (&[pi, ("amount", "-1")], integer),
        (&[pi, ("amount", "1.5")], integer),
        (&[pi, ("amount", "99999999999999999999")], integer),
        (&[pi, ("reason", "bored")], "400 invalid_request_error - reason"),
        (&[pi, ("currency", "eur")], "400 invalid_request_error parameter_unknown currency"),
        (
            &[("payment_intent", "pi_x")],
            "404 invalid_request_error resource_missing payment_intent",
        ),
    ];
    for (params, error) in cases {
        assert_eq!(bench.post("/v1/refunds", params).await.error(), *error, "{params:?}");
    }
    let intents: &[(Params, &str)] = &[
        (&[("currency", "eur")], "400 invalid_request_error parameter_missing amount"),
        (&[("amount", "1")], "400 invalid_request_error parameter_missing currency"),
        (&[("amount", "1"), ("currency", "xxx")], "400 invalid_request_error - currency"),
        (
            &[("amount", "100000000"), ("currency", "eur")],
            "400 invalid_request_error amount_too_large amount",
        ),
        (&[("amount", "15"), ("currency", "kwd")], integer),
        (
            &[("amount", "10"), ("currency", "eur"), ("confirm", "yes")],
            "400 invalid_request_error - confirm",
        ),
    ];
    for (params, error) in intents {
        assert_eq!(bench.post("/v1/payment_intents", params).await.error(), *error, "{params:?}");
    }
    assert_eq!(bench.totals().await["refunds_made"], 0);
}

#[tokio::test]
async fn unknown_objects_and_urls_are_404() {
    let bench = Bench::start().await;
    for path in ["/v1/refunds/re_x", "/v1/payment_intents/pi_x"] {
        let answer = bench.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.body["error"]["code"], "resource_missing");
    }
    for (method, path) in [(Method::GET, "/v1/charges"), (Method::DELETE, "/v1/refunds")] {
        let request = bench.request(method, path).bearer_auth(KEY);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        let body: serde_json::Value = response.json().await.unwrap();
        assert!(body["error"]["message"].as_str().unwrap().starts_with("Unrecognized request URL"));
    }
}

#[tokio::test]
async fn the_key_is_asked_for_as_bearer_or_basic() {
    let bench = Bench::start().await;
    let get = || bench.request(Method::GET, "/v1/balance");
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status();
    assert_eq!(status(get().bearer_auth(KEY)).await, StatusCode::OK);
    assert_eq!(status(get().basic_auth(KEY, Some(""))).await, StatusCode::OK);
    assert_eq!(status(get().basic_auth(KEY, None::<&str>)).await, StatusCode::OK);
    for refused in [
        get(),
        get().bearer_auth("sk_test_other"),
        get().basic_auth("sk_test_other", Some(KEY)),
        get().header("authorization", "Basic ???"),
        get().header("authorization", KEY),
    ] {
        assert_eq!(status(refused).await, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_large_form_is_refused() {
    let bench = Bench::start().await;
    let request = bench.request(Method::POST, "/v1/refunds").bearer_auth(KEY);
    let response = request.body("a".repeat(70_000)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}
