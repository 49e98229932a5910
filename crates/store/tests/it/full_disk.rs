//! SQLite finds no room, and room again.

use redress_store::{Database, DatabaseSettings, SqliteDatabase, StoreError};
use redress_testkit::TestDatabase;

/// Far more than fits.
const TOO_MUCH: &str = "INSERT INTO notes (text) VALUES (zeroblob(10000000))";

async fn open(url: &str) -> SqliteDatabase {
    match Database::connect(&DatabaseSettings::new(url)).await.unwrap() {
        Database::Sqlite(database) => database,
        Database::Postgres(_) => panic!("not SQLite: {url}"),
    }
}

/// Writes a note and, in the same transaction, what does not fit.
async fn overfill(database: &SqliteDatabase) -> StoreError {
    let mut tx = database.begin().await.unwrap();
    sqlx::query("INSERT INTO notes (text) VALUES ('lost')").execute(&mut *tx).await.unwrap();
    sqlx::query(TOO_MUCH).execute(&mut *tx).await.unwrap_err().into()
}

#[tokio::test]
async fn a_writer_that_found_the_disk_full_writes_again_and_half_a_transaction_never_shows() {
    let kept = TestDatabase::sqlite();
    let database = open(kept.url()).await;
    sqlx::query("CREATE TABLE notes (text TEXT)").execute(&database.write).await.unwrap();
    // The limit holds for the pool's one writing connection, as long as that one lives.
    sqlx::query("PRAGMA max_page_count = 100").execute(&database.write).await.unwrap();
    let full = overfill(&database).await;
    assert!(full.is_transient(), "there may be room later: {full}");

    for text in ["kept", "too"] {
        let mut tx = database.begin().await.unwrap();
        sqlx::query("INSERT INTO notes (text) VALUES ($1)")
            .bind(text)
            .execute(&mut *tx)
            .await
            .unwrap();
        database.commit(tx).await.unwrap();
    }
    let notes: Vec<String> =
        sqlx::query_scalar("SELECT text FROM notes").fetch_all(&database.read).await.unwrap();
    assert_eq!(notes, ["kept", "too"]);
}
