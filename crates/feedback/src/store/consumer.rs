//! Decides whom to ask from what arrives in the inbox.
//!
//! Invariant: what is known of the customers of a batch is read in the transaction that stores the
//! decision, and no other batch decides about one of them in between: SQLite has one writer, and
//! in PostgreSQL the customers' rows are locked.

use std::sync::Arc;

use async_trait::async_trait;
use redress_core::clock::{Clock, Timestamp};
use redress_core::event::Event;
use redress_core::id::Ids;
use redress_store::StoreError;
use redress_store::inbox::Consumer;
use sqlx::{PgConnection, SqliteConnection};

use super::{postgres, sqlite};
use crate::domain::decide::{Known, decide};
use crate::domain::invitation::Invitation;
use crate::domain::settled::Settled;
use crate::domain::survey::Survey;
use crate::events;

/// Turns settled orders into invitations.
#[derive(Debug)]
pub struct FeedbackConsumer {
    survey: Survey,
    clock: Arc<dyn Clock>,
    ids: Ids,
}

impl FeedbackConsumer {
    /// A consumer that asks by the built-in survey, dates invitations by `clock` and names them by
    /// `ids`.
    pub fn new(clock: Arc<dyn Clock>, ids: Ids) -> Self {
        Self { survey: Survey::refund_experience(), clock, ids }
    }

    fn invite(&self, facts: &[Settled], known: Known, now: Timestamp) -> Vec<Invitation> {
        decide(&self.survey, facts, known, now, &*self.ids)
    }
}

#[async_trait]
impl Consumer for FeedbackConsumer {
    type Effect = Settled;

    const PAYLOAD_VERSION: u16 = 1;

    fn decide(&self, event: &Event) -> Result<Option<Settled>, String> {
        events::settled(event)
    }

    async fn apply_sqlite(
        &self,
        conn: &mut SqliteConnection,
        effects: Vec<Settled>,
    ) -> Result<(), StoreError> {
        let known = sqlite::known(conn, &effects).await?;
        let now = self.clock.now();
        sqlite::save(conn, &self.invite(&effects, known, now), now).await
    }

    async fn apply_postgres(
        &self,
        conn: &mut PgConnection,
        effects: Vec<Settled>,
    ) -> Result<(), StoreError> {
        let known = postgres::lock_known(conn, &effects).await?;
        let now = self.clock.now();
        postgres::save(conn, &self.invite(&effects, known, now), now).await
    }
}
