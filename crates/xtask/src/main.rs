//! The repository's own tools: `cargo xtask <command>`.
//!
//! Invariant: `cargo xtask ci` is the whole quality gate; CI runs nothing that a person cannot run
//! here in the same words. What could not be run is said, never passed over.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool: its output is its purpose"
)]
#![expect(clippy::disallowed_methods, reason = "a binary: reads the environment and the clock")]

mod clients;
mod deny;
mod gate;
mod migration;
mod proto;
mod shell;
mod tidy;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use gate::Outcome;
use workspace::Workspace;

/// Tools for working on Redress.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    after_help = "Start with `cargo xtask ci`."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the whole quality gate: fmt, clippy, tidy, deny, proto, test. Stops at the first
    /// failure, and says which steps could not run.
    #[command(after_help = "Example: cargo xtask ci")]
    Ci,
    /// Formats all Rust sources.
    #[command(after_help = "Example: cargo xtask fmt --check")]
    Fmt {
        /// Changes nothing; fails when something is not formatted.
        #[arg(long)]
        check: bool,
    },
    /// Lints all targets of all crates; a warning is a failure.
    #[command(after_help = "Example: cargo xtask clippy")]
    Clippy,
    /// Checks the rules of the house: who may depend on whom, migrations in pairs, module docs,
    /// sizes, links.
    #[command(after_help = "Example: cargo xtask tidy")]
    Tidy,
    /// Lints the contracts and compares them with those of an earlier commit.
    #[command(after_help = "Examples:\n  cargo xtask proto\n  cargo xtask proto --install\n  \
                            cargo xtask proto --against v0.1.0")]
    Proto {
        /// Installs the pinned buf with npm, below the target folder, and does nothing else.
        #[arg(long)]
        install: bool,
        /// Compares with this commit, instead of where the work left origin/main.
        #[arg(long, value_name = "COMMIT", conflicts_with = "install")]
        against: Option<String>,
    },
    /// Runs the clients in other languages, generated from the contracts, against the services.
    #[command(after_help = "Examples:\n  cargo xtask clients --install\n  cargo xtask clients")]
    Clients {
        /// Installs what they need with pip and npm, below the target folder, and does nothing else.
        #[arg(long)]
        install: bool,
    },
    /// Checks licences, bans, duplicates, sources and advisories with cargo-deny.
    #[command(after_help = "Example: cargo xtask deny")]
    Deny {
        /// A tar.gz of the RustSec advisory database; where it is absent, the database is fetched.
        #[arg(long, value_name = "FILE", default_value = deny::SNAPSHOT)]
        advisories: PathBuf,
    },
    /// Runs all tests on SQLite and PostgreSQL.
    #[command(after_help = "Examples:\n  cargo xtask test\n  cargo xtask test --sqlite-only")]
    Test {
        /// Leaves out the tests whose name contains `postgres`.
        #[arg(long)]
        sqlite_only: bool,
    },
    /// Creates the next migration of a service, for both databases.
    #[command(after_help = "Example: cargo xtask migration refunds add_payouts")]
    Migration {
        /// A crate with migrations: cases, feedback, notifications, refunds or store.
        service: String,
        /// What it does, as verb and noun: add_payouts.
        verb_noun: String,
    },
}

fn main() -> ExitCode {
    let outcome = match run(Cli::parse().command) {
        Ok(outcome) => outcome,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    match outcome {
        Outcome::Done => ExitCode::SUCCESS,
        Outcome::NotRun(why) => {
            eprintln!("xtask: NOT RUN: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<Outcome> {
    let workspace = Workspace::load()?;
    match command {
        Command::Ci => gate::ci(&workspace),
        Command::Fmt { check } => gate::fmt(&workspace, check),
        Command::Clippy => gate::clippy(&workspace),
        Command::Tidy => tidy::run(&workspace).map(|()| Outcome::Done),
        Command::Proto { install: true, .. } => proto::install(&workspace),
        Command::Proto { against, .. } => proto::run(&workspace, against.as_deref()),
        Command::Clients { install: true } => clients::install(&workspace),
        Command::Clients { install: false } => clients::run(&workspace),
        Command::Deny { advisories } => deny::run(&workspace, &advisories),
        Command::Test { sqlite_only } => gate::test(&workspace, sqlite_only),
        Command::Migration { service, verb_noun } => {
            migration::create(&workspace.root, &service, &verb_noun)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_has_help_and_an_example() {
        let cli = Cli::command();
        cli.clone().debug_assert();
        for command in cli.get_subcommands() {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} has no help");
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("cargo xtask {name}")), "{name} has no example");
        }
    }
}
