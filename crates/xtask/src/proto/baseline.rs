//! Which commit's contracts must not be broken.
//!
//! Invariant: what others may rely on is what was shared or released; work that has not left this
//! clone yet may still be changed freely. Every choice says what it compares with.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{ProtoFile, is_proto};
use crate::shell;

/// What to compare with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Baseline {
    /// The contracts of this commit.
    Commit { id: String, what: String },
    /// Nothing, for this reason.
    None(&'static str),
}

/// What the clone knows of its history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// The commit that was asked for.
    named: Option<String>,
    head: Option<String>,
    /// Where the work left `origin/main`.
    fork: Option<String>,
    /// The last release tag before the work.
    release: Option<String>,
}

/// Asks git. Whatever it cannot tell stays empty; only a commit that was asked for has to exist.
pub(crate) fn look(root: &Path, named: Option<&str>) -> Result<History> {
    let ask = |arguments: &[&str]| {
        let answer = shell::capture(git(root).args(arguments)).ok()?;
        Some(answer.trim().to_owned())
    };
    let named = match named {
        Some(name) => {
            let commit = format!("{name}^{{commit}}");
            let id = ask(&["rev-parse", "--verify", "--quiet", &commit]);
            Some(id.with_context(|| format!("`{name}` is no commit of this clone"))?)
        }
        None => None,
    };
    Ok(History {
        named,
        head: ask(&["rev-parse", "--verify", "--quiet", "HEAD"]),
        fork: ask(&["merge-base", "HEAD", "origin/main"]),
        release: ask(&["describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"]),
    })
}

/// The commit that was asked for; else where unshared work began; else the last release; else the
/// last commit, so that at least uncommitted changes are seen.
pub(crate) fn choose(history: &History) -> Baseline {
    let short = |id: &str| id.chars().take(10).collect::<String>();
    let commit = |id: &str, what: String| Baseline::Commit { id: id.to_owned(), what };
    let Some(head) = &history.head else {
        return Baseline::None("this clone has no history");
    };
    if let Some(id) = &history.named {
        return commit(id, format!("commit {}", short(id)));
    }
    match (&history.fork, &history.release) {
        (Some(fork), _) if fork != head => commit(fork, format!("origin/main at {}", short(fork))),
        (_, Some(release)) => commit(release, format!("release {release}")),
        _ => commit(
            head,
            format!(
                "the last commit, {} (no release yet; only uncommitted changes show)",
                short(head)
            ),
        ),
    }
}

/// The contracts as they stood in a commit, read without touching the work tree.
pub(crate) fn export(root: &Path, commit: &str) -> Result<Vec<ProtoFile>> {
    let mut list = git(root);
    list.args(["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit, "proto/"]);
    let names = shell::capture(&mut list)?;
    let mut files = Vec::new();
    for name in names.split_terminator('\0').filter(|name| is_proto(Path::new(name))) {
        let bytes = shell::capture_bytes(git(root).arg("show").arg(format!("{commit}:{name}")))?;
        files.push((PathBuf::from(name), bytes));
    }
    Ok(files)
}

fn git(root: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(root);
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn history(named: &str, head: &str, fork: &str, release: &str) -> History {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        History { named: some(named), head: some(head), fork: some(fork), release: some(release) }
    }

    #[test]
    fn the_nearest_promise_is_chosen() {
        for (given, expected) in [
            (history("n", "h", "f", "v1"), "n"),
            (history("", "h", "f", "v1"), "f"),
            (history("", "h", "h", "v1"), "v1"),
            (history("", "h", "", "v1"), "v1"),
            (history("", "h", "h", ""), "h"),
            (history("", "h", "", ""), "h"),
        ] {
            match choose(&given) {
                Baseline::Commit { id, .. } => assert_eq!(id, expected, "{given:?}"),
                Baseline::None(why) => panic!("{given:?}: {why}"),
            }
        }
        assert!(matches!(choose(&history("", "", "", "")), Baseline::None(_)));
    }

    #[test]
    fn a_commit_is_exported_as_it_was() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(look(root, None).unwrap(), History::default());
        let run = |arguments: &[&str]| {
            let mut git = git(root);
            git.args(["-c", "user.name=a", "-c", "user.email=a@localhost"]);
            shell::run(git.args(arguments)).unwrap();
        };
        run(&["init", "--quiet"]);
        fs::create_dir_all(root.join("proto/a")).unwrap();
        fs::write(root.join("proto/a/a.proto"), "before").unwrap();
        fs::write(root.join("proto/buf.yaml"), "").unwrap();
        run(&["add", "."]);
        run(&["commit", "--quiet", "-m", "one"]);
        run(&["tag", "v0.1.0"]);
        fs::write(root.join("proto/a/a.proto"), "after").unwrap();

        let found = look(root, None).unwrap();
        assert_eq!(found.release.as_deref(), Some("v0.1.0"));
        assert_eq!(found.fork, None);
        let files = export(root, found.head.as_deref().unwrap()).unwrap();
        assert_eq!(files, [(PathBuf::from("proto/a/a.proto"), b"before".to_vec())]);

        let error = look(root, Some("no-such-commit")).unwrap_err().to_string();
        assert!(error.contains("no-such-commit"), "{error}");
    }
}
