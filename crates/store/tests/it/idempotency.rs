//! Requests that come twice.

use redress_store::idempotency::{
    IdempotencyRecord, RequestKey, Verdict, find, insert_postgres, insert_sqlite, is_duplicate,
};
use redress_store::{Database, StoreError};
use redress_testkit::clock::START;

use crate::support::{open, tenant, texts};

redress_testkit::conformance! {
    open = open;
    the_same_request_is_replayed_and_another_body_is_refused,
    of_racing_requests_one_has_the_effect,
    a_record_belongs_to_its_tenant_and_method,
}

fn record(fingerprint: &[u8], response: &[u8]) -> IdempotencyRecord {
    IdempotencyRecord {
        tenant: tenant(),
        method: "redress.probe.v1.Probe/Create".to_owned(),
        request_id: "r1".to_owned(),
        fingerprint: fingerprint.to_vec(),
        response: response.to_vec(),
        created: START,
    }
}

/// Writes an effect and its record in one transaction.
async fn act(database: &Database, record: &IdempotencyRecord) -> Result<(), StoreError> {
    const EFFECT: &str = "INSERT INTO probe_effects (effect) VALUES ('acted')";
    match database {
        Database::Sqlite(sqlite) => {
            let mut tx = sqlite.begin().await?;
            sqlx::query(EFFECT).execute(&mut *tx).await?;
            insert_sqlite(&mut tx, std::slice::from_ref(record)).await?;
            sqlite.commit(tx).await
        }
        Database::Postgres(postgres) => {
            let mut tx = postgres.begin().await?;
            sqlx::query(EFFECT).execute(&mut *tx).await?;
            insert_postgres(&mut tx, std::slice::from_ref(record)).await?;
            postgres.commit(tx).await
        }
    }
}

fn key(record: &IdempotencyRecord) -> RequestKey<'_> {
    let IdempotencyRecord { tenant, method, request_id, .. } = record;
    RequestKey { tenant, method, request_id }
}

async fn the_same_request_is_replayed_and_another_body_is_refused(database: Database) {
    let record = record(b"body", b"answer");
    assert_eq!(find(&database, key(&record)).await.unwrap(), None);
    act(&database, &record).await.unwrap();
    let found = find(&database, key(&record)).await.unwrap().unwrap();
    assert_eq!(found, record);
    assert_eq!(found.clone().verdict(b"body"), Verdict::Replay(b"answer".to_vec()));
    assert_eq!(found.verdict(b"another body"), Verdict::Mismatch);
}

async fn of_racing_requests_one_has_the_effect(database: Database) {
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..8_u8 {
        let database = database.clone();
        tasks.spawn(async move {
            let mine = record(b"body", &[n]);
            match act(&database, &mine).await {
                Ok(()) => mine.response,
                Err(error) => {
                    assert!(is_duplicate(&error), "{error:?}");
                    let first = find(&database, key(&mine)).await.unwrap().unwrap();
                    let Verdict::Replay(response) = first.verdict(b"body") else {
                        panic!("the body is the same");
                    };
                    response
                }
            }
        });
    }
    let answers = tasks.join_all().await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(texts(&database, "SELECT effect FROM probe_effects").await, ["acted"]);
}

async fn a_record_belongs_to_its_tenant_and_method(database: Database) {
    let record = record(b"body", b"answer");
    act(&database, &record).await.unwrap();
    let other_tenant = redress_core::id::TenantId::new("other").unwrap();
    let elsewhere = RequestKey { tenant: &other_tenant, ..key(&record) };
    assert_eq!(find(&database, elsewhere).await.unwrap(), None);
    let another_method = RequestKey { method: "redress.probe.v1.Probe/Cancel", ..key(&record) };
    assert_eq!(find(&database, another_method).await.unwrap(), None);
}
