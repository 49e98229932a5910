//! `GET /v1/balance`: what is left for refunds, by currency.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::json_body;
use crate::reply::Reply;

/// `available` is the captured money less refunds; it is what a refund is debited from. Nothing
/// settles later, so `pending` is zero.
pub(crate) async fn retrieve(State(app): State<Arc<App>>) -> Reply {
    let ledger = app.ledger();
    let mut available: Vec<Value> = Vec::new();
    let mut pending: Vec<Value> = Vec::new();
    for (currency, amount, _) in ledger.balances() {
        let entry = |amount: i64| json!({ "amount": amount, "currency": currency, "source_types": { "card": amount } });
        available.push(entry(amount));
        pending.push(entry(0));
    }
    let balance = json!({
        "object": "balance",
        "available": available,
        "livemode": false,
        "pending": pending,
    });
    Reply { status: StatusCode::OK, body: json_body(&balance) }
}
