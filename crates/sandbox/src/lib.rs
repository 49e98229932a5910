//! The payment sandbox: an HTTP server in the shape of Stripe's API for payment intents and
//! refunds, with seeded faults and an exact ledger of its own.
//!
//! It stands in for an outside system. The suite reaches it over HTTP only, through its real
//! `stripe` connector, and tests compare the suite's books with this ledger: what
//! `GET /sandbox/totals` says was paid *was* paid. What it mimics and where it deviates is in the
//! crate's README.

mod app;
mod auth;
mod balance;
mod clock;
mod config;
mod control;
mod currency;
mod error;
mod faults;
mod form;
mod idempotency;
mod ids;
mod ledger;
mod payment_intents;
mod rate_limit;
mod refunds;
mod reply;
mod seed;
mod server;
mod webhooks;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use auth::SecretKey;
pub use clock::Clock;
pub use config::{SandboxConfig, WebhookConfig, WebhookEndpoint};
pub use error::Error;
pub use faults::{Fault, FaultKind, FaultPlan};

use app::App;
use faults::Faults;
use idempotency::IdempotencyStore;
use ids::IdGenerator;
use ledger::Ledger;
use rate_limit::RateLimiter;
use webhooks::Webhooks;

/// Starts sandboxes.
#[derive(Debug)]
pub struct Sandbox;

impl Sandbox {
    /// Validates the settings, binds the port and serves in background tasks of the current tokio
    /// runtime.
    pub async fn start(config: SandboxConfig) -> Result<RunningSandbox, Error> {
        config.validate()?;
        let ids = IdGenerator::random().map_err(Error::Entropy)?;
        let client = reqwest::Client::builder()
            .timeout(Duration::from_millis(config.webhooks.timeout_ms))
            .build()
            .map_err(Error::WebhookClient)?;
        let address = config.listen;
        let bind_error = |source| Error::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind_error)?;
        let addr = listener.local_addr().map_err(bind_error)?;

        let (webhooks, queue) = Webhooks::new(&config.webhooks);
        let window = config.idempotency_window_micros();
        let app = Arc::new(App {
            limiter: RateLimiter::new(config.requests_per_s, config.account_requests_per_s),
            idempotency: Arc::new(IdempotencyStore::new(window)),
            ledger: Mutex::new(Ledger::new(Faults::new(config.faults))),
            clock: config.clock,
            secret_key: config.secret_key,
            ids,
            webhooks,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        app.tasks.spawn(webhooks::run(Arc::clone(&app), queue, client, config.webhooks));
        app.tasks.spawn(server::accept(listener, Arc::clone(&app)));
        tracing::info!(server.address = %addr, "payment sandbox listens");
        Ok(RunningSandbox { addr, app })
    }
}

/// A sandbox that serves. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct RunningSandbox {
    addr: SocketAddr,
    app: Arc<App>,
}

impl RunningSandbox {
    /// The address it listens on, with the port that was taken.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The base URL for the connector, without a slash at the end: `http://127.0.0.1:12111`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Stops accepting, ends requests in progress and background tasks, and waits for them. Slow
    /// answers are sent at once; scheduled failures and queued webhooks are abandoned.
    pub async fn shutdown(self) {
        self.app.stop.cancel();
        self.app.tasks.close();
        self.app.tasks.wait().await;
    }
}

impl Drop for RunningSandbox {
    fn drop(&mut self) {
        self.app.stop.cancel();
    }
}
