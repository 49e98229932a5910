//! One process of the refunds service, and the signals that it gets.
//!
//! Invariant: it does not outlive its handle, frozen or not; what it wrote to standard error is
//! kept, also of the processes before it in the same place.

use std::fs::{self, OpenOptions};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use redress::cli::ServiceName;
use redress::services::AnySettings;
use tokio::net::TcpStream;

use super::disk::SmallDisk;
use crate::harness::eventually;
use crate::harness::processes::binary;

/// How long a process may take until it serves, or until it has drained.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where a process of the service runs, whether one does or not.
pub(crate) struct Place {
    pub(crate) settings: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Place {
    /// The place that the settings in this file describe.
    pub(crate) fn new(settings: PathBuf) -> Self {
        let service = ServiceName::Refunds;
        let address = AnySettings::load(service, &settings, []).unwrap().listen();
        Self { log: settings.with_extension("log"), settings, address }
    }

    /// Starts a process here and waits until it takes connections.
    pub(crate) async fn start(&self, disk: Option<&SmallDisk>) -> Replica {
        let log = OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let mut command = disk.map_or_else(|| Command::new(binary()), |disk| disk.run(&binary()));
        command.args(["serve", "refunds", "--migrate", "--config"]).arg(&self.settings);
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut replica = Replica { child: command.spawn().unwrap() };
        let what = format!("the refunds service on {}", self.address);
        eventually(&what, PATIENCE, async || {
            if let Some(status) = replica.child.try_wait().unwrap() {
                panic!("it ended at once: {status}\n{}", self.written());
            }
            TcpStream::connect(self.address).await.map(drop).map_err(|error| error.to_string())
        })
        .await;
        replica
    }

    /// What its processes have written to standard error.
    pub(crate) fn written(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// A running process.
pub(crate) struct Replica {
    child: Child,
}

impl Replica {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// SIGKILL: it gets no chance to clean up.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), None, "it ended by itself: {status}");
    }

    /// SIGSTOP: it stands still and knows nothing of it.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// SIGCONT.
    pub(crate) fn wake(&self) {
        self.signal("CONT");
    }

    /// SIGTERM: it drains and ends by itself.
    pub(crate) async fn terminate(mut self) {
        self.signal("TERM");
        let ended = eventually("the end of a process", PATIENCE, async || {
            self.child.try_wait().unwrap().ok_or_else(|| "it still runs".to_owned())
        });
        let status: ExitStatus = ended.await;
        assert!(status.success(), "it ended badly: {status}");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(sent.unwrap().success(), "SIG{name} found nobody");
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and that is fine.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
