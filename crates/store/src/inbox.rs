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
use sqlx::{Acquire, PgConnection, SqliteConnection};

use crate::database::{Database, PostgresDatabase, SqliteDatabase};
use crate::error::StoreError;
use crate::parking::{self, Entity, FOLLOWS};
use crate::rows::stored_partition;

/// What a service does with the events of others.
#[async_trait]
pub trait Consumer: Send + Sync {
    /// What one event means here.
    type Effect: Send;

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

    /// Decides each event; an entity that has something parked gets everything else parked too.
    fn sort<'a>(&self, fresh: &'a [Event], mut stuck: HashSet<Entity>) -> Sorted<'a, C::Effect> {
        let mut sorted = Sorted { effects: Vec::with_capacity(fresh.len()), parked: Vec::new() };
        for event in fresh {
            let entity = Entity::of(event);
            if stuck.contains(&entity) {
                sorted.parked.push((event, FOLLOWS.to_owned()));
                continue;
            }
            match self.consumer.decide(event) {
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

    async fn ingest(&self, batch: &EventBatch, pace: Pace) -> Result<Held, StoreError> {
        match &self.database {
            Database::Sqlite(database) => self.ingest_sqlite(database, batch, pace).await,
            Database::Postgres(database) => self.ingest_postgres(database, batch, pace).await,
        }
    }

    async fn ingest_sqlite(
        &self,
        database: &SqliteDatabase,
        batch: &EventBatch,
        pace: Pace,
    ) -> Result<Held, StoreError> {
        let mut tx = database.begin().await?;
        let held = lock_sqlite(&mut tx, &batch.source, batch.partition).await?;
        let fresh = match admit(&batch.events, held) {
            Admission::Gap { expected } => return Ok(Held::Gap(expected)),
            Admission::Fresh(fresh) => fresh,
        };
        let Some(last) = fresh.last() else {
            return Ok(Held::UpTo(held));
        };
        let now = self.clock.now();
        let stuck = parking::stuck_sqlite(&mut tx, &batch.source, fresh).await?;
        let sorted = self.sort(fresh, stuck);
        for (event, reason) in &sorted.parked {
            parking::park_sqlite(&mut tx, batch, event, reason, now).await?;
        }
        match pace {
            Pace::Together if sorted.effects.is_empty() => {}
            Pace::Together => {
                let effects = sorted.effects.into_iter().map(|(_, effect)| effect).collect();
                self.consumer.apply_sqlite(&mut tx, effects).await?;
            }
            Pace::Singly => {
                let mut stuck = HashSet::new();
                for (event, effect) in sorted.effects {
                    if stuck.contains(&Entity::of(event)) {
                        parking::park_sqlite(&mut tx, batch, event, FOLLOWS, now).await?;
                        continue;
                    }
                    let mut step = tx.begin().await?;
                    match self.consumer.apply_sqlite(&mut step, vec![effect]).await {
                        Ok(()) => step.commit().await?,
                        Err(error) if error.is_transient() => return Err(error),
                        Err(error) => {
                            step.rollback().await?;
                            let reason = describe(&error);
                            parking::park_sqlite(&mut tx, batch, event, &reason, now).await?;
                            stuck.insert(Entity::of(event));
                        }
                    }
                }
            }
        }
        sqlx::query(MOVE)
            .bind(&batch.source)
            .bind(stored_partition(batch.partition))
            .bind(last.position)
            .execute(&mut *tx)
            .await?;
        database.commit(tx).await?;
        Ok(Held::UpTo(last.position))
    }

    async fn ingest_postgres(
        &self,
        database: &PostgresDatabase,
        batch: &EventBatch,
        pace: Pace,
    ) -> Result<Held, StoreError> {
        let mut tx = database.begin().await?;
        let held = lock_postgres(&mut tx, &batch.source, batch.partition).await?;
        let fresh = match admit(&batch.events, held) {
            Admission::Gap { expected } => return Ok(Held::Gap(expected)),
            Admission::Fresh(fresh) => fresh,
        };
        let Some(last) = fresh.last() else {
            return Ok(Held::UpTo(held));
        };
        let now = self.clock.now();
        let stuck = parking::stuck_postgres(&mut tx, &batch.source, fresh).await?;
        let sorted = self.sort(fresh, stuck);
        for (event, reason) in &sorted.parked {
            parking::park_postgres(&mut tx, batch, event, reason, now).await?;
        }
        match pace {
            Pace::Together if sorted.effects.is_empty() => {}
            Pace::Together => {
                let effects = sorted.effects.into_iter().map(|(_, effect)| effect).collect();
                self.consumer.apply_postgres(&mut tx, effects).await?;
            }
            Pace::Singly => {
                let mut stuck = HashSet::new();
                for (event, effect) in sorted.effects {
                    if stuck.contains(&Entity::of(event)) {
                        parking::park_postgres(&mut tx, batch, event, FOLLOWS, now).await?;
                        continue;
                    }
                    let mut step = tx.begin().await?;
                    match self.consumer.apply_postgres(&mut step, vec![effect]).await {
                        Ok(()) => step.commit().await?,
                        Err(error) if error.is_transient() => return Err(error),
                        Err(error) => {
                            step.rollback().await?;
                            let reason = describe(&error);
                            parking::park_postgres(&mut tx, batch, event, &reason, now).await?;
                            stuck.insert(Entity::of(event));
                        }
                    }
                }
            }
        }
        sqlx::query(MOVE)
            .bind(&batch.source)
            .bind(stored_partition(batch.partition))
            .bind(last.position)
            .execute(&mut *tx)
            .await?;
        database.commit(tx).await?;
        Ok(Held::UpTo(last.position))
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

/// The last position held of (source, partition), in a transaction that holds the write lock.
async fn lock_sqlite(
    conn: &mut SqliteConnection,
    source: &str,
    partition: u16,
) -> Result<i64, StoreError> {
    const READ: &str =
        r#"SELECT position FROM inbox_cursors WHERE source = $1 AND "partition" = $2"#;
    let partition = stored_partition(partition);
    sqlx::query(CREATE).bind(source).bind(partition).execute(&mut *conn).await?;
    Ok(sqlx::query_scalar(READ).bind(source).bind(partition).fetch_one(conn).await?)
}

/// The last position held of (source, partition); locks the cursor until the transaction ends.
async fn lock_postgres(
    conn: &mut PgConnection,
    source: &str,
    partition: u16,
) -> Result<i64, StoreError> {
    const LOCK: &str = r#"SELECT position FROM inbox_cursors
        WHERE source = $1 AND "partition" = $2 FOR UPDATE"#;
    let partition = stored_partition(partition);
    let lock = || sqlx::query_scalar(LOCK).bind(source).bind(partition);
    if let Some(position) = lock().fetch_optional(&mut *conn).await? {
        return Ok(position);
    }
    sqlx::query(CREATE).bind(source).bind(partition).execute(&mut *conn).await?;
    Ok(lock().fetch_one(conn).await?)
}

/// The error with its causes, for a person who looks at what is parked.
fn describe(error: &StoreError) -> String {
    let first: &dyn std::error::Error = error;
    let chain = std::iter::successors(Some(first), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
