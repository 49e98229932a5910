//! The process shell of every Redress service: settings, telemetry, and a gRPC server that is
//! bounded in every direction.
//!
//! Invariant: nothing binds a port before all settings have been checked, and nothing a caller
//! does (silence, floods, bad tokens, cut connections) reaches a handler or takes a resource
//! without a limit.
//!
//! A service hands over what it serves and what it works on:
//!
//! ```text
//! pub async fn build(config: &RefundsConfig, deps: Deps) -> Result<Service, BuildError> {
//!     Ok(Service::new("refunds")
//!         .serve(RefundServiceServer::new(grpc).max_encoding_message_size(MAX_SEND_BYTES))
//!         .serve(TenantServiceServer::new(TenantGrpc::new(tenants)))
//!         .work(Worker::new("outbox relay", move |stop| relay.run(stop))))
//! }
//! ```
//!
//! and whoever starts it goes through three steps, so that several services in one process can
//! learn each other's addresses before any of them serves:
//!
//! ```text
//! let plan = settings.check(clock)?;        // everything that is wrong, at once
//! let bound = Bound::bind(plan).await?;     // bound.addr() is known, nothing is served yet
//! let running = bound.start(service, stop); // until `stop` is cancelled
//! running.stopped().await?;
//! ```

pub mod auth;
pub mod config;
mod layers;
mod server;
mod service;
pub mod signals;
pub mod telemetry;
pub mod token;

pub use redress_api::trace::{current_traceparent, span_with_parent};
pub use server::{Bound, Running, StartError, StopError, run};
pub use service::{Service, Worker, WorkerError};

/// What a response message may weigh; for `max_encoding_message_size` of a generated server.
pub const MAX_SEND_BYTES: usize = 4 * 1024 * 1024;
