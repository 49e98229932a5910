//! What a store of cases must do, on both databases.
//!
//! Invariant: every method of the trait, and the consumer, is hit by at least one case here.

mod intake;
mod reading;
mod resolving;

use std::sync::Arc;

use redress_api::ports::EventHandler;
use redress_core::event::{Event, EventBatch};
use redress_core::id::TenantId;
use redress_store::inbox::Inbox;
use redress_store::{Database, DatabaseSettings, migrate};
use redress_testkit::{clock, ids};

use super::{CaseConsumer, CaseStore, SCHEMA, open};
use crate::domain::case::{Case, CaseFilter};

/// A migrated store, with what feeds it.
struct Fixture {
    database: Database,
    store: Arc<dyn CaseStore>,
    inbox: Inbox<CaseConsumer>,
}

async fn open_fixture(url: String) -> Fixture {
    let database = Database::connect(&DatabaseSettings::new(url)).await.unwrap();
    for _ in 0..2 {
        migrate(&database, &SCHEMA).await.unwrap();
    }
    let clock = clock::manual();
    let consumer = CaseConsumer::new(clock.clone(), ids::counting());
    let inbox = Inbox::new(database.clone(), clock, consumer);
    Fixture { store: open(&database), inbox, database }
}

impl Fixture {
    /// Delivers `events` as what comes next in `partition`, and returns the position held.
    async fn deliver(&self, partition: u16, after: i64, mut events: Vec<Event>) -> i64 {
        for (event, position) in events.iter_mut().zip(after + 1..) {
            event.position = position;
        }
        let batch = EventBatch { source: "refunds".to_owned(), partition, events };
        self.inbox.handle(batch).await.unwrap()
    }

    /// All cases of `tenant`.
    async fn cases(&self, tenant: &str) -> Vec<Case> {
        self.list(tenant, &CaseFilter::default()).await
    }

    /// The cases of `tenant` that match, after checking that the count agrees.
    async fn list(&self, tenant: &str, filter: &CaseFilter) -> Vec<Case> {
        let tenant = TenantId::new(tenant).unwrap();
        let cases = self.store.list(&tenant, filter, None, 1000).await.unwrap();
        let count = self.store.count(&tenant, filter).await.unwrap();
        assert_eq!(i64::try_from(cases.len()).unwrap(), count, "list and count disagree");
        cases
    }
}
