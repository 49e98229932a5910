//! What all handlers share, and the one way a POST is executed.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::SecretKey;
use crate::clock::Clock;
use crate::error::ApiError;
use crate::form::Form;
use crate::idempotency::{Begin, Claim, Fingerprint, IdempotencyStore, Stored};
use crate::ids::IdGenerator;
use crate::ledger::{FailureReason, Ledger, RefundIndex};
use crate::rate_limit::RateLimiter;
use crate::reply::{Delivery, Reply, cut};
use crate::webhooks::Webhooks;

/// The sandbox's state. Locks are held for single changes, never across an await.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) clock: Clock,
    pub(crate) ids: IdGenerator,
    pub(crate) secret_key: SecretKey,
    pub(crate) limiter: RateLimiter,
    pub(crate) idempotency: Arc<IdempotencyStore>,
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) webhooks: Webhooks,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// Locks a mutex of the sandbox.
#[expect(clippy::expect_used, reason = "going on with a half-made change would falsify the money")]
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no code panics while it holds one of the sandbox's locks")
}

/// Who asks: put into every request to `/v1/` by the gate.
#[derive(Debug, Clone)]
pub(crate) struct RequestInfo {
    pub(crate) id: Arc<str>,
    pub(crate) idempotency_key: Option<Arc<str>>,
}

/// What executing an endpoint came to: an answer that is stored, and how it is delivered.
#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) reply: Reply,
    pub(crate) delivery: Delivery,
}

impl From<Reply> for Execution {
    fn from(reply: Reply) -> Self {
        Self { reply, delivery: Delivery::Now }
    }
}

impl App {
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        locked(&self.ledger)
    }

    /// Executes a POST once per idempotency key. An `Err` of `execute` is a validation error: it is
    /// answered and not stored.
    pub(crate) async fn execute_once(
        self: &Arc<Self>,
        endpoint: &'static str,
        info: &RequestInfo,
        form: Form,
        execute: impl FnOnce(&Arc<Self>, Form) -> Result<Execution, ApiError>,
    ) -> Response {
        let claim = match self.begin(endpoint, info, &form) {
            Err(error) => return error.into_response(),
            Ok(Some(Begin::Replay(stored))) => return self.replay(endpoint, stored),
            Ok(Some(Begin::Fresh(claim))) => Some(claim),
            Ok(None) => None,
        };
        match execute(self, form) {
            Err(error) => error.into_response(),
            Ok(execution) => self.deliver(execution, claim, info).await,
        }
    }

    fn begin(
        &self,
        endpoint: &'static str,
        info: &RequestInfo,
        form: &Form,
    ) -> Result<Option<Begin>, ApiError> {
        let Some(key) = &info.idempotency_key else { return Ok(None) };
        let fingerprint = Fingerprint { endpoint, parameters: form.fingerprint() };
        self.idempotency.begin(key, fingerprint, self.clock.now_micros()).map(Some)
    }

    fn replay(&self, endpoint: &'static str, stored: Stored) -> Response {
        let paid = endpoint == crate::refunds::PATH && stored.reply.status.is_success();
        if paid && self.ledger().faults.cut_answer() {
            return cut();
        }
        let mut response = stored.reply.into_response();
        let headers = response.headers_mut();
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
        if let Ok(original) = HeaderValue::from_str(&stored.request_id) {
            headers.insert("original-request", original);
        }
        response
    }

    async fn deliver(
        self: &Arc<Self>,
        execution: Execution,
        claim: Option<Claim>,
        info: &RequestInfo,
    ) -> Response {
        let reply = execution.reply;
        let stored = Stored { reply: reply.clone(), request_id: Arc::clone(&info.id) };
        let keep = move |app: &Self| {
            if let Some(claim) = claim {
                claim.store(stored, app.clock.now_micros());
            }
        };
        match execution.delivery {
            Delivery::Now => keep(self),
            Delivery::Cut => {
                keep(self);
                return cut();
            }
            Delivery::After(pause) => {
                // In a task of its own: the key must be stored also when the client hangs up.
                let app = Arc::clone(self);
                let slow = self.tasks.spawn(async move {
                    app.pause(pause).await;
                    keep(&app);
                });
                if slow.await.is_err() {
                    return ApiError::internal().into_response();
                }
            }
        }
        reply.into_response()
    }

    /// Waits, but not longer than the sandbox runs. Returns whether the whole time passed.
    pub(crate) async fn pause(&self, pause: Duration) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }

    /// Lets a refund fail after `delay`, unless the sandbox stops before.
    pub(crate) fn fail_later(
        self: &Arc<Self>,
        refund: RefundIndex,
        delay: Duration,
        reason: FailureReason,
    ) {
        let app = Arc::clone(self);
        self.tasks.spawn(async move {
            if app.pause(delay).await {
                let mut ledger = app.ledger();
                let changes = ledger.fail(refund, reason, app.clock.now_seconds());
                app.webhooks.emit(&app, &ledger, &changes, None);
            }
        });
    }
}
