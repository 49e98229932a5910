//! Events reach a subscriber once and in order, whatever fails on the way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use redress_api::ports::{EventSink, SinkError};
use redress_core::clock::{SystemClock, Timestamp};
use redress_core::event::{Event, EventBatch};
use redress_store::pump::EventPump;
use redress_store::relay::RelaySettings;
use redress_store::{Database, log};
use redress_testkit::Backend;
use tokio_util::sync::CancellationToken;

use crate::support::{append, eventually, execute, new_event, open, texts};

redress_testkit::conformance! {
    open = open;
    each_event_arrives_once_and_in_order_through_failures,
    a_restarted_relay_goes_on_where_it_was,
    of_two_replicas_one_serves_and_the_other_takes_over,
    a_receiver_that_lost_its_place_gets_it_again,
    a_receiver_beyond_the_log_is_never_followed,
    the_log_is_cut_behind_the_slowest_subscriber,
}

/// A receiver with an exact inbox, and a line that fails in a fixed pattern.
#[derive(Default)]
struct Receiver {
    taken: Mutex<Vec<Vec<Event>>>,
    calls: AtomicUsize,
    fails: bool,
    /// Pretends to hold this position everywhere.
    pretends: Option<i64>,
}

impl Receiver {
    fn new() -> Arc<Self> {
        Arc::new(Self { taken: Mutex::new(vec![Vec::new(); 16]), ..Self::default() })
    }

    fn failing() -> Arc<Self> {
        Arc::new(Self { taken: Mutex::new(vec![Vec::new(); 16]), fails: true, ..Self::default() })
    }

    fn count(&self) -> usize {
        self.taken.lock().unwrap().iter().map(Vec::len).sum()
    }

    /// Fails unless all partitions count 1, 2, 3 and each subject's events are in order.
    fn assert_exact(&self, expected: usize) {
        assert_eq!(self.count(), expected);
        for events in self.taken.lock().unwrap().iter() {
            let positions = events.iter().map(|event| event.position);
            assert!(positions.eq(1..=i64::try_from(events.len()).unwrap()));
            for event in events {
                let of_same = events.iter().filter(|other| other.subject == event.subject);
                assert!(of_same.map(|other| &other.id).is_sorted(), "{}", event.subject);
            }
        }
    }

    fn take(&self, batch: &EventBatch) -> Result<i64, SinkError> {
        let mut taken = self.taken.lock().unwrap();
        let taken = &mut taken[usize::from(batch.partition)];
        let held = i64::try_from(taken.len()).unwrap();
        if batch.events[0].position > held + 1 {
            return Err(SinkError::Gap { expected: held + 1 });
        }
        taken.extend(batch.events.iter().filter(|event| event.position > held).cloned());
        Ok(taken.last().unwrap().position)
    }
}

#[async_trait]
impl EventSink for Receiver {
    async fn deliver(&self, batch: &EventBatch) -> Result<i64, SinkError> {
        assert_eq!(batch.source, "probe");
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if let Some(position) = self.pretends {
            return Ok(position);
        }
        match call % 5 {
            // Lost on the way there, lost on the way back, too much at once.
            0 if self.fails => Err(SinkError::Unavailable("reset".to_owned())),
            1 if self.fails => {
                self.take(batch)?;
                Err(SinkError::Unavailable("lost answer".to_owned()))
            }
            2 if self.fails => Err(SinkError::Busy { retry_after: Duration::from_millis(1) }),
            3 if self.fails => Err(SinkError::Refused("not now".to_owned())),
            _ => self.take(batch),
        }
    }
}

fn settings(holder: &str) -> RelaySettings {
    RelaySettings {
        batch: 7,
        lease_ttl: Duration::from_millis(600),
        safety_poll: Duration::from_millis(100),
        backoff_min: Duration::from_millis(1),
        backoff_max: Duration::from_millis(4),
        ..RelaySettings::new(holder)
    }
}

struct Running {
    cancel: CancellationToken,
    pump: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start(database: &Database, holder: &str, receiver: &Arc<Receiver>) -> Self {
        Self::start_with(database, settings(holder), receiver)
    }

    fn start_with(database: &Database, settings: RelaySettings, receiver: &Arc<Receiver>) -> Self {
        let cancel = CancellationToken::new();
        let pump = EventPump {
            database: database.clone(),
            source: "probe".to_owned(),
            subscribers: vec![("cases".to_owned(), Arc::clone(receiver) as Arc<dyn EventSink>)],
            clock: Arc::new(SystemClock),
            settings,
            retention: Duration::from_hours(1_000_000),
        };
        Self { pump: tokio::spawn(pump.run(cancel.clone())), cancel }
    }

    async fn stop(self) {
        self.cancel.cancel();
        self.pump.await.unwrap();
    }
}

/// Appends `count` events, `per_commit` a transaction, over 40 entities.
async fn produce(database: &Database, first: usize, count: usize, per_commit: usize) {
    let events: Vec<_> = (first..first + count)
        .map(|n| new_event(format!("e{n:05}"), format!("probes/{}", n % 40)))
        .collect();
    for chunk in events.chunks(per_commit) {
        append(database, chunk).await;
    }
}

async fn wait_for(receiver: &Receiver, count: usize) {
    eventually("all events arrived", async || receiver.count() >= count).await;
}

async fn wait_for_no_lag(database: &Database) {
    eventually("the cursors are at the heads", async || {
        log::lag(database, "cases").await.unwrap() == 0
    })
    .await;
}

