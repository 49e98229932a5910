//! What a store of invitations and responses must do, on both databases.
//!
//! Invariant: every method of the trait, and the consumer, is hit by at least one case here.

mod answering;
mod intake;
mod reading;

use std::sync::Arc;

use redress_api::ports::EventHandler;
use redress_core::clock::ManualClock;
use redress_core::event::{Event, EventBatch};
use redress_core::id::{InvitationId, TenantId};
use redress_store::inbox::Inbox;
use redress_store::{Database, DatabaseSettings, migrate};
use redress_testkit::{clock, ids};

use super::{FeedbackConsumer, FeedbackStore, SCHEMA, open};
use crate::domain::invitation::{Invitation, InvitationFilter};

/// A migrated store, with what feeds it.
struct Fixture {
    database: Database,
    store: Arc<dyn FeedbackStore>,
    inbox: Inbox<FeedbackConsumer>,
    clock: Arc<ManualClock>,
}

async fn open_fixture(url: String) -> Fixture {
    let database = Database::connect(&DatabaseSettings::new(url)).await.unwrap();
    for _ in 0..2 {
        migrate(&database, &SCHEMA).await.unwrap();
    }
    let clock = clock::manual();
    let consumer = FeedbackConsumer::new(clock.clone(), ids::counting());
    let inbox = Inbox::new(database.clone(), clock.clone(), consumer);
    Fixture { store: open(&database), inbox, clock, database }
}

fn arena() -> TenantId {
    TenantId::new("arena").unwrap()
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

    /// All invitations of `tenant`.
    async fn invitations(&self, tenant: &str) -> Vec<Invitation> {
        self.list(tenant, &InvitationFilter::default()).await
    }

    /// The invitations of `tenant` that match, after checking that the count agrees.
    async fn list(&self, tenant: &str, filter: &InvitationFilter) -> Vec<Invitation> {
        let tenant = TenantId::new(tenant).unwrap();
        let found = self.store.list_invitations(&tenant, filter, None, 1000).await.unwrap();
        let count = self.store.count_invitations(&tenant, filter).await.unwrap();
        assert_eq!(i64::try_from(found.len()).unwrap(), count, "list and count disagree");
        found
    }

    /// The invitation that was made as the `nth`, from 1.
    async fn read(&self, nth: u32) -> Option<Invitation> {
        let id = InvitationId::new(format!("{nth:08}")).unwrap();
        self.store.invitation(&arena(), &id).await.unwrap()
    }
}
