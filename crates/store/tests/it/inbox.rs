//! Effects of events happen exactly once, in order, and poison harms only its own entity.

use async_trait::async_trait;
use redress_api::ports::{EventHandler, HandleError};
use redress_core::event::{Event, EventBatch, partition_of};
use redress_store::inbox::{Consumer, Inbox};
use redress_store::parking::{self, Entity, FOLLOWS};
use redress_store::{Database, StoreError};
use sqlx::{PgConnection, SqliteConnection};

use crate::support::{batch, execute, open, received, tenant, texts};

redress_testkit::conformance! {
    open = open;
    a_batch_has_its_effects_once_however_often_it_comes,
    senders_at_once_have_the_effects_once,
    a_gap_is_refused,
    a_batch_that_overlaps_applies_only_what_is_new,
    poison_is_parked_with_what_follows_and_others_go_on,
    a_version_newer_than_the_consumer_is_parked_and_stays_so,
    an_effect_that_cannot_be_stored_is_parked_alone,
    a_transient_failure_leaves_no_trace,
    what_is_parked_is_listed_in_the_order_of_bytes,
    what_was_parked_is_replayed_in_order_once_its_cause_is_gone,
}

/// Writes down each payload. `poison` cannot be understood, `ignored` is of no interest, `refused`
/// violates a constraint and `busy` fails for now.
struct Recorder;

struct Effect {
    text: String,
}

const RECORD: &str = "INSERT INTO probe_effects (effect) VALUES ($1)";
const VIOLATE: &str = "INSERT INTO probe_rows VALUES ('arena', 'x', 'p', 'c', 0)";

fn busy(effect: &Effect) -> Result<(), StoreError> {
    if effect.text == "busy" { Err(StoreError::VersionMismatch) } else { Ok(()) }
}

#[async_trait]
impl Consumer for Recorder {
    type Effect = Effect;

    const PAYLOAD_VERSION: u16 = 2;

