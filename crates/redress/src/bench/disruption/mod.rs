//! `redress bench disruption`: a whole event refunded, from the import to the last event.
//!
//! Invariant: real gRPC on loopback to real services, real HTTP to the sandbox, which is a process
//! of its own; every database writes durably. A run whose money does not add up fails.

mod alone;
mod bulk;
mod course;
mod mail;
mod provider;
mod replicas;
mod report;
mod suite;
mod verify;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tokio::time::Instant;

use self::provider::{Manner, Provider};
use self::replicas::Replicas;
use self::report::Report;
use self::suite::Suite;
use super::databases::{self, Postgres, analyze};
use super::memory;
use super::progress::Progress;
use crate::cli::{DisruptionArgs, DisruptionDatabase, ServiceName};
use crate::output;

/// Orders that are also written by hand, at most.
const MOST_BY_HAND: usize = 100_000;
/// Orders of the suite's run when nothing else is asked for, at most.
const MOST_IN_SUITE: usize = 20_000;
/// Calls of the sandbox alone, at most.
const MOST_ALONE: usize = 20_000;

/// What the run is made of.
#[derive(Debug, Clone, Copy)]
struct Plan {
    orders: usize,
    suite_orders: usize,
    bulk_orders: usize,
    replicas: usize,
    concurrency: usize,
    manner: Manner,
}

impl Plan {
    fn new(args: &DisruptionArgs) -> Self {
        let orders = args.orders as usize;
        let suite = args.suite_orders.map(|orders| orders as usize);
        Self {
            orders,
            suite_orders: suite.unwrap_or(MOST_IN_SUITE).min(orders),
            bulk_orders: orders.min(MOST_BY_HAND),
            replicas: args.replicas as usize,
            concurrency: args.concurrency as usize,
            manner: Manner { rate: args.rate_limit, latency_ms: args.provider_latency },
        }
    }
}

/// Where databases come from.
enum Server {
    Sqlite(TempDir),
    Postgres(Postgres),
}

