//! Three subscribers of the service's events, as many as it has in production. They take what comes
//! and do nothing with it.
//!
//! Invariant: positions are gapless and begin at 1, so the sum of the last ones of all partitions
//! is the number of events that a subscriber has.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use redress_api::ports::{EventSink, SinkError};
use redress_core::event::{EventBatch, PARTITIONS};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long the events of a round may take to arrive.
const PATIENCE: Duration = Duration::from_mins(1);

/// The names under which the service keeps the three.
const NAMES: [&str; 3] = ["cases", "notifications", "feedback"];

/// What tells that an item of a disruption has come to rest.
const ITEM_SETTLED: &str = "redress.events.v1.DisruptionItemSettled";

type Positions = [i64; PARTITIONS as usize];

/// What a subscriber has.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    positions: Positions,
    /// Items that it was told of.
    items: i64,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Subscribers([Arc<Subscriber>; 3]);

impl Subscribers {
    /// Three that have nothing yet.
    pub(super) fn new() -> Self {
        let subscriber = || Subscriber { held: watch::Sender::new(Held::default()) };
        Self([(); 3].map(|()| Arc::new(subscriber())))
    }

    /// As the service takes them.
    pub(super) fn sinks(&self) -> Vec<(String, Arc<dyn EventSink>)> {
        let sink = |subscriber: &Arc<Subscriber>| Arc::clone(subscriber) as Arc<dyn EventSink>;
        NAMES.into_iter().map(str::to_owned).zip(self.0.iter().map(sink)).collect()
    }

    /// Waits until each has this many events; fails when one has more.
    pub(super) async fn have(&self, events: i64) -> Result<()> {
        for (name, subscriber) in NAMES.iter().zip(&self.0) {
            let mut held = subscriber.held.subscribe();
            let arrived = timeout(PATIENCE, held.wait_for(|held| count(held) >= events)).await;
            drop(arrived);
            let found = count(&subscriber.held.borrow());
            if found != events {
                bail!("{name} has {found} events of {events} refunds");
            }
        }
        Ok(())
    }

    /// Waits, as long as some arrive, until each was told of this many items; fails when one was
    /// told of more.
    pub(super) async fn have_items(&self, items: i64) -> Result<()> {
        for (name, subscriber) in NAMES.iter().zip(&self.0) {
            let mut held = subscriber.held.subscribe();
            loop {
                let found = held.borrow_and_update().items;
                if found > items {
                    bail!("{name} was told of {found} items, of {items} there are");
                }
                if found == items {
                    break;
                }
                if timeout(PATIENCE, held.changed()).await.is_err() {
                    bail!("{name} was told of {found} of {items} items, and no more arrive");
                }
            }
        }
        Ok(())
    }
}

fn count(held: &Held) -> i64 {
    held.positions.iter().sum()
}

/// Remembers how far it got, and nothing else.
#[derive(Debug)]
struct Subscriber {
    held: watch::Sender<Held>,
}

#[async_trait]
impl EventSink for Subscriber {
    async fn deliver(&self, batch: &EventBatch) -> Result<i64, SinkError> {
        let partition = usize::from(batch.partition);
        let mut answer = Ok(0);
        self.held.send_modify(|held| {
            for event in &batch.events {
                let expected = held.positions[partition] + 1;
                if event.position > expected {
                    answer = Err(SinkError::Gap { expected });
                    return;
                }
                if event.position == expected {
                    held.positions[partition] = expected;
                    held.items += i64::from(event.event_type == ITEM_SETTLED);
                }
            }
            answer = Ok(held.positions[partition]);
        });
        answer
    }
}

#[cfg(test)]
mod tests {
    use redress_core::clock::Timestamp;
    use redress_core::event::Event;
    use redress_core::id::TenantId;

    use super::*;

    fn batch(partition: u16, positions: impl Iterator<Item = i64>) -> EventBatch {
        let event = |position: i64| Event {
            id: position.to_string(),
            tenant: TenantId::new("arena").unwrap(),
            event_type: ITEM_SETTLED.to_owned(),
            subject: "refunds/1".to_owned(),
            time: Timestamp(0),
            payload_version: 1,
            payload: Vec::new(),
            traceparent: None,
            position,
        };
        EventBatch {
            source: "refunds".to_owned(),
            partition,
            events: positions.map(event).collect(),
        }
    }

    #[tokio::test]
    async fn an_event_counts_once_and_a_gap_is_refused() {
        let subscribers = Subscribers::new();
        for subscriber in &subscribers.0 {
            assert_eq!(subscriber.deliver(&batch(3, 1..=2)).await.unwrap(), 2);
            assert_eq!(subscriber.deliver(&batch(3, 2..=4)).await.unwrap(), 4);
            assert_eq!(subscriber.deliver(&batch(9, 1..=1)).await.unwrap(), 1);
            let gap = subscriber.deliver(&batch(3, 6..=6)).await;
            assert!(matches!(gap, Err(SinkError::Gap { expected: 5 })), "{gap:?}");
        }
        subscribers.have(5).await.unwrap();
        subscribers.have_items(5).await.unwrap();
        assert!(subscribers.have_items(4).await.is_err());
        assert!(subscribers.have(4).await.is_err());
    }
}
