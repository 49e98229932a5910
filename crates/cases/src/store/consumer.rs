//! Opens cases from what arrives in the inbox.
//!
//! Invariant: a tenant has one case for one origin. A fact that is told again, in whatever batch,
//! opens nothing.

use std::sync::Arc;

use async_trait::async_trait;
use redress_core::clock::Clock;
use redress_core::event::Event;
use redress_core::id::{CaseId, Ids};
use redress_store::StoreError;
use redress_store::inbox::Consumer;
use sqlx::{PgConnection, SqliteConnection};

use super::{postgres, sqlite};
use crate::domain::attention::Attention;
use crate::domain::case::Case;
use crate::events;

/// Turns calls for a person into cases.
#[derive(Debug)]
pub struct CaseConsumer {
    clock: Arc<dyn Clock>,
    ids: Ids,
}

impl CaseConsumer {
    /// A consumer that dates cases by `clock` and names them by `ids`.
    pub const fn new(clock: Arc<dyn Clock>, ids: Ids) -> Self {
        Self { clock, ids }
    }

    fn open(&self, calls: Vec<Attention>) -> Vec<Case> {
        let now = self.clock.now();
        calls.into_iter().map(|call| Case::open(call, CaseId::fresh(&*self.ids), now)).collect()
    }
}

#[async_trait]
impl Consumer for CaseConsumer {
    type Effect = Attention;

    fn decide(&self, event: &Event) -> Result<Option<Attention>, String> {
        events::attention(event)
    }

    async fn apply_sqlite(
        &self,
        conn: &mut SqliteConnection,
        effects: Vec<Attention>,
    ) -> Result<(), StoreError> {
        sqlite::insert_missing(conn, &self.open(effects)).await
    }

    async fn apply_postgres(
        &self,
        conn: &mut PgConnection,
        effects: Vec<Attention>,
    ) -> Result<(), StoreError> {
        postgres::insert_missing(conn, &self.open(effects)).await
    }
}
