//! A connection that says nothing is closed.
//!
//! Invariant: until a peer has sent as many bytes as the HTTP/2 preface has, reading fails once the
//! time for it is over; from then on this wrapper only passes bytes on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// `PRI * HTTP/2.0`, its blank lines and `SM`; every HTTP/1 request is longer.
const PREFACE_BYTES: usize = 24;

/// Watches over the first bytes of a connection.
pub(super) struct Preface<I> {
    io: I,
    /// The bytes still missing and the alarm; `None` once they have come.
    waiting: Option<(usize, Pin<Box<Sleep>>)>,
}

impl<I> Preface<I> {
    pub(super) fn new(io: I, limit: Duration) -> Self {
        Self { io, waiting: Some((PREFACE_BYTES, Box::pin(sleep(limit)))) }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Preface<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        let Some((missing, alarm)) = &mut self.waiting else { return read };
        let came = buffer.filled().len() - before;
        if came >= *missing {
            self.waiting = None;
            return read;
        }
        *missing -= came;
        if alarm.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Preface<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn silence_and_dribble_both_end() {
        for sent in [&b""[..], &b"PRI * HTTP/2.0"[..]] {
            let (mut peer, io) = duplex(64);
            peer.write_all(sent).await.unwrap();
            let mut io = Preface::new(io, Duration::from_millis(20));
            let mut bytes = Vec::new();
            let error = io.read_to_end(&mut bytes).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(bytes, sent);
        }
    }

    #[tokio::test]
    async fn after_the_preface_the_peer_may_be_silent() {
        let (mut peer, io) = duplex(64);
        peer.write_all(&[7; PREFACE_BYTES]).await.unwrap();
        let mut io = Preface::new(io, Duration::from_secs(5));
        io.read_exact(&mut [0; PREFACE_BYTES]).await.unwrap();
        assert!(io.waiting.is_none(), "no alarm is left to go off");
        peer.write_all(&[8]).await.unwrap();
        assert_eq!(io.read_u8().await.unwrap(), 8);
    }
}
