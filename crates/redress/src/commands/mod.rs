//! One file a command: what it asks of the services and how it shows the answer.

mod apply;
pub(crate) mod cancel_event;
mod contracts;
mod deadlines;
mod disruption;
mod import;
pub(crate) mod ledger;
mod policy;
pub(crate) mod rating;
pub(crate) mod refund;
mod refund_actions;
pub(crate) mod run;
mod sandbox;
mod token;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use redress_runtime::config::TelemetrySettings;
use redress_runtime::telemetry;
use tokio::runtime::Runtime;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::cli::{Command, PolicyCommand, RefundCommand, TenantCommand};
use crate::{bench, demo};
use refund_actions::Act;

pub(crate) use apply::{apply_policy, apply_tenant};
pub(crate) use cancel_event::{Cancellation, What, cancel, preview};
pub(crate) use disruption::show_preview;

/// Carries out a command and tells how the process should end.
pub fn run(command: Command) -> Result<ExitCode> {
    let runtime = Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(dispatch(command))
}

async fn dispatch(command: Command) -> Result<ExitCode> {
    // Processes with services in them set telemetry up by their own settings.
    let serves = matches!(
        command,
        Command::Demo(_) | Command::Up(_) | Command::Serve(_) | Command::Bench(_)
    );
    let _telemetry =
        if serves { None } else { Some(telemetry::init(&telemetry_settings(), "redress-cli")?) };
    // The root of the trace that goes on in the services.
    carry_out(command).instrument(tracing::info_span!("redress command")).await
}

/// A command speaks for itself: of its logs only warnings are shown.
fn telemetry_settings() -> TelemetrySettings {
    let endpoint = environment().find(|(name, _)| name == "REDRESS__TELEMETRY__OTLP_ENDPOINT");
    TelemetrySettings {
        filter: "warn".to_owned(),
        otlp_endpoint: endpoint.map(|(_, value)| value),
        ..TelemetrySettings::default()
    }
}

async fn carry_out(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::run(&args).await,
        Command::Up(args) => run::up(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Serve(args) => run::serve(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Migrate(args) => run::migrate(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Sandbox(args) => sandbox::run(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Token(args) => token::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Contracts(args) => contracts::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Tenant(TenantCommand::Apply(args)) => {
            apply::tenant(&args).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Policy(PolicyCommand::Apply(args)) => {
            apply::policy(&args).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Policy(PolicyCommand::Check(args)) => policy::check(&args),
        Command::Policy(PolicyCommand::Packs(args)) => {
            policy::packs(&args).map(|()| ExitCode::SUCCESS)
        }
        Command::Policy(PolicyCommand::Explain(args)) => policy::explain(&args),
        Command::Policy(PolicyCommand::WhatIf(args)) => policy::what_if(&args),
        Command::Import(command) => import::run(&command).await,
        Command::Refund(RefundCommand::Quote(args)) => {
            refund::quote(&args).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Refund(RefundCommand::Pay(args)) => {
            refund::pay(&args).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Refund(RefundCommand::Get(args)) => {
            refund::get(&args).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Deadlines(args) => deadlines::run(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Ledger(command) => ledger::run(&command).await,
        Command::Refund(RefundCommand::List(args)) => {
            refund_actions::list(&args).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Refund(RefundCommand::Watch(args)) => {
            refund_actions::watch(&args).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Refund(RefundCommand::Approve(args)) => {
            refund_actions::act(&args, Act::Approve).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Refund(RefundCommand::Reject(args)) => {
            refund_actions::act(&args, Act::Reject).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Refund(RefundCommand::Cancel(args)) => {
            refund_actions::act(&args, Act::Cancel).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Refund(RefundCommand::Retry(args)) => {
            refund_actions::act(&args, Act::Retry).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Refund(RefundCommand::Resolve(args)) => {
            refund_actions::resolve(&args).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Disruption(command) => disruption::run(&command).await,
        Command::CancelEvent(args) => cancel_event::run(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Bench(command) => bench::run(&command).await,
        Command::Rating(args) => rating::run(&args).await.map(|()| ExitCode::SUCCESS),
    }
}

/// A fresh request id: what makes a retry of this one command safe.
#[expect(clippy::disallowed_methods, reason = "a command is where a request id is made")]
pub(crate) fn request_id() -> String {
    Uuid::new_v4().to_string()
}

/// A resource name from an id, or the name itself.
pub(crate) fn resource(collection: &str, text: &str) -> String {
    if text.contains('/') { text.to_owned() } else { format!("{collection}/{text}") }
}

/// The environment, which only binaries read.
#[expect(clippy::disallowed_methods, reason = "a binary reads the environment")]
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars()
}
