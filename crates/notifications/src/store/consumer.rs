//! Facts from other services become notifications, in the transaction that moves the inbox cursor.
//!
//! Invariant: a batch of facts is one statement, however many they are; a fact whose occasion has
//! a notification already changes nothing.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use redress_core::clock::Clock;
use redress_core::event::Event;
use redress_core::id::{Ids, NotificationId};
use redress_store::StoreError;
use redress_store::inbox::Consumer;
use sqlx::{PgConnection, SqliteConnection};

use super::{postgres, sqlite};
use crate::domain::fact::Fact;
use crate::domain::notification::NewNotification;
use crate::events;

/// Writes a notification for every fact that a customer should hear of.
pub struct FactConsumer {
    clock: Arc<dyn Clock>,
    ids: Ids,
}

impl FactConsumer {
    /// A consumer that dates notifications by `clock` and names them from `ids`.
    pub const fn new(clock: Arc<dyn Clock>, ids: Ids) -> Self {
        Self { clock, ids }
    }

    fn notifications(&self, facts: Vec<Fact>) -> Vec<NewNotification> {
        let now = self.clock.now();
        let notification =
            |fact: Fact| fact.into_notification(NotificationId::fresh(self.ids.as_ref()), now);
        facts.into_iter().map(notification).collect()
    }
}

impl fmt::Debug for FactConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FactConsumer").finish_non_exhaustive()
    }
}

#[async_trait]
impl Consumer for FactConsumer {
    type Effect = Fact;

    const PAYLOAD_VERSION: u16 = events::PAYLOAD_VERSION;

    fn decide(&self, event: &Event) -> Result<Option<Fact>, String> {
        events::decode(event).map_err(|error| redress_api::status::chain(Some(&error)))
    }

    async fn apply_sqlite(
        &self,
        conn: &mut SqliteConnection,
        facts: Vec<Fact>,
    ) -> Result<(), StoreError> {
        sqlite::insert(conn, &self.notifications(facts)).await
    }

    async fn apply_postgres(
        &self,
        conn: &mut PgConnection,
        facts: Vec<Fact>,
    ) -> Result<(), StoreError> {
        postgres::insert(conn, &self.notifications(facts)).await
    }
}
