//! Follows a disruption with one progress bar for each lane.
//!
//! Invariant: what is shown comes from the service's own stream; a stream that breaks off is opened
//! again, and nothing but the disruption's own end, or its waiting for somebody, ends the watch.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use redress_proto::refunds::v1::disruption_service_client::DisruptionServiceClient;
use redress_proto::refunds::v1::{
    Disruption, DisruptionCounts, DisruptionProgress, WatchDisruptionRequest, disruption,
};
use tokio::time::{sleep, timeout};
use tonic::{Code, Status, Streaming};

use super::shown::duration;
use crate::cli::ServiceName;
use crate::connect::Connections;

/// How long nothing may move before it is said that a person should look.
const STALL: Duration = Duration::from_mins(5);

/// How often a stream that broke off is opened again before something was told.
const REOPENINGS: u32 = 5;

/// How long to wait before it is opened again.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// How long something is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum Patience {
    /// Until it is completed or aborted.
    UntilItEnds,
    /// Until it has ended, or only buyers or a person move it on.
    UntilItWaits,
}

/// Shows the progress of a disruption, and returns the last one.
pub(in crate::commands) async fn follow(
    connections: &Connections,
    name: &str,
    quiet: bool,
    patience: Patience,
) -> Result<DisruptionProgress> {
    let mut stream = Reopened { connections, name, open: None, lost: 0 };
    let mut bars = Bars::new(quiet)?;
    loop {
        let progress = match patience {
            Patience::UntilItEnds => stream.next().await?,
            Patience::UntilItWaits => match timeout(STALL, stream.next()).await {
                Ok(progress) => progress?,
                Err(_elapsed) => {
                    bail!(
                        "nothing has moved for {} minutes; the services go on by themselves: \
                         follow them with redress disruption watch {name}",
                        STALL.as_secs() / 60
                    );
                }
            },
        };
        bars.show(&progress);
        if has_ended(&progress) || (patience == Patience::UntilItWaits && waits(&progress)) {
            bars.clear()?;
            return Ok(progress);
        }
    }
}

fn state_of(progress: &DisruptionProgress) -> disruption::State {
    progress.disruption.as_ref().map(Disruption::state).unwrap_or_default()
}

fn counts_of(progress: &DisruptionProgress) -> DisruptionCounts {
    progress.disruption.as_ref().and_then(|found| found.counts).unwrap_or_default()
}

fn has_ended(progress: &DisruptionProgress) -> bool {
    matches!(state_of(progress), disruption::State::Completed | disruption::State::Aborted)
}

/// Whether nothing moves before somebody does something.
fn waits(progress: &DisruptionProgress) -> bool {
    let counts = counts_of(progress);
    let only_buyers_move = counts.offered > 0 && counts.pending + counts.processing == 0;
    match state_of(progress) {
        disruption::State::Paused => counts.processing == 0,
        disruption::State::Draft | disruption::State::Approved => true,
        _ => only_buyers_move,
    }
}

/// A stream that is opened again when the connection is lost.
struct Reopened<'a> {
    connections: &'a Connections,
    name: &'a str,
    open: Option<Streaming<DisruptionProgress>>,
    /// How often it was lost since something was told.
    lost: u32,
}

impl Reopened<'_> {
    async fn next(&mut self) -> Result<DisruptionProgress> {
        loop {
            match self.try_next().await {
                Ok(Some(progress)) => {
                    self.lost = 0;
                    return Ok(progress);
                }
                Err(status) if !is_passing(&status) || self.lost == REOPENINGS => {
                    return Err(status).context("the disruption cannot be watched");
                }
                Ok(None) if self.lost == REOPENINGS => bail!("the watch has ended early"),
                Ok(None) | Err(_) => {
                    self.open = None;
                    self.lost += 1;
                    sleep(REOPEN_AFTER).await;
                }
            }
        }
    }

    async fn try_next(&mut self) -> Result<Option<DisruptionProgress>, Status> {
        if let Some(open) = &mut self.open {
            return open.message().await;
        }
        let channel = self.connections.streaming(ServiceName::Refunds);
        let channel = channel.map_err(|error| Status::internal(error.to_string()))?;
        let request = WatchDisruptionRequest { name: self.name.to_owned() };
        let answer = DisruptionServiceClient::new(channel).watch_disruption(request).await?;
        self.open.insert(answer.into_inner()).message().await
    }
}

