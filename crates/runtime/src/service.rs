//! What a service hands to the runtime: its gRPC interfaces and its background work.
//!
//! Invariant: a worker runs as long as its service does; one that ends early, with an error or
//! without, takes the service down, so that whoever supervises the process sees it.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::Future;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::{Routes, RoutesBuilder};

/// Why a worker gave up.
pub type WorkerError = Box<dyn Error + Send + Sync>;

/// A loop that works beside the server: an outbox relay, a poller.
pub struct Worker {
    pub(crate) name: &'static str,
    pub(crate) run:
        Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, Result<(), WorkerError>> + Send>,
}

impl Worker {
    /// A worker called `name` in logs. `run` gets a token and returns soon after it is cancelled,
    /// within the drain timeout; until then it handles its own failures and goes on.
    pub fn new<F>(
        name: &'static str,
        run: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), WorkerError>> + Send + 'static,
    {
        Self { name, run: Box::new(move |stop| Box::pin(run(stop))) }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One service, ready to run.
#[derive(Debug)]
pub struct Service {
    pub(crate) name: &'static str,
    pub(crate) routes: RoutesBuilder,
    pub(crate) interfaces: Vec<&'static str>,
    pub(crate) workers: Vec<Worker>,
}

impl Service {
    /// A service called `name` in logs, such as `refunds`.
    pub fn new(name: &'static str) -> Self {
        Self { name, routes: Routes::builder(), interfaces: Vec::new(), workers: Vec::new() }
    }

    /// Adds a generated gRPC server; its health is reported under its full name.
    #[must_use]
    pub fn serve<S>(mut self, interface: S) -> Self
    where
        S: tower::Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
        S: NamedService + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.interfaces.push(S::NAME);
        self.routes.add_service(interface);
        self
    }

    /// Adds background work.
    #[must_use]
    pub fn work(mut self, worker: Worker) -> Self {
        self.workers.push(worker);
        self
    }

    /// Keeps only the background work called `name`: for a process that leaves the rest to others.
    #[must_use]
    pub fn only_work(mut self, name: &str) -> Self {
        self.workers.retain(|worker| worker.name == name);
        self
    }

    /// The interfaces alone, without the server around them and without the workers: for tests that
    /// call a service over memory and bring their own caller.
    pub fn into_routes(self) -> Routes {
        self.routes.routes()
    }

    /// The service's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}
