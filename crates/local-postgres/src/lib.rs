//! PostgreSQL on this machine, from the installed binaries, for tests and benchmarks: a cluster of
//! one's own, or a server that somebody names.
//!
//! Invariant: a cluster of ours is private (a Unix socket in its own folder, no port) and lives as
//! long as some process holds the shared lock on `users.lock`, which ends with the process, however
//! it ends; `supervisor.sh` then stops and removes it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::{Instant, sleep};

/// How long a cluster may take until it answers; a cold machine needs a few seconds for initdb.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long a cluster that nobody uses may take to go.
const STOP_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);

/// There is no PostgreSQL to use.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The folder of the cluster cannot be used.
    #[error("no cluster in {}", folder.display())]
    Folder {
        /// The cluster's folder.
        folder: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The cluster was started and does not answer.
    #[error("the cluster does not start; see {}", log.display())]
    Silent {
        /// What initdb and PostgreSQL wrote.
        log: PathBuf,
        /// The last attempt to connect.
        #[source]
        source: sqlx::Error,
    },
    /// The cluster did not end although nobody used it any more.
    #[error("the cluster in {} did not stop within {} s", folder.display(), STOP_LIMIT.as_secs())]
    Lingers {
        /// The cluster's folder.
        folder: PathBuf,
    },
}

/// What becomes of a cluster that nobody uses any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It waits ten seconds for the next user and then ends; its folder stays for the next cluster.
    Shared,
    /// It ends at once, and its folder goes with it.
    Private,
}

/// Where a cluster is and how it runs.
#[derive(Debug, Clone, Copy)]
pub struct Spec<'a> {
    /// Its folder, absolute; others may read it. A short path, because a socket's path may have 107
    /// bytes.
    pub folder: &'a Path,
    /// Where initdb and postgres are; see [`find_binaries`].
    pub binaries: &'a Path,
    /// Settings of PostgreSQL, such as `("fsync", "on")`.
    pub settings: &'a [(&'a str, &'a str)],
    /// What becomes of it.
    pub ending: Ending,
}

/// A running PostgreSQL whose user may create databases.
#[derive(Debug)]
pub struct Cluster {
    /// The URL up to the database's name, and what follows it.
    before: String,
    after: String,
    ours: Option<Ours>,
}

/// What a cluster of ours leaves behind with its last user.
#[derive(Debug)]
struct Ours {
    folder: PathBuf,
    ending: Ending,
    /// Holds the lock that keeps the cluster running.
    users: File,
}

impl Cluster {
    /// The server that `url` names, with any database. Nothing is asked of it yet.
    pub fn at(url: &str) -> Self {
        let (path, query) = match url.split_once('?') {
            Some((path, query)) => (path, format!("?{query}")),
            None => (url, String::new()),
        };
        let authority = path.find("://").map_or(0, |scheme| scheme + 3);
        let end = path[authority..].find('/').map_or(path.len(), |slash| authority + slash);
        Self { before: path[..end].to_owned(), after: query, ours: None }
    }

    /// Takes the lock that keeps the cluster of `spec` running, and starts it when nobody did.
    pub async fn join(spec: Spec<'_>) -> Result<Self, ClusterError> {
        let folder = spec.folder;
        let broken = |source| ClusterError::Folder { folder: folder.to_owned(), source };
        let users = lock_file(&folder.join("users.lock")).map_err(broken)?;
        // Waits while a supervisor is stopping its cluster.
        users.lock_shared().map_err(broken)?;
        let socket = folder.join("socket");
        let ours = Ours { folder: folder.to_owned(), ending: spec.ending, users };
        let cluster = Self {
            before: "postgres://postgres@localhost".to_owned(),
            after: format!("?host={}", socket.display()),
            ours: Some(ours),
        };
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let supervisor = lock_file(&folder.join("supervisor.lock")).map_err(broken)?;
            let is_supervised = supervisor.try_lock().is_err();
            drop(supervisor);
            if !is_supervised {
                supervise(spec).map_err(broken)?;
            }
            match cluster.ping().await {
                Ok(()) => return Ok(cluster),
                Err(source) if Instant::now() > deadline => {
                    return Err(ClusterError::Silent { log: folder.join("log"), source });
                }
                Err(_) => {}
            }
            for _ in 0..20 {
                sleep(POLL).await;
                if socket.join(".s.PGSQL.5432").exists() {
                    break;
                }
            }
        }
    }

    /// The URL of `database` on this server.
    pub fn url(&self, database: &str) -> String {
        format!("{}/{database}{}", self.before, self.after)
    }

    /// Asks the server for a sign of life.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        PgConnection::connect(&self.url("postgres")).await?.close().await
    }

    /// Runs one statement on the database `postgres`, such as CREATE DATABASE.
    pub async fn execute(&self, statement: String) -> Result<(), sqlx::Error> {
        let mut admin = PgConnection::connect(&self.url("postgres")).await?;
        sqlx::query(AssertSqlSafe(statement)).execute(&mut admin).await?;
        admin.close().await
    }

    /// The value of a setting, as SHOW tells it.
    pub async fn setting(&self, name: &str) -> Result<String, sqlx::Error> {
        let mut admin = PgConnection::connect(&self.url("postgres")).await?;
        let value = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(name)
            .fetch_one(&mut admin)
            .await?;
        admin.close().await?;
        Ok(value)
    }

    /// Ends the use of it, and waits until a private cluster has gone with its folder.
    pub async fn leave(self) -> Result<(), ClusterError> {
        let Some(Ours { folder, ending, users }) = self.ours else { return Ok(()) };
        drop(users);
        let deadline = Instant::now() + STOP_LIMIT;
        while ending == Ending::Private && folder.exists() {
            if Instant::now() > deadline {
                return Err(ClusterError::Lingers { folder });
            }
            sleep(POLL).await;
        }
        Ok(())
    }
}

fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).open(path)
}

/// Starts the supervisor in a session of its own, so that it outlives this process.
fn supervise(spec: Spec<'_>) -> io::Result<()> {
    let log = File::create(spec.folder.join("log"))?;
    // PostgreSQL refuses to run as root.
    let user = if fs::metadata(spec.folder)?.uid() == 0 { "postgres" } else { "" };
    let (patience_s, folder_goes) = match spec.ending {
        Ending::Shared => ("10", "no"),
        Ending::Private => ("1", "yes"),
    };
    Command::new("setsid")
        .args(["--fork", "sh", "-c", include_str!("supervisor.sh"), "redress-postgres"])
        .arg(spec.folder)
        .arg(spec.binaries)
        .args([user, patience_s, folder_goes])
        .args(spec.settings.iter().map(|(name, value)| format!("--{name}={value}")))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .status()
        .map(drop)
}

/// The newest installed PostgreSQL, or the one in the first of `folders` that has it; hand over
/// those of PATH.
pub fn find_binaries(folders: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    let mut installed: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .collect();
    installed.sort();
    let installed = installed.into_iter().rev().map(|(_, folder)| folder.join("bin"));
    installed
        .chain(folders)
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

    #[test]
    fn binaries_are_found_in_a_given_folder_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let installed = find_binaries([]);
        assert_eq!(find_binaries([folder.path().to_owned()]), installed);
        for name in ["initdb", "postgres"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let expected = installed.unwrap_or_else(|| folder.path().to_owned());
        assert_eq!(find_binaries([folder.path().to_owned()]), Some(expected));
    }
}
