//! The inbox on SQLite.
//!
//! Invariant: BEGIN IMMEDIATE is the cursor's lock: only one transaction writes at a time.

use std::collections::HashSet;

use redress_core::event::{EventBatch, partition_of};
use sqlx::{Acquire, SqliteConnection};

use super::{Admission, CREATE, Consumer, Held, Inbox, MOVE, Pace, admit, describe};
use crate::database::SqliteDatabase;
use crate::error::StoreError;
use crate::parking::{self, Entity, FOLLOWS};
use crate::rows::stored_partition;

impl<C: Consumer> Inbox<C> {
    pub(super) async fn ingest_sqlite(
        &self,
        database: &SqliteDatabase,
        batch: &EventBatch,
        pace: Pace,
    ) -> Result<Held, StoreError> {
        let mut tx = database.begin().await?;
        let held = lock(&mut tx, &batch.source, batch.partition).await?;
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

    pub(super) async fn replay_sqlite(
        &self,
        database: &SqliteDatabase,
        source: &str,
        entity: &Entity,
    ) -> Result<usize, StoreError> {
        let mut tx = database.begin().await?;
        // Keeps deliveries of the same entity out until what is parked before them is settled.
        let partition = partition_of(&entity.tenant, &entity.subject);
        lock(&mut tx, source, partition).await?;
        let mut applied = 0;
        for event in parking::of_entity_sqlite(&mut tx, source, entity).await? {
            let failure = match self.decide(&event) {
                Err(reason) => Some(reason),
                Ok(None) => None,
                Ok(Some(effect)) => {
                    let mut step = tx.begin().await?;
                    match self.consumer.apply_sqlite(&mut step, vec![effect]).await {
                        Ok(()) => {
                            step.commit().await?;
                            applied += 1;
                            None
                        }
                        Err(error) if error.is_transient() => return Err(error),
                        Err(error) => {
                            step.rollback().await?;
                            Some(describe(&error))
                        }
                    }
                }
            };
            let place = (source, partition, event.position);
            match failure {
                None => parking::unpark_sqlite(&mut tx, place).await?,
                Some(reason) => {
                    parking::note_sqlite(&mut tx, place, &reason).await?;
                    break;
                }
            }
        }
        database.commit(tx).await?;
        Ok(applied)
    }
}

/// The last position held of (source, partition), in a transaction that holds the write lock.
async fn lock(
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
