//! `redress up`, `redress serve`, `redress migrate`: processes that stay, and what they need.

use anyhow::{Context as _, Result};
use redress_runtime::{signals, telemetry};
use tokio_util::sync::CancellationToken;

use super::environment;
use crate::cli::{MigrateArgs, ServeArgs, ServiceName, UpArgs};
use crate::home::{Home, Layout, Ports};
use crate::output;
use crate::services::{self, AnySettings, Migration, RunningService};

/// Where `redress sandbox` listens unless told otherwise.
const SANDBOX_URL: &str = "http://127.0.0.1:7410";

/// The sandbox's key. It protects nothing but play money.
pub(crate) const SANDBOX_KEY: &str = "sk_test_redress_sandbox";

pub(super) async fn up(args: &UpArgs) -> Result<()> {
    let layout = Layout {
        ports: Ports::From(args.ports),
        stripe_base_url: SANDBOX_URL.to_owned(),
        refunds_extra: format!("secret_key = \"{SANDBOX_KEY}\"\n"),
        databases: Vec::new(),
    };
    let (home, is_new) = Home::open_or_create(&args.data, &layout)?;
    let mut all = Vec::new();
    for service in ServiceName::ALL {
        // A variable such as REDRESS__SERVER__LISTEN cannot be meant for all four at once.
        all.push(AnySettings::load(service, &home.settings_file(service), [])?);
    }
    let first = all.first().context("there is a service to run")?;
    let _telemetry = telemetry::init(first.telemetry(), "redress")?;
    let stop = CancellationToken::new();
    signals::cancel_on_signal(stop.clone())?;
    let running = services::start(all, Migration::Migrate, &stop).await?;
    for service in &running {
        output::note(format!("{:<14} http://{}", service.service.as_str(), service.address));
    }
    let data = args.data.display();
    output::note(if is_new {
        format!(
            "A new folder was set up: {data}. Call the services with a token of its local key:\n  \
             redress token --data {data} --tenant arena --role platform"
        )
    } else {
        format!("Using the folder {data}.")
    });
    wait(running, &stop).await
}

pub(super) async fn serve(args: &ServeArgs) -> Result<()> {
    let settings = AnySettings::load(args.service, &args.config, environment())?;
    let _telemetry = telemetry::init(settings.telemetry(), args.service.as_str())?;
    let stop = CancellationToken::new();
    signals::cancel_on_signal(stop.clone())?;
    let migration = if args.migrate { Migration::Migrate } else { Migration::Check };
    let running = services::start(vec![settings], migration, &stop).await?;
    wait(running, &stop).await
}

/// Waits for all; when one ends early, the others are stopped too, so that a supervisor sees it.
async fn wait(running: Vec<RunningService>, stop: &CancellationToken) -> Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for service in running {
        tasks.spawn(service.stopped());
    }
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        stop.cancel();
        outcome = outcome.and(ended.context("a service panicked")?);
    }
    outcome
}

pub(super) async fn migrate(args: &MigrateArgs) -> Result<()> {
    let settings = AnySettings::load(args.service, &args.config, environment())?;
    let database = services::open_database(&settings).await?;
    redress_store::migrate(&database, services::schema(args.service)).await?;
    database.close().await;
    output::note(format!("{} is up to date", args.service.as_str()));
    Ok(())
}
