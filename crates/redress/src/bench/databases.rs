//! Databases to measure on: files in a temporary folder, and a PostgreSQL server.
//!
//! Invariant: what was made here is removed here; a server that does not write durably is refused,
//! because its figures would say nothing.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use redress_core::id::{IdSource as _, RandomIds};
use redress_local_postgres::{Cluster, Ending, Spec, find_binaries};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::commands::environment;

/// What a private cluster runs with; everything else is PostgreSQL's default.
const SETTINGS: [(&str, &str); 5] = [
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("synchronous_commit", "on"),
    ("max_connections", "100"),
    ("shared_buffers", "256MB"),
];

/// Settings that must not be off before a commit can be called durable.
const DURABILITY: [&str; 3] = ["fsync", "full_page_writes", "synchronous_commit"];

/// How many blocks are written to find out what a flush costs.
const FLUSHES: usize = 100;

/// A PostgreSQL server and the databases that were made on it.
#[derive(Debug)]
pub(super) struct Postgres {
    cluster: Cluster,
    /// What has to be removed; nothing on a private cluster, which goes as a whole.
    made: Vec<String>,
    is_private: bool,
}

impl Postgres {
    /// The server at `url`, or a private cluster from the installed binaries.
    pub(super) async fn find(url: Option<&str>) -> Result<Self> {
        let cluster = match url {
            Some(url) => Cluster::at(url),
            None => private_cluster().await?,
        };
        for name in DURABILITY {
            let value = cluster.setting(name).await.context("PostgreSQL does not answer")?;
            ensure!(
                value != "off",
                "PostgreSQL runs with {name} off: it has to be on, or the figures mean nothing"
            );
        }
        Ok(Self { cluster, made: Vec::new(), is_private: url.is_none() })
    }

    /// An empty database; returns its URL.
    pub(super) async fn create(&mut self, purpose: &str) -> Result<String> {
        let name = format!("redress_bench_{purpose}_{}", RandomIds.next_id());
        let created = self.cluster.execute(format!("CREATE DATABASE {name}")).await;
        created.context("PostgreSQL refuses to create a database")?;
        let url = self.cluster.url(&name);
        if !self.is_private {
            self.made.push(name);
        }
        Ok(url)
    }

    /// Removes the databases, or the cluster that is ours.
    pub(super) async fn remove(self) -> Result<()> {
        for name in self.made {
            let dropped = self.cluster.execute(format!("DROP DATABASE {name} WITH (FORCE)")).await;
            dropped.with_context(|| format!("the database {name} is still there"))?;
        }
        Ok(self.cluster.leave().await?)
    }
}

/// Tells PostgreSQL what the tables of the database at `url` hold. Autovacuum does so within a minute
/// of an import.
pub(super) async fn analyze(url: &str) -> Result<()> {
    if url.starts_with("postgres") {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::query("ANALYZE").execute(&mut connection).await?;
        connection.close().await?;
    }
    Ok(())
}

async fn private_cluster() -> Result<Cluster> {
    let path = environment().find(|(name, _)| name == "PATH").map_or_else(String::new, |(_, v)| v);
    let Some(binaries) = find_binaries(std::env::split_paths(&path)) else {
        bail!(
            "neither /usr/lib/postgresql/*/bin nor PATH has initdb and postgres; install \
             PostgreSQL, or name a server with --postgres"
        );
    };
    let folder = shared_folder("redress-bench-postgres-")?;
    let spec = Spec {
        folder: folder.path(),
        binaries: &binaries,
        settings: &SETTINGS,
        ending: Ending::Private,
    };
    let cluster = Cluster::join(spec).await?;
    // From here on the cluster's end removes it.
    let _removed_by_the_cluster = folder.keep();
    Ok(cluster)
}

/// A folder that the user whom PostgreSQL runs as can enter.
fn shared_folder(prefix: &str) -> Result<TempDir> {
    use std::os::unix::fs::PermissionsExt as _;

    let open = std::fs::Permissions::from_mode(0o755);
    let made = tempfile::Builder::new().prefix(prefix).permissions(open).tempdir();
    made.context("no temporary folder can be made")
}

/// What it takes to write one block and flush it to the disk of temporary files, in the middle of
/// many tries.
pub(super) async fn flush_time() -> Result<Duration> {
    let measured = tokio::task::spawn_blocking(|| -> Result<Duration> {
        let mut file = tempfile::tempfile()?;
        let mut times = Vec::with_capacity(FLUSHES);
        for _ in 0..FLUSHES {
            let start = Instant::now();
            file.write_all(&[0; 4096])?;
            file.sync_data()?;
            times.push(start.elapsed());
        }
        times.sort_unstable();
        Ok(times[FLUSHES / 2])
    });
    measured.await?.context("the folder for temporary files cannot be written to")
}