/// Whether another try can succeed: the service restarts, or the longest watch has ended.
fn is_passing(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Cancelled
    )
}

/// One bar for each lane, and a line below them.
struct Bars {
    all: MultiProgress,
    lanes: BTreeMap<String, ProgressBar>,
    summary: ProgressBar,
    style: ProgressStyle,
}

impl Bars {
    fn new(quiet: bool) -> Result<Self> {
        let all = MultiProgress::new();
        if quiet {
            all.set_draw_target(ProgressDrawTarget::hidden());
        }
        let summary = all.add(ProgressBar::new_spinner());
        summary.set_style(ProgressStyle::with_template("{msg} {elapsed}")?);
        let style = ProgressStyle::with_template("{prefix:>14} {bar:40} {pos}/{len}")?;
        Ok(Self { all, lanes: BTreeMap::new(), summary, style })
    }

    fn show(&mut self, progress: &DisruptionProgress) {
        for lane in &progress.lanes {
            let bar = self.lanes.entry(lane.lane.clone()).or_insert_with(|| {
                let bar = self.all.insert_before(&self.summary, ProgressBar::new(0));
                bar.set_style(self.style.clone());
                let name = if lane.lane.is_empty() { "no provider" } else { &*lane.lane };
                bar.set_prefix(name.to_owned());
                bar
            });
            bar.set_length(lane.items.unsigned_abs());
            bar.set_position(lane.at_rest.unsigned_abs());
        }
        self.summary.set_message(summary(progress));
        self.summary.tick();
    }

    fn clear(&self) -> Result<()> {
        Ok(self.all.clear()?)
    }
}

/// State, rate, estimate and what needs a person, in a line.
fn summary(progress: &DisruptionProgress) -> String {
    let counts = counts_of(progress);
    let mut parts = vec![state_of(progress).as_str_name().to_owned()];
    if progress.items_per_second > 0.0 {
        parts.push(format!("{:.1} orders a second", progress.items_per_second));
    }
    if progress.estimate_seconds > 0 {
        parts.push(format!("about {} left", duration(progress.estimate_seconds)));
    }
    if counts.offered > 0 {
        parts.push(format!("{} may choose", counts.offered));
    }
    if counts.attention > 0 {
        let last = progress.last_errors.first();
        let last = last.map(|error| format!(" (last {}: {})", error.order, error.reason_code));
        parts.push(format!("{} for a person{}", counts.attention, last.unwrap_or_default()));
    }
    parts.join(", ") + ","
}

#[cfg(test)]
mod tests {
    use redress_proto::refunds::v1::ItemError;

    use super::*;

    fn at(state: disruption::State, counts: DisruptionCounts) -> DisruptionProgress {
        let disruption =
            Disruption { state: state.into(), counts: Some(counts), ..Default::default() };
        DisruptionProgress { disruption: Some(disruption), ..Default::default() }
    }

    #[test]
    fn it_waits_when_only_somebody_else_moves_it_on() {
        let under_way = DisruptionCounts { offered: 3, processing: 1, ..Default::default() };
        let offered = DisruptionCounts { offered: 3, ..Default::default() };
        assert!(!waits(&at(disruption::State::Running, under_way)));
        assert!(waits(&at(disruption::State::Running, offered)));
        assert!(!waits(&at(disruption::State::Running, DisruptionCounts::default())));
        assert!(!waits(&at(disruption::State::Paused, under_way)));
        assert!(waits(&at(disruption::State::Paused, DisruptionCounts::default())));
        assert!(!has_ended(&at(disruption::State::Aborting, DisruptionCounts::default())));
        assert!(has_ended(&at(disruption::State::Aborted, DisruptionCounts::default())));
    }

    #[test]
    fn the_summary_says_what_is_known() {
        let counts = DisruptionCounts { attention: 2, ..Default::default() };
        let mut progress = at(disruption::State::Running, counts);
        assert_eq!(summary(&progress), "RUNNING, 2 for a person,");
        progress.items_per_second = 12.34;
        progress.estimate_seconds = 90;
        progress.last_errors.push(ItemError {
            order: "orders/A1".to_owned(),
            reason_code: "ACCOUNT_CLOSED".to_owned(),
            next_action: String::new(),
        });
        let told = "RUNNING, 12.3 orders a second, about 2 min left, 2 for a person (last \
                    orders/A1: ACCOUNT_CLOSED),";
        assert_eq!(summary(&progress), told);
    }
}