    fn decide(&self, event: &Event) -> Result<Option<Effect>, String> {
        match String::from_utf8(event.payload.clone()) {
            Ok(text) if text == "poison" => Err("not a fact".to_owned()),
            Ok(text) if text == "ignored" => Ok(None),
            Ok(text) => Ok(Some(Effect { text })),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn apply_sqlite(
        &self,
        conn: &mut SqliteConnection,
        effects: Vec<Effect>,
    ) -> Result<(), StoreError> {
        for effect in effects {
            sqlx::query(RECORD).bind(&effect.text).execute(&mut *conn).await?;
            if effect.text == "refused" {
                sqlx::query(VIOLATE).execute(&mut *conn).await?;
            }
            busy(&effect)?;
        }
        Ok(())
    }

    async fn apply_postgres(
        &self,
        conn: &mut PgConnection,
        effects: Vec<Effect>,
    ) -> Result<(), StoreError> {
        for effect in effects {
            sqlx::query(RECORD).bind(&effect.text).execute(&mut *conn).await?;
            if effect.text == "refused" {
                sqlx::query(VIOLATE).execute(&mut *conn).await?;
            }
            busy(&effect)?;
        }
        Ok(())
    }
}

fn inbox(database: &Database) -> Inbox<Recorder> {
    Inbox::new(database.clone(), redress_testkit::clock::manual(), Recorder)
}

async fn effects(database: &Database) -> Vec<String> {
    texts(database, "SELECT effect FROM probe_effects ORDER BY n").await
}

/// `(subject, payload)` from position `first` on.
fn facts(first: i64, facts: &[(&str, &str)]) -> Vec<Event> {
    facts.iter().zip(first..).map(|((subject, text), n)| received(n, subject, text)).collect()
}

async fn a_batch_has_its_effects_once_however_often_it_comes(database: Database) {
    let inbox = inbox(&database);
    let events = facts(1, &[("p/1", "a"), ("p/2", "ignored"), ("p/1", "b")]);
    for _ in 0..3 {
        assert_eq!(inbox.handle(batch(events.clone())).await.unwrap(), 3);
    }
    assert_eq!(effects(&database).await, ["a", "b"]);
    assert_eq!(inbox.handle(batch(Vec::new())).await.unwrap(), 3);
}

async fn senders_at_once_have_the_effects_once(database: Database) {
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let inbox = inbox(&database);
        senders.spawn(async move {
            for n in 1..=10 {
                let text = format!("{n:02}");
                let sent = inbox.handle(batch(vec![received(n, "p/1", &text)])).await;
                assert!(sent.unwrap() >= n);
            }
        });
    }
    senders.join_all().await;
    let expected: Vec<String> = (1..=10).map(|n| format!("{n:02}")).collect();
    assert_eq!(effects(&database).await, expected);
}

async fn a_gap_is_refused(database: Database) {
    let inbox = inbox(&database);
    let expects = |result: Result<i64, HandleError>| match result {
        Err(HandleError::Gap { expected }) => expected,
        other => panic!("{other:?}"),
    };
    assert_eq!(expects(inbox.handle(batch(facts(2, &[("p/1", "b")]))).await), 1);
    inbox.handle(batch(facts(1, &[("p/1", "a")]))).await.unwrap();
    assert_eq!(expects(inbox.handle(batch(facts(3, &[("p/1", "c")]))).await), 2);
    // A gap inside a batch is one too.
    let torn = vec![received(2, "p/1", "b"), received(4, "p/1", "d")];
    assert_eq!(expects(inbox.handle(batch(torn)).await), 2);
    assert_eq!(effects(&database).await, ["a"]);
}

async fn a_batch_that_overlaps_applies_only_what_is_new(database: Database) {
    let inbox = inbox(&database);
    inbox.handle(batch(facts(1, &[("p/1", "a"), ("p/1", "b")]))).await.unwrap();
    let overlapping = facts(2, &[("p/1", "b"), ("p/1", "c")]);
    assert_eq!(inbox.handle(batch(overlapping)).await.unwrap(), 3);
    assert_eq!(effects(&database).await, ["a", "b", "c"]);
}

async fn parked(database: &Database) -> Vec<(i64, String)> {
    let parked = parking::list(database, &tenant(), 100).await.unwrap();
    parked.into_iter().map(|parked| (parked.event.position, parked.error)).collect()
}

async fn poison_is_parked_with_what_follows_and_others_go_on(database: Database) {
    let inbox = inbox(&database);
    let first = facts(1, &[("p/1", "poison"), ("p/2", "a"), ("p/1", "behind")]);
    let second = facts(4, &[("p/1", "far behind"), ("p/2", "b")]);
    assert_eq!(inbox.handle(batch(first)).await.unwrap(), 3);
    assert_eq!(inbox.handle(batch(second)).await.unwrap(), 5);
    assert_eq!(effects(&database).await, ["a", "b"]);
    let expected = [(1, "not a fact"), (3, FOLLOWS), (4, FOLLOWS)];
    assert_eq!(parked(&database).await, expected.map(|(n, error)| (n, error.to_owned())));
    let listed = parking::list(&database, &tenant(), 1).await.unwrap().remove(0);
    assert_eq!(listed.event, received(1, "p/1", "poison"));
    assert_eq!((listed.source.as_str(), listed.partition), ("cases", 3));
    assert_eq!(listed.parked_at, redress_testkit::clock::START);
}

async fn a_version_newer_than_the_consumer_is_parked_and_stays_so(database: Database) {
    let inbox = inbox(&database);
    let partition = partition_of(&tenant(), "p/1");
    let of_version = |payload_version, event| Event { payload_version, ..event };
    let events = vec![
        of_version(2, received(1, "p/1", "known")),
        of_version(3, received(2, "p/1", "ignored")),
        of_version(3, received(3, "p/1", "newer")),
        received(4, "p/1", "behind"),
        of_version(3, received(5, "p/2", "poison")),
        received(6, "p/3", "other"),
    ];
    let sent = EventBatch { partition, ..batch(events) };
    assert_eq!(inbox.handle(sent).await.unwrap(), 6);
    assert_eq!(effects(&database).await, ["known", "other"]);
    let newer = "payload version 3 is newer than this build reads (2)";
    let expected = [(3, newer), (4, FOLLOWS), (5, newer)].map(|(n, why)| (n, why.to_owned()));
    assert_eq!(parked(&database).await, expected);

    let entity = Entity { tenant: tenant(), subject: "p/1".to_owned() };
    assert_eq!(inbox.replay("cases", &entity).await.unwrap(), 0, "this build is not newer");
    assert_eq!(parked(&database).await, expected);
}

async fn an_effect_that_cannot_be_stored_is_parked_alone(database: Database) {
    let inbox = inbox(&database);
    let facts = facts(1, &[("p/1", "a"), ("p/2", "refused"), ("p/2", "behind"), ("p/3", "b")]);
    assert_eq!(inbox.handle(batch(facts)).await.unwrap(), 4);
    assert_eq!(effects(&database).await, ["a", "b"]);
    let parked = parked(&database).await;
    assert_eq!(parked.iter().map(|(position, _)| *position).collect::<Vec<_>>(), [2, 3]);
    assert!(parked[0].1.contains("probe_rows_amount_check"), "{parked:?}");
    assert_eq!(parked[1].1, FOLLOWS);
}

async fn a_transient_failure_leaves_no_trace(database: Database) {
    let inbox = inbox(&database);
    let result = inbox.handle(batch(facts(1, &[("p/1", "a"), ("p/2", "busy")]))).await;
    assert!(matches!(result, Err(HandleError::Port(_))), "{result:?}");
    assert!(effects(&database).await.is_empty() && parked(&database).await.is_empty());
    let result = inbox.handle(batch(facts(1, &[("p/1", "refused"), ("p/2", "busy")]))).await;
    assert!(matches!(result, Err(HandleError::Port(_))), "{result:?}");
    assert!(effects(&database).await.is_empty() && parked(&database).await.is_empty());
    assert_eq!(inbox.handle(batch(facts(1, &[("p/1", "a")]))).await.unwrap(), 1);
}

async fn what_is_parked_is_listed_in_the_order_of_bytes(database: Database) {
    let subjects = ["b", "a", "Z", "_", "A", "ä", "-", "z"];
    let facts: Vec<_> = subjects.iter().map(|subject| (*subject, "poison")).collect();
    inbox(&database).handle(batch(self::facts(1, &facts))).await.unwrap();
    let listed = parking::list(&database, &tenant(), 100).await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|parked| parked.event.subject).collect();
    let mut sorted = subjects.map(str::to_owned).to_vec();
    sorted.sort_unstable();
    assert_eq!(listed, sorted);
}

