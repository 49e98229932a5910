//! Follows a disruption until it has come to rest.
//!
//! Invariant: the first answer is how it stands, each further one differs from the one before, and
//! the last one is COMPLETED or ABORTED. A watcher counts for a small part of its time only,
//! however many items there are; one that reads slowly skips and never holds anybody up.

use std::time::Duration;

use futures::Stream;
use futures::stream::try_unfold;
use redress_core::id::{DisruptionId, TenantId};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::pace::Pace;
use super::{DisruptionReport, RefundError, Refunds, get_disruption, list_disruption_items};
use crate::domain::disruption::{DisruptionState, Item, ItemState};
use crate::store::{ItemFilter, Page};

/// At least so long is between two answers, except before the last one.
const PAUSE: Duration = Duration::from_millis(500);

/// At least so long is between two looks when all items rest and only the end is awaited.
const LAST_PAUSE: Duration = Duration::from_millis(50);

/// How long a change made by another process, or a person, goes unseen when nothing settles here.
const POLL: Duration = Duration::from_secs(2);

/// Between two looks a watcher rests so many times as long as the first one took.
const REST: u32 = 10;

/// Orders that need a person, at most, in one answer.
const ERRORS: usize = 5;

/// How far a disruption is.
#[derive(Debug, Clone, PartialEq)]
pub struct DisruptionProgress {
    /// The disruption with its counts and lanes.
    pub report: DisruptionReport,
    /// Orders that came to rest per second, over the last seconds.
    pub items_per_second: f64,
    /// Seconds that the rest takes at this rate; `None` when that is not known.
    pub estimate: Option<i64>,
    /// A few items that need a person, those found last first.
    pub errors: Vec<Item>,
}

/// The items that need a person, as far as they were looked for.
#[derive(Default)]
struct Errors {
    shown: Vec<Item>,
    /// The last order that was looked at.
    after: Option<String>,
    /// How many there were.
    attention: i64,
}

/// What the watcher waits for next.
struct Watch {
    app: Refunds,
    tenant: TenantId,
    id: DisruptionId,
    settled: watch::Receiver<()>,
    pace: Pace,
    errors: Errors,
    /// What was told last.
    told: Option<(DisruptionReport, bool)>,
    /// How long to rest before the next look.
    rest: Duration,
    ended: bool,
}

/// The disruption's progress; an error at once when the tenant has no such disruption.
pub async fn watch_disruption(
    app: &Refunds,
    tenant: TenantId,
    id: DisruptionId,
) -> Result<impl Stream<Item = Result<DisruptionProgress, RefundError>> + use<>, RefundError> {
    let found = app.store.disruption(&tenant, &id).await?;
    found.ok_or_else(|| RefundError::not_found(id.resource_name()))?;
    let watch = Watch {
        app: app.clone(),
        tenant,
        id,
        settled: app.signals.on_settled(),
        pace: Pace::default(),
        errors: Errors::default(),
        told: None,
        rest: Duration::ZERO,
        ended: false,
    };
    Ok(try_unfold(watch, next))
}

async fn next(mut watch: Watch) -> Result<Option<(DisruptionProgress, Watch)>, RefundError> {
    if watch.ended {
        return Ok(None);
    }
    loop {
        if watch.told.is_some() {
            sleep(watch.rest).await;
        }
        let start = watch.app.clock.now();
        let report = get_disruption(&watch.app, &watch.tenant, &watch.id).await?;
        let now = watch.app.clock.now();
        let is_rested = report.pending + report.processing + report.offered == 0;
        let shortest = if is_rested && is_moving(&report) { LAST_PAUSE } else { PAUSE };
        watch.rest = shortest.max(now.since(start).saturating_mul(REST));
        watch.pace.see(now, &report.lanes);
        let items_per_second = watch.pace.per_second();
        let told = (report, items_per_second > 0.0);
        if watch.told.as_ref() != Some(&told) {
            let (report, _) = told.clone();
            watch.told = Some(told);
            watch.ended = !report.disruption.state.is_open();
            watch.look_for_errors(report.attention).await?;
            let estimate =
                if report.disruption.state == DisruptionState::Running && report.offered == 0 {
                    watch.pace.estimate()
                } else {
                    None
                };
            let errors = watch.errors.shown.clone();
            let progress = DisruptionProgress { report, items_per_second, estimate, errors };
            return Ok(Some((progress, watch)));
        }
        if shortest == PAUSE {
            // Woken by this process, or in time to see what another one or a person did.
            let _woken = timeout(POLL, watch.settled.changed()).await;
        }
    }
}

/// Whether workers bring it to its end by themselves.
const fn is_moving(report: &DisruptionReport) -> bool {
    matches!(report.disruption.state, DisruptionState::Running | DisruptionState::Aborting)
}

impl Watch {
    /// Looks for further items that need a person, when their number has changed. Items are read by
    /// order, from where the last look ended.
    async fn look_for_errors(&mut self, attention: i64) -> Result<(), RefundError> {
        if attention == self.errors.attention {
            return Ok(());
        }
        if attention < self.errors.attention {
            // Some are settled: which ones, only a look from the start tells.
            self.errors = Errors::default();
        }
        self.errors.attention = attention;
        let mut found = self.errors_after(self.errors.after.clone()).await?;
        if found.is_empty() && self.errors.after.is_some() {
            found = self.errors_after(None).await?;
        }
        self.errors.after = found.last().map(|item| item.order.as_str().to_owned());
        found.reverse();
        let earlier = std::mem::take(&mut self.errors.shown).into_iter();
        let is_new = |item: &Item| found.iter().all(|new| new.order != item.order);
        let kept: Vec<Item> = earlier.filter(is_new).collect();
        found.extend(kept);
        found.truncate(ERRORS);
        self.errors.shown = found;
        Ok(())
    }

    async fn errors_after(&self, after: Option<String>) -> Result<Vec<Item>, RefundError> {
        let filter = ItemFilter { state: Some(ItemState::Attention), ..ItemFilter::default() };
        let size = i64::try_from(ERRORS).unwrap_or(i64::MAX);
        let page = Page { size, after, count: false };
        let listed =
            list_disruption_items(&self.app, &self.tenant, &self.id, &filter, &page).await?;
        Ok(listed.rows)
    }
}
