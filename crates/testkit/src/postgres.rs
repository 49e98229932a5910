//! The PostgreSQL cluster of the tests: one for all test processes, started when first needed.
//!
//! Invariant: the cluster is private (a Unix socket in our own folder, no port) and lives as long
//! as some test process holds the shared lock on `users.lock`, which ends with the process,
//! however it ends; `supervisor.sh` then stops and removes it. Its data are thrown away, so fsync
//! is off; `REDRESS_TEST_POSTGRES_FSYNC=on` keeps it on.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::sync::OnceCell;

/// How long a cluster may take until it answers; a cold machine needs a few seconds for initdb.
const START_LIMIT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);

/// A running PostgreSQL that lets tests create databases.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// The URL up to the database's name, and what follows it.
    before: String,
    after: String,
    #[expect(dead_code, reason = "holds the lock that keeps the cluster running")]
    users: Option<File>,
}

impl Cluster {
    /// The URL of `database` on this cluster.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("{}/{database}{}", self.before, self.after)
    }

    /// The cluster that `url` names, with any database.
    fn at(url: &str) -> Self {
        let (path, query) = match url.split_once('?') {
            Some((path, query)) => (path, format!("?{query}")),
            None => (url, String::new()),
        };
        let authority = path.find("://").map_or(0, |scheme| scheme + 3);
        let end = path[authority..].find('/').map_or(path.len(), |slash| authority + slash);
        Self { before: path[..end].to_owned(), after: query, users: None }
    }
}

/// The cluster of this process, started or joined at the first call. `None` when there is no
/// PostgreSQL; a panic instead when `REDRESS_REQUIRE_POSTGRES=1`.
pub(crate) async fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceCell<Option<Cluster>> = OnceCell::const_new();
    let cluster = CLUSTER.get_or_init(async || {
        let reason = match start().await {
            Ok(cluster) => return Some(cluster),
            Err(reason) => reason,
        };
        let required = env::var("REDRESS_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
        assert!(!required, "REDRESS_REQUIRE_POSTGRES=1, but {reason}");
        // Straight to stderr: the test harness hides what a passing test prints.
        let notice = format!(
            "PostgreSQL cases of this test process are SKIPPED: {reason}. Install PostgreSQL, or \
             set REDRESS_TEST_POSTGRES_URL to a server on which databases may be created.\n"
        );
        io::stderr().write_all(notice.as_bytes()).expect("stderr can be written");
        None
    });
    cluster.await.as_ref()
}

async fn start() -> Result<Cluster, String> {
    if let Ok(url) = env::var("REDRESS_TEST_POSTGRES_URL") {
        let cluster = Cluster::at(&url);
        return match PgConnection::connect(&cluster.url("postgres")).await {
            Ok(_) => Ok(cluster),
            Err(error) => Err(format!("REDRESS_TEST_POSTGRES_URL does not answer: {error}")),
        };
    }
    let binaries = find_binaries()
        .ok_or("neither /usr/lib/postgresql/*/bin nor PATH has initdb and postgres")?;
    let fsync = match env::var("REDRESS_TEST_POSTGRES_FSYNC").as_deref() {
        Ok("on") => "on",
        _ => "off",
    };
    let folder = own_folder(fsync).map_err(|error| format!("no folder for a cluster: {error}"))?;
    join(&folder, &binaries, fsync).await
}

/// Takes the lock that keeps the cluster running, and starts it when nobody did.
async fn join(folder: &Path, binaries: &Path, fsync: &str) -> Result<Cluster, String> {
    let broken = |error: io::Error| format!("no cluster in {}: {error}", folder.display());
    let users = lock_file(&folder.join("users.lock")).map_err(broken)?;
    // Waits while a supervisor is stopping its cluster.
    users.lock_shared().map_err(broken)?;
    let socket = folder.join("socket");
    let cluster = Cluster {
        before: "postgres://postgres@localhost".to_owned(),
        after: format!("?host={}", socket.display()),
        users: Some(users),
    };
    let url = cluster.url("postgres");
    let deadline = tokio::time::Instant::now() + START_LIMIT;
    loop {
        let supervisor = lock_file(&folder.join("supervisor.lock")).map_err(broken)?;
        let is_supervised = supervisor.try_lock().is_err();
        drop(supervisor);
        if !is_supervised {
            supervise(folder, binaries, fsync).map_err(broken)?;
        }
        match PgConnection::connect(&url).await {
            Ok(connection) => {
                connection.close().await.map_err(|error| error.to_string())?;
                return Ok(cluster);
            }
            Err(error) if tokio::time::Instant::now() > deadline => {
                let log = folder.join("log");
                return Err(format!("the cluster does not start: {error}; see {}", log.display()));
            }
            Err(_) => {}
        }
        for _ in 0..20 {
            tokio::time::sleep(POLL).await;
            if socket.join(".s.PGSQL.5432").exists() {
                break;
            }
        }
    }
}

fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).open(path)
}

/// Starts the supervisor in a session of its own, so that it outlives this process.
fn supervise(folder: &Path, binaries: &Path, fsync: &str) -> io::Result<()> {
    let log = File::create(folder.join("log"))?;
    // PostgreSQL refuses to run as root.
    let user = if fs::metadata(folder)?.uid() == 0 { "postgres" } else { "" };
    Command::new("setsid")
        .args(["--fork", "sh", "-c", include_str!("supervisor.sh"), "redress-test-postgres"])
        .arg(folder)
        .arg(binaries)
        .args([user, fsync])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .status()
        .map(drop)
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

/// The newest installed PostgreSQL.
fn find_binaries() -> Option<PathBuf> {
    let mut installed: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .collect();
    installed.sort();
    let installed = installed.into_iter().rev().map(|(_, folder)| folder.join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    installed
        .chain(env::split_paths(&path))
        .find(|folder| ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gets_another_database() {
        for (given, expected) in [
            ("postgres://a:b@h:5/x?sslmode=off", "postgres://a:b@h:5/t?sslmode=off"),
            ("postgres://h", "postgres://h/t"),
            ("postgres:///x?host=/run/pg", "postgres:///t?host=/run/pg"),
        ] {
            assert_eq!(Cluster::at(given).url("t"), expected);
        }
    }
}
