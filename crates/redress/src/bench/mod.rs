//! `redress bench`: what this machine gives, beside what bare code gives on it in the same run.
//!
//! Invariant: both sides write durably and are called over real gRPC on loopback; a run whose
//! result does not add up is an error and prints no figure.

mod databases;
mod disruption;
mod load;
mod memory;
mod orders;
mod progress;
mod subscribers;
mod tenant;
mod unary;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use redress_runtime::config::TelemetrySettings;
use redress_runtime::telemetry;

use crate::cli::BenchCommand;

/// Spans of calls cost what they cost in production; of the logs only warnings are shown.
const LOG_FILTER: &str = "warn,sqlx::query=error,redress_runtime::layers=info";

/// Carries out a bench and tells how the process should end.
pub async fn run(command: &BenchCommand) -> Result<ExitCode> {
    let settings =
        TelemetrySettings { filter: LOG_FILTER.to_owned(), ..TelemetrySettings::default() };
    let _telemetry = telemetry::init(&settings, "redress-bench").context("no telemetry")?;
    match command {
        BenchCommand::Unary(args) => unary::run(args).await,
        BenchCommand::Disruption(args) => disruption::run(args).await,
    }
}
