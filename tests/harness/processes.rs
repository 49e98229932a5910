//! Services in processes of their own, that can be killed and started again.
//!
//! Invariant: no process outlives its handle; what it wrote to standard error is kept, and shown
//! when the test fails.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use redress::cli::ServiceName;
use redress::home::Home;
use redress::services::AnySettings;
use tokio::net::TcpStream;

use super::eventually;

/// Lines of a log that are shown when a test fails.
const SHOWN: usize = 40;

/// The `redress` command beside the running test: cargo puts tests into `deps` below it.
pub(crate) fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let found = test.ancestors().skip(1).map(|folder| folder.join("redress")).find(|f| f.is_file());
    found.unwrap_or_else(|| {
        panic!("no `redress` beside {}: run `cargo build -p redress` first", test.display())
    })
}

/// Runs a command to its end. The environment is the test's own: none.
pub(crate) fn redress(arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).env_clear().stdin(Stdio::null());
    command.output().unwrap()
}

/// The running services of one folder.
pub(crate) struct Processes {
    home: Home,
    children: BTreeMap<ServiceName, Child>,
}

impl Processes {
    /// None yet.
    pub(crate) const fn new(home: Home) -> Self {
        Self { home, children: BTreeMap::new() }
    }

    /// Starts a service, which brings its database up to date.
    pub(crate) fn start(&mut self, service: ServiceName) {
        let log = OpenOptions::new().create(true).append(true).open(self.log_file(service));
        let mut command = Command::new(binary());
        command.args(["serve", service.as_str(), "--migrate", "--config"]);
        command.arg(self.home.settings_file(service)).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.unwrap());
        let before = self.children.insert(service, command.spawn().unwrap());
        assert!(before.is_none(), "{} runs already", service.as_str());
    }

    /// Kills a service with SIGKILL: it gets no chance to clean up.
    pub(crate) fn kill(&mut self, service: ServiceName) {
        let mut child = self.children.remove(&service).unwrap();
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), None, "{} ended by itself: {status}", service.as_str());
    }

    /// Waits until each running service takes connections.
    pub(crate) async fn ready(&mut self) {
        for (service, child) in &mut self.children {
            let settings = self.home.settings_file(*service);
            let address = AnySettings::load(*service, &settings, []).unwrap().listen();
            let what = format!("{} on {address}", service.as_str());
            eventually(&what, Duration::from_secs(30), async || {
                if let Some(status) = child.try_wait().unwrap() {
                    panic!("{} ended at once: {status}", service.as_str());
                }
                TcpStream::connect(address).await.map(drop).map_err(|error| error.to_string())
            })
            .await;
        }
    }

    /// What a service has written to standard error.
    pub(crate) fn log(&self, service: ServiceName) -> String {
        fs::read_to_string(self.log_file(service)).unwrap_or_default()
    }

    fn log_file(&self, service: ServiceName) -> PathBuf {
        self.home.dir().join(format!("{}.log", service.as_str()))
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in self.children.values_mut() {
            // One that has ended cannot be killed, and that is fine.
            let _ended = child.kill();
            let _status = child.wait();
        }
        if std::thread::panicking() {
            for service in ServiceName::ALL {
                let log = self.log(service);
                let lines: Vec<&str> = log.lines().collect();
                let last = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
                show(&format!("--- {} ---\n{last}", service.as_str()));
            }
        }
    }
}

/// Shows a text with the output of the test that fails.
#[expect(clippy::print_stdout, reason = "the output of a failed test is read by people")]
pub(crate) fn show(text: &str) {
    println!("{text}");
}
