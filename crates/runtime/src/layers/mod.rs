//! What every call passes on its way to a handler, outermost first.
//!
//! Invariant: a layer answers a call or hands it on whole; none panics, and whatever a layer
//! refuses leaves as a gRPC status with `ErrorInfo`.

mod admission;
mod auth;
mod deadline;
mod detach;
mod status;
mod streams;
mod trace;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use hyper::body::Incoming;
use redress_api::ApiError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::service::Routes;
use tower::ServiceBuilder;
use tower::util::BoxCloneService;

use crate::config::Plan;

pub(crate) type Request = http::Request<Body>;
pub(crate) type Response = http::Response<Body>;

/// Everything behind the connection.
pub(crate) type Stack = BoxCloneService<http::Request<Incoming>, Response, Infallible>;

/// The whole way from a connection to a handler. `handlers` counts the handlers in progress;
/// streams end when `closing` is cancelled.
pub(crate) fn stack(
    plan: &Plan,
    routes: Routes,
    handlers: &TaskTracker,
    closing: &CancellationToken,
) -> Stack {
    let service = ServiceBuilder::new()
        // Browsers speak gRPC-Web, over HTTP/1 or HTTP/2; from here on everything is gRPC.
        .layer(tonic_web::GrpcWebLayer::new())
        // One span a call, continuing the caller's trace.
        .layer(With(trace::Trace))
        // Every status that leaves carries ErrorInfo.
        .layer(With(status::Complete))
        // Load is shed before anything is spent on a call.
        .layer(With(admission::Admission::new(&plan.server.limits)))
        // The caller's time limit, less a tenth; the answer comes in time whatever happens below.
        .layer(With(deadline::Deadlines::new(&plan.server.times)))
        // Who calls, and may they? Default deny.
        .layer(With(auth::Auth::new(plan)))
        // A handler that has started is never cut off by its caller.
        .layer(With(detach::Detach::new(plan, handlers.clone(), closing.clone())))
        .service(routes);
    BoxCloneService::new(service)
}

/// Calls that must be answered whatever the load, and without a token.
fn is_health(path: &str) -> bool {
    path.starts_with("/grpc.health.v1.Health/")
}

fn is_reflection(path: &str) -> bool {
    path.starts_with("/grpc.reflection.v1.ServerReflection/")
        || path.starts_with("/grpc.reflection.v1alpha.ServerReflection/")
}

fn refuse(error: ApiError) -> Response {
    tonic::Status::from(error).into_http()
}

/// One step on the way.
trait Middleware: Send + Sync + 'static {
    fn handle<N: Next>(&self, request: Request, next: N) -> impl Future<Output = Response> + Send;
}

/// The rest of the way.
trait Next: Send + 'static {
    fn run(self, request: Request) -> impl Future<Output = Response> + Send;
}

impl<S> Next for S
where
    S: tower::Service<Request, Response = Response, Error = Infallible, Future: Send>,
    S: Send + 'static,
{
    async fn run(mut self, request: Request) -> Response {
        match self.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// Makes a tower layer of a step.
struct With<M>(M);

impl<M: Middleware, S> tower::Layer<S> for With<M>
where
    M: Clone,
{
    type Service = Step<M, S>;

    fn layer(&self, inner: S) -> Step<M, S> {
        Step { middleware: Arc::new(self.0.clone()), inner }
    }
}

/// A step with what follows it.
struct Step<M, S> {
    middleware: Arc<M>,
    inner: S,
}

impl<M, S: Clone> Clone for Step<M, S> {
    fn clone(&self) -> Self {
        Self { middleware: Arc::clone(&self.middleware), inner: self.inner.clone() }
    }
}

impl<M: Middleware, S> tower::Service<Request> for Step<M, S>
where
    S: tower::Service<Request, Response = Response, Error = Infallible, Future: Send>,
    S: Clone + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The clone is left behind; the service that was polled ready takes the call.
        let ready = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, ready);
        let middleware = Arc::clone(&self.middleware);
        Box::pin(async move { Ok(middleware.handle(request, ready).await) })
    }
}
