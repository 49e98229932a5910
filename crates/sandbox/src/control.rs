//! The control plane under `/sandbox/`: seeding, faults, funds and the truth about the money.
//!
//! It is not part of Stripe's shape, asks for no key and is never limited, faulted or down.
//! Currencies are written in upper case here; inputs are read in either.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::config::WebhookEndpoint;
use crate::currency::Currency;
use crate::error::ControlError;
use crate::faults::{Fault, FaultPlan, Faults};
use crate::ledger::{SeedOutcome, Seeded};
use crate::seed::{Record, Splitter};

/// The most that a balance may be set to or raised by, either sign.
const MAX_FUNDS: i64 = 1_000_000_000_000_000_000;
const EXPORT_CHUNK: usize = 500;

#[derive(Debug, Default, PartialEq, Eq)]
struct Seeding {
    created: u64,
    updated: u64,
    unchanged: u64,
}

impl Seeding {
    fn records(&self) -> u64 {
        self.created + self.updated + self.unchanged
    }

    fn failed(&self, message: &str) -> ControlError {
        let before = self.records();
        ControlError::bad_request(format!(
            "record {}: {message}; the {before} before it were taken",
            before + 1
        ))
    }

    fn put(&mut self, app: &App, seeded: Seeded) -> Result<(), ControlError> {
        let outcome = app.ledger().put_payment_intent(seeded);
        match outcome.map_err(|error| self.failed(&error.to_string()))? {
            SeedOutcome::Created => self.created += 1,
            SeedOutcome::Updated => self.updated += 1,
            SeedOutcome::Unchanged => self.unchanged += 1,
        }
        Ok(())
    }
}

/// `POST /sandbox/payment_intents`
pub(crate) async fn seed(
    State(app): State<Arc<App>>,
    body: Body,
) -> Result<Json<Value>, ControlError> {
    let created = app.clock.now_seconds();
    let mut seeding = Seeding::default();
    let mut splitter = Splitter::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk
            .map_err(|error| ControlError::bad_request(format!("the body broke off: {error}")))?;
        splitter.push(&chunk, |text| {
            let seeded = Record::parse(text, created).map_err(|error| seeding.failed(&error))?;
            seeding.put(&app, seeded)
        })?;
    }
    splitter.finish()?;
    let Seeding { created, updated, unchanged } = seeding;
    Ok(Json(json!({ "created": created, "updated": updated, "unchanged": unchanged })))
}

/// `GET /sandbox/totals`
#[expect(clippy::expect_used, reason = "the counts are structs with string keys only")]
pub(crate) async fn totals(State(app): State<Arc<App>>) -> Json<Value> {
    let mut totals = app.ledger().totals();
    let counts = serde_json::to_value(app.limiter.counts())
        .expect("structs with string keys always serialise");
    if let (Value::Object(totals), Value::Object(counts)) = (&mut totals, counts) {
        totals.extend(counts);
        totals.insert("webhooks".into(), app.webhooks.to_json());
    }
    Json(totals)
}

