//! `redress cancel-event`: what a cancellation would pay, and the cancellation itself.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use redress_proto::refunds::v1::disruption_service_client::DisruptionServiceClient;
use redress_proto::refunds::v1::{
    ApproveDisruptionRequest, CreateDisruptionRequest, Disruption, DisruptionCounts,
    DisruptionPreview, GetDisruptionRequest, ListDisruptionsRequest, PreviewDisruptionRequest,
    StartDisruptionRequest, disruption,
};
use serde_json::{Value, json};

use super::refund::money;
use super::{request_id, resource};
use crate::cli::{CancelArgs, ServiceName};
use crate::connect::Connections;
use crate::output;

/// How often the progress is read.
const POLL: Duration = Duration::from_millis(200);

/// How long nothing may move before it is said that a person should look.
const STALL: Duration = Duration::from_mins(5);

/// A cancellation that has come to rest.
#[derive(Debug)]
pub(crate) struct Cancellation {
    /// The disruption as it stands.
    pub disruption: Disruption,
    /// Its items by state.
    pub counts: DisruptionCounts,
}

pub(super) async fn run(args: &CancelArgs) -> Result<()> {
    let connections = Connections::open(&args.caller)?;
    let event = resource("events", &args.event);
    if args.preview {
        let preview = preview(&connections, &event).await?;
        if args.caller.json {
            return output::json(&preview_json(&preview));
        }
        show_preview(&preview);
        return Ok(());
    }
    let done = cancel(&connections, &event, args.caller.json).await?;
    if args.caller.json {
        return output::json(&cancellation_json(&done));
    }
    show_cancellation(&done);
    Ok(())
}

/// What a cancellation of `event` would pay. Writes nothing.
pub(crate) async fn preview(connections: &Connections, event: &str) -> Result<DisruptionPreview> {
    let mut client = DisruptionServiceClient::new(connections.unary(ServiceName::Refunds)?);
    let request = PreviewDisruptionRequest { event: event.to_owned(), ..Default::default() };
    let preview = client.preview_disruption(request).await;
    Ok(preview.with_context(|| format!("{event} cannot be previewed"))?.into_inner())
}

/// Shows a preview as a table.
pub(crate) fn show_preview(preview: &DisruptionPreview) {
    let rows = preview.totals.iter().map(|total| {
        let way = if total.connected { "automatic" } else { "by a person" };
        [
            total.provider.clone(),
            way.to_owned(),
            total.payments.to_string(),
            money(total.amount.as_ref()),
        ]
    });
    output::table(["provider", "how", "payments", "amount"], rows);
    output::line(format!(
        "{} orders: {} refunded, {} for a person, {} with nothing due",
        preview.orders_in_scope, preview.refundable, preview.attention, preview.nothing_due
    ));
}

fn preview_json(preview: &DisruptionPreview) -> Value {
    let total = |total: &redress_proto::refunds::v1::PreviewTotal| {
        let amount = total.amount.clone().unwrap_or_default();
        json!({
            "currency_code": amount.currency_code,
            "minor_units": amount.minor_units,
            "provider": total.provider,
            "payments": total.payments,
            "connected": total.connected,
        })
    };
    json!({
        "event": preview.event,
        "orders_in_scope": preview.orders_in_scope,
        "refundable": preview.refundable,
        "attention": preview.attention,
        "nothing_due": preview.nothing_due,
        "totals": preview.totals.iter().map(total).collect::<Vec<_>>(),
    })
}

/// Cancels `event` and waits until every order has come to rest. A cancellation that was begun
/// before, by this command or another, is taken up where it stands.
pub(crate) async fn cancel(
    connections: &Connections,
    event: &str,
    quiet: bool,
) -> Result<Cancellation> {
    let mut disruption = match find(connections, event).await? {
        Some(disruption) => disruption,
        None => create(connections, event).await?,
    };
    let mut client = DisruptionServiceClient::new(connections.unary(ServiceName::Refunds)?);
    if disruption.state() == disruption::State::Draft {
        let scope = preview(connections, event).await?.orders_in_scope;
        let request = ApproveDisruptionRequest {
            name: disruption.name.clone(),
            expected_orders: scope,
            etag: disruption.etag.clone(),
            request_id: request_id(),
            ..Default::default()
        };
        let approved = client.approve_disruption(request).await;
        disruption = approved.context("the selection could not be frozen")?.into_inner();
    }
    if disruption.state() == disruption::State::Approved {
        let request = StartDisruptionRequest {
            name: disruption.name.clone(),
            etag: disruption.etag.clone(),
            request_id: request_id(),
            ..Default::default()
        };
        let started = client.start_disruption(request).await;
        disruption = started.context("the cancellation could not be started")?.into_inner();
    }
    follow(connections, &disruption.name, quiet).await
}

