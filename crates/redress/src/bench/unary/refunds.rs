//! The refunds service under measurement: its real server with all its layers, its event workers
//! with three subscribers, and orders with a quote each. Only the workers that pay are left out, as
//! a provider's speed is not the question.
//!
//! Invariant: nobody is paid: no worker calls a provider, and the one that is configured is a
//! closed port. The result is read back through the API, and every event was delivered.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use redress_core::caller::Role;
use redress_core::clock::{Clock, SystemClock};
use redress_core::id::{RandomIds, TenantId};
use redress_proto::refunds::v1::refund_service_client::RefundServiceClient;
use redress_proto::refunds::v1::{CreateRefundRequest, ListRefundsRequest, Refund, refund};
use redress_refunds::config::RefundsConfig;
use redress_runtime::config::{Settings, load};
use redress_runtime::{Bound, Running};
use redress_store::{Database, DatabaseSettings};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::super::load::Calls;
use super::super::subscribers::Subscribers;
use super::super::{orders, tenant};
use crate::cli::ServiceName;
use crate::commands::{ledger, refund as refunds, request_id};
use crate::connect::{Connections, local_token};
use crate::home::{Home, Layout, Ports};
use crate::import;

/// What each call may take, as its caller tells the server.
pub(super) const CALL_DEADLINE: Duration = Duration::from_secs(10);

/// How long tokens and quotes are good for: longer than any run.
const A_DAY: Duration = Duration::from_hours(24);

/// A port that nobody listens on.
const NOBODY: &str = "http://127.0.0.1:9";

/// The service, and what is to be asked of it.
pub(super) struct RefundsService {
    running: Running,
    stop: CancellationToken,
    connections: Connections,
    clients: Vec<Channel>,
    authorization: MetadataValue<Ascii>,
    subscribers: Subscribers,
    database: Database,
    pool_size: u32,
    count: usize,
    stock: OnceLock<Stock>,
    _folder: TempDir,
}

/// One request for each order, and what they ask for in all, in minor units.
struct Stock {
    requests: Arc<[CreateRefundRequest]>,
    minor_units: i64,
}

impl RefundsService {
    /// Serves on the empty database at `url`, for `count` orders that are yet to come.
    pub(super) async fn start(url: &str, count: usize, connections: usize) -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder can be made")?;
        let layout = Layout {
            ports: Ports::AtStart,
            stripe_base_url: NOBODY.to_owned(),
            refunds_extra: "secret_key = \"sk_test_redress_bench\"\n".to_owned(),
            databases: vec![(ServiceName::Refunds, url.to_owned())],
        };
        let (home, _) = Home::open_or_create(folder.path(), &layout)?;
        let mut settings: Settings<RefundsConfig> =
            load(Some(&home.settings_file(ServiceName::Refunds)), [])?;
        settings.service.quote_validity_minutes = A_DAY.as_secs() / 60;
        // The limit of calls a second protects a server from its callers; it is not its speed.
        settings.server.limits.calls_per_second = 1_000_000;
        settings.server.limits.call_burst = 1_000_000;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let bound = Bound::bind(settings.check(Arc::clone(&clock))?).await?;
        let address = bound.addr();

        let stored = settings.database.as_ref().context("database.url is missing")?;
        let pool_size = stored.pool_size;
        let mut wanted = DatabaseSettings::new(stored.url.expose_secret());
        wanted.max_connections = pool_size;
        let database = Database::connect(&wanted).await?;
        redress_store::migrate(&database, &redress_refunds::SCHEMA).await?;
        let subscribers = Subscribers::new();
        let deps = redress_refunds::Deps {
            database: database.clone(),
            clock,
            ids: Arc::new(RandomIds),
            subscribers: subscribers.sinks(),
        };
        let service = redress_refunds::build(&settings.service, deps).await?;
        let stop = CancellationToken::new();
        let running = bound.start(service.only_work("refund events"), &stop);

