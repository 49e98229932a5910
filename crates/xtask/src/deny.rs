//! Checks what comes in from others: licences, bans, duplicates, sources, advisories.
//!
//! Invariant: advisories are always checked against a database, whose age is printed: the given
//! snapshot, or else the one that cargo-deny fetches.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use toml::{Table, Value};

use crate::gate::{Outcome, missing};
use crate::shell;
use crate::workspace::Workspace;

/// Where a snapshot of the RustSec database is looked for, seen from the root.
pub(crate) const SNAPSHOT: &str = "../shared/data/rustsec-advisory-db.tar.gz";

/// The folder in which cargo-deny looks for its default database: name and hash of its address.
const DATABASE: &str = "advisory-db-3157b0e258782691";

/// Runs cargo-deny, offline when there is a snapshot.
pub(crate) fn run(workspace: &Workspace, snapshot: &Path) -> Result<Outcome> {
    let root = &workspace.root;
    let cargo = || {
        let mut command = Command::new(shell::cargo());
        command.current_dir(root);
        command
    };
    if !shell::succeeds(cargo().args(["deny", "--version"])) {
        return Ok(missing("cargo-deny", "cargo install cargo-deny --locked"));
    }
    let snapshot = root.join(snapshot);
    if !snapshot.is_file() {
        println!("no snapshot at {}: fetching the advisories", snapshot.display());
        return shell::run(cargo().args(["deny", "--locked", "check"])).map(|()| Outcome::Done);
    }
    let databases = workspace.target.join("advisory-dbs");
    let newest = unpack(&snapshot, &databases.join(DATABASE))?;
    println!("advisories from the snapshot, the newest of {newest}");
    let config = configure(root, &databases)?;
    // With --offline cargo-deny asks nobody for crates either.
    shell::run(cargo().args(["fetch", "--locked", "--quiet"]))?;
    let mut deny = cargo();
    deny.args(["deny", "--offline", "--locked", "--config"]).arg(config).arg("check");
    shell::run(&mut deny).map(|()| Outcome::Done)
}

/// Unpacks the snapshot as the git clone that cargo-deny expects; returns its newest date.
fn unpack(snapshot: &Path, folder: &Path) -> Result<String> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    shell::run(Command::new("tar").arg("-xzf").arg(snapshot).arg("-C").arg(folder))?;
    let newest = newest_date(folder)?;
    ensure!(newest.is_some(), "{} holds no advisories", snapshot.display());
    let git = || {
        let mut command = Command::new("git");
        command.arg("-C").arg(folder);
        command.args(["-c", "user.name=xtask", "-c", "user.email=xtask@localhost"]);
        command
    };
    shell::run(git().args(["init", "--quiet"]))?;
    shell::run(git().args(["add", "--all", "--force"]))?;
    shell::run(git().args(["commit", "--quiet", "--no-verify", "--message", "snapshot"]))?;
    fs::write(folder.join(".git/FETCH_HEAD"), "").context("mark the snapshot as fetched")?;
    Ok(newest.unwrap_or_default())
}

/// The latest `date = "..."` of the advisories below the folder.
fn newest_date(folder: &Path) -> Result<Option<String>> {
    let mut newest = None;
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        let found = if path.is_dir() {
            newest_date(&path)?
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let text =
                fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            date_of(&text).map(str::to_owned)
        } else {
            None
        };
        newest = newest.max(found);
    }
    Ok(newest)
}

fn date_of(advisory: &str) -> Option<&str> {
    let rest = advisory.lines().find_map(|line| line.strip_prefix("date = \""))?;
    rest.strip_suffix('"')
}

/// Writes deny.toml with the place of the databases added; returns the new file.
fn configure(root: &Path, databases: &Path) -> Result<PathBuf> {
    let source = root.join("deny.toml");
    let text = fs::read_to_string(&source).with_context(|| format!("read {}", source.display()))?;
    let mut config: Table = text.parse().context("deny.toml is no TOML")?;
    let advisories = config.entry("advisories").or_insert_with(|| Value::Table(Table::new()));
    let advisories = advisories.as_table_mut().context("deny.toml: [advisories] is no table")?;
    let databases = databases.to_string_lossy().into_owned();
    advisories.insert("db-path".to_owned(), Value::String(databases.clone()));
    let path = Path::new(&databases).join("deny.toml");
    fs::write(&path, config.to_string()).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADVISORY: &str =
        "```toml\n[advisory]\nid = \"RUSTSEC-2026-0001\"\ndate = \"2026-01-02\"\n```\n";

    fn archive(folder: &Path, file: &str, text: &str) -> PathBuf {
        fs::create_dir_all(folder.join("db/crates/a")).unwrap();
        fs::write(folder.join("db/crates/a").join(file), text).unwrap();
        let archive = folder.join("db.tar.gz");
        let mut tar = Command::new("tar");
        tar.arg("-czf").arg(&archive).arg("-C").arg(folder.join("db")).arg("crates");
        shell::run(&mut tar).unwrap();
        archive
    }

    #[test]
    fn a_snapshot_becomes_a_clone_and_tells_its_age() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archive(folder.path(), "RUSTSEC-2026-0001.md", ADVISORY);
        let clone = folder.path().join("clone");
        for _ in 0..2 {
            assert_eq!(unpack(&archive, &clone).unwrap(), "2026-01-02");
        }
        assert!(clone.join(".git/FETCH_HEAD").is_file());
        let mut git = Command::new("git");
        git.arg("-C").arg(&clone).args(["ls-files"]);
        assert_eq!(shell::capture(&mut git).unwrap(), "crates/a/RUSTSEC-2026-0001.md\n");
    }

    #[test]
    fn an_archive_without_advisories_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archive(folder.path(), "README.md", "nothing here");
        let error = unpack(&archive, &folder.path().join("clone")).unwrap_err().to_string();
        assert!(error.contains("holds no advisories"), "{error}");
    }

    #[test]
    fn the_configuration_keeps_its_rules() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("deny.toml"), "[advisories]\nyanked = \"deny\"\n").unwrap();
        let text = fs::read_to_string(configure(folder.path(), folder.path()).unwrap()).unwrap();
        assert!(text.contains("yanked = \"deny\"") && text.contains("db-path"), "{text}");
    }
}
