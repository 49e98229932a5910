//! Routes, connections and the end of both.
//!
//! Connections are served one by one with hyper, because a lost answer must be a real one: the
//! service fails, and hyper closes the connection before the first byte of a response.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

use crate::app::App;
use crate::error::ApiError;
use crate::reply::CutConnection;
use crate::{auth, balance, control, payment_intents, refunds};

const MAX_FORM_BYTES: usize = 64 * 1024;
const MAX_CONTROL_BYTES: usize = 1024 * 1024;

/// How long requests in progress may take at shutdown.
const DRAIN: Duration = Duration::from_secs(5);

/// How long to wait when no connection can be accepted (mostly: no file descriptor is free).
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// The answer is lost on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on purpose")]
struct Cut;

/// All routes. The gate stands before `/v1/` and unknown paths, not before the control plane.
pub(crate) fn routes(app: &Arc<App>) -> Router {
    let stripe = Router::new()
        .route("/v1/payment_intents", post(payment_intents::create))
        .route("/v1/payment_intents/{id}", get(payment_intents::retrieve))
        .route(refunds::PATH, get(refunds::list).post(refunds::create))
        .route("/v1/refunds/{id}", get(refunds::retrieve))
        .route("/v1/balance", get(balance::retrieve))
        .method_not_allowed_fallback(unknown)
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(from_fn_with_state(Arc::clone(app), auth::gate));
    let control = Router::new()
        .route("/sandbox/payment_intents", post(control::seed))
        .route("/sandbox/totals", get(control::totals))
        .route("/sandbox/refunds", get(control::export))
        .route("/sandbox/faults", get(control::faults).post(control::set_faults))
        .route("/sandbox/balance", post(control::fund))
        .route("/sandbox/webhook_endpoint", post(control::set_webhook_endpoint))
        .layer(DefaultBodyLimit::max(MAX_CONTROL_BYTES));
    stripe.merge(control).with_state(Arc::clone(app))
}

async fn unknown(request: Request) -> ApiError {
    ApiError::unknown_url(request.method(), request.uri().path())
}

/// Accepts connections until the sandbox stops.
pub(crate) async fn accept(listener: TcpListener, app: Arc<App>) {
    let routes = routes(&app);
    loop {
        let accepted = tokio::select! {
            () = app.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                app.tasks.spawn(serve(stream, routes.clone(), Arc::clone(&app)));
            }
            Err(error) => {
                tracing::warn!(error = %error, "cannot accept a connection, trying again");
                app.pause(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, routes: Router, app: Arc<App>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = %error, "cannot switch off Nagle's algorithm");
    }
    let service = service_fn(move |request| answer(routes.clone(), request));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new());
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = app.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(DRAIN, connection).await {
                Ok(ended) => ended,
                Err(_) => return tracing::warn!("a connection did not end in time and is closed"),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "connection ended early");
    }
}

async fn answer(routes: Router, request: http::Request<Incoming>) -> Result<Response, Cut> {
    let response = match routes.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if response.extensions().get::<CutConnection>().is_some() { Err(Cut) } else { Ok(response) }
}