async fn each_event_arrives_once_and_in_order_through_failures(database: Database) {
    let receiver = Receiver::failing();
    let running = Running::start(&database, "a", &receiver);
    produce(&database, 0, 300, 3).await;
    wait_for(&receiver, 300).await;
    wait_for_no_lag(&database).await;
    running.stop().await;
    receiver.assert_exact(300);
}

async fn a_restarted_relay_goes_on_where_it_was(database: Database) {
    let receiver = Receiver::new();
    for (round, holder) in ["a", "b", "c"].into_iter().enumerate() {
        let running = Running::start(&database, holder, &receiver);
        produce(&database, round * 100, 100, 10).await;
        // Stopped while events are on their way.
        wait_for(&receiver, round * 100 + 30).await;
        running.stop().await;
    }
    let running = Running::start(&database, "d", &receiver);
    wait_for(&receiver, 300).await;
    running.stop().await;
    receiver.assert_exact(300);
    let seen = receiver.calls.load(Ordering::SeqCst);
    assert!(seen < 300, "the cursor was kept: {seen} calls");
}

async fn of_two_replicas_one_serves_and_the_other_takes_over(database: Database) {
    let receiver = Receiver::new();
    let first = Running::start(&database, "a", &receiver);
    produce(&database, 0, 50, 5).await;
    wait_for(&receiver, 50).await;
    let second = Running::start(&database, "b", &receiver);
    produce(&database, 50, 50, 5).await;
    wait_for(&receiver, 100).await;
    first.stop().await;
    produce(&database, 100, 50, 5).await;
    wait_for(&receiver, 150).await;
    second.stop().await;
    receiver.assert_exact(150);
}

async fn a_receiver_that_lost_its_place_gets_it_again(database: Database) {
    let receiver = Receiver::new();
    let running = Running::start(&database, "a", &receiver);
    produce(&database, 0, 60, 10).await;
    wait_for(&receiver, 60).await;
    wait_for_no_lag(&database).await;
    // The receiver's database was put back to its beginning.
    receiver.taken.lock().unwrap().iter_mut().for_each(Vec::clear);
    produce(&database, 60, 60, 10).await;
    wait_for(&receiver, 120).await;
    running.stop().await;
    receiver.assert_exact(120);
}

async fn a_receiver_beyond_the_log_is_never_followed(database: Database) {
    let receiver = Arc::new(Receiver { pretends: Some(1_000), ..Receiver::default() });
    let running = Running::start(&database, "a", &receiver);
    produce(&database, 0, 1, 1).await;
    eventually("it was asked more than once", async || receiver.calls.load(Ordering::SeqCst) > 2)
        .await;
    running.stop().await;
    assert_eq!(log::lag(&database, "cases").await.unwrap(), 1);
}

async fn the_log_is_cut_behind_the_slowest_subscriber(database: Database) {
    let receiver = Receiver::new();
    let running = Running::start(&database, "a", &receiver);
    produce(&database, 0, 200, 50).await;
    wait_for(&receiver, 200).await;
    wait_for_no_lag(&database).await;
    running.stop().await;

    let late = Timestamp(i64::MAX);
    assert_eq!(log::trim(&database, &[], late).await.unwrap(), 0);
    assert_eq!(log::trim(&database, &["cases", "nobody"], late).await.unwrap(), 0);
    let young = redress_testkit::clock::START;
    assert_eq!(log::trim(&database, &["cases"], young).await.unwrap(), 0);
    // A subscriber that has half of each partition.
    execute(
        &database,
        r#"INSERT INTO relay_cursors (subscriber, "partition", position)
           SELECT 'slow', "partition", position / 2 FROM event_heads"#,
    )
    .await;
    let removed = log::trim(&database, &["cases", "slow"], late).await.unwrap();
    let lag = u64::try_from(log::lag(&database, "slow").await.unwrap()).unwrap();
    assert_eq!(removed + lag, 200);
    let left = crate::support::log(&database).await.len();
    assert_eq!(u64::try_from(left).unwrap(), lag);
    assert_eq!(log::trim(&database, &["cases"], late).await.unwrap(), lag);
    assert_eq!(log::lag(&database, "cases").await.unwrap(), 0);
}

/// The replica that writes is not the one that stamps and serves; neither polls within the test's
/// time, so only the commit can have woken the other one.
#[test]
fn a_commit_wakes_the_replica_that_serves() {
    async fn two_replicas(url: String) -> [Database; 2] {
        [open(url.clone()).await, open(url).await]
    }
    redress_testkit::database::run(Backend::Postgres, two_replicas, async |replicas| {
        let [serving, writing]: [Database; 2] = replicas;
        let receiver = Receiver::new();
        let never = Duration::from_hours(1);
        let start = |database: &Database, holder| {
            let settings = RelaySettings { safety_poll: never, ..settings(holder) };
            Running::start_with(database, settings, &receiver)
        };
        let first = start(&serving, "a");
        produce(&serving, 0, 1, 1).await;
        wait_for(&receiver, 1).await;
        let second = start(&writing, "b");
        eventually("the serving replica listens", async || {
            let backends = "SELECT query FROM pg_stat_activity WHERE datname = current_database() \
                            AND query LIKE 'LISTEN%'";
            texts(&serving, backends).await.len() == 2
        })
        .await;
        for n in 1..10 {
            produce(&writing, n, 1, 1).await;
            wait_for(&receiver, n + 1).await;
        }
        first.stop().await;
        second.stop().await;
        receiver.assert_exact(10);
    });
}
