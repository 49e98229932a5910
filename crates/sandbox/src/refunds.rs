//! `/v1/refunds`: create, retrieve and list, with the faults of each attempt.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

use crate::app::{App, Execution, RequestInfo};
use crate::error::{ApiError, json_body};
use crate::faults::{Decided, FaultKind};
use crate::form::Form;
use crate::ledger::{Attempt, Ledger, RefundIndex};
use crate::reply::{Delivery, Reply};
use crate::webhooks::{Change, EventType};

/// The collection's path, and the name of its POST for idempotency.
pub(crate) const PATH: &str = "/v1/refunds";

const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: i64 = 100;

/// Why the merchant refunds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    Duplicate,
    Fraudulent,
    RequestedByCustomer,
}

/// A validated request for a refund.
#[derive(Debug)]
pub(crate) struct RefundRequest {
    pub(crate) payment_intent: String,
    /// Smallest units, at least 1; `None` refunds all that is left.
    pub(crate) amount: Option<i64>,
    pub(crate) reason: Option<Reason>,
    pub(crate) metadata: BTreeMap<String, String>,
}

impl RefundRequest {
    fn from_form(mut form: Form) -> Result<Self, ApiError> {
        let reason = match form.take("reason").as_deref() {
            None => None,
            Some("duplicate") => Some(Reason::Duplicate),
            Some("fraudulent") => Some(Reason::Fraudulent),
            Some("requested_by_customer") => Some(Reason::RequestedByCustomer),
            Some(_) => {
                let message = "Invalid reason: must be one of duplicate, fraudulent, or \
                               requested_by_customer";
                return Err(ApiError::invalid("reason", message));
            }
        };
        let request = Self {
            payment_intent: form
                .take("payment_intent")
                .ok_or_else(|| ApiError::missing_parameter("payment_intent"))?,
            amount: form.take_positive("amount")?,
            reason,
            metadata: form.take_metadata()?,
        };
        form.finish()?;
        Ok(request)
    }
}

/// `POST /v1/refunds`
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
        let request = RefundRequest::from_form(form)?;
        Ok(execute(app, &request, &info))
    };
    app.execute_once(PATH, &info, form, execute).await
}

/// Makes the refund. What is refused here was executed, so that its answer is stored under the key.
fn execute(app: &Arc<App>, request: &RefundRequest, info: &RequestInfo) -> Execution {
    let mut ledger = app.ledger();
    if ledger.faults.garbled.contains(&request.payment_intent) {
        return garbage().into();
    }
    let attempt = match ledger.refund(request, &app.ids, app.clock.now_seconds()) {
        Err(error) => return error.to_reply().into(),
        Ok(attempt) => attempt,
    };
    let Attempt { fault, refund, fails_later } = attempt;
    let Some(index) = refund else { return prevented(fault).to_reply().into() };
    let created = Change { kind: EventType::Created, refund: index, before: None };
    app.webhooks.emit(app, &ledger, &[created], Some(info));
    if let Some((delay, reason)) = fails_later {
        app.fail_later(index, delay, reason);
    }
    delivered(&mut ledger, index, fault)
}

/// What something between the client and us might answer: a success that says nothing.
fn garbage() -> Reply {
    let page = "<!doctype html><title>200 OK</title><h1>It works!</h1>";
    Reply { status: StatusCode::OK, body: Bytes::from_static(page.as_bytes()) }
}

fn prevented(fault: Decided) -> ApiError {
    if fault.kind == FaultKind::BalanceRefused {
        ApiError::balance_insufficient()
    } else {
        ApiError::internal()
    }
}

fn delivered(ledger: &mut Ledger, index: RefundIndex, fault: Decided) -> Execution {
    let reply =
        Reply { status: StatusCode::OK, body: json_body(&ledger.refund_at(index).object()) };
    if fault.kind != FaultKind::LostAnswer && ledger.faults.cut_answer() {
        return Execution { reply, delivery: Delivery::Cut };
    }
    match (fault.kind, fault.pause) {
        (FaultKind::LostAnswer, _) => Execution { reply, delivery: Delivery::Cut },
        (FaultKind::ErrorAfter, _) => ApiError::internal().to_reply().into(),
        (FaultKind::SlowAnswer, Some(pause)) => {
            Execution { reply, delivery: Delivery::After(pause) }
        }
        _ => reply.into(),
    }
}

/// `GET /v1/refunds/{id}`
pub(crate) async fn retrieve(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Reply, ApiError> {
    let ledger = app.ledger();
    let (_, refund) =
        ledger.refund_by_id(&id).ok_or_else(|| ApiError::no_such("refund", &id, "id"))?;
    Ok(Reply { status: StatusCode::OK, body: json_body(&refund.object()) })
}

#[derive(Serialize)]
struct List<T> {
    object: &'static str,
    data: Vec<T>,
    has_more: bool,
    url: &'static str,
}

/// `GET /v1/refunds?payment_intent=&limit=&starting_after=`, newest first.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Reply, ApiError> {
    let mut form = Form::parse(query.unwrap_or_default().as_bytes())?;
    let payment_intent = form.take("payment_intent");
    let starting_after = form.take("starting_after");
    let limit = match form.take_positive("limit")? {
        None => DEFAULT_LIMIT,
        Some(limit) if limit <= MAX_LIMIT => usize::try_from(limit).unwrap_or(DEFAULT_LIMIT),
        Some(_) => {
            let message = "This value must be less than or equal to 100.";
            return Err(ApiError::invalid("limit", message));
        }
    };
    form.finish()?;

    let ledger = app.ledger();
    if payment_intent.as_ref().is_some_and(|id| ledger.faults.garbled.contains(id)) {
        return Ok(garbage());
    }
    let mut page = page(&ledger, payment_intent.as_deref(), starting_after.as_deref(), limit + 1)?;
    let has_more = page.len() > limit;
    page.truncate(limit);
    let data = page.into_iter().map(|index| ledger.refund_at(index).object()).collect();
    let list = List { object: "list", data, has_more, url: PATH };
    Ok(Reply { status: StatusCode::OK, body: json_body(&list) })
}

/// The newest `count` refunds older than `starting_after`, as places in the ledger.
fn page(
    ledger: &Ledger,
    payment_intent: Option<&str>,
    starting_after: Option<&str>,
    count: usize,
) -> Result<Vec<RefundIndex>, ApiError> {
    let before = match starting_after {
        None => RefundIndex::MAX,
        Some(id) => {
            let missing = || ApiError::no_such("refund", id, "starting_after");
            ledger.refund_by_id(id).ok_or_else(missing)?.0
        }
    };
    let Some(id) = payment_intent else {
        let end = ledger.refunds_from(0).len().min(before);
        return Ok((0..end).rev().take(count).collect());
    };
    let missing = || ApiError::no_such("payment_intent", id, "payment_intent");
    let intent = ledger.payment_intent(id).ok_or_else(missing)?;
    let older = intent.refunds.iter().rev().copied().filter(|index| *index < before);
    Ok(older.take(count).collect())
}