/// `GET /sandbox/refunds`: the whole ledger of refunds, one JSON object a line, oldest first.
pub(crate) async fn export(State(app): State<Arc<App>>) -> Response {
    let lines = futures::stream::unfold((app, 0), |(app, start)| async move {
        let chunk: Vec<String> = {
            let ledger = app.ledger();
            let refunds = ledger.refunds_from(start).iter().take(EXPORT_CHUNK);
            refunds.map(|refund| format!("{}\n", refund.export())).collect()
        };
        let next = start + chunk.len();
        let bytes = Bytes::from(chunk.concat());
        (next > start).then_some((Ok::<_, Infallible>(bytes), (app, next)))
    });
    ([(CONTENT_TYPE, "application/jsonl")], Body::from_stream(lines)).into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultsRequest {
    /// Replaces the whole plan.
    plan: Option<FaultPlan>,
    /// The payment that `faults` are for.
    payment_intent: Option<String>,
    /// Consumed in order by the next attempts on `payment_intent`.
    faults: Option<Vec<Fault>>,
    /// Cut this many answers about paid refunds, from now.
    cut_next_refund_answers: Option<u64>,
    /// Refuse everything under `/v1/` with 503.
    down: Option<bool>,
    /// The payments about which nothing readable is said from now on; replaces those before.
    garbled: Option<BTreeSet<String>>,
}

/// `POST /sandbox/faults`: all or nothing of what the body asks for.
pub(crate) async fn set_faults(
    State(app): State<Arc<App>>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let request: FaultsRequest = read(&body)?;
    if let Some(plan) = &request.plan {
        plan.validate().map_err(|error| ControlError::bad_request(error.to_string()))?;
    }
    let queued = match (request.payment_intent, request.faults) {
        (Some(id), Some(faults)) => Some((id, faults)),
        (None, None) => None,
        _ => {
            let message = "`payment_intent` and `faults` belong together: give both or none";
            return Err(ControlError::bad_request(message));
        }
    };
    let mut ledger = app.ledger();
    if let Some((id, faults)) = queued {
        if ledger.payment_intent(&id).is_none() {
            let message = format!("`payment_intent` {id:?} is unknown; seed it first");
            return Err(ControlError::not_found(message));
        }
        ledger.faults.queue(id, faults);
    }
    let faults = &mut ledger.faults;
    faults.plan = request.plan.unwrap_or(faults.plan);
    faults.cut_next_answers = request.cut_next_refund_answers.unwrap_or(faults.cut_next_answers);
    faults.down = request.down.unwrap_or(faults.down);
    if let Some(garbled) = request.garbled {
        faults.garbled = garbled;
    }
    Ok(Json(show(faults)))
}

/// `GET /sandbox/faults`
pub(crate) async fn faults(State(app): State<Arc<App>>) -> Json<Value> {
    Json(show(&app.ledger().faults))
}

fn show(faults: &Faults) -> Value {
    json!({
        "plan": faults.plan,
        "queued": faults.queued_count(),
        "cut_next_refund_answers": faults.cut_next_answers,
        "down": faults.down,
        "garbled": faults.garbled,
        "injected": faults.injected(),
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FundsRequest {
    currency: String,
    /// The new available balance, smallest units.
    amount: Option<i64>,
    /// What is added to the available balance, smallest units.
    top_up: Option<i64>,
}

/// `POST /sandbox/balance`: sets or tops up the balance and pays what waits for it.
pub(crate) async fn fund(
    State(app): State<Arc<App>>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let request: FundsRequest = read(&body)?;
    let currency = Currency::parse(&request.currency).ok_or_else(|| {
        let given = &request.currency;
        ControlError::bad_request(format!(
            "`currency` must be a code that Stripe supports, not {given:?}"
        ))
    })?;
    let (amount, add) = match (request.amount, request.top_up) {
        (Some(amount), None) => (amount, false),
        (None, Some(amount)) => (amount, true),
        _ => return Err(ControlError::bad_request("give either `amount` (set) or `top_up` (add)")),
    };
    if !(-MAX_FUNDS..=MAX_FUNDS).contains(&amount) {
        let message = format!("the amount must be within {MAX_FUNDS} smallest units of 0");
        return Err(ControlError::bad_request(message));
    }
    let mut ledger = app.ledger();
    let changes = ledger.fund(currency, amount, add, app.clock.now_seconds());
    app.webhooks.emit(&app, &ledger, &changes, None);
    let balance = ledger.balances().find(|(of, _, _)| *of == currency);
    let (available, waiting) =
        balance.map(|(_, available, waiting)| (available, waiting)).unwrap_or_default();
    Ok(Json(json!({
        "currency": currency.upper(),
        "available": available,
        "waiting": waiting,
        "refunds_settled": changes.len(),
    })))
}

/// `POST /sandbox/webhook_endpoint`: `{"url", "secret"}`, or `null` for none.
pub(crate) async fn set_webhook_endpoint(
    State(app): State<Arc<App>>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let endpoint: Option<WebhookEndpoint> = read(&body)?;
    if let Some(endpoint) = &endpoint {
        endpoint.validate().map_err(|error| ControlError::bad_request(error.to_string()))?;
    }
    let url = endpoint.as_ref().map(|endpoint| endpoint.url.clone());
    app.webhooks.set_endpoint(endpoint);
    Ok(Json(json!({ "url": url })))
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ControlError> {
    serde_json::from_slice(body)
        .map_err(|error| ControlError::bad_request(format!("the body is not as expected: {error}")))
}
