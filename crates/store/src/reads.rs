//! Reading the log on behalf of all subscribers at once.
//!
//! Invariant: each is given the events behind the place that it asked for, as if it had read alone;
//! those that stand at the same place share what was read there once.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use redress_core::event::{EventBatch, PARTITIONS};

use crate::database::Database;
use crate::error::StoreError;
use crate::gather::{Gather, Pace, Together};
use crate::log::{self, Place};

/// Partitions come to read at the same moment, when positions were given: they read together. A
/// subscriber that catches up has statements of its own beside those of the others.
const READ: Pace = Pace { turns: 3, crowd: PARTITIONS as usize, most: 4 * PARTITIONS as usize };

/// Reads of one log. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LogReads(Gather<Reads>);

/// What partitions read on.
struct Reads {
    database: Database,
    source: String,
    limit: i64,
}

impl LogReads {
    /// Reads `source`'s log in `database`, at most `limit` events at a time.
    pub(crate) fn new(database: Database, source: String, limit: i64) -> Self {
        Self(Gather::new(Reads { database, source, limit }, READ))
    }

    /// The events behind `place`; none where the log was cut beyond it.
    pub(crate) async fn behind(&self, place: Place) -> Result<Arc<EventBatch>, StoreError> {
        self.0.ask(place).await
    }
}

#[async_trait]
impl Together for Reads {
    type Ask = Place;
    type Answer = Arc<EventBatch>;

    async fn answer(&self, asks: &[Place]) -> Result<Vec<Arc<EventBatch>>, StoreError> {
        let mut places: Vec<Place> = asks.to_vec();
        places.sort_unstable();
        places.dedup();
        let read = log::read(&self.database, &places, self.limit).await?;
        let batch = |(place, events): (Place, _)| {
            let batch = EventBatch { source: self.source.clone(), partition: place.0, events };
            (place, Arc::new(batch))
        };
        let batches: HashMap<Place, _> = places.into_iter().zip(read).map(batch).collect();
        Ok(asks.iter().filter_map(|ask| batches.get(ask).cloned()).collect())
    }
}
