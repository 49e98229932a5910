//! Hands the log's events to one subscriber, in order, and remembers how far it got.
//!
//! Invariant: one leased relay a subscriber and one batch in flight a partition; the cursor moves
//! only after the receiver answered, and only while the lease is held. An event may be handed over
//! twice, never skipped: the receiver's inbox makes that exactly once.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use redress_api::ports::{EventSink, SinkError};
use redress_core::clock::Clock;
use redress_core::event::{EventBatch, PARTITIONS};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::database::Database;
use crate::error::StoreError;
use crate::lease::{self, Claim, Lease, pause};
use crate::reads::LogReads;
use crate::{log, sequencer};

type Positions = [i64; PARTITIONS as usize];

/// How a relay paces itself.
#[derive(Debug, Clone)]
pub struct RelaySettings {
    /// Names this process and worker among all that could run the relay; unique.
    pub holder: String,
    /// The most events of one batch.
    pub batch: u16,
    /// How long a silent holder blocks others.
    pub lease_ttl: Duration,
    /// How often to look without being woken: what is left when a wake-up is lost.
    pub safety_poll: Duration,
    /// The first wait after a failure; doubles with each further one.
    pub backoff_min: Duration,
    /// The longest wait after a failure.
    pub backoff_max: Duration,
}

impl RelaySettings {
    /// The settings of production; `holder` is unique among all processes.
    pub fn new(holder: impl Into<String>) -> Self {
        Self {
            holder: holder.into(),
            batch: 500,
            lease_ttl: Duration::from_secs(15),
            safety_poll: Duration::from_secs(1),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
        }
    }
}

/// The worker that serves one subscriber of one service's log.
pub struct Relay {
    database: Database,
    reads: LogReads,
    subscriber: String,
    sink: Arc<dyn EventSink>,
    clock: Arc<dyn Clock>,
    settings: RelaySettings,
}

/// How often the cursors are stored, all in one transaction. They follow what the receiver
/// acknowledged, because being behind only costs that the receiver skips what it has.
const STORE_EVERY: Duration = Duration::from_millis(200);
/// How long commits gather before the relay looks for their events: bounds its reads, and adds at
/// most this much to an event's way.
const LINGER: Duration = Duration::from_millis(50);

/// What the receiver acknowledged of each partition since the relay began; `None` is nothing.
type Acknowledged = [Option<i64>; PARTITIONS as usize];

/// What follows from one attempt to hand a batch over.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// The receiver holds everything up to here.
    MoveTo(i64),
    /// Wait at least this long, then send the same batch again.
    Wait(Duration),
    /// Wait, longer each time, then send the same batch again.
    BackOff,
}

impl Relay {
    /// A relay of the log in `database`, which `reads` reads, to `subscriber` behind `sink`.
    pub(crate) fn new(
        database: Database,
        reads: LogReads,
        subscriber: impl Into<String>,
        sink: Arc<dyn EventSink>,
        clock: Arc<dyn Clock>,
        settings: RelaySettings,
    ) -> Self {
        Self { database, reads, subscriber: subscriber.into(), sink, clock, settings }
    }

    /// Serves the subscriber until `cancel`: takes the lease, or waits until its holder is gone.
    #[tracing::instrument(skip_all, fields(relay.subscriber = %self.subscriber))]
    pub async fn run(&self, cancel: CancellationToken) {
        let claim = Claim {
            database: &self.database,
            clock: &*self.clock,
            name: &format!("relay/{}", self.subscriber),
            holder: &self.settings.holder,
            ttl: self.settings.lease_ttl,
        };
        lease::hold(&claim, &cancel, |lease, stop| self.serve(lease, stop)).await;
    }

