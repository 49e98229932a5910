//! The loop that takes connections.
//!
//! Invariant: it neither spins nor dies: an error of the operating system (such as no free file
//! descriptor) makes it wait, longer each time, and says so in the log.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::connection::{Shared, serve};
use crate::layers::Stack;

const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Takes connections and serves each in a task of its own, until the server is closing. Returning
/// closes the port.
pub(super) async fn accept_until_closing(listener: TcpListener, shared: Arc<Shared>, stack: Stack) {
    let closing = shared.closing.clone();
    let mut backoff = Backoff::default();
    let mut number = 0_u64;
    loop {
        let accepted = tokio::select! {
            () = closing.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Some((stream, peer)) = backoff.judge(accepted).await else { continue };
        let Some(slot) = shared.gate.enter(peer.ip()) else {
            tracing::debug!("connection refused: as many are open as may be");
            continue;
        };
        number = number.wrapping_add(1);
        let serving = serve(stream, number, Arc::clone(&shared), stack.clone());
        shared.connections.spawn(async move {
            serving.await;
            drop(slot);
        });
    }
}

/// The pause after a failed accept: 50 ms, doubling to one second, until one succeeds.
#[derive(Debug)]
struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: SHORTEST_PAUSE }
    }
}

impl Backoff {
    async fn judge(
        &mut self,
        accepted: io::Result<(TcpStream, SocketAddr)>,
    ) -> Option<(TcpStream, SocketAddr)> {
        match accepted {
            Ok(connection) => {
                self.next = SHORTEST_PAUSE;
                Some(connection)
            }
            // The peer went away between its call and our answer.
            Err(error) if is_of_the_peer(&error) => None,
            Err(error) => {
                let pause = self.next;
                self.next = (pause * 2).min(LONGEST_PAUSE);
                let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(error.message = %error, pause_ms, "cannot accept connections");
                sleep(pause).await;
                None
            }
        }
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn failures_pause_the_loop_for_longer_and_longer() {
        let mut backoff = Backoff::default();
        let mut pauses_ms = Vec::new();
        for _ in 0..7 {
            let start = Instant::now();
            // EMFILE has no stable kind; any error that is not the peer's stands for it.
            let failed = backoff.judge(Err(io::Error::other("too many open files"))).await;
            assert!(failed.is_none());
            pauses_ms.push(start.elapsed().as_millis());
        }
        assert_eq!(pauses_ms, [50, 100, 200, 400, 800, 1000, 1000]);

        let start = Instant::now();
        assert!(backoff.judge(Err(io::ErrorKind::ConnectionAborted.into())).await.is_none());
        assert_eq!(start.elapsed(), Duration::ZERO, "a peer that left costs no pause");
    }
}
