//! A PostgreSQL of one test's own, which can crash and come back.
//!
//! Invariant: nobody else uses it, and it ends with its handle, together with its folder. Where it
//! listens does not change when it is started again.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redress_local_postgres::Cluster;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::postgres;

/// How long it may take until it answers, recovery after a crash included.
const START_LIMIT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);

/// A running server with one empty database.
#[derive(Debug)]
pub struct MortalPostgres {
    folder: TempDir,
    binaries: PathBuf,
    cluster: Cluster,
    server: Child,
}

impl MortalPostgres {
    /// Makes it and starts it. `None`, after a line on stderr, when PostgreSQL is not installed
    /// here; a panic instead when `REDRESS_REQUIRE_POSTGRES=1`.
    ///
    /// # Panics
    /// When an installed PostgreSQL does not start.
    pub async fn start() -> Option<Self> {
        let binaries = match postgres::binaries() {
            Ok(binaries) => binaries,
            Err(reason) => {
                postgres::skip(&reason);
                return None;
            }
        };
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        // PostgreSQL refuses to run as root, and its user has to get through.
        let passable = fs::set_permissions(folder.path(), Permissions::from_mode(0o755));
        passable.expect("the folder is ours");
        for name in ["data", "socket"] {
            fs::create_dir(folder.path().join(name)).expect("the folder is empty");
        }
        if runs_as_root(&folder).expect("the folder is there") {
            let mut owned = Command::new("chown");
            owned.args(["postgres", "data", "socket"]).current_dir(&folder);
            assert!(succeeds(&mut owned), "there is no user postgres");
        }
        let mut init = command(&folder, &binaries, "initdb");
        init.args(["-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]);
        assert!(succeeds(init.arg("--locale=C.UTF-8")), "initdb fails, see {}", log(&folder));
        let socket = folder.path().join("socket");
        let cluster =
            Cluster::at(&format!("postgres://postgres@localhost/?host={}", socket.display()));
        let server = serve(&folder, &binaries);
        let started = Self { folder, binaries, cluster, server };
        started.ready().await;
        Some(started)
    }

    /// The URL of its database.
    pub fn url(&self) -> String {
        self.cluster.url("postgres")
    }

    /// Ends it as a crash does, in the middle of whatever it is doing, and starts it again at once.
    ///
    /// # Panics
    /// When it does not come back.
    pub async fn crash(&mut self) {
        let pid = self.server.id().to_string();
        // SIGQUIT is what `pg_ctl stop -m immediate` sends: no checkpoint, no goodbye.
        assert!(succeeds(Command::new("kill").args(["-s", "QUIT", &pid])), "it ended by itself");
        self.server.wait().expect("it is our child");
        self.server = serve(&self.folder, &self.binaries);
        self.ready().await;
    }

    async fn ready(&self) {
        let deadline = Instant::now() + START_LIMIT;
        while let Err(error) = self.cluster.ping().await {
            let log = log(&self.folder);
            assert!(Instant::now() < deadline, "PostgreSQL does not answer: {error}; see {log}");
            sleep(POLL).await;
        }
    }
}

impl Drop for MortalPostgres {
    fn drop(&mut self) {
        let pid = self.server.id().to_string();
        // One that has ended cannot be stopped, and that is fine.
        let _ended = succeeds(Command::new("kill").args(["-s", "QUIT", &pid]));
        let _status = self.server.wait();
    }
}

fn serve(folder: &TempDir, binaries: &Path) -> Child {
    let mut server = command(folder, binaries, "postgres");
    let socket = folder.path().join("socket");
    server.args(["-D", "data", "-c", "listen_addresses=", "-c", "fsync=off", "-k"]).arg(socket);
    server.spawn().expect("postgres was found")
}

/// A program of PostgreSQL in the folder, as a user that it accepts.
fn command(folder: &TempDir, binaries: &Path, name: &str) -> Command {
    let program = binaries.join(name);
    let mut command = if runs_as_root(folder).expect("the folder is there") {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    let log = File::options().create(true).append(true).open(log(folder));
    let log = log.expect("the folder is ours");
    let copy = log.try_clone().expect("a descriptor is free");
    command.current_dir(folder).stdin(Stdio::null()).stdout(copy).stderr(log);
    command
}

fn log(folder: &TempDir) -> String {
    folder.path().join("log").display().to_string()
}

fn runs_as_root(folder: &TempDir) -> io::Result<bool> {
    Ok(fs::metadata(folder)?.uid() == 0)
}

fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}
