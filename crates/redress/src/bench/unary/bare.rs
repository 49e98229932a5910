//! The baseline: a tonic server without any layer, whose one method inserts one row.
//!
//! Invariant: each call is one INSERT that is a transaction by itself, the least that a durable
//! write can be, and is answered after its commit; connections are opened exactly as the service's.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::{Context as _, Result, bail};
use prost::Message;
use redress_core::clock::{Clock as _, SystemClock};
use redress_core::id::{IdSource as _, RandomIds};
use redress_store::{Database, DatabaseSettings};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::super::load::Calls;
use super::refunds::{CALL_DEADLINE, connect};

/// How many bytes of payload a row has: what an event or a small document weighs.
const PAYLOAD_BYTES: usize = 200;

const METHOD: &str = "/redress.bench.Bare/Insert";

/// Asks for one row.
#[derive(Clone, PartialEq, Message)]
struct InsertRequest {
    #[prost(string, tag = "1")]
    tenant: String,
    #[prost(int64, tag = "2")]
    minor_units: i64,
    #[prost(bytes = "vec", tag = "3")]
    payload: Vec<u8>,
}

/// The row is stored.
#[derive(Clone, PartialEq, Message)]
struct InsertResponse {
    #[prost(string, tag = "1")]
    id: String,
}

/// The running baseline.
pub(super) struct Bare {
    database: Database,
    clients: Vec<Channel>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Bare {
    /// Serves on the empty database at `url`.
    pub(super) async fn start(url: &str, pool_size: u32, connections: usize) -> Result<Self> {
        let mut settings = DatabaseSettings::new(url);
        settings.max_connections = pool_size;
        let database = Database::connect(&settings).await?;
        create_table(&database).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port can be bound")?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let service = BareServer(Arc::new(database.clone()));
        let serving =
            tokio::spawn(Server::builder().add_service(service).serve_with_incoming_shutdown(
                TcpIncoming::from(listener).with_nodelay(Some(true)),
                async {
                    // A sender that is gone wants the server to stop, too.
                    let _told = stopped.await;
                },
            ));
        let clients = connect(address, connections).await?;
        Ok(Self { database, clients, stop, serving })
    }

    /// What to measure.
    pub(super) fn calls(&self) -> Arc<BareCalls> {
        Arc::new(BareCalls { clients: self.clients.clone() })
    }

    /// How many rows there are.
    pub(super) async fn rows(&self) -> Result<usize> {
        const COUNT: &str = "SELECT count(*) FROM inserted";
        let count: i64 = match &self.database {
            Database::Sqlite(sqlite) => sqlx::query_scalar(COUNT).fetch_one(&sqlite.read).await?,
            Database::Postgres(postgres) => {
                sqlx::query_scalar(COUNT).fetch_one(&postgres.pool).await?
            }
        };
        Ok(usize::try_from(count)?)
    }

    /// Stops serving and closes the database.
    pub(super) async fn stop(self) -> Result<()> {
        drop(self.clients);
        // A server that has ended by itself says why below.
        let _ended = self.stop.send(());
        self.serving.await?.context("the bare server failed")?;
        self.database.close().await;
        Ok(())
    }
}

async fn create_table(database: &Database) -> Result<()> {
    match database {
        Database::Sqlite(sqlite) => {
            let synchronous: i64 =
                sqlx::query_scalar("PRAGMA synchronous").fetch_one(&sqlite.write).await?;
            if synchronous != 2 {
                bail!("SQLite runs with synchronous = {synchronous}, which is not FULL");
            }
            sqlx::query(
                "CREATE TABLE inserted (tenant TEXT NOT NULL, id TEXT NOT NULL,
                     minor_units INTEGER NOT NULL, payload BLOB NOT NULL, created INTEGER NOT NULL,
                     PRIMARY KEY (tenant, id)) STRICT",
            )
            .execute(&sqlite.write)
            .await?;
        }
        Database::Postgres(postgres) => {
            sqlx::query(
                r#"CREATE TABLE inserted (tenant text COLLATE "C" NOT NULL,
                     id text COLLATE "C" NOT NULL, minor_units bigint NOT NULL,
                     payload bytea NOT NULL, created bigint NOT NULL, PRIMARY KEY (tenant, id))"#,
            )
            .execute(&postgres.pool)
            .await?;
        }
    }
    Ok(())
}

/// The gRPC server, written out as `tonic-build` would.
#[derive(Clone)]
struct BareServer(Arc<Database>);

impl NamedService for BareServer {
    const NAME: &'static str = "redress.bench.Bare";
}

impl Service<http::Request<tonic::body::Body>> for BareServer {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let insert = Insert(Arc::clone(&self.0));
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::default());
            Ok(grpc.unary(insert, request).await)
        })
    }
}

/// The one method.
struct Insert(Arc<Database>);

impl UnaryService<InsertRequest> for Insert {
    type Response = InsertResponse;
    type Future = BoxFuture<Response<InsertResponse>, Status>;

    fn call(&mut self, request: Request<InsertRequest>) -> Self::Future {
        let database = Arc::clone(&self.0);
        Box::pin(async move {
            let id = RandomIds.next_id();
            insert(&database, &id, request.get_ref())
                .await
                .map_err(|error| Status::internal(format!("the row was not stored: {error}")))?;
            Ok(Response::new(InsertResponse { id }))
        })
    }
}

async fn insert(database: &Database, id: &str, row: &InsertRequest) -> Result<(), sqlx::Error> {
    const INSERT: &str = "INSERT INTO inserted (tenant, id, minor_units, payload, created) \
                          VALUES ($1, $2, $3, $4, $5)";
    let created = SystemClock.now().0;
    match database {
        Database::Sqlite(sqlite) => {
            sqlx::query(INSERT)
                .bind(&row.tenant)
                .bind(id)
                .bind(row.minor_units)
                .bind(&row.payload)
                .bind(created)
                .execute(&sqlite.write)
                .await?;
        }
        Database::Postgres(postgres) => {
            sqlx::query(INSERT)
                .bind(&row.tenant)
                .bind(id)
                .bind(row.minor_units)
                .bind(&row.payload)
                .bind(created)
                .execute(&postgres.pool)
                .await?;
        }
    }
    Ok(())
}

/// Calls of the baseline.
pub(super) struct BareCalls {
    clients: Vec<Channel>,
}

impl Calls for BareCalls {
    async fn call(&self, caller: usize, number: usize) -> Result<(), Status> {
        let mut client =
            tonic::client::Grpc::new(self.clients[caller % self.clients.len()].clone());
        let minor_units = i64::try_from(number).unwrap_or_default();
        let payload = vec![b'x'; PAYLOAD_BYTES];
        let mut request =
            Request::new(InsertRequest { tenant: "arena".to_owned(), minor_units, payload });
        request.set_timeout(CALL_DEADLINE);
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let codec: ProstCodec<InsertRequest, InsertResponse> = ProstCodec::default();
        let answer = client.unary(request, PathAndQuery::from_static(METHOD), codec).await?;
        if answer.get_ref().id.is_empty() {
            return Err(Status::internal("the answer names no row"));
        }
        Ok(())
    }
}
