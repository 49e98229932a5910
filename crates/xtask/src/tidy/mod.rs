//! The rules of the house that no other tool checks.
//!
//! Invariant: every check is a pure function from the files and cargo's metadata to findings, and
//! has tests that feed it bad input. The only way around a rule is a row in [`EXCEPTIONS`], with
//! its reason; a row that excuses nothing is itself a finding, so that the list only shrinks.

mod contracts;
mod layers;
mod lexer;
mod links;
mod manifests;
pub(crate) mod migrations;
mod reasons;
mod seams;
mod sources;
mod tree;

use std::fmt;

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use tree::Tree;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The file, relative to the root.
    pub(crate) path: String,
    /// The line, from 1; 0 when the whole file is meant.
    line: usize,
    /// Name of the rule, as in [`EXCEPTIONS`].
    pub(crate) rule: &'static str,
    /// What is wrong and, where it is not plain, what to do.
    pub(crate) message: String,
}

impl Finding {
    fn at(rule: &'static str, path: impl Into<String>, line: usize, message: String) -> Self {
        Self { path: path.into(), line, rule, message }
    }

    fn of_file(rule: &'static str, path: impl Into<String>, message: String) -> Self {
        Self::at(rule, path, 0, message)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, rule, message } = self;
        if *line == 0 {
            write!(f, "{path}: {message} [{rule}]")
        } else {
            write!(f, "{path}:{line}: {message} [{rule}]")
        }
    }
}

/// A place where a rule does not hold, and why that is right.
struct Exception {
    rule: &'static str,
    /// The start of the paths that are meant.
    path: &'static str,
    /// A part of the message; empty for all findings of the rule.
    about: &'static str,
    reason: &'static str,
}

/// Every exception there is.
const EXCEPTIONS: &[Exception] = &[
    Exception {
        rule: "paths",
        path: "crates/xtask/src/tidy/sources.rs",
        about: "",
        reason: "names what the rule refuses",
    },
    Exception {
        rule: "paths",
        path: "crates/xtask/src/deny.rs",
        about: "outside the repository",
        reason: "the advisory snapshot of a machine without a network lies beside the repository",
    },
    Exception {
        rule: "unused-dependency",
        path: "crates/proto/Cargo.toml",
        about: "",
        reason: "generated code names them",
    },
];

/// Checks the repository and prints what is wrong.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let tree = Tree::read(&workspace.root)?;
    let findings = excuse(&check(&tree, workspace), EXCEPTIONS);
    for finding in &findings {
        eprintln!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} finding(s); the rules stand in crates/xtask/src/tidy", findings.len());
    }
    println!("{} files keep the rules of the house", tree.paths().count());
    Ok(())
}

fn check(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let reachable = workspace
        .members()
        .map(|package| {
            let names = package.dependencies.iter().map(crate::workspace::Dependency::ident);
            (workspace.folder_of(package), names.collect())
        })
        .collect();
    let mut findings = [
        layers::check(workspace),
        seams::check(tree, &reachable),
        migrations::check(tree),
        sources::check(tree),
        contracts::check(tree),
        manifests::check(tree, workspace),
        reasons::check(tree),
        links::check(tree),
    ]
    .concat();
    findings.sort();
    findings
}

/// Drops the findings that an exception covers, and reports the exceptions that cover none.
fn excuse(findings: &[Finding], exceptions: &[Exception]) -> Vec<Finding> {
    let covers = |exception: &Exception, finding: &Finding| {
        finding.rule == exception.rule
            && finding.path.starts_with(exception.path)
            && finding.message.contains(exception.about)
    };
    let idle = exceptions
        .iter()
        .filter(|exception| !findings.iter().any(|finding| covers(exception, finding)))
        .map(|exception| {
            let message =
                format!("its exception (\"{}\") excuses nothing: remove it", exception.reason);
            Finding::of_file(exception.rule, exception.path, message)
        })
        .collect::<Vec<_>>();
    let kept = findings.iter().filter(|finding| !exceptions.iter().any(|e| covers(e, finding)));
    kept.cloned().chain(idle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXCEPTION: Exception =
        Exception { rule: "length", path: "crates/a/", about: "600", reason: "one table" };

    fn finding(rule: &'static str, path: &str) -> Finding {
        Finding::at(rule, path, 7, "600 lines".to_owned())
    }

    #[test]
    fn an_exception_covers_its_rule_and_place_only() {
        let covered = finding("length", "crates/a/src/x.rs");
        let other_rule = finding("marks", "crates/a/src/x.rs");
        let other_place = finding("length", "crates/b/src/x.rs");
        let findings = [covered, other_rule.clone(), other_place.clone()];
        assert_eq!(excuse(&findings, &[EXCEPTION]), [other_rule, other_place]);
    }

    #[test]
    fn an_exception_that_excuses_nothing_is_a_finding() {
        let found = excuse(&[], &[EXCEPTION]);
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("excuses nothing"), "{}", found[0]);
    }

    #[test]
    fn a_finding_reads_as_file_line_message_rule() {
        assert_eq!(finding("length", "a.rs").to_string(), "a.rs:7: 600 lines [length]");
        let whole = Finding::of_file("length", "a.rs", "too long".to_owned());
        assert_eq!(whole.to_string(), "a.rs: too long [length]");
    }

    #[test]
    fn every_check_runs() {
        let tree = Tree::of(&[
            ("crates/refunds/src/app/x.rs", "use sqlx::Pool;"),
            ("crates/refunds/migrations/x.sql", ""),
            ("proto/a.proto", "rpc Get(A) returns (B);"),
            ("crates/refunds/Cargo.toml", ""),
            ("README.md", "[a](nowhere.md)"),
        ]);
        let packages = Workspace::of(&[("redress-extra", "crates/extra", &[])]);
        let rules: Vec<_> = check(&tree, &packages).iter().map(|finding| finding.rule).collect();
        for rule in ["layers", "seams", "migrations", "purpose", "contracts", "manifests", "links"]
        {
            assert!(rules.contains(&rule), "{rule} did not run: {rules:?}");
        }
    }
}
