//! The refunds service under measurement: its real server and all its workers, as many times as
//! asked, on one database, with three subscribers that acknowledge.
//!
//! Invariant: every replica has settings, pool, server and workers of its own, and they meet in the
//! database alone, as processes would.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use redress_core::caller::Role;
use redress_core::clock::{Clock, SystemClock};
use redress_core::id::{RandomIds, TenantId};
use redress_refunds::config::RefundsConfig;
use redress_runtime::config::{Settings, load};
use redress_runtime::{Bound, Running};
use redress_store::{Database, DatabaseSettings};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::super::subscribers::Subscribers;
use super::super::tenant;
use super::Plan;
use crate::cli::ServiceName;
use crate::commands::run::SANDBOX_KEY;
use crate::connect::{Connections, local_token};
use crate::home::{Home, Layout, Ports};

/// How long the token is good for: longer than any run.
const A_DAY: Duration = Duration::from_hours(24);

/// The replicas.
pub(super) struct Replicas {
    running: Vec<Running>,
    stop: CancellationToken,
    connections: Connections,
    subscribers: Subscribers,
    _folder: TempDir,
}

impl Replicas {
    /// Serves on the empty database at `url`, paying through the sandbox at `provider`.
    pub(super) async fn start(plan: &Plan, url: &str, provider: &str) -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder can be made")?;
        let home = home(folder.path(), plan, provider, vec![(ServiceName::Refunds, url.into())])?;
        let subscribers = Subscribers::new();
        let stop = CancellationToken::new();
        let mut running = Vec::new();
        let mut places = Vec::new();
        for _ in 0..plan.replicas {
            let settings: Settings<RefundsConfig> =
                load(Some(&home.settings_file(ServiceName::Refunds)), [])?;
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let bound = Bound::bind(settings.check(Arc::clone(&clock))?).await?;
            places.push((ServiceName::Refunds, bound.addr()));
            let database = connect(&settings).await?;
            if running.is_empty() {
                redress_store::migrate(&database, &redress_refunds::SCHEMA).await?;
            }
            let deps = redress_refunds::Deps {
                database,
                clock,
                ids: Arc::new(RandomIds),
                subscribers: subscribers.sinks(),
            };
            let service = redress_refunds::build(&settings.service, deps).await?;
            running.push(bound.start(service, &stop));
        }
        places.truncate(1);
        let tenant = TenantId::new(tenant::TENANT)?;
        let token = local_token(&home, &tenant, &[Role::Platform], "bench", A_DAY)?;
        Ok(Self {
            running,
            stop,
            connections: Connections::to(&places, tenant, token)?,
            subscribers,
            _folder: folder,
        })
    }

    /// To the first replica.
    pub(super) const fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Who hears of the events.
    pub(super) const fn subscribers(&self) -> &Subscribers {
        &self.subscribers
    }

    /// Stops serving.
    pub(super) async fn stop(self) -> Result<()> {
        self.stop.cancel();
        drop(self.connections);
        for running in self.running {
            running.stopped().await?;
        }
        Ok(())
    }
}

async fn connect(settings: &Settings<RefundsConfig>) -> Result<Database> {
    let stored = settings.database.as_ref().context("database.url is missing")?;
    let mut wanted = DatabaseSettings::new(stored.url.expose_secret());
    wanted.max_connections = stored.pool_size;
    Ok(Database::connect(&wanted).await?)
}

/// A folder with keys and settings for services on these databases.
pub(super) fn home(
    folder: &Path,
    plan: &Plan,
    provider: &str,
    databases: Vec<(ServiceName, String)>,
) -> Result<Home> {
    // The service keeps to what the provider takes; without a limit it sends what it can.
    let (concurrency, rate) = (plan.concurrency, plan.manner.rate);
    let layout = Layout {
        ports: Ports::AtStart,
        stripe_base_url: provider.to_owned(),
        refunds_extra: format!(
            "secret_key = \"{SANDBOX_KEY}\"\nconcurrency = {concurrency}\nsends_per_second = {rate}\n"
        ),
        databases,
    };
    Ok(Home::open_or_create(folder, &layout)?.0)
}
