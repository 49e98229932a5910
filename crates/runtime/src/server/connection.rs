//! One connection, from its handshake to its end.
//!
//! Invariant: every phase has its time limit (TLS handshake, preface, silence, age, grace), so that
//! no peer can hold a connection by doing nothing, and a closing server lets go of all of them.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::gate::Gate;
use super::preface::Preface;
use crate::config::{Plan, ServerSettings, TimeSettings};
use crate::layers::Stack;

/// What all connections of a server share.
pub(super) struct Shared {
    pub(super) closing: CancellationToken,
    pub(super) force: CancellationToken,
    pub(super) connections: TaskTracker,
    pub(super) gate: Gate,
    http: Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    times: TimeSettings,
    jitter_seed: u64,
}

impl Shared {
    pub(super) fn new(plan: &Plan, closing: CancellationToken) -> Arc<Self> {
        let limits = &plan.server.limits;
        Arc::new(Self {
            closing,
            force: CancellationToken::new(),
            connections: TaskTracker::new(),
            gate: Gate::new(limits.connections, limits.connections_per_ip),
            http: http(&plan.server),
            tls: plan.tls.clone().map(TlsAcceptor::from),
            times: plan.server.times.clone(),
            jitter_seed: plan.server.jitter_seed,
        })
    }
}

/// The protocol's own limits. Those that h2 sets well by itself (rapid reset: 20 pending resets,
/// 1024 local ones) stay as they are, and a test keeps them there.
fn http(server: &ServerSettings) -> Builder<TokioExecutor> {
    /// hyper reads no HTTP/1 head into less.
    const SMALLEST_HTTP1_BUFFER: usize = 8192;
    let (limits, times) = (&server.limits, &server.times);
    let mut http = Builder::new(TokioExecutor::new());
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_per_connection)
        .max_header_list_size(limits.header_bytes)
        .keep_alive_interval(Duration::from_millis(times.keepalive_interval_ms))
        .keep_alive_timeout(Duration::from_millis(times.keepalive_timeout_ms));
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(times.preface_ms))
        .max_buf_size((limits.header_bytes as usize).max(SMALLEST_HTTP1_BUFFER));
    http
}

/// Serves the `number`th connection until its end.
pub(super) async fn serve(stream: TcpStream, number: u64, shared: Arc<Shared>, stack: Stack) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error.message = %error, "connection lost before it was served");
        return;
    }
    let force = shared.force.clone();
    let serving = async {
        match &shared.tls {
            None => drive(stream, number, &shared, stack).await,
            Some(tls) => {
                let limit = Duration::from_millis(shared.times.tls_handshake_ms);
                match timeout(limit, tls.accept(stream)).await {
                    Ok(Ok(stream)) => drive(stream, number, &shared, stack).await,
                    Ok(Err(error)) => {
                        tracing::debug!(error.message = %error, "TLS handshake failed");
                    }
                    Err(_elapsed) => tracing::debug!("TLS handshake took too long"),
                }
            }
        }
    };
    tokio::select! {
        () = serving => {}
        () = force.cancelled() => {}
    }
}

async fn drive<I>(io: I, number: u64, shared: &Shared, stack: Stack)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = Preface::new(io, Duration::from_millis(shared.times.preface_ms));
    let service = TowerToHyperService::new(stack);
    let mut connection = pin!(shared.http.serve_connection(TokioIo::new(io), service));
    let age = jittered(shared.times.connection_age_s, shared.jitter_seed, number);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = old_or_closing(age, &shared.closing) => {
            // GOAWAY: what is in progress may end, nothing new begins. While the whole server
            // drains, its own timeout is the limit; it ends this task through `force`.
            connection.as_mut().graceful_shutdown();
            let grace = Duration::from_secs(shared.times.connection_grace_s);
            tokio::select! {
                ended = connection => ended,
                () = sleep(grace), if !shared.closing.is_cancelled() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error.message = %error, "connection ended with an error");
    }
}

async fn old_or_closing(age: Duration, closing: &CancellationToken) {
    tokio::select! {
        () = sleep(age) => {}
        () = closing.cancelled() => {}
    }
}

/// The age of one connection, spread evenly over ±10 %, so that clients do not come back all at
/// once. Mixed from the server's seed and the connection's number (the finalizer of SplitMix64).
fn jittered(age_s: u64, seed: u64, number: u64) -> Duration {
    let mut mixed = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    let middle_ms = age_s.saturating_mul(1000);
    Duration::from_millis(middle_ms - middle_ms / 10 + mixed % (middle_ms / 5).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_spread_over_a_fifth_around_the_setting() {
        let ages: Vec<u128> = (0..2000).map(|n| jittered(300, 7, n).as_millis()).collect();
        assert!(ages.iter().all(|age| (270_000..330_000).contains(age)));
        let early = ages.iter().filter(|age| **age < 300_000).count();
        assert!((900..1100).contains(&early), "{early}");
        assert_ne!(jittered(300, 7, 1), jittered(300, 8, 1), "replicas differ by their seed");
    }
}
