//! Answers without an end give way when the server closes.
//!
//! Invariant: what a stream has ready is sent first; then it ends with UNAVAILABLE, so that its
//! client looks for another server and a drain never waits for a health watch.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body::Frame;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::{Code, Status};

/// A response body that ends when the server closes.
pub(super) struct UntilClosing {
    body: Body,
    closing: Option<BoxFuture<'static, ()>>,
}

impl UntilClosing {
    pub(super) fn new(body: Body, closing: CancellationToken) -> Self {
        Self { body, closing: Some(Box::pin(closing.cancelled_owned())) }
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
                self.closing = None;
                let mut trailers = http::HeaderMap::new();
                let status = Status::new(Code::Unavailable, "the server is closing");
                Poll::Ready(Some(
                    status.add_header(&mut trailers).map(|()| Frame::trailers(trailers)),
                ))
            }
            polled => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.closing.is_none() || self.body.is_end_stream()
    }
}
