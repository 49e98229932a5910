//! Answers without an end give way when the server closes, and do not hold a permit for nothing.
//!
//! Invariant: what a stream has ready is sent first; then it ends with UNAVAILABLE, so that its
//! client looks for another server and a drain never waits for a health watch. A stream that was
//! admitted holds its permit until it ends, and ends with `DEADLINE_EXCEEDED` when it has had
//! nothing to send for the longest deadline.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body::Frame;
use redress_api::ApiError;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::{Code, Status};

use super::admission::Permit;

/// A response body that ends when the server closes, or when it idles on a permit.
pub(super) struct UntilClosing {
    body: Body,
    closing: Option<BoxFuture<'static, ()>>,
    held: Option<Held>,
}

/// What an admitted stream holds, and how long it may do so without a word.
struct Held {
    _permit: Permit,
    limit: Duration,
    idle: Pin<Box<Sleep>>,
}

impl UntilClosing {
    /// `body` until `closing`; with a permit, it may have nothing to send for `idle_limit` at most.
    pub(super) fn new(
        body: Body,
        closing: CancellationToken,
        permit: Option<Permit>,
        idle_limit: Duration,
    ) -> Self {
        let held = permit.map(|permit| Held {
            _permit: permit,
            limit: idle_limit,
            idle: Box::pin(sleep(idle_limit)),
        });
        Self { body, closing: Some(Box::pin(closing.cancelled_owned())), held }
    }

    /// Ends the stream with `status`; the permit is free from here on.
    fn end(&mut self, status: &Status) -> Result<Frame<Bytes>, Status> {
        self.closing = None;
        self.held = None;
        // What the handler holds goes with its stream.
        self.body = Body::empty();
        let mut trailers = http::HeaderMap::new();
        status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))
    }
}

impl http_body::Body for UntilClosing {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(closing) = &mut self.closing else { return Poll::Ready(None) };
        let closed = closing.as_mut().poll(context).is_ready();
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Pending if closed => {
                let status = Status::new(Code::Unavailable, "the server is closing");
                Poll::Ready(Some(self.end(&status)))
            }
            Poll::Pending => {
                let Some(held) = &mut self.held else { return Poll::Pending };
                if held.idle.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                Poll::Ready(Some(self.end(&ApiError::DeadlineExceeded.into())))
            }
            Poll::Ready(frame) => {
                if let Some(held) = &mut self.held {
                    held.idle.as_mut().reset(Instant::now() + held.limit);
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.closing.is_none() || self.body.is_end_stream()
    }
}