    /// Serves all partitions until `stop`, which also says that the lease is lost.
    async fn serve(&self, lease: Lease, stop: CancellationToken) {
        let heads = watch::Sender::new([0; PARTITIONS as usize]);
        let acknowledged = watch::Sender::new(Acknowledged::default());
        let partitions = (0..PARTITIONS).map(|partition| {
            let (acknowledged, stop, heads) = (&acknowledged, &stop, heads.subscribe());
            async move {
                // A partition that fails for the database's sake starts over from its cursor.
                let mut wait = self.settings.backoff_min;
                while !stop.is_cancelled() {
                    match self.serve_partition(partition, acknowledged, heads.clone(), stop).await {
                        Ok(()) => break,
                        Err(error) => {
                            tracing::warn!(
                                error = &error as &dyn std::error::Error,
                                relay.partition = partition,
                                "the relay cannot use its database; trying again"
                            );
                            pause(wait, stop).await;
                            wait = (wait * 2).min(self.settings.backoff_max);
                        }
                    }
                }
            }
        });
        let (stored, ..) = tokio::join!(
            self.store_cursors(&acknowledged, &lease, &stop),
            self.watch_heads(&heads, &stop),
            join_all(partitions)
        );
        // The last answers came in while everything stopped.
        let last = *acknowledged.borrow();
        if let Err(error) = self.store(stored, last, &lease).await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the last cursors were not stored; the receiver will skip what it has"
            );
        }
    }

    /// Stores how far each partition got, now and then, until `stop`; returns what it stored last.
    async fn store_cursors(
        &self,
        acknowledged: &watch::Sender<Acknowledged>,
        lease: &Lease,
        stop: &CancellationToken,
    ) -> Acknowledged {
        let mut stored = Acknowledged::default();
        let mut changes = acknowledged.subscribe();
        let mut wait = self.settings.backoff_min;
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = changes.changed() => pause(STORE_EVERY, stop).await,
            }
            let now = *changes.borrow_and_update();
            match self.store(stored, now, lease).await {
                Ok(()) => {
                    stored = now;
                    wait = self.settings.backoff_min;
                }
                Err(StoreError::LeaseLost { .. }) => stop.cancel(),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the relay cannot store its cursors; trying again"
                    );
                    changes.mark_changed();
                    pause(wait, stop).await;
                    wait = (wait * 2).min(self.settings.backoff_max);
                }
            }
        }
        stored
    }

    /// Stores the cursors in which `now` differs from what is `stored`.
    async fn store(
        &self,
        stored: Acknowledged,
        now: Acknowledged,
        lease: &Lease,
    ) -> Result<(), StoreError> {
        let partitions = (0..PARTITIONS).zip(stored.into_iter().zip(now));
        let moved: Vec<(u16, i64)> = partitions
            .filter(|(_, (stored, now))| stored != now)
            .filter_map(|(partition, (_, now))| Some((partition, now?)))
            .collect();
        if moved.is_empty() {
            return Ok(());
        }
        log::move_cursors(&self.database, lease, &self.subscriber, &moved).await
    }

    /// Publishes the log's heads whenever positions were given, and at each safety poll.
    async fn watch_heads(&self, heads: &watch::Sender<Positions>, stop: &CancellationToken) {
        let mut stamped = self.database.wakeup().on_stamped();
        while !stop.is_cancelled() {
            stamped.mark_unchanged();
            match sequencer::heads(&self.database).await {
                Ok(now) => {
                    heads.send_if_modified(|before| std::mem::replace(before, now) != now);
                }
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the relay cannot read the log's heads; trying again"
                ),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                _ = stamped.changed() => pause(LINGER, stop).await,
                () = tokio::time::sleep(self.settings.safety_poll) => {}
            }
        }
    }

    async fn serve_partition(
        &self,
        partition: u16,
        acknowledged: &watch::Sender<Acknowledged>,
        mut heads: watch::Receiver<Positions>,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let slot = usize::from(partition);
        let reached = acknowledged.borrow()[slot];
        let mut cursor = match reached {
            Some(position) => position,
            None => log::cursors(&self.database, &self.subscriber).await?[slot],
        };
        let mut backoff = self.settings.backoff_min;
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => break,
                Ok(()) = has_more(&mut heads, slot, cursor) => {}
            }
            let batch = self.reads.behind((partition, cursor)).await?;
            if batch.events.is_empty() {
                // The log was cut beyond the cursor; nothing there can be handed over.
                tracing::error!(
                    relay.partition = partition,
                    relay.position = cursor,
                    "events between the subscriber's cursor and the log's head are gone"
                );
                pause(self.settings.backoff_max, stop).await;
                continue;
            }
            let answer = tokio::select! {
                () = stop.cancelled() => break,
                answer = self.sink.deliver(&batch) => answer,
            };
            match self.judge(&batch, answer).await? {
                Step::MoveTo(position) if position != cursor => {
                    cursor = position;
                    acknowledged.send_modify(|reached| reached[slot] = Some(position));
                    backoff = self.settings.backoff_min;
                }
                Step::Wait(time) => pause(time, stop).await,
                Step::MoveTo(_) | Step::BackOff => {
                    pause(backoff, stop).await;
                    backoff = (backoff * 2).min(self.settings.backoff_max);
                }
            }
        }
        Ok(())
    }

    /// What the receiver's answer means for the cursor; never a position outside the log.
    async fn judge(
        &self,
        batch: &EventBatch,
        answer: Result<i64, SinkError>,
    ) -> Result<Step, StoreError> {
        let partition = batch.partition;
        let position = match answer {
            Ok(held) => held,
            Err(SinkError::Gap { expected }) => expected - 1,
            Err(SinkError::Busy { retry_after }) => {
                return Ok(Step::Wait(retry_after.max(self.settings.backoff_min)));
            }
            Err(error @ SinkError::Unavailable(_)) => {
                tracing::warn!(
                    relay.partition = partition,
                    error = &error as &dyn std::error::Error,
                    "the subscriber cannot be reached; trying again"
                );
                return Ok(Step::BackOff);
            }
            Err(error @ SinkError::Refused(_)) => {
                tracing::error!(
                    relay.partition = partition,
                    error = &error as &dyn std::error::Error,
                    "the subscriber refuses its events; somebody has to look"
                );
                return Ok(Step::BackOff);
            }
        };
        if is_within(batch, position) {
            return Ok(Step::MoveTo(position));
        }
        let head = sequencer::heads(&self.database).await?[usize::from(partition)];
        let first = log::first_position(&self.database, partition).await?.unwrap_or(head + 1);
        if (first - 1..=head).contains(&position) {
            return Ok(Step::MoveTo(position));
        }
        tracing::error!(
            relay.partition = partition,
            relay.held = position,
            log.first = first,
            log.head = head,
            "the subscriber holds a position that the log does not reach; one of the two databases was put back in time"
        );
        Ok(Step::BackOff)
    }
}

/// Whether `position` is one of the batch's, or the one before it: the ordinary case.
fn is_within(batch: &EventBatch, position: i64) -> bool {
    match (batch.events.first(), batch.events.last()) {
        (Some(first), Some(last)) => (first.position - 1..=last.position).contains(&position),
        _ => false,
    }
}

/// Waits until the log goes beyond `position` in the partition at `slot`.
async fn has_more(
    heads: &mut watch::Receiver<Positions>,
    slot: usize,
    position: i64,
) -> Result<(), watch::error::RecvError> {
    heads.wait_for(|heads| heads[slot] > position).await.map(drop)
}
