//! A database for one test, of either kind.
//!
//! Invariant: it is empty at first, nobody else sees it, and it is gone with its handle.

use redress_local_postgres::Cluster;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use crate::postgres;

/// The kind of database that a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A file in a temporary folder.
    Sqlite,
    /// A database of a private cluster, or of the one at `REDRESS_TEST_POSTGRES_URL`.
    Postgres,
}

/// An empty database; dropped with this handle.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    File(#[expect(dead_code, reason = "removes the folder when it is dropped")] TempDir),
    Database { cluster: &'static Cluster, name: String },
}

impl TestDatabase {
    /// An empty database of this kind. `None`, after a line on stderr that says why and what to
    /// do, when there is no PostgreSQL here; a panic instead when `REDRESS_REQUIRE_POSTGRES=1`.
    pub async fn create(backend: Backend) -> Option<Self> {
        match backend {
            Backend::Sqlite => Some(Self::sqlite()),
            Backend::Postgres => Self::postgres().await,
        }
    }

    /// A SQLite file that does not exist yet, in a folder of its own.
    ///
    /// # Panics
    /// When there is no temporary folder.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let url = format!("sqlite:{}/test.db", folder.path().display());
        Self { url, kept: Kept::File(folder) }
    }

    /// An empty PostgreSQL database; `None` as in [`TestDatabase::create`].
    ///
    /// # Panics
    /// When the cluster refuses to create it.
    pub async fn postgres() -> Option<Self> {
        let cluster = postgres::cluster().await?;
        let name = format!("redress_test_{}", Uuid::new_v4().simple());
        cluster.execute(format!("CREATE DATABASE {name}")).await.unwrap_or_else(|error| {
            panic!("the test database could not be created: {error}");
        });
        Some(Self { url: cluster.url(&name), kept: Kept::Database { cluster, name } })
    }

    /// Its URL, as services are configured with.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Kept::Database { cluster, name } = &self.kept else {
            return;
        };
        let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        // A drop cannot await, and may happen inside a runtime: so on a thread of its own.
        let cluster = *cluster;
        let dropped = std::thread::spawn(move || runtime().block_on(cluster.execute(statement)));
        let is_dropped = matches!(dropped.join(), Ok(Ok(())));
        assert!(is_dropped || std::thread::panicking(), "the test database {name} is still there");
    }
}

/// Runs one case on a fresh database of `backend`: opens it with `open`, hands it to `case`.
pub fn run<T>(backend: Backend, open: impl AsyncFnOnce(String) -> T, case: impl AsyncFnOnce(T)) {
    runtime().block_on(async {
        let Some(database) = TestDatabase::create(backend).await else {
            return;
        };
        case(open(database.url().to_owned()).await).await;
    });
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built")
}
