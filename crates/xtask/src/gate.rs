//! The quality gate: its steps, in order, with the time each took.
//!
//! Invariant: a step either passed, failed, or is reported as not run together with the way to make
//! it run; in CI a tool that CI installs may not be missing. Tests come last, so that the gate
//! closes with what they say.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{deny, proto, shell, tidy};

/// How a step ended that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It ran and found nothing wrong.
    Done,
    /// Its tool is missing: what was left out and how to install it.
    NotRun(String),
}

type Step = fn(&Workspace) -> Result<Outcome>;

/// The steps before the tests, and whether a run in CI insists on their tools.
const STEPS: [(&str, bool, Step); 5] = [
    ("fmt --check", true, |workspace| fmt(workspace, true)),
    ("tidy", true, |workspace| tidy::run(workspace).map(|()| Outcome::Done)),
    ("proto", true, |workspace| proto::run(workspace, None)),
    ("deny", false, |workspace| deny::run(workspace, Path::new(deny::SNAPSHOT))),
    ("clippy", true, clippy),
];

/// Runs every step, then the tests.
pub(crate) fn ci(workspace: &Workspace) -> Result<Outcome> {
    let in_ci = in_ci();
    let mut report = Vec::new();
    let steps = STEPS.into_iter().chain([("build", true, build as Step)]);
    for (name, required, step) in steps {
        println!("\n==> {name}");
        let started = Instant::now();
        let outcome = step(workspace).with_context(|| format!("step `{name}` failed"))?;
        let took = started.elapsed();
        println!("{}", report_line(name, took, &outcome));
        if let (Outcome::NotRun(why), true, true) = (&outcome, required, in_ci) {
            bail!("step `{name}` must run in CI: {why}");
        }
        report.push(report_line(name, took, &outcome));
    }
    println!("\n==> test (the steps so far)\n{}", report.join("\n"));
    run_tests(workspace, false).context("step `test` failed")
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

fn report_line(name: &str, took: Duration, outcome: &Outcome) -> String {
    let seconds = took.as_secs_f64();
    match outcome {
        Outcome::Done => format!("ok       {name:<12} {seconds:7.1} s"),
        Outcome::NotRun(why) => format!("NOT RUN  {name:<12} {why}"),
    }
}

/// Formats, or checks the format.
pub(crate) fn fmt(workspace: &Workspace, check: bool) -> Result<Outcome> {
    if !shell::succeeds(cargo(workspace).args(["fmt", "--version"])) {
        return Ok(missing("rustfmt", "rustup component add rustfmt"));
    }
    let mut command = cargo(workspace);
    command.args(["fmt", "--all"]);
    if check {
        command.args(["--", "--check"]);
    }
    shell::run(&mut command).map(|()| Outcome::Done)
}

/// Lints everything; a warning is a failure.
pub(crate) fn clippy(workspace: &Workspace) -> Result<Outcome> {
    if !shell::succeeds(cargo(workspace).args(["clippy", "--version"])) {
        return Ok(missing("clippy", "rustup component add clippy"));
    }
    let arguments =
        ["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
    shell::run(cargo(workspace).args(arguments)).map(|()| Outcome::Done)
}

/// Builds and runs all tests.
pub(crate) fn test(workspace: &Workspace, sqlite_only: bool) -> Result<Outcome> {
    build(workspace)?;
    run_tests(workspace, sqlite_only)
}

/// Builds the programs as they ship, without what tests add to their dependencies, and then the
/// tests, some of which start those programs.
fn build(workspace: &Workspace) -> Result<Outcome> {
    shell::run(cargo(workspace).args(["build", "--workspace", "--locked", "--bins"]))?;
    shell::run(cargo(workspace).args(["test", "--workspace", "--locked", "--tests", "--no-run"]))?;
    Ok(Outcome::Done)
}

/// Runs the tests that are in the documentation, then all others.
fn run_tests(workspace: &Workspace, sqlite_only: bool) -> Result<Outcome> {
    let mut documentation = cargo(workspace);
    documentation.args(["test", "--workspace", "--locked", "--quiet", "--doc"]);
    let mut others = cargo(workspace);
    // Every failure at once: a run in CI is too long to learn of them one by one.
    others.args(["test", "--workspace", "--locked", "--tests", "--no-fail-fast"]);
    if in_ci() {
        others.env("REDRESS_REQUIRE_POSTGRES", "1").env("REDRESS_REQUIRE_CLIENTS", "1");
    }
    if sqlite_only {
        println!("without PostgreSQL: tests whose name contains `postgres` are left out");
        others.args(["--", "--skip", "postgres"]);
    }
    shell::run(&mut documentation)?;
    shell::run(&mut others).map(|()| Outcome::Done)
}

/// What to report when a tool is not there.
pub(crate) fn missing(tool: &str, install: &str) -> Outcome {
    Outcome::NotRun(format!("{tool} is not installed; install it with `{install}`"))
}

/// Cargo, at the root.
pub(crate) fn cargo(workspace: &Workspace) -> Command {
    let mut command = Command::new(shell::cargo());
    command.current_dir(&workspace.root);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_did_not_run_is_never_reported_as_passed() {
        let line = report_line("deny", Duration::from_secs(1), &missing("buf", "npm i"));
        assert!(line.starts_with("NOT RUN") && line.contains("npm i"), "{line}");
        assert!(!line.contains("ok"), "{line}");
        let line = report_line("deny", Duration::from_millis(1500), &Outcome::Done);
        assert!(line.starts_with("ok") && line.ends_with("1.5 s"), "{line}");
    }
}
