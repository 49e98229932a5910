//! `/v1/payment_intents`: just enough to have something to refund.
//!
//! A payment intent is captured at once when it is created with `confirm=true`; there is no second
//! step. Larger numbers are seeded through the control plane.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;

use crate::app::{App, RequestInfo};
use crate::currency::Currency;
use crate::error::{ApiError, json_body};
use crate::form::Form;
use crate::ledger::Seeded;
use crate::reply::Reply;

const PATH: &str = "/v1/payment_intents";

/// Stripe's limit of eight digits for most currencies.
const MAX_AMOUNT: i64 = 99_999_999;

/// `POST /v1/payment_intents`
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(info): Extension<RequestInfo>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Ok(body) = body else { return ApiError::body_too_large().into_response() };
    let form = match Form::parse(&body) {
        Ok(form) => form,
        Err(error) => return error.into_response(),
    };
    let execute = |app: &Arc<App>, form| {
        let seeded = from_form(app, form)?;
        let id = seeded.id.clone();
        let mut ledger = app.ledger();
        ledger.put_payment_intent(seeded).map_err(|_| ApiError::internal())?;
        let intent = ledger.payment_intent(&id).ok_or_else(ApiError::internal)?;
        Ok(Reply { status: StatusCode::OK, body: json_body(&intent.to_json()) }.into())
    };
    app.execute_once(PATH, &info, form, execute).await
}

fn from_form(app: &App, mut form: Form) -> Result<Seeded, ApiError> {
    let missing = ApiError::missing_parameter;
    let amount = form.take_positive("amount")?.ok_or_else(|| missing("amount"))?;
    let code = form.take("currency").ok_or_else(|| missing("currency"))?;
    let currency = Currency::parse(&code)
        .ok_or_else(|| ApiError::invalid("currency", &format!("Invalid currency: {code}")))?;
    if amount > MAX_AMOUNT {
        return Err(ApiError::amount_too_large(&currency.format(MAX_AMOUNT)));
    }
    if amount % currency.step() != 0 {
        return Err(ApiError::off_step("amount", currency.step()));
    }
    let mut payment_method_types = form.take_list("payment_method_types");
    if payment_method_types.is_empty() {
        payment_method_types.push("card".to_owned());
    }
    let seeded = Seeded {
        id: app.ids.next("pi_"),
        amount,
        currency,
        earlier_refunds: 0,
        payment_method_types,
        metadata: form.take_metadata()?,
        captured: form.take_bool("confirm")?.unwrap_or(false),
        created: app.clock.now_seconds(),
    };
    form.finish()?;
    Ok(seeded)
}

/// `GET /v1/payment_intents/{id}`
pub(crate) async fn retrieve(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Reply, ApiError> {
    let ledger = app.ledger();
    let intent = ledger
        .payment_intent(&id)
        .ok_or_else(|| ApiError::no_such("payment_intent", &id, "intent"))?;
    Ok(Reply { status: StatusCode::OK, body: json_body(&intent.to_json()) })
}
