//! A disruption from the import to its completion, step by step, through the API alone.
//!
//! Invariant: how long the run took is what the service itself says, from the change to RUNNING to
//! that to COMPLETED, so that asking for the progress adds nothing.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use redress_core::clock::{Clock as _, SystemClock};
use redress_proto::refunds::v1::disruption_service_client::DisruptionServiceClient;
use redress_proto::refunds::v1::{
    ApproveDisruptionRequest, CreateDisruptionRequest, Disruption, DisruptionCounts,
    StartDisruptionRequest, disruption,
};
use tokio::time::{Instant, sleep};

use super::super::orders;
use super::super::progress::Progress;
use crate::cli::ServiceName;
use crate::commands::{cancel_event, preview, request_id};
use crate::connect::Connections;
use crate::import;

/// How long nothing may move before the bench gives up.
const STALL: Duration = Duration::from_mins(2);
/// How often the progress is read at most, and at least: each time costs the service a count.
const POLL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// The run.
#[derive(Debug)]
pub(super) struct Ran {
    pub elapsed: Duration,
    pub disruption: Disruption,
    pub counts: DisruptionCounts,
}

/// Imports `count` orders; returns how long it took.
pub(super) async fn stock(
    connections: &Connections,
    count: usize,
    progress: &Progress,
) -> Result<Duration> {
    let start = Instant::now();
    let peer = connections.peer(ServiceName::Refunds)?;
    let records = orders::records(count, SystemClock.now());
    let show = |report: &import::ImportReport| {
        let done = report.total();
        progress.at(&format!("imported {done} of {count} orders, {:.0}/s", rate(done, start)));
    };
    let imported = import::run(peer, connections.tenant().clone(), records, show).await?;
    let elapsed = start.elapsed();
    let created = usize::try_from(imported.created)?;
    ensure!(created == count, "{created} of {count} orders were imported");
    Ok(elapsed)
}

/// Previews, creates and approves the cancellation of `count` orders; returns its name, and how
/// long the preview and the approval took.
pub(super) async fn freeze(
    connections: &Connections,
    count: usize,
    progress: &Progress,
) -> Result<(String, Duration, Duration)> {
    progress.at("previewing");
    let start = Instant::now();
    let previewed = preview(connections, orders::EVENT).await?;
    let preview = start.elapsed();
    let expected = i64::try_from(count)?;
    ensure!(
        (previewed.orders_in_scope, previewed.refundable) == (expected, expected),
        "{} of {count} orders would be refunded",
        previewed.refundable
    );
    progress.at("freezing");
    let mut client = DisruptionServiceClient::new(connections.unary(ServiceName::Refunds)?);
    let request = CreateDisruptionRequest {
        event: orders::EVENT.to_owned(),
        kind: disruption::Kind::Cancelled.into(),
        request_id: request_id(),
        ..Default::default()
    };
    let draft = client.create_disruption(request).await?.into_inner();
    let request = ApproveDisruptionRequest {
        name: draft.name.clone(),
        expected_orders: expected,
        etag: draft.etag,
        request_id: request_id(),
        ..Default::default()
    };
    let start = Instant::now();
    client.approve_disruption(request).await.context("the selection could not be frozen")?;
    Ok((draft.name, preview, start.elapsed()))
}

/// Starts a disruption and follows it until it is completed.
pub(super) async fn pay(
    connections: &Connections,
    name: &str,
    count: usize,
    progress: &Progress,
) -> Result<Ran> {
    let request = StartDisruptionRequest {
        name: name.to_owned(),
        etag: String::new(),
        request_id: request_id(),
        ..Default::default()
    };
    let mut client = DisruptionServiceClient::new(connections.unary(ServiceName::Refunds)?);
    let begun = Instant::now();
    let started = client.start_disruption(request).await?.into_inner();
    let poll = Duration::from_millis(count as u64 / 400).clamp(POLL.0, POLL.1);
    let (mut seen, mut since) = (-1, begun);
    loop {
        sleep(poll).await;
        let disruption = cancel_event::read(connections, name).await?;
        let counts = disruption.counts.unwrap_or_default();
        let settled = counts.succeeded + counts.attention + counts.nothing_due;
        let done = settled.unsigned_abs();
        progress.at(&format!("refunded {done} of {count}, {:.0}/s", rate(done, begun)));
        if disruption.state() == disruption::State::Completed {
            let elapsed = between(&started, &disruption)?;
            return Ok(Ran { elapsed, disruption, counts });
        }
        if settled != seen {
            (seen, since) = (settled, Instant::now());
        }
        if since.elapsed() > STALL {
            bail!("nothing has moved for {} s at {done} of {count} refunds", STALL.as_secs());
        }
    }
}

/// How long the disruption ran.
fn between(started: &Disruption, completed: &Disruption) -> Result<Duration> {
    let at = |disruption: &Disruption| {
        let at = disruption.update_time.as_ref();
        let at = at.context("a disruption has no time of its last change")?;
        Ok::<_, anyhow::Error>(i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos))
    };
    let nanos = at(completed)? - at(started)?;
    ensure!(nanos > 0, "the clock stood still while the disruption ran");
    Ok(Duration::from_nanos(u64::try_from(nanos)?))
}

#[expect(clippy::cast_precision_loss, reason = "a count below 2^52")]
fn rate(done: u64, since: Instant) -> f64 {
    done as f64 / since.elapsed().as_secs_f64().max(f64::EPSILON)
}
