//! What a notification store must do, on both databases: this suite is the specification.
//!
//! Invariant: every method of the trait and both ways of writing are hit; a case opens its own
//! database and knows nothing of which kind it is.

mod claims;
mod facts;
mod lists;

use std::sync::Arc;

use prost::Message as _;
use redress_api::ports::EventHandler as _;
use redress_core::clock::Clock as _;
use redress_core::clock::ManualClock;
use redress_core::event::{Event, EventBatch};
use redress_core::id::TenantId;
use redress_proto::common::v1::Money;
use redress_proto::events::v1::{DisruptionItemSettled, RefundStateChanged};
use redress_store::inbox::Inbox;
use redress_store::{DatabaseSettings, migrate};
use redress_testkit::{clock, ids};

use super::*;
use crate::domain::notification::NewNotification;

/// A store with its inbox, on a clock that stands still.
struct World {
    database: Database,
    store: Arc<dyn NotificationStore>,
    inbox: Inbox<FactConsumer>,
    clock: Arc<ManualClock>,
}

async fn open_world(url: String) -> World {
    let database = Database::connect(&DatabaseSettings::new(url)).await.unwrap();
    migrate(&database, &SCHEMA).await.unwrap();
    let clock = clock::manual();
    let consumer = FactConsumer::new(clock.clone(), ids::counting());
    World {
        store: open(&database),
        inbox: Inbox::new(database.clone(), clock.clone(), consumer),
        database,
        clock,
    }
}

impl World {
    /// Delivers facts as events of partition 0, the first at `position`.
    async fn deliver(&self, position: i64, facts: Vec<(TenantId, &str, Vec<u8>)>) -> i64 {
        let events =
            facts.into_iter().zip(position..).map(|((tenant, kind, payload), position)| Event {
                id: format!("e{position}"),
                tenant,
                event_type: format!("redress.events.v1.{kind}"),
                subject: format!("disruptions/{position}"),
                time: self.clock.now(),
                payload_version: 1,
                payload,
                traceparent: None,
                position,
            });
        let batch =
            EventBatch { source: "refunds".to_owned(), partition: 0, events: events.collect() };
        self.inbox.handle(batch).await.unwrap()
    }

    /// Delivers one settled item for each order of `tenant`.
    async fn deliver_orders(&self, tenant: &TenantId, position: i64, orders: &[&str]) -> i64 {
        let facts = orders.iter().map(|order| {
            (tenant.clone(), "DisruptionItemSettled", item(order, "SUCCEEDED").encode_to_vec())
        });
        self.deliver(position, facts.collect()).await
    }

    async fn all(&self, tenant: &TenantId) -> Vec<Notification> {
        self.store.list(tenant, &ListFilter::default(), None, 1000).await.unwrap()
    }

    fn claim(&self, token: &str, limit: u32) -> Claim {
        let now = self.clock.now();
        Claim { token: token.to_owned(), now, until: now.plus(CLAIM_TIME), limit }
    }
}

const CLAIM_TIME: std::time::Duration = std::time::Duration::from_mins(1);

fn tenant(id: &str) -> TenantId {
    TenantId::new(id).unwrap()
}

fn eur(minor_units: i64) -> Money {
    Money { currency_code: "EUR".to_owned(), minor_units }
}

fn item(order: &str, outcome: &str) -> DisruptionItemSettled {
    DisruptionItemSettled {
        disruption: "disruptions/d1".to_owned(),
        event: "events/derby".to_owned(),
        order: format!("orders/{order}"),
        customer: format!("customers/of-{order}"),
        refund: "refunds/r1".to_owned(),
        outcome: outcome.to_owned(),
        requested: Some(eur(500)),
        issued: Some(eur(300)),
        ..Default::default()
    }
}

fn refund(refund: &str, state: &str) -> RefundStateChanged {
    RefundStateChanged {
        refund: format!("refunds/{refund}"),
        order: "orders/o1".to_owned(),
        customer: "customers/c1".to_owned(),
        state: state.to_owned(),
        requested: Some(eur(500)),
        issued: Some(eur(500)),
        ..Default::default()
    }
}
