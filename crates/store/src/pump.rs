//! Everything that carries a service's events on: the sequencer and one relay a subscriber.
//!
//! Invariant: each replica of a service runs one pump; leases decide which of them stamps and
//! which of them serves a subscriber, so any replica can go at any time.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use redress_api::ports::EventSink;
use redress_core::clock::{Clock, Timestamp};
use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;

use crate::database::{Database, PostgresDatabase};
use crate::error::StoreError;
use crate::lease::{self, Claim, Lease, pause};
use crate::reads::LogReads;
use crate::relay::{Relay, RelaySettings};
use crate::{log, sequencer};

/// The PostgreSQL channel on which a replica says that it committed events.
const APPENDED_CHANNEL: &str = "redress_appended";
/// How often the log is cut.
const TRIM_EVERY: Duration = Duration::from_mins(1);

/// The event workers of one service, started as one thing.
pub struct EventPump {
    /// The service's database, which holds the log.
    pub database: Database,
    /// The service: `refunds`, `cases`, `notifications` or `feedback`.
    pub source: String,
    /// Each subscriber's name and the way to it.
    pub subscribers: Vec<(String, Arc<dyn EventSink>)>,
    /// Dates leases and decides what is old.
    pub clock: Arc<dyn Clock>,
    /// How the workers pace themselves, and this process' unique name.
    pub settings: RelaySettings,
    /// How long an event stays in the log after all subscribers have it.
    pub retention: Duration,
}

impl EventPump {
    /// Runs all workers until `cancel`, then gives their leases back.
    pub async fn run(self, cancel: CancellationToken) {
        let limit = i64::from(self.settings.batch);
        let reads = LogReads::new(self.database.clone(), self.source.clone(), limit);
        let relays: Vec<Relay> = self
            .subscribers
            .iter()
            .map(|(subscriber, sink)| {
                Relay::new(
                    self.database.clone(),
                    reads.clone(),
                    subscriber.clone(),
                    Arc::clone(sink),
                    Arc::clone(&self.clock),
                    self.settings.clone(),
                )
            })
            .collect();
        let relays = join_all(relays.iter().map(|relay| relay.run(cancel.clone())));
        tokio::join!(relays, self.run_sequencer(&cancel), self.listen(&cancel), self.trim(&cancel));
    }

    async fn run_sequencer(&self, cancel: &CancellationToken) {
        let Database::Postgres(postgres) = &self.database else {
            return;
        };
        let claim = Claim {
            database: &self.database,
            clock: &*self.clock,
            name: sequencer::LEASE,
            holder: &self.settings.holder,
            ttl: self.settings.lease_ttl,
        };
        let here = AtomicBool::new(false);
        let work = lease::hold(&claim, cancel, |lease, stop| async {
            here.store(true, Ordering::Relaxed);
            self.stamp(lease, stop).await;
            here.store(false, Ordering::Relaxed);
        });
        tokio::join!(work, self.announce(postgres, &here, cancel));
    }

    /// Tells the sequencer of another replica about commits made here. Not part of the commits:
    /// PostgreSQL lets transactions that NOTIFY commit only one after the other.
    async fn announce(
        &self,
        postgres: &PostgresDatabase,
        stamped_here: &AtomicBool,
        cancel: &CancellationToken,
    ) {
        let mut committed = self.database.wakeup().on_committed();
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = committed.changed() => pause(sequencer::LINGER, cancel).await,
            }
            committed.mark_unchanged();
            if stamped_here.load(Ordering::Relaxed) {
                continue;
            }
            let sent = sqlx::query("SELECT pg_notify($1, '')")
                .bind(APPENDED_CHANNEL)
                .execute(&postgres.pool)
                .await;
            if let Err(error) = sent {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "other replicas could not be woken; their safety poll will find the events"
                );
            }
        }
    }

    /// Stamps what is committed until `stop`: when woken, and at each safety poll.
    async fn stamp(&self, lease: Lease, stop: CancellationToken) {
        let wakeup = self.database.wakeup();
        let (mut committed, mut announced) = (wakeup.on_committed(), wakeup.on_announced());
        let mut backoff = self.settings.backoff_min;
        while !stop.is_cancelled() {
            committed.mark_unchanged();
            announced.mark_unchanged();
            match sequencer::stamp(&self.database, &lease).await {
                // A full batch: there is more.
                Ok(stamped) if stamped >= sequencer::BATCH.unsigned_abs() => continue,
                Ok(_) => backoff = self.settings.backoff_min,
                Err(StoreError::LeaseLost { .. }) => {
                    stop.cancel();
                    return;
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "events could not be given positions; trying again"
                    );
                    pause(backoff, &stop).await;
                    backoff = (backoff * 2).min(self.settings.backoff_max);
                    continue;
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                _ = committed.changed() => pause(sequencer::LINGER, &stop).await,
                _ = announced.changed() => pause(sequencer::LINGER, &stop).await,
                () = tokio::time::sleep(self.settings.safety_poll) => {}
            }
        }
    }

    /// Passes on what other replicas announce.
    async fn listen(&self, cancel: &CancellationToken) {
        let Database::Postgres(postgres) = &self.database else {
            return;
        };
        while !cancel.is_cancelled() {
            tokio::select! {
                () = cancel.cancelled() => return,
                Err(error) = self.pass_on(postgres) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the wake-up channel is closed; opening it again"
                ),
            }
            pause(self.settings.safety_poll, cancel).await;
        }
    }

    async fn pass_on(&self, postgres: &PostgresDatabase) -> Result<Infallible, sqlx::Error> {
        let wakeup = self.database.wakeup();
        let mut listener = PgListener::connect_with(&postgres.pool).await?;
        listener.listen_all([APPENDED_CHANNEL, sequencer::STAMPED_CHANNEL]).await?;
        loop {
            match listener.try_recv().await? {
                Some(notice) if notice.channel() == APPENDED_CHANNEL => wakeup.announced(),
                Some(_) => wakeup.stamped(),
                // The connection broke and something may have been missed.
                None => {
                    wakeup.announced();
                    wakeup.stamped();
                }
            }
        }
    }

    /// Cuts the log now and then. Needs no lease: two replicas that cut remove the same rows.
    async fn trim(&self, cancel: &CancellationToken) {
        let subscribers: Vec<&str> = self.subscribers.iter().map(|(name, _)| &**name).collect();
        while !cancel.is_cancelled() {
            let retention = i64::try_from(self.retention.as_micros()).unwrap_or(i64::MAX);
            let before = Timestamp(self.clock.now().0.saturating_sub(retention));
            match log::trim(&self.database, &subscribers, before).await {
                Ok(0) => {}
                Ok(removed) => tracing::info!(log.removed = removed, "the event log was cut"),
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the event log could not be cut; trying again later"
                ),
            }
            pause(TRIM_EVERY, cancel).await;
        }
    }
}
