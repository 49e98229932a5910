//! `redress import`: orders on their way in.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::{ImportCommand, ServiceName};
use crate::connect::Connections;
use crate::import::{self, ImportReport, Source};
use crate::output;

pub(super) async fn run(command: &ImportCommand) -> Result<ExitCode> {
    let (args, source) = match command {
        ImportCommand::Pretix(args) => (args, Source::Pretix(args.path.clone())),
        ImportCommand::Jsonl(args) => (args, Source::Jsonl(args.path.clone())),
        ImportCommand::Csv(args) => (args, Source::Csv(args.path.clone())),
    };
    let records = source.open().map_err(anyhow::Error::msg)?;
    let connections = Connections::open(&args.caller)?;
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {pos} orders, {per_sec}")?);
    let peer = connections.peer(ServiceName::Refunds)?;
    let tenant = connections.tenant().clone();
    let imported =
        import::run(peer, tenant, records, |report| bar.set_position(report.total())).await;
    bar.finish_and_clear();
    let report = match imported {
        Ok(report) => report,
        Err(error) => {
            show(&error.report, args.caller.json)?;
            return Err(error).context("import the same again: what is stored stays as it is");
        }
    };
    show(&report, args.caller.json)?;
    Ok(if report.rejected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(report: &ImportReport, json: bool) -> Result<()> {
    if json {
        return output::json(report);
    }
    for problem in &report.problems {
        output::note(problem.to_string());
    }
    let kept = report.problems.len() as u64;
    if report.rejected > kept {
        output::note(format!("... and {} more", report.rejected - kept));
    }
    output::line(format!(
        "{} new, {} updated, {} unchanged, {} stale, {} rejected",
        report.created, report.updated, report.unchanged, report.stale, report.rejected
    ));
    Ok(())
}
