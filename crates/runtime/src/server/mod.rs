//! A gRPC server from binding to the last answered call.
//!
//! Invariant: a stopped server first says so (health NOT_SERVING, then GOAWAY), takes no new
//! connection, lets what is in progress end within the drain timeout, and only then cuts it off.

mod accept;
mod builtin;
mod connection;
mod gate;
mod preface;
mod rlimit;
pub(crate) mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use redress_core::clock::Clock;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Findings, Plan, Settings};
use crate::layers;
use crate::service::{Service, Worker, WorkerError};

/// A server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] Findings),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// `server.listen`.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The process may not open as many files as the settings promise connections.
    #[error(
        "the process may open {available} files, but server.limits.connections needs {needed}: \
         raise the limit (ulimit -n) or lower the setting"
    )]
    FileLimit {
        /// The soft limit of open files.
        available: u64,
        /// What the settings need.
        needed: u64,
    },
}

/// A server or worker did not end well.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// A worker gave up.
    #[error("the worker {worker:?} failed")]
    Worker {
        /// Its name.
        worker: &'static str,
        /// Why.
        #[source]
        source: WorkerError,
    },
    /// A worker returned although nobody asked it to stop.
    #[error("the worker {worker:?} ended before it was asked to")]
    WorkerEnded {
        /// Its name.
        worker: &'static str,
    },
    /// The drain timeout passed; what was left has been cut off.
    #[error("{calls} calls and {workers} workers were cut off after the drain timeout")]
    DrainTimeout {
        /// Handlers that were still running.
        calls: usize,
        /// Workers that were still running.
        workers: usize,
    },
    /// The reflection service does not take the contracts.
    #[error("reflection cannot be served")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// A task of the server itself panicked.
    #[error("the server crashed")]
    Crashed(#[from] tokio::task::JoinError),
}

/// A server that has its port and serves nothing yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    plan: Plan,
}

impl Bound {
    /// Checks the limit of open files and takes the port.
    pub async fn bind(plan: Plan) -> Result<Self, StartError> {
        rlimit::check(plan.server.limits.connections)?;
        let address = plan.server.listen;
        let bind = |source| StartError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        Ok(Self { listener, address, plan })
    }

    /// The address that was taken; its port is never 0.
    pub const fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves `service` and runs its workers until `stop` is cancelled or a worker ends.
    pub fn start(self, service: Service, stop: &CancellationToken) -> Running {
        let (name, address) = (service.name, self.address);
        tracing::info!(service.name = name, server.address = %address, "serving");
        let stop = stop.child_token();
        Running { name, address, task: tokio::spawn(supervise(self, service, stop)) }
    }
}

/// A server at work.
#[derive(Debug)]
pub struct Running {
    name: &'static str,
    address: SocketAddr,
    task: JoinHandle<Result<(), StopError>>,
}

impl Running {
    /// The service's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the server has stopped and drained. Dropping this future, or the `Running`,
    /// does not stop the server: that is the token's matter.
    pub async fn stopped(self) -> Result<(), StopError> {
        self.task.await?
    }
}

/// Checks the settings, binds and serves: the three steps in one, for a process with one service.
pub async fn run<S: Sync>(
    service: Service,
    settings: &Settings<S>,
    clock: Arc<dyn Clock>,
    stop: &CancellationToken,
) -> Result<Running, StartError> {
    let bound = Bound::bind(settings.check(clock)?).await?;
    Ok(bound.start(service, stop))
}

async fn supervise(
    bound: Bound,
    service: Service,
    stop: CancellationToken,
) -> Result<(), StopError> {
    let Bound { listener, plan, .. } = bound;
    let Service { name, routes, interfaces, workers } = service;
    let closing = CancellationToken::new();
    let (mut routes, health) = builtin::add_health(routes, &interfaces).await;
    if plan.reflection {
        builtin::add_reflection(&mut routes, &interfaces)?;
    }
    let handlers = TaskTracker::new();
    let stack = layers::stack(&plan, routes.routes(), &handlers, &closing);
    let shared = connection::Shared::new(&plan, closing.clone());
    let force = shared.force.clone();
    let connections = shared.connections.clone();
    let accepting = tokio::spawn(accept::accept_until_closing(listener, shared, stack));
    let mut crew = Crew::start(workers, &closing);

    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = crew.first_to_end() => Err(ended),
    };
    tracing::info!(service.name = name, "draining");
    health.not_serving().await;
    closing.cancel();
    accepting.await?;
    connections.close();
    handlers.close();
    let drained = timeout(Duration::from_secs(plan.server.drain_timeout_s), async {
        connections.wait().await;
        handlers.wait().await;
        crew.all_ended().await
    });
    let outcome = match drained.await {
        Ok(outcome) => outcome,
        Err(_elapsed) => {
            force.cancel();
            Err(StopError::DrainTimeout { calls: handlers.len(), workers: crew.tasks.len() })
        }
    };
    tracing::info!(service.name = name, "stopped");
    ended.and(outcome)
}

/// The workers of one service; dropping it aborts those that still run.
struct Crew {
    tasks: JoinSet<(&'static str, Result<(), WorkerError>)>,
}

impl Crew {
    fn start(workers: Vec<Worker>, closing: &CancellationToken) -> Self {
        let mut tasks = JoinSet::new();
        for Worker { name, run } in workers {
            let work = run(closing.clone());
            tasks.spawn(async move { (name, work.await) });
        }
        Self { tasks }
    }

    /// Waits for the first worker that ends by itself; forever when there is none.
    async fn first_to_end(&mut self) -> StopError {
        match self.tasks.join_next().await {
            None => std::future::pending().await,
            Some(Err(crash)) => crash.into(),
            Some(Ok((worker, Ok(())))) => StopError::WorkerEnded { worker },
            Some(Ok((worker, Err(source)))) => StopError::Worker { worker, source },
        }
    }

    async fn all_ended(&mut self) -> Result<(), StopError> {
        let mut outcome = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            let ended = match ended {
                Ok((_, Ok(()))) => continue,
                Ok((worker, Err(source))) => StopError::Worker { worker, source },
                Err(crash) => crash.into(),
            };
            outcome = outcome.and(Err(ended));
        }
        outcome
    }
}
