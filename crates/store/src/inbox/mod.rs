//! Events from other services: each has its effect exactly once, in order per entity.
//!
//! Invariant: the cursor of (source, partition) is locked, compared and moved in the transaction
//! that applies the events, so a batch that is delivered twice, or by two senders at once, has its
//! effects once. A batch that starts beyond the cursor is refused. An event that cannot be applied
//! is parked with its error, and so is what follows for the same entity; other entities go on.
//!
//! A consumer implements [`Consumer`] and is served by an [`Inbox`].

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use redress_api::ports::{EventHandler, HandleError, PortError};
use redress_core::clock::Clock;
use redress_core::event::{Event, EventBatch};
use sqlx::{PgConnection, SqliteConnection};

use crate::database::Database;
use crate::error::StoreError;
use crate::parking::{Entity, FOLLOWS};

mod postgres;
mod sqlite;

/// What a service does with the events of others.
#[async_trait]
pub trait Consumer: Send + Sync {
    /// What one event means here.
    type Effect: Send;

    /// The newest version of the payloads' meaning that this consumer understands; an event of a
    /// newer one is parked instead of taken. Versions count from 1, so the default is that of a
    /// consumer that knows the first version only.
    const PAYLOAD_VERSION: u16 = 1;

    /// Decides what `event` means: pure, so that it can be asked again. `None` when it is of no
    /// interest; an error, without personal data, when it can never be understood: it is parked.
    fn decide(&self, event: &Event) -> Result<Option<Self::Effect>, String>;

    /// Applies `effects` in order in the caller's SQLite transaction. A transient error
    /// ([`StoreError::is_transient`]) makes the sender try again; any other one parks the event
    /// that causes it.
    async fn apply_sqlite(
        &self,
        conn: &mut SqliteConnection,
        effects: Vec<Self::Effect>,
    ) -> Result<(), StoreError>;

    /// Applies `effects` in order in the caller's PostgreSQL transaction; errors as in
    /// [`Consumer::apply_sqlite`].
    async fn apply_postgres(
        &self,
        conn: &mut PgConnection,
        effects: Vec<Self::Effect>,
    ) -> Result<(), StoreError>;
}

/// Serves a [`Consumer`] with what arrives.
#[derive(Debug)]
pub struct Inbox<C> {
    database: Database,
    clock: Arc<dyn Clock>,
    consumer: C,
}

/// What a batch is to a cursor.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission<'a> {
    /// These events are new and the next ones; none when all were seen before.
    Fresh(&'a [Event]),
    /// Events between the cursor and the batch are missing.
    Gap {
        /// The next position that will be taken.
        expected: i64,
    },
}

/// Compares a batch with the last position held.
pub fn admit(events: &[Event], held: i64) -> Admission<'_> {
    let fresh = &events[events.partition_point(|event| event.position <= held)..];
    let follows = fresh.iter().zip(held + 1..).all(|(event, next)| event.position == next);
    if follows { Admission::Fresh(fresh) } else { Admission::Gap { expected: held + 1 } }
}

/// A fresh batch, decided: what to apply, with its event, and what to park, with the reason.
struct Sorted<'a, E> {
    effects: Vec<(&'a Event, E)>,
    parked: Vec<(&'a Event, String)>,
}

impl<C: Consumer> Inbox<C> {
    /// An inbox in `database`; `clock` dates what is parked.
    pub const fn new(database: Database, clock: Arc<dyn Clock>, consumer: C) -> Self {
        Self { database, clock, consumer }
    }

    /// What `event` means here. One that would be taken, or not understood, in a version that came
    /// after this build says so.
    fn decide(&self, event: &Event) -> Result<Option<C::Effect>, String> {
        match self.consumer.decide(event) {
            Ok(None) => Ok(None),
            _ if event.payload_version > C::PAYLOAD_VERSION => Err(format!(
                "payload version {} is newer than this build reads ({})",
                event.payload_version,
                C::PAYLOAD_VERSION
            )),
            decided => decided,
        }
    }

    /// Decides each event; an entity that has something parked gets everything else parked too.
    fn sort<'a>(&self, fresh: &'a [Event], mut stuck: HashSet<Entity>) -> Sorted<'a, C::Effect> {
        let mut sorted = Sorted { effects: Vec::with_capacity(fresh.len()), parked: Vec::new() };
        for event in fresh {
            let entity = Entity::of(event);
            if stuck.contains(&entity) {
                sorted.parked.push((event, FOLLOWS.to_owned()));
                continue;
            }
            match self.decide(event) {
                Ok(Some(effect)) => sorted.effects.push((event, effect)),
                Ok(None) => {}
                Err(reason) => {
                    sorted.parked.push((event, reason));
                    stuck.insert(entity);
                }
            }
        }
        sorted
    }

    /// Tries again, in order, what is parked of `entity` from `source`, after its cause was
    /// removed; returns how many events had their effect now. Stops at the first one that still
    /// fails, which keeps its new error; what was applied before it stays applied.
    pub async fn replay(&self, source: &str, entity: &Entity) -> Result<usize, StoreError> {
        match &self.database {
            Database::Sqlite(database) => self.replay_sqlite(database, source, entity).await,
            Database::Postgres(database) => self.replay_postgres(database, source, entity).await,
        }
    }

    async fn ingest(&self, batch: &EventBatch, pace: Pace) -> Result<Held, StoreError> {
        match &self.database {
            Database::Sqlite(database) => self.ingest_sqlite(database, batch, pace).await,
            Database::Postgres(database) => self.ingest_postgres(database, batch, pace).await,
        }
    }
}

#[async_trait]
impl<C: Consumer> EventHandler for Inbox<C> {
    async fn handle(&self, batch: EventBatch) -> Result<i64, HandleError> {
        let held = match self.ingest(&batch, Pace::Together).await {
            // Some event of the batch is poison; one by one shows which.
            Err(error) if !error.is_transient() => self.ingest(&batch, Pace::Singly).await,
            other => other,
        };
        match held.map_err(PortError::from)? {
            Held::UpTo(position) => Ok(position),
            Held::Gap(expected) => Err(HandleError::Gap { expected }),
        }
    }
}

/// How a batch is applied: all at once, or each event in a savepoint of its own.
#[derive(Debug, Clone, Copy)]
enum Pace {
    Together,
    Singly,
}

/// Where the cursor stands after a batch.
enum Held {
    UpTo(i64),
    Gap(i64),
}

const MOVE: &str =
    r#"UPDATE inbox_cursors SET position = $3 WHERE source = $1 AND "partition" = $2"#;
const CREATE: &str = r#"INSERT INTO inbox_cursors (source, "partition", position)
    VALUES ($1, $2, 0) ON CONFLICT (source, "partition") DO NOTHING"#;

/// The error with its causes, for a person who looks at what is parked.
fn describe(error: &StoreError) -> String {
    let first: &dyn std::error::Error = error;
    let chain = std::iter::successors(Some(first), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
