//! `redress demo`: the main job from an order export to the last answer, on this machine alone.
//!
//! Invariant: every figure it prints was read back through an API: ours over gRPC, the provider's
//! over its own control plane.

mod provider;
mod report;
mod stage;

use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use redress_core::tenant::Tenant;
use redress_proto::refunds::v1::{Order, Refund};
use tokio::time::Instant;

use crate::cli::{DemoArgs, ServiceName};
use crate::commands::{What, apply_policy, apply_tenant, cancel, preview, show_preview};
use crate::commands::{ledger, rating, refund as refunds};
use crate::connect::Connections;
use crate::import::{self, Sample};
use crate::output;

use report::Report;
use stage::Stage;

/// The event that is called off.
const EVENT: &str = "events/city-derby";

/// The event whose buyers only see one voluntary refund.
const OTHER_EVENT: &str = "events/new-year-concert";

/// How many customers answer the survey.
const ANSWERS: usize = 12;

const TENANT: &str = include_str!("../../data/demo/tenant.toml");
const POLICY: &str = include_str!("../../data/demo/policy.toml");

/// Runs the demo; the exit code tells whether everything added up.
pub async fn run(args: &DemoArgs) -> Result<ExitCode> {
    let sample = Sample::load().map_err(anyhow::Error::msg)?;
    let count = args.orders.map_or(sample.orders().len(), |orders| orders as usize);
    let tell = |text: &str| {
        if !args.json {
            output::note(text);
        }
    };

    let tenant: Tenant = toml::from_str(TENANT).context("the demo's tenant does not fit")?;
    tell("Starting the four services and the payment sandbox.");
    let stage = Stage::set(args, &tenant.id).await?;
    let outcome = play(args, &stage, &tenant, &sample, count, tell).await;
    let stopped = stage.strike().await;
    let report = outcome?;
    stopped?;

    if args.json {
        output::json(&report)?;
    } else {
        report.show();
    }
    let differences = report.differences();
    for difference in &differences {
        output::note(format!("does not add up: {difference}"));
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn play(
    args: &DemoArgs,
    stage: &Stage,
    tenant: &Tenant,
    sample: &Sample,
    count: usize,
    tell: impl Fn(&str),
) -> Result<Report> {
    let connections = stage.connections();
    apply_tenant(connections, tenant).await?;
    apply_policy(connections, POLICY.to_owned()).await?;

    tell(&format!("Importing {count} orders of a real export, twice."));
    stage.provider().seed(sample.multiply(count)).await?;
    let import_start = Instant::now();
    let imported = import_orders(connections, sample, count).await?;
    let import_elapsed = import_start.elapsed();
    ensure!(imported.rejected == 0, "{} of the orders were refused", imported.rejected);
    let again = import_orders(connections, sample, count.min(sample.orders().len())).await?;
    ensure!(again.unchanged == again.total(), "a second import changed something");

    let voluntary = voluntary_refund(args, stage, sample, count).await?;

    tell("Previewing the cancellation.");
    let preview = preview(connections, EVENT).await?;
    if !args.json {
        show_preview(&preview);
    }
    tell("Cancelling the event.");
    let start = Instant::now();
    let done = cancel(connections, EVENT, &What::CANCELLED, args.json).await?;
    let figures = stage.wait_for_consumers(&done).await?;
    let elapsed = start.elapsed();

    tell("Answering a few invitations.");
    let responses = stage.answer(&done.disruption.name, ANSWERS).await?;
    let rating = rating::get(connections, EVENT).await?;
    let ledger = ledger::report(connections).await?;
    let provider = stage.provider().totals().await?;
    Ok(Report::new(&report::Facts {
        imported: &imported,
        import_elapsed,
        done: &done,
        voluntary: voluntary.as_ref(),
        figures,
        responses,
        rating: &rating,
        ledger: &ledger,
        provider: &provider,
        elapsed,
    }))
}

async fn import_orders(
    connections: &Connections,
    sample: &Sample,
    count: usize,
) -> Result<import::ImportReport> {
    let peer = connections.peer(ServiceName::Refunds)?;
    let tenant = connections.tenant().clone();
    Ok(import::run(peer, tenant, sample.records(count), |_| {}).await?)
}

/// One buyer of the other event gives the tickets back. `None` when the sample was cut so short
/// that nobody bought any.
async fn voluntary_refund(
    args: &DemoArgs,
    stage: &Stage,
    sample: &Sample,
    count: usize,
) -> Result<Option<Refund>> {
    let Some(order) = sample.multiply(count).find(is_refundable_on_one_card) else {
        return Ok(None);
    };
    let connections = stage.connections();
    let quote = refunds::get_quote(connections, &order.name, Vec::new()).await?;
    if !args.json {
        output::line(format!("{} is given back:", order.name));
        refunds::show_quote(&quote);
    }
    let refund = refunds::accept(connections, &quote.name).await?;
    let refund = stage.wait_for_refund(&refund.name).await?;
    if !args.json {
        output::line(format!("{}: {}", refund.name, refund.state().as_str_name()));
    }
    Ok(Some(refund))
}

fn is_refundable_on_one_card(order: &Order) -> bool {
    let of_other_event = order.lines.iter().any(|line| line.event == OTHER_EVENT);
    let [payment] = order.payments.as_slice() else { return false };
    let untouched = payment.refunded_elsewhere.as_ref().is_none_or(|money| money.minor_units == 0);
    of_other_event && untouched && payment.provider == "stripe"
}