async fn what_was_parked_is_replayed_in_order_once_its_cause_is_gone(database: Database) {
    let inbox = inbox(&database);
    let partition = partition_of(&tenant(), "p/1");
    let events = facts(1, &[("p/1", "poison"), ("p/1", "a"), ("p/1", "refused"), ("p/1", "b")]);
    let sent = EventBatch { partition, ..batch(events) };
    assert_eq!(inbox.handle(sent).await.unwrap(), 4);
    let entity = Entity { tenant: tenant(), subject: "p/1".to_owned() };
    assert_eq!(inbox.replay("cases", &entity).await.unwrap(), 0, "it is still poison");

    // As a later release that understands it.
    let update = "UPDATE parked_events SET payload = CAST('cured' AS BLOB) WHERE position = 1";
    let update_postgres = "UPDATE parked_events SET payload = 'cured'::bytea WHERE position = 1";
    match &database {
        Database::Sqlite(_) => execute(&database, update).await,
        Database::Postgres(_) => execute(&database, update_postgres).await,
    }
    assert_eq!(inbox.replay("cases", &entity).await.unwrap(), 2);
    assert_eq!(effects(&database).await, ["cured", "a"]);
    let left = parked(&database).await;
    assert_eq!(left.len(), 2);
    assert!(left[0].0 == 3 && left[0].1.contains("probe_rows_amount_check"), "{left:?}");
    // Nothing overtakes what is still parked.
    let next = EventBatch { partition, ..batch(facts(5, &[("p/1", "c")])) };
    inbox.handle(next).await.unwrap();
    assert_eq!(effects(&database).await, ["cured", "a"]);
    assert_eq!(inbox.replay("refunds", &entity).await.unwrap(), 0, "another source");
}