impl Server {
    async fn find(database: &DisruptionDatabase) -> Result<Self> {
        Ok(match database {
            DisruptionDatabase::Sqlite => {
                Self::Sqlite(tempfile::tempdir().context("no temporary folder can be made")?)
            }
            DisruptionDatabase::Postgres => Self::Postgres(Postgres::find(None).await?),
            DisruptionDatabase::At(url) => Self::Postgres(Postgres::find(Some(url)).await?),
        })
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    /// An empty database; returns its URL.
    async fn create(&mut self, purpose: &str) -> Result<String> {
        match self {
            Self::Sqlite(folder) => {
                Ok(format!("sqlite:{}", folder.path().join(format!("{purpose}.db")).display()))
            }
            Self::Postgres(server) => server.create(purpose).await,
        }
    }

    async fn remove(self) -> Result<()> {
        match self {
            Self::Sqlite(folder) => Ok(folder.close()?),
            Self::Postgres(server) => server.remove().await,
        }
    }
}

/// Measures and shows; fails when the money does not add up.
pub(super) async fn run(args: &DisruptionArgs) -> Result<ExitCode> {
    let plan = Plan::new(args);
    ensure!(
        plan.replicas == 1 || args.database != DisruptionDatabase::Sqlite,
        "a SQLite file belongs to one process: more replicas need PostgreSQL"
    );
    let flush = databases::flush_time().await?;
    let mut server = Server::find(&args.database).await?;
    let mut report = Report::new(&plan, server.name(), flush);
    let progress = Progress::new(server.name(), false)?;
    let measured = measure(&plan, &mut server, &mut report, &progress).await;
    progress.end();
    let removed = server.remove().await;
    measured?;
    removed?;
    report.money_matches = report.differences.is_empty();
    if args.json {
        output::json(&report)?;
    } else {
        report.show();
    }
    Ok(if report.money_matches { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(
    plan: &Plan,
    server: &mut Server,
    report: &mut Report,
    progress: &Progress,
) -> Result<()> {
    progress.at("the sandbox alone");
    let callers = plan.concurrency * plan.replicas;
    let unlimited = Manner { rate: 0, ..plan.manner };
    report.sandbox_alone_per_s =
        alone::measure(unlimited, plan.orders.min(MOST_ALONE), callers).await?;
    progress.tell(&format!("the sandbox alone: {:.0}/s", report.sandbox_alone_per_s));
    if plan.bulk_orders > 0 {
        by_hand(plan, server, report, progress).await.context("by hand")?;
    }
    refunds(plan, server, report, progress).await.context("the refunds service")?;
    if report.bulk_sql_per_s > 0.0 {
        report.ratio_to_bulk_sql = report.refunds_per_s / report.bulk_sql_per_s;
    }
    if plan.suite_orders > 0 {
        whole_suite(plan, server, report, progress).await.context("the whole suite")?;
    }
    Ok(())
}

/// The same rows in hand-written SQL, on a database that the service has brought up to the start.
async fn by_hand(
    plan: &Plan,
    server: &mut Server,
    report: &mut Report,
    progress: &Progress,
) -> Result<()> {
    let url = server.create("by_hand").await?;
    let count = plan.bulk_orders;
    let provider = Provider::start(plan.manner, 0).await?;
    let service = Replicas::start(plan, &url, provider.base_url()).await?;
    let frozen = async {
        let connections = service.connections();
        super::tenant::apply(connections, &[ServiceName::Refunds]).await?;
        course::stock(connections, count, progress).await?;
        analyze(&url).await?;
        course::freeze(connections, count, progress).await?;
        analyze(&url).await
    }
    .await;
    service.stop().await?;
    provider.stop().await?;
    frozen?;
    progress.at("the same rows by hand");
    report.bulk_sql_per_s = bulk::measure(&url, count).await?;
    progress.tell(&format!("the same rows by hand: {:.0}/s", report.bulk_sql_per_s));
    Ok(())
}

/// The refunds service with subscribers that acknowledge.
async fn refunds(
    plan: &Plan,
    server: &mut Server,
    report: &mut Report,
    progress: &Progress,
) -> Result<()> {
    let url = server.create("refunds").await?;
    let provider = Provider::start(plan.manner, plan.orders).await?;
    let service = Replicas::start(plan, &url, provider.base_url()).await?;
    let measured = measure_refunds(plan, &url, &service, &provider, report, progress).await;
    service.stop().await?;
    provider.stop().await?;
    measured
}

async fn measure_refunds(
    plan: &Plan,
    url: &str,
    service: &Replicas,
    provider: &Provider,
    report: &mut Report,
    progress: &Progress,
) -> Result<()> {
    let (connections, count) = (service.connections(), plan.orders);
    super::tenant::apply(connections, &[ServiceName::Refunds]).await?;
    report.import_orders_per_s = per_s(count, course::stock(connections, count, progress).await?);
    progress.tell(&format!("imported: {:.0}/s", report.import_orders_per_s));
    analyze(url).await?;
    let (name, preview, freeze) = course::freeze(connections, count, progress).await?;
    (report.preview_s, report.freeze_s) = (preview.as_secs_f64(), freeze.as_secs_f64());
    progress.tell(&format!("previewed in {preview:.2?}, frozen in {freeze:.2?}"));

    let is_fresh = memory::forget_peak();
    report.rss_before_mb = memory::resident_mb();
    let ran = course::pay(connections, &name, count, progress).await?;
    report.peak_rss_mb = memory::peak_mb().filter(|_| is_fresh);
    report.run_s = ran.elapsed.as_secs_f64();
    report.refunds_per_s = per_s(count, ran.elapsed);
    let completed = Instant::now();
    service.subscribers().have_items(i64::try_from(count)?).await?;
    report.events_behind_s = completed.elapsed().as_secs_f64();
    progress.tell(&format!("refunded: {:.0}/s", report.refunds_per_s));

    progress.at("comparing the money");
    let totals = provider.totals().await?;
    report.provider(&totals);
    report.differences.extend(verify::differences(connections, &ran, &totals, count).await?);
    Ok(())
}

/// The four services until the last message.
async fn whole_suite(
    plan: &Plan,
    server: &mut Server,
    report: &mut Report,
    progress: &Progress,
) -> Result<()> {
    let refunds = server.create("suite_refunds").await?;
    let mut databases = vec![(ServiceName::Refunds, refunds.clone())];
    for service in [ServiceName::Cases, ServiceName::Notifications, ServiceName::Feedback] {
        let url = server.create(&format!("suite_{}", service.as_str())).await?;
        databases.push((service, url));
    }
    let count = plan.suite_orders;
    let provider = Provider::start(plan.manner, count).await?;
    let suite = Suite::start(plan, databases, provider.base_url()).await?;
    let measured = async {
        let connections = suite.connections();
        super::tenant::apply(connections, &ServiceName::ALL).await?;
        course::stock(connections, count, progress).await?;
        analyze(&refunds).await?;
        let (name, ..) = course::freeze(connections, count, progress).await?;
        let start = Instant::now();
        let ran = course::pay(connections, &name, count, progress).await?;
        progress.at("waiting for the consumers");
        suite.caught_up(i64::try_from(count)?).await?;
        report.suite_refunds_per_s = per_s(count, start.elapsed());
        progress.tell(&format!("the whole suite: {:.0}/s", report.suite_refunds_per_s));
        let totals = provider.totals().await?;
        verify::differences(connections, &ran, &totals, count).await
    }
    .await;
    suite.stop().await?;
    provider.stop().await?;
    report.differences.extend(measured?);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a count below 2^52")]
fn per_s(count: usize, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64().max(f64::EPSILON)
}
