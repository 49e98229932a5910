//! A small disk of a process' own, which can be filled up and freed.
//!
//! It is a tmpfs in a mount namespace of the process, which no special right is needed for where
//! the kernel lets users have namespaces. A write beyond its size fails with ENOSPC, as on any disk.
//!
//! Invariant: it is seen by that process alone and ends with it.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const SIZE_MIB: usize = 64;

/// Where the disk is mounted.
pub(crate) struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// `None`, after a line on stderr, where users have no namespaces; in CI that is a failure.
    #[expect(clippy::disallowed_methods, reason = "the environment says whether a skip may pass")]
    pub(crate) fn prepare() -> Option<Self> {
        let disk = Self { folder: tempfile::tempdir().unwrap() };
        let tried = disk.run(Path::new("true")).output().unwrap();
        if tried.status.success() {
            return Some(disk);
        }
        assert!(
            env::var_os("CI").is_none(),
            "the case of a full disk cannot run: it needs mount namespaces of users \
             (unshare --user --mount)"
        );
        // Straight to stderr: the test harness hides what a passing test prints.
        let notice = "The case of a full disk is SKIPPED: users may not have mount namespaces here \
                      (unshare --user --mount).\n";
        io::stderr().write_all(notice.as_bytes()).unwrap();
        None
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a program with the disk mounted; its pid is the program's.
    pub(crate) fn run(&self, program: &Path) -> Command {
        let mut command = Command::new("unshare");
        let script = format!("mount -t tmpfs -o size={SIZE_MIB}m small \"$0\" && exec \"$@\"");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]);
        command.arg(self.folder()).arg(program);
        command
    }

    /// Fills it up to the last byte, as a neighbour might; `pid` is whose disk it is.
    pub(crate) fn fill(&self, pid: u32) {
        let mut ballast = File::create(self.ballast(pid)).unwrap();
        let mut chunk = vec![0; 1024 * 1024];
        while !chunk.is_empty() {
            match ballast.write(&chunk) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    chunk.truncate(chunk.len() / 2);
                }
                Err(error) => panic!("the disk cannot be filled: {error}"),
            }
        }
    }

    /// Makes room again.
    pub(crate) fn free(&self, pid: u32) {
        fs::remove_file(self.ballast(pid)).unwrap();
    }

    fn ballast(&self, pid: u32) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        root.join(self.folder().strip_prefix("/").unwrap()).join("ballast")
    }
}
