//! The body of an answer, under the call's deadline.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use tonic::body::Body;

use crate::backends::Chosen;
use crate::outcome::CallError;

/// Passes frames on until the deadline, and counts as a call under way until it is dropped.
struct BoundBody {
    inner: Body,
    deadline: Option<Pin<Box<Sleep>>>,
    _under_way: Chosen,
}

/// Puts `body` under the deadline; `under_way` ends with it.
pub(crate) fn bound(body: Body, deadline: Option<Instant>, under_way: Chosen) -> Body {
    let deadline = deadline.map(|at| Box::pin(sleep_until(at)));
    Body::new(BoundBody { inner: body, deadline, _under_way: under_way })
}

impl http_body::Body for BoundBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let ready @ Poll::Ready(_) = Pin::new(&mut self.inner).poll_frame(cx) {
            return ready;
        }
        let over = self.deadline.as_mut().is_some_and(|at| at.as_mut().poll(cx).is_ready());
        if over { Poll::Ready(Some(Err(CallError::Unanswered.into()))) } else { Poll::Pending }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
