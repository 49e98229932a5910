//! `redress disruption`: disruptions that were opened, from start to end.

mod export;
mod follow;
mod report;
mod shown;

use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use redress_client::TenantChannel;
use redress_proto::refunds::v1::disruption_service_client::DisruptionServiceClient;
use redress_proto::refunds::v1::{
    AbortDisruptionRequest, Disruption, DisruptionPreview, ExtendDisruptionRequest,
    PauseDisruptionRequest, PreviewDisruptionRequest, ResumeDisruptionRequest,
    RetryDisruptionRequest,
};

use super::{cancel_event, request_id, resource};
use crate::cli::{
    DisruptionCommand, ExtendArgs, OneDisruptionArgs, RetryArgs, ServiceName, StepArgs,
};
use crate::connect::Connections;
use crate::output;

pub(super) use follow::{Patience, follow};
pub(crate) use shown::show_preview;
pub(super) use shown::{amounts_json, preview_json, show_disruption};

/// What the commands that share [`StepArgs`] do.
#[derive(Debug, Clone, Copy)]
enum Step {
    Pause,
    Resume,
    Abort,
}

pub(super) async fn run(command: &DisruptionCommand) -> Result<ExitCode> {
    match command {
        DisruptionCommand::Show(args) => show(args).await?,
        DisruptionCommand::Pause(args) => step(args, Step::Pause).await?,
        DisruptionCommand::Resume(args) => step(args, Step::Resume).await?,
        DisruptionCommand::Abort(args) => step(args, Step::Abort).await?,
        DisruptionCommand::Retry(args) => retry(args).await?,
        DisruptionCommand::Extend(args) => return extend(args).await,
        DisruptionCommand::Watch(args) => watch(args).await?,
        DisruptionCommand::Report(args) => return report::run(args).await,
        DisruptionCommand::Export(args) => export::run(args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A client for single calls.
pub(super) fn client(connections: &Connections) -> Result<DisruptionServiceClient<TenantChannel>> {
    Ok(DisruptionServiceClient::new(connections.unary(ServiceName::Refunds)?))
}

fn name_of(disruption: &str) -> String {
    resource("disruptions", disruption)
}

async fn show(args: &OneDisruptionArgs) -> Result<()> {
    let connections = Connections::open(&args.caller)?;
    let disruption = cancel_event::read(&connections, &name_of(&args.disruption)).await?;
    tell(&disruption, args.caller.json)
}

fn tell(disruption: &Disruption, as_json: bool) -> Result<()> {
    if as_json {
        return output::json(&shown::disruption_json(disruption));
    }
    show_disruption(disruption);
    Ok(())
}

async fn step(args: &StepArgs, step: Step) -> Result<()> {
    let connections = Connections::open(&args.caller)?;
    let mut client = client(&connections)?;
    let (name, etag) = (name_of(&args.disruption), String::new());
    let (request_id, reason) = (request_id(), args.reason.clone());
    let answer = match step {
        Step::Pause => {
            let request = PauseDisruptionRequest { name, etag, request_id, reason };
            client.pause_disruption(request).await
        }
        Step::Resume => {
            let request = ResumeDisruptionRequest { name, etag, request_id, reason };
            client.resume_disruption(request).await
        }
        Step::Abort => {
            let request = AbortDisruptionRequest { name, etag, request_id, reason };
            client.abort_disruption(request).await
        }
    };
    let disruption = answer.context("the disruption stays as it was")?.into_inner();
    tell(&disruption, args.caller.json)
}

async fn retry(args: &RetryArgs) -> Result<()> {
    let connections = Connections::open(&args.caller)?;
    let request = RetryDisruptionRequest {
        name: name_of(&args.disruption),
        etag: String::new(),
        request_id: request_id(),
        reason: args.reason.clone(),
        orders: args.orders.iter().map(|order| resource("orders", order)).collect(),
    };
    let answer = client(&connections)?.retry_disruption(request).await;
    let disruption = answer.context("nothing is tried again")?.into_inner();
    tell(&disruption, args.caller.json)
}

/// Shows what an extension would pay, and carries it out when it was confirmed.
async fn extend(args: &ExtendArgs) -> Result<ExitCode> {
    let connections = Connections::open(&args.caller)?;
    let name = name_of(&args.disruption);
    let preview = preview_extension(&connections, &name).await?;
    let found = preview.orders_in_scope;
    if !args.yes && args.expected.is_none() {
        if args.caller.json {
            output::json(&preview_json(&preview))?;
        } else {
            show_preview(&preview);
        }
        output::note(format!("nothing was added: confirm with --expected {found}, or with --yes"));
        return Ok(ExitCode::FAILURE);
    }
    if let Some(expected) = args.expected {
        ensure!(found == expected, "{found} orders came into scope, and not {expected}");
    }
    if !args.caller.json {
        show_preview(&preview);
    }
    let request = ExtendDisruptionRequest {
        name,
        etag: String::new(),
        request_id: request_id(),
        reason: args.reason.clone(),
        expected_orders: found,
        expected_totals: preview.requested,
    };
    let answer = client(&connections)?.extend_disruption(request).await;
    let disruption = answer.context("nothing was added")?.into_inner();
    tell(&disruption, args.caller.json)?;
    Ok(ExitCode::SUCCESS)
}

async fn preview_extension(connections: &Connections, name: &str) -> Result<DisruptionPreview> {
    let request = PreviewDisruptionRequest { extension_of: name.to_owned(), ..Default::default() };
    let preview = client(connections)?.preview_disruption(request).await;
    Ok(preview.with_context(|| format!("{name} cannot be extended"))?.into_inner())
}

async fn watch(args: &OneDisruptionArgs) -> Result<()> {
    let connections = Connections::open(&args.caller)?;
    let name = name_of(&args.disruption);
    let last = follow(&connections, &name, args.caller.json, Patience::UntilItEnds).await?;
    if args.caller.json {
        return output::json(&shown::progress_json(&last));
    }
    if let Some(disruption) = &last.disruption {
        show_disruption(disruption);
    }
    shown::show_errors(&last.last_errors);
    Ok(())
}
