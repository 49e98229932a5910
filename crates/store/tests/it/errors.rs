//! Errors mean the same on both databases, and text sorts the same.

use redress_store::{Database, StoreError};

use crate::support::open;

redress_testkit::conformance! {
    open = open;
    constraints_are_told_apart_and_named_alike,
    a_lost_database_is_unavailable,
}

async fn insert(
    database: &Database,
    id: &str,
    parent: &str,
    code: &str,
    amount: i64,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO probe_rows (tenant, id, parent, code, amount) \
         VALUES ('arena', $1, $2, $3, $4)";
    match database {
        Database::Sqlite(sqlite) => {
            let query = sqlx::query(INSERT).bind(id).bind(parent).bind(code).bind(amount);
            query.execute(&sqlite.write).await.map(drop)?;
        }
        Database::Postgres(postgres) => {
            let query = sqlx::query(INSERT).bind(id).bind(parent).bind(code).bind(amount);
            query.execute(&postgres.pool).await.map(drop)?;
        }
    }
    Ok(())
}

async fn constraints_are_told_apart_and_named_alike(database: Database) {
    crate::support::execute(&database, "INSERT INTO probe_parents VALUES ('arena', 'p')").await;
    insert(&database, "a", "p", "one", 1).await.unwrap();
    let primary = insert(&database, "a", "p", "two", 1).await.unwrap_err();
    let unique = insert(&database, "b", "p", "one", 1).await.unwrap_err();
    for (error, name) in [(primary, "probe_rows_pkey"), (unique, "probe_rows_tenant_code_key")] {
        let StoreError::AlreadyExists { constraint } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(constraint, name);
    }
    let check = insert(&database, "c", "p", "three", 0).await.unwrap_err();
    let StoreError::CheckViolated { constraint } = &check else {
        panic!("{check:?}");
    };
    assert_eq!(constraint, "probe_rows_amount_check");
    let reference = insert(&database, "d", "nobody", "four", 1).await.unwrap_err();
    assert!(matches!(reference, StoreError::ReferenceViolated), "{reference:?}");
}

async fn a_lost_database_is_unavailable(database: Database) {
    database.ping().await.unwrap();
    database.close().await;
    let error = insert(&database, "a", "p", "one", 1).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)) && error.is_transient(), "{error:?}");
    assert!(database.ping().await.unwrap_err().is_transient());
}
