//! The loop that takes connections.
//!
//! Invariant: it neither spins nor dies: an error of the operating system (such as no free file
//! descriptor) makes it wait, longer each time, and says so in the log.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
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
        let (stream, peer) = match accepted {
            Ok(connection) => connection,
            // The peer went away between its call and our answer.
            Err(error) if is_of_the_peer(&error) => continue,
            Err(error) => {
                let pause = backoff.next_pause();
                let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(error.message = %error, pause_ms, "cannot accept connections");
                sleep(pause).await;
                continue;
            }
        };
        backoff = Backoff::default();
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
    fn next_pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_pause_the_loop_for_longer_and_longer() {
        let mut backoff = Backoff::default();
        let pauses_ms: Vec<u128> = (0..7).map(|_| backoff.next_pause().as_millis()).collect();
        assert_eq!(pauses_ms, [50, 100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn only_a_peer_that_left_costs_no_pause() {
        const EMFILE: i32 = 24;
        assert!(is_of_the_peer(&io::ErrorKind::ConnectionAborted.into()));
        assert!(!is_of_the_peer(&io::Error::from_raw_os_error(EMFILE)));
    }
}
