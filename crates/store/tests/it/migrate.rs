//! Changing and checking schemas.

use redress_store::{Database, RELEASE, Schema, SchemaError, check, migrate};
use redress_testkit::{Backend, TestDatabase};
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::support::{PROBE, connect, execute, open, texts};

redress_testkit::conformance! {
    open = plain;
    migrating_twice_changes_nothing,
    concurrent_migrations_have_one_winner,
    an_older_schema_is_refused_with_the_way_out,
    an_edited_migration_is_refused,
    a_schema_one_release_ahead_is_accepted_and_two_are_not,
    a_database_belongs_to_one_service,
}

async fn plain(url: String) -> String {
    url
}

const HISTORY: &str = "SELECT description || checksum FROM (SELECT description, \
     CAST(execution_time AS TEXT) AS checksum FROM _sqlx_migrations ORDER BY version) AS h";

static NOTHING: Migrator = Migrator::DEFAULT;
const PLATFORM_ONLY: Schema = Schema { service: "probe", sqlite: &NOTHING, postgres: &NOTHING };

async fn migrating_twice_changes_nothing(url: String) {
    let database = connect(&url).await;
    migrate(&database, &PROBE).await.unwrap();
    let first = texts(&database, HISTORY).await;
    migrate(&database, &PROBE).await.unwrap();
    assert_eq!(texts(&database, HISTORY).await, first);
    assert_eq!(first.len(), 3);
    check(&database, &PROBE).await.unwrap();
}

async fn concurrent_migrations_have_one_winner(url: String) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let database = connect(&url).await;
        tasks.spawn(async move { migrate(&database, &PROBE).await });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap().unwrap();
    }
    let database = connect(&url).await;
    check(&database, &PROBE).await.unwrap();
    assert_eq!(texts(&database, HISTORY).await.len(), 3);
}

async fn an_older_schema_is_refused_with_the_way_out(url: String) {
    let database = connect(&url).await;
    let error = check(&database, &PROBE).await.unwrap_err();
    assert!(matches!(error, SchemaError::Outdated { first_missing: 1, .. }), "{error}");
    migrate(&database, &PLATFORM_ONLY).await.unwrap();
    check(&database, &PLATFORM_ONLY).await.unwrap();
    let error = check(&database, &PROBE).await.unwrap_err();
    assert!(matches!(error, SchemaError::Outdated { first_missing: 100, .. }), "{error}");
    assert!(error.to_string().contains("redress migrate"), "{error}");
    migrate(&database, &PROBE).await.unwrap();
    check(&database, &PROBE).await.unwrap();
}

async fn an_edited_migration_is_refused(url: String) {
    let database = open(url).await;
    let edited = Migration::new(
        100,
        "create probe".into(),
        MigrationType::Simple,
        "CREATE TABLE other (id TEXT)".into_sql_str(),
        false,
    );
    let migrator: &'static Migrator = Box::leak(Box::new(Migrator::with_migrations(vec![edited])));
    let schema = Schema { service: "probe", sqlite: migrator, postgres: migrator };
    for error in [check(&database, &schema).await, migrate(&database, &schema).await] {
        assert!(matches!(error, Err(SchemaError::Edited { version: 100, .. })), "{error:?}");
    }
    check(&database, &PROBE).await.unwrap();
}

async fn a_schema_one_release_ahead_is_accepted_and_two_are_not(url: String) {
    let database = open(url).await;
    assert_eq!(RELEASE, 1, "the statements below name the releases");
    // What the next release would leave behind.
    execute(
        &database,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         SELECT 9900, 'next', success, checksum, 1 FROM _sqlx_migrations WHERE version = 100",
    )
    .await;
    let error = check(&database, &PROBE).await;
    assert!(matches!(error, Err(SchemaError::Unknown { version: 9900, .. })), "{error:?}");
    execute(&database, "UPDATE schema_release SET release = 2").await;
    check(&database, &PROBE).await.unwrap();
    migrate(&database, &PROBE).await.unwrap();
    check(&database, &PROBE).await.unwrap();
    assert_eq!(texts(&database, "SELECT CAST(release AS TEXT) FROM schema_release").await, ["2"]);
    execute(&database, "UPDATE schema_release SET release = 3").await;
    for error in [check(&database, &PROBE).await, migrate(&database, &PROBE).await] {
        assert!(matches!(error, Err(SchemaError::TooNew { found: 3, .. })), "{error:?}");
    }
}

async fn a_database_belongs_to_one_service(url: String) {
    let database = open(url).await;
    let other = Schema { service: "other", ..PROBE };
    for error in [check(&database, &other).await, migrate(&database, &other).await] {
        assert!(matches!(error, Err(SchemaError::WrongService { .. })), "{error:?}");
    }
}

#[test]
fn a_failed_postgres_migration_leaves_no_lock_behind() {
    redress_testkit::database::run(Backend::Postgres, open, async |database: Database| {
        let broken = Migration::new(
            101,
            "broken".into(),
            MigrationType::Simple,
            "CREATE TABLE probe_rows (id TEXT)".into_sql_str(),
            false,
        );
        let with_broken = PROBE.postgres.iter().cloned().chain([broken]).collect();
        let migrator: &'static Migrator =
            Box::leak(Box::new(Migrator::with_migrations(with_broken)));
        let schema = Schema { postgres: migrator, ..PROBE };
        let error = migrate(&database, &schema).await;
        assert!(matches!(error, Err(SchemaError::Failed { .. })), "{error:?}");
        migrate(&database, &PROBE).await.unwrap();
    });
}

#[tokio::test]
async fn a_connection_that_fails_tells_the_setting_and_not_the_password() {
    let sqlite = TestDatabase::sqlite();
    let folder = sqlite.url().replace("test.db", "absent/test.db");
    for url in [
        "postgres://app:hunter2@127.0.0.1:1/refunds",
        "mysql://app:hunter2@db/refunds",
        "sqlite::memory:",
        "sqlite://app?mode=memory",
        &folder,
    ] {
        let settings = redress_store::DatabaseSettings::new(url);
        let error = Database::connect(&settings).await.unwrap_err();
        let text = format!("{error} {error:?} {settings:?}");
        assert!(error.to_string().starts_with("database url: "), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
