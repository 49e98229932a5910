//! The PostgreSQL cluster of the tests: one for all test processes, started when first needed.
//!
//! Invariant: the cluster lives as long as some test process uses it, and is then stopped and
//! removed (`redress-local-postgres`). Its data are thrown away, so fsync is off;
//! `REDRESS_TEST_POSTGRES_FSYNC=on` keeps it on.

use std::env;
use std::error::Error as _;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;

use redress_local_postgres::{Cluster, Ending, Spec, find_binaries};
use tokio::sync::OnceCell;

/// The cluster of this process, started or joined at the first call. `None` when there is no
/// PostgreSQL; a panic instead when `REDRESS_REQUIRE_POSTGRES=1`.
pub(crate) async fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceCell<Option<Cluster>> = OnceCell::const_new();
    let cluster = CLUSTER.get_or_init(async || {
        let reason = match start().await {
            Ok(cluster) => return Some(cluster),
            Err(reason) => reason,
        };
        skip(&reason);
        None
    });
    cluster.await.as_ref()
}

/// Says that there is no PostgreSQL; panics when `REDRESS_REQUIRE_POSTGRES=1`.
pub(crate) fn skip(reason: &str) {
    let required = env::var("REDRESS_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
    assert!(!required, "REDRESS_REQUIRE_POSTGRES=1, but {reason}");
    // Straight to stderr: the test harness hides what a passing test prints.
    let notice = format!(
        "PostgreSQL cases of this test process are SKIPPED: {reason}. Install PostgreSQL, or \
         set REDRESS_TEST_POSTGRES_URL to a server on which databases may be created.\n"
    );
    io::stderr().write_all(notice.as_bytes()).expect("stderr can be written");
}

/// Where initdb and postgres are installed.
pub(crate) fn binaries() -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    find_binaries(env::split_paths(&path))
        .ok_or_else(|| "neither /usr/lib/postgresql/*/bin nor PATH has initdb and postgres".into())
}

async fn start() -> Result<Cluster, String> {
    if let Ok(url) = env::var("REDRESS_TEST_POSTGRES_URL") {
        let cluster = Cluster::at(&url);
        return match cluster.ping().await {
            Ok(()) => Ok(cluster),
            Err(error) => Err(format!("REDRESS_TEST_POSTGRES_URL does not answer: {error}")),
        };
    }
    let binaries = binaries()?;
    let fsync = match env::var("REDRESS_TEST_POSTGRES_FSYNC").as_deref() {
        Ok("on") => "on",
        _ => "off",
    };
    let folder = own_folder(fsync).map_err(|error| format!("no folder for a cluster: {error}"))?;
    let spec = Spec {
        folder: &folder,
        binaries: &binaries,
        settings: &[
            ("fsync", fsync),
            ("full_page_writes", fsync),
            ("max_connections", "300"),
            ("shared_buffers", "64MB"),
            ("max_wal_size", "256MB"),
            ("autovacuum_naptime", "10s"),
        ],
        ending: Ending::Shared,
    };
    Cluster::join(spec).await.map_err(|error| match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })
}

/// A folder in the temporary directory that belongs to this user. Its path is short, because a
/// socket's path may have 107 bytes.
fn own_folder(fsync: &str) -> io::Result<PathBuf> {
    let me = tempfile::tempdir()?;
    let uid = fs::metadata(me.path())?.uid();
    let suffix = if fsync == "on" { "-fsync" } else { "" };
    let folder = env::temp_dir().join(format!("redress-test-postgres-{uid}{suffix}"));
    match fs::DirBuilder::new().mode(0o755).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(&folder)?;
    if found.is_dir() && found.uid() == uid {
        return Ok(folder);
    }
    Err(io::Error::other(format!("{} belongs to somebody else", folder.display())))
}
