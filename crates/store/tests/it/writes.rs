//! Sets of rows that one statement writes on PostgreSQL.

use redress_store::idempotency::{self, IdempotencyRecord};
use redress_store::{Database, PostgresDatabase, StoreError, Writes, outbox};
use redress_testkit::Backend;
use redress_testkit::clock::START;

use crate::support::{new_event, open, tenant, texts};

/// An event, an effect, and the request that had them.
async fn write(database: &PostgresDatabase, event: &str) -> Result<(), StoreError> {
    let mut writes = Writes::default();
    outbox::push(&mut writes, &[new_event(event, "probes/1")]);
    let effect = "INSERT INTO probe_effects (effect) SELECT $2 || $1 || $2 WHERE $3";
    writes.push(effect).bind("b").bind("a").bind(true);
    let record = IdempotencyRecord {
        tenant: tenant(),
        method: "redress.probe.v1.Probe/Create".to_owned(),
        request_id: "r1".to_owned(),
        fingerprint: b"body".to_vec(),
        response: b"answer".to_vec(),
        created: START,
    };
    idempotency::push(&mut writes, &[record]);
    let mut tx = database.begin().await?;
    writes.execute(&mut tx).await?;
    database.commit(tx).await
}

fn on_postgres(case: impl AsyncFnOnce(Database, PostgresDatabase)) {
    redress_testkit::database::run(Backend::Postgres, open, async |database: Database| {
        let Database::Postgres(postgres) = database.clone() else {
            panic!("the url was PostgreSQL's");
        };
        case(database, postgres).await;
    });
}

#[test]
fn all_parts_are_written_or_none() {
    on_postgres(async |database, postgres| {
        write(&postgres, "e1").await.unwrap();
        let repeated = write(&postgres, "e2").await.unwrap_err();
        assert!(idempotency::is_duplicate(&repeated), "{repeated:?}");
        assert_eq!(texts(&database, "SELECT id FROM outbox").await, ["e1"]);
        assert_eq!(texts(&database, "SELECT effect FROM probe_effects").await, ["aba"]);
        assert_eq!(texts(&database, "SELECT request_id FROM idempotency_records").await, ["r1"]);
    });
}

#[test]
fn nothing_to_write_is_no_statement() {
    on_postgres(async |_, postgres| {
        let mut writes = Writes::default();
        outbox::push(&mut writes, &[]);
        idempotency::push(&mut writes, &[]);
        let mut tx = postgres.begin().await.unwrap();
        writes.execute(&mut tx).await.unwrap();
    });
}