async fn find(connections: &Connections, event: &str) -> Result<Option<Disruption>> {
    let mut client = DisruptionServiceClient::new(connections.unary(ServiceName::Refunds)?);
    let request = ListDisruptionsRequest {
        page_size: 1,
        page_token: String::new(),
        filter: format!("event = \"{event}\""),
    };
    let page = client.list_disruptions(request).await.context("cannot read the disruptions")?;
    Ok(page.into_inner().disruptions.pop())
}

async fn create(connections: &Connections, event: &str) -> Result<Disruption> {
    let mut client = DisruptionServiceClient::new(connections.unary(ServiceName::Refunds)?);
    let request = CreateDisruptionRequest {
        event: event.to_owned(),
        kind: disruption::Kind::Cancelled.into(),
        request_id: request_id(),
        ..Default::default()
    };
    let created = client.create_disruption(request).await;
    Ok(created.with_context(|| format!("{event} cannot be cancelled"))?.into_inner())
}

/// Shows the progress until the disruption is completed.
async fn follow(connections: &Connections, name: &str, quiet: bool) -> Result<Cancellation> {
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} orders, {msg} {elapsed}")?);
    if quiet {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let mut last_move = tokio::time::Instant::now();
    let mut seen = -1;
    loop {
        let disruption = read(connections, name).await?;
        let counts = disruption.counts.unwrap_or_default();
        let settled = counts.succeeded + counts.attention + counts.nothing_due;
        bar.set_length(counts.orders_in_scope.unsigned_abs());
        bar.set_position(settled.unsigned_abs());
        bar.set_message(format!("{} for a person,", counts.attention));
        if disruption.state() == disruption::State::Completed {
            bar.finish_and_clear();
            return Ok(Cancellation { disruption, counts });
        }
        if settled != seen {
            (seen, last_move) = (settled, tokio::time::Instant::now());
        }
        if last_move.elapsed() > STALL {
            bar.abandon();
            bail!(
                "nothing has moved for {} minutes with {} orders open; the services go on by \
                 themselves: run the same command again to follow",
                STALL.as_secs() / 60,
                counts.pending + counts.processing
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A disruption by its resource name.
pub(crate) async fn read(connections: &Connections, name: &str) -> Result<Disruption> {
    let mut client = DisruptionServiceClient::new(connections.unary(ServiceName::Refunds)?);
    let request = GetDisruptionRequest { name: name.to_owned() };
    let read = client.get_disruption(request).await;
    Ok(read.context("cannot read the disruption")?.into_inner())
}

fn show_cancellation(done: &Cancellation) {
    let counts = &done.counts;
    output::line(format!("{} is completed", done.disruption.name));
    output::table(
        ["orders", "refunded", "for a person", "nothing due"],
        [[
            counts.orders_in_scope.to_string(),
            counts.succeeded.to_string(),
            counts.attention.to_string(),
            counts.nothing_due.to_string(),
        ]],
    );
    for amount in &done.disruption.issued {
        output::line(format!("{} paid", money(Some(amount))));
    }
}

fn cancellation_json(done: &Cancellation) -> Value {
    let by_currency = |amounts: &[redress_proto::common::v1::Money]| {
        let pairs = amounts.iter().map(|a| (a.currency_code.clone(), json!(a.minor_units)));
        Value::Object(pairs.collect())
    };
    json!({
        "disruption": done.disruption.name,
        "orders_in_scope": done.counts.orders_in_scope,
        "succeeded": done.counts.succeeded,
        "attention": done.counts.attention,
        "nothing_due": done.counts.nothing_due,
        "requested_minor_units_by_currency": by_currency(&done.disruption.requested),
        "refunded_minor_units_by_currency": by_currency(&done.disruption.issued),
    })
}