        let tenant = TenantId::new(tenant::TENANT)?;
        let token = local_token(&home, &tenant, &[Role::Platform], "bench", A_DAY)?;
        let authorization = format!("Bearer {}", token.expose_secret()).parse()?;
        let places = [(ServiceName::Refunds, address)];
        Ok(Self {
            running,
            stop,
            connections: Connections::to(&places, tenant, token)?,
            clients: connect(address, connections).await?,
            authorization,
            subscribers,
            database,
            pool_size,
            count,
            stock: OnceLock::new(),
            _folder: folder,
        })
    }

    /// Connections of the service's pool.
    pub(super) const fn pool_size(&self) -> u32 {
        self.pool_size
    }

    /// Imports the orders and has each quoted.
    pub(super) async fn stock(&self, concurrency: usize) -> Result<()> {
        tenant::apply(&self.connections, &[ServiceName::Refunds]).await?;
        let peer = self.connections.peer(ServiceName::Refunds)?;
        let records = orders::records(self.count, SystemClock.now());
        let imported =
            import::run(peer, self.connections.tenant().clone(), records, |_| {}).await?;
        ensure!(
            usize::try_from(imported.created)? == self.count,
            "{} of {} orders were imported",
            imported.created,
            self.count
        );
        let quotes = stream::iter((0..self.count).map(orders::name))
            .map(async |order| refunds::get_quote(&self.connections, &order, Vec::new()).await)
            .buffered(concurrency)
            .try_collect::<Vec<_>>()
            .await?;
        self.analyze().await?;
        let offered = quotes.iter().filter_map(|quote| quote.total.as_ref());
        let minor_units = offered.map(|total| total.minor_units).sum();
        let requests = quotes
            .into_iter()
            .map(|quote| CreateRefundRequest {
                quote: quote.name,
                request_id: request_id(),
                entitlement_voided: true,
                ..CreateRefundRequest::default()
            })
            .collect();
        ensure!(self.stock.set(Stock { requests, minor_units }).is_ok(), "stocked twice");
        Ok(())
    }

    /// Tells PostgreSQL what its tables hold. Autovacuum does so within a minute; plans made before
    /// that take every table for an empty one.
    pub(super) async fn analyze(&self) -> Result<()> {
        if let Database::Postgres(postgres) = &self.database {
            sqlx::query("ANALYZE").execute(&postgres.pool).await?;
        }
        Ok(())
    }

    /// What to measure.
    pub(super) fn calls(&self) -> Result<Arc<RefundCalls>> {
        Ok(Arc::new(RefundCalls {
            clients: self.clients.clone(),
            authorization: self.authorization.clone(),
            requests: Arc::clone(&self.stocked()?.requests),
        }))
    }

    fn stocked(&self) -> Result<&Stock> {
        self.stock.get().context("the service has no orders yet")
    }

    /// Waits until the events of `refunds` refunds have reached every subscriber.
    pub(super) async fn settled(&self, refunds: usize) -> Result<()> {
        self.subscribers.have(i64::try_from(refunds)?).await
    }

    /// Asks the service what it has: `count` refunds, none of them touched by a worker, and books
    /// that owe exactly what was quoted. Returns how many refunds it has.
    pub(super) async fn verify(&self, count: usize) -> Result<usize> {
        let queued = self.count_refunds("state = \"QUEUED\"").await?;
        let all = self.count_refunds("").await?;
        ensure!(
            (queued, all) == (count, count),
            "the service has {all} refunds, {queued} of them queued, of {count} calls"
        );
        let report = ledger::report(&self.connections).await?;
        if !report.balanced {
            bail!("the books do not balance: {}", report.differences.join("; "));
        }
        let owed: i64 = report.balances.iter().map(|balance| balance.payable).sum();
        let quoted = self.stocked()?.minor_units;
        ensure!(owed == quoted, "the books owe {owed} minor units, quoted were {quoted}");
        self.settled(count).await?;
        Ok(all)
    }

    async fn count_refunds(&self, filter: &str) -> Result<usize> {
        let request =
            ListRefundsRequest { page_size: 1, filter: filter.to_owned(), ..Default::default() };
        let mut client = RefundServiceClient::new(self.connections.unary(ServiceName::Refunds)?);
        let page = client.list_refunds(request).await.context("the refunds cannot be counted")?;
        Ok(usize::try_from(page.into_inner().total_size)?)
    }

    /// Stops serving.
    pub(super) async fn stop(self) -> Result<()> {
        self.stop.cancel();
        drop((self.clients, self.connections));
        Ok(self.running.stopped().await?)
    }
}

/// Connections to a server, open.
pub(super) async fn connect(address: SocketAddr, count: usize) -> Result<Vec<Channel>> {
    let mut channels = Vec::with_capacity(count);
    for _ in 0..count {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
        channels.push(endpoint.tcp_nodelay(true).connect().await?);
    }
    Ok(channels)
}

/// Calls of CreateRefund, each of its own quote.
pub(super) struct RefundCalls {
    clients: Vec<Channel>,
    authorization: MetadataValue<Ascii>,
    requests: Arc<[CreateRefundRequest]>,
}

impl Calls for RefundCalls {
    async fn call(&self, caller: usize, number: usize) -> Result<(), Status> {
        let channel = self.clients[caller % self.clients.len()].clone();
        let mut request = Request::new(self.requests[number].clone());
        request.metadata_mut().insert("authorization", self.authorization.clone());
        request.set_timeout(CALL_DEADLINE);
        let answer = RefundServiceClient::new(channel).create_refund(request).await?;
        let refund: &Refund = answer.get_ref();
        if refund.state() != refund::State::Queued || refund.name.is_empty() {
            return Err(Status::internal("the refund in the answer is not queued"));
        }
        Ok(())
    }
}
