//! Opens and closes cases by what arrives in the inbox.
//!
//! Invariant: a tenant has one case for one origin. A fact that is told again, in whatever batch,
//! opens nothing new, and nothing that a person has resolved.

use std::sync::Arc;

use async_trait::async_trait;
use redress_core::clock::Clock;
use redress_core::event::Event;
use redress_core::id::{CaseId, Ids};
use redress_store::StoreError;
use redress_store::inbox::Consumer;
use sqlx::{PgConnection, SqliteConnection};

use super::{postgres, sqlite};
use crate::domain::attention::Effect;
use crate::domain::case::Case;
use crate::domain::intake::{self, Intake};
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

    fn apply(&self, stored: Vec<Case>, effects: Vec<Effect>) -> Intake {
        intake::apply(stored, effects, || CaseId::fresh(&*self.ids), self.clock.now())
    }
}

#[async_trait]
impl Consumer for CaseConsumer {
    type Effect = Effect;

    fn decide(&self, event: &Event) -> Result<Option<Effect>, String> {
        events::effect(event)
    }

    async fn apply_sqlite(
        &self,
        conn: &mut SqliteConnection,
        effects: Vec<Effect>,
    ) -> Result<(), StoreError> {
        let stored = sqlite::find(conn, &intake::targets(&effects)).await?;
        let Intake { opened, changed } = self.apply(stored, effects);
        sqlite::insert_missing(conn, &opened).await?;
        sqlite::change(conn, &changed).await
    }

    async fn apply_postgres(
        &self,
        conn: &mut PgConnection,
        effects: Vec<Effect>,
    ) -> Result<(), StoreError> {
        let stored = postgres::lock(conn, &intake::targets(&effects)).await?;
        let Intake { opened, changed } = self.apply(stored, effects);
        postgres::insert_missing(conn, &opened).await?;
        postgres::change(conn, &changed).await
    }
}
