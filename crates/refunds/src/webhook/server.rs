//! Connections of the webhook ingress. The port faces the internet, so each thing is bounded:
//! connections, the time for headers, and the time for ending.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// Connections at once; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 256;
/// How long headers may take to arrive, and a kept connection may be silent.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests in progress may take at the end.
const DRAIN: Duration = Duration::from_secs(5);
/// How long to wait when no connection can be accepted: mostly, no file descriptor is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until `stop`, and waits for those that are in use.
pub(super) async fn serve(listener: TcpListener, routes: Router, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = TaskTracker::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(converse(stream, routes.clone(), stop.clone(), place));
            }
            Err(error) => {
                tracing::warn!(error = %error, "cannot accept a connection, trying again");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
}

/// Serves one connection; its place is free again when this ends.
async fn converse(
    stream: TcpStream,
    routes: Router,
    stop: CancellationToken,
    _place: Option<OwnedSemaphorePermit>,
) {
    let service = service_fn(move |request| routes.clone().oneshot(request));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match timeout(DRAIN, connection).await {
                Ok(ended) => ended,
                Err(_) => return tracing::warn!("webhook did not end in time, it is cut off"),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "webhook connection ended early");
    }
}
