//! The books: amounts, balances and what the totals say.

use reqwest::StatusCode;
use serde_json::json;

use crate::support::{Bench, Params};

#[tokio::test]
async fn a_payment_is_never_refunded_above_its_amount() {
    let bench = Bench::start().await;
    let seeded = json!([
        { "id": "pi_1", "amount": 5000, "currency": "EUR", "amount_refunded": 1000 },
        { "id": "pi_yen", "amount": 500, "currency": "JPY" },
        { "id": "pi_din", "amount": 5000, "currency": "KWD" },
    ]);
    bench.control("payment_intents", seeded).await;
    let refund = async |intent: &str, amount: &str| {
        bench.post("/v1/refunds", &[("payment_intent", intent), ("amount", amount)]).await
    };
    let above = refund("pi_1", "4001").await;
    assert_eq!(above.error(), "400 invalid_request_error - amount");
    assert_eq!(
        above.message(),
        "Refund amount (€40.01) is greater than unrefunded amount on charge (€40.00)"
    );
    assert_eq!(refund("pi_1", "1500").await.status, StatusCode::OK);
    let above = refund("pi_1", "2501").await;
    assert!(above.message().ends_with("(€25.00)"), "{}", above.message());

    let rest = bench.post("/v1/refunds", &[("payment_intent", "pi_1")]).await;
    assert_eq!(rest.body["amount"], 2500, "without an amount all that is left");
    for amount in ["1", "2500"] {
        let full = refund("pi_1", amount).await;
        assert_eq!(full.error(), "400 invalid_request_error charge_already_refunded -");
    }
    assert_eq!(
        refund("pi_yen", "501").await.message(),
        "Refund amount (¥501) is greater than unrefunded amount on charge (¥500)"
    );
    assert_eq!(refund("pi_yen", "500").await.body["currency"], "jpy");
    assert_eq!(
        refund("pi_din", "1005").await.error(),
        "400 invalid_request_error parameter_invalid_integer amount"
    );
    assert_eq!(refund("pi_din", "1010").await.status, StatusCode::OK);

    let totals = bench.totals().await;
    assert_eq!(
        totals["refunded_minor_units_by_currency"],
        json!({ "EUR": 4000, "JPY": 500, "KWD": 1010 }),
        "without the 1000 that were refunded before"
    );
    assert_eq!(totals["refunds_by_status"], json!({ "pending": 0, "succeeded": 4, "failed": 0 }));
    assert_eq!(totals["max_refunds_per_payment_intent"], 2);
}

#[tokio::test]
async fn two_refunds_for_one_attempt_show_in_the_totals() {
    let bench = Bench::start().await;
    bench.seed("pi_1", 5000, "EUR").await;
    for attempt in ["at_1", "at_2", "at_1"] {
        let params: Params =
            &[("payment_intent", "pi_1"), ("amount", "1"), ("metadata[redress_attempt]", attempt)];
        bench.post("/v1/refunds", params).await;
    }
    bench.post("/v1/refunds", &[("payment_intent", "pi_1"), ("amount", "1")]).await;
    let totals = bench.totals().await;
    assert_eq!(totals["refunds_made"], 4);
    assert_eq!(totals["attempts_seen"], 2);
    assert_eq!(totals["max_refunds_per_attempt"], 2);
    assert_eq!(totals["attempts_with_several_refunds"], 1);
    assert_eq!(totals["refunds_without_attempt"], 1);
}

#[tokio::test]
async fn refunds_wait_for_the_balance_and_are_paid_by_a_top_up() {
    let bench = Bench::start().await;
    bench.seed("pi_1", 5000, "EUR").await;
    let balance = bench.get("/v1/balance").await.body;
    assert_eq!(balance["object"], "balance");
    assert_eq!(balance["available"][0]["amount"], 5000);
    assert_eq!(balance["available"][0]["currency"], "eur");

    bench.control("balance", json!({ "currency": "EUR", "amount": 100 })).await;
    let params: Params = &[("payment_intent", "pi_1"), ("amount", "3000")];
    let refund = bench.post("/v1/refunds", params).await;
    assert_eq!(refund.body["status"], "pending");
    assert_eq!(refund.body["pending_reason"], "insufficient_funds");
    assert_eq!(refund.body["balance_transaction"], json!(null));
    let above = bench.post("/v1/refunds", params).await;
    assert_eq!(above.error(), "400 invalid_request_error - amount", "pending counts");
    assert_eq!(bench.totals().await["pending_minor_units_by_currency"], json!({ "EUR": 3000 }));

    let funded = bench.control("balance", json!({ "currency": "eur", "top_up": 2900 })).await;
    let expected = json!({ "currency": "EUR", "available": 0, "waiting": 0, "refunds_settled": 1 });
    assert_eq!(funded.body, expected);
    let paid = bench.get(&format!("/v1/refunds/{}", refund.id())).await.body;
    assert_eq!(paid["status"], "succeeded");
    assert!(paid.get("pending_reason").is_none());
    assert_eq!(bench.totals().await["refunded_minor_units_by_currency"], json!({ "EUR": 3000 }));
}

#[tokio::test]
async fn the_ledger_is_exported_with_its_history() {
    let bench = Bench::start().await;
    bench.seed("pi_1", 2000, "EUR").await;
    bench.control("balance", json!({ "currency": "EUR", "amount": 0 })).await;
    for _ in 0..1200 {
        bench.post("/v1/refunds", &[("payment_intent", "pi_1"), ("amount", "1")]).await;
    }
    bench.control("balance", json!({ "currency": "EUR", "amount": 700 })).await;
    let lines = bench.export().await;
    assert_eq!(lines.len(), 1200, "more than one chunk");
    let history = |line: &serde_json::Value| -> Vec<String> {
        let changes = line["history"].as_array().unwrap();
        changes.iter().map(|change| change["status"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(history(&lines[0]), ["pending", "succeeded"]);
    assert_eq!(history(&lines[1199]), ["pending"]);
    let paid: i64 = lines
        .iter()
        .filter(|line| line["status"] == "succeeded")
        .map(|line| line["amount"].as_i64().unwrap())
        .sum();
    assert_eq!(bench.totals().await["refunded_minor_units_by_currency"]["EUR"], paid);
}
