//! A handler that has started runs to its end.
//!
//! Invariant: a request of one message is read completely, within its size limit and its deadline,
//! before the handler starts; from then on neither a deadline nor a cut connection drops the
//! handler between two of its steps, and a panic in it becomes INTERNAL. The handler of a stream
//! lives as long as the stream of its answers, and so does its permit.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use redress_api::{AccessTable, ApiError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tracing::Instrument;

use super::admission::Permit;
use super::streams::UntilClosing;
use super::{Middleware, Next, Request, Response, refuse};
use crate::config::Plan;

/// The five bytes in front of every gRPC message.
const FRAME_HEADER: usize = 5;

/// How long a stream of answers may have nothing to send, however long a call may take.
const IDLE_MOST: Duration = Duration::from_mins(1);

/// Runs each handler in a task of its own.
#[derive(Clone)]
pub(super) struct Detach {
    access: Arc<AccessTable>,
    command_bytes: usize,
    batch_bytes: usize,
    idle_limit: Duration,
    handlers: TaskTracker,
    closing: CancellationToken,
}

impl Detach {
    pub(super) fn new(plan: &Plan, handlers: TaskTracker, closing: CancellationToken) -> Self {
        Self {
            access: Arc::clone(&plan.access),
            command_bytes: plan.server.limits.command_bytes,
            batch_bytes: plan.server.limits.batch_bytes,
            idle_limit: Duration::from_millis(plan.server.times.max_deadline_ms).min(IDLE_MOST),
            handlers,
            closing,
        }
    }

    /// The largest message of the method; `None` where the request is not one message of ours.
    fn limit(&self, path: &str) -> Option<usize> {
        let rule = self.access.rule(path).filter(|rule| rule.unary_request)?;
        Some(if rule.batch_request { self.batch_bytes } else { self.command_bytes })
    }
}

async fn read_whole(request: Request, limit: usize) -> Result<Request, ApiError> {
    let (parts, body) = request.into_parts();
    match Limited::new(body, limit + FRAME_HEADER).collect().await {
        Ok(whole) => Ok(Request::from_parts(parts, Body::new(whole))),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::ResourceExhausted {
            reason: "MESSAGE_TOO_LARGE",
            message: format!("the message is larger than {limit} bytes: send less at once"),
            retry_after: None,
        }),
        // The connection broke, so nobody is there to read this.
        Err(error) => Err(ApiError::Unavailable { retry_after: None, source: Some(error) }),
    }
}

impl Middleware for Detach {
    async fn handle<N: Next>(&self, mut request: Request, next: N) -> Response {
        let permit = request.extensions_mut().remove::<Permit>();
        let Some(limit) = self.limit(request.uri().path()) else {
            // Methods with a stream of requests, reflection, and health, which has no permit: the
            // work goes on in the answer's body. Cutting it is safe, because an import commits
            // chunk by chunk, and the others change nothing.
            let closing = self.closing.clone();
            let response = next.run(request).await;
            return response
                .map(|body| Body::new(UntilClosing::new(body, closing, permit, self.idle_limit)));
        };
        let request = match read_whole(request, limit).await {
            Ok(request) => request,
            Err(refusal) => return refuse(refusal),
        };
        let handler = async move {
            let response = next.run(request).await;
            drop(permit);
            response
        };
        let task = self.handlers.spawn(handler.in_current_span());
        match task.await {
            Ok(response) => response,
            Err(error) => refuse(ApiError::Internal(Box::new(error))),
        }
    }
}
