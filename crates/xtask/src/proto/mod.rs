//! Lints the contracts and refuses changes that break those who already speak them.
//!
//! Invariant: what is checked is what the build compiles: our `.proto` files and the
//! `buf/validate/validate.proto` of the crate that generates the validation. No file of others is
//! committed, and nothing is fetched from a schema registry.

mod baseline;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::gate::{Outcome, missing};
use crate::shell;
use crate::workspace::Workspace;
use baseline::Baseline;

/// The release of buf whose rules the contracts keep to.
const BUF_PACKAGE: &str = "@bufbuild/buf@1.75.0";
/// The crate that ships the validation rules' own contract, and where in it.
const VALIDATE: (&str, &str) = ("prost-protovalidate-types", "proto/buf/validate/validate.proto");

/// Lints, then compares with an earlier commit.
pub(crate) fn run(workspace: &Workspace, against: Option<&str>) -> Result<Outcome> {
    let Some(buf) = find_buf(&workspace.target) else {
        return Ok(missing("buf", "cargo xtask proto --install"));
    };
    let root = &workspace.root;
    let config = fs::read(root.join("proto/buf.yaml")).context("read proto/buf.yaml")?;
    let validate = workspace.source_of(VALIDATE.0)?.join(VALIDATE.1);
    let validate = fs::read(&validate).with_context(|| format!("read {}", validate.display()))?;
    let staged = workspace.target.join("proto-check");
    let stage =
        |name: &str, files: &[ProtoFile]| stage(&staged.join(name), files, &config, &validate);

    let now = stage("now", &read_folder(root, Path::new("proto"))?)?;
    shell::run(Command::new(&buf).current_dir(&now).args(["lint", "proto"]))?;
    println!("contracts are linted");

    match baseline::choose(&baseline::look(root, against)?) {
        Baseline::None(why) => println!("contracts are compared with nothing: {why}"),
        Baseline::Commit { id, what } => {
            let files = baseline::export(root, &id)?;
            if files.is_empty() {
                println!("contracts are compared with nothing: {what} has none");
                return Ok(Outcome::Done);
            }
            let before = stage("before", &files)?;
            let mut buf = Command::new(&buf);
            buf.current_dir(&now).args(["breaking", "proto", "--against"]);
            shell::run(buf.arg(before.join("proto")))
                .with_context(|| format!("the contracts break those of {what}"))?;
            println!("contracts keep what {what} promises");
        }
    }
    Ok(Outcome::Done)
}

/// Installs the pinned buf below the target folder.
pub(crate) fn install(workspace: &Workspace) -> Result<Outcome> {
    if !shell::succeeds(Command::new("npm").arg("--version")) {
        return Ok(missing("npm", "apt-get install npm"));
    }
    let tools = tools(&workspace.target);
    fs::create_dir_all(&tools).with_context(|| format!("create {}", tools.display()))?;
    let mut npm = Command::new("npm");
    // The package of each platform carries the binary; no script of a package has to run.
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]);
    shell::run(npm.arg("--prefix").arg(&tools).arg(BUF_PACKAGE))?;
    ensure!(find_buf(&workspace.target).is_some(), "{BUF_PACKAGE} does not start here");
    Ok(Outcome::Done)
}

fn tools(target: &Path) -> PathBuf {
    target.join("tools")
}

/// The pinned buf, or else the one on the path.
fn find_buf(target: &Path) -> Option<PathBuf> {
    [tools(target).join("node_modules/.bin/buf"), PathBuf::from("buf")]
        .into_iter()
        .find(|buf| shell::succeeds(Command::new(buf).arg("--version")))
}

/// A path below the root, such as `proto/redress/common/v1/money.proto`, and its content.
type ProtoFile = (PathBuf, Vec<u8>);

/// All `.proto` files of the work tree below `folder`.
fn read_folder(root: &Path, folder: &Path) -> Result<Vec<ProtoFile>> {
    let mut files = Vec::new();
    let list = fs::read_dir(root.join(folder));
    for entry in list.with_context(|| format!("list {}", folder.display()))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            files.extend(read_folder(root, &path)?);
        } else if is_proto(&path) {
            let bytes =
                fs::read(entry.path()).with_context(|| format!("read {}", path.display()))?;
            files.push((path, bytes));
        }
    }
    Ok(files)
}

fn is_proto(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "proto")
}

/// Lays the files out as one module that buf can resolve alone; returns the folder around it.
fn stage(folder: &Path, files: &[ProtoFile], config: &[u8], validate: &[u8]) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    let write = |path: &Path, bytes: &[u8]| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))
    };
    for (path, bytes) in files {
        write(path, bytes)?;
    }
    write(Path::new("proto/buf.yaml"), config)?;
    write(Path::new("proto/buf/validate/validate.proto"), validate)?;
    Ok(folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_holds_the_files_of_this_run_only() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("proto/a/v1")).unwrap();
        fs::write(root.path().join("proto/a/v1/a.proto"), "new").unwrap();
        fs::write(root.path().join("proto/a/v1/README.md"), "not a contract").unwrap();
        let stage_folder = root.path().join("stage");
        let stale = [(PathBuf::from("proto/gone.proto"), b"old".to_vec())];
        stage(&stage_folder, &stale, b"old config", b"v").unwrap();

        let files = read_folder(root.path(), Path::new("proto")).unwrap();
        assert_eq!(files, [(PathBuf::from("proto/a/v1/a.proto"), b"new".to_vec())]);
        stage(&stage_folder, &files, b"config", b"rules").unwrap();

        let read = |path: &str| fs::read_to_string(stage_folder.join(path)).ok();
        assert_eq!(read("proto/a/v1/a.proto").as_deref(), Some("new"));
        assert_eq!(read("proto/buf.yaml").as_deref(), Some("config"));
        assert_eq!(read("proto/buf/validate/validate.proto").as_deref(), Some("rules"));
        assert_eq!(read("proto/gone.proto"), None);
    }
}
