//! Schema changes: one command changes them, servers only check.
//!
//! Invariant: a database belongs to one service and carries the platform's migrations (0001 to
//! 0099, in this crate) and the service's own (from 0100) in one history. Migrations are
//! append-only. [`RELEASE`] counts the releases of the suite that brought migrations; each release
//! expands first and contracts what the release before it no longer reads, so a server works on
//! its own release's schema and on the next one's, and on no other.

use std::borrow::Cow;

use sqlx::migrate::{Migrate, MigrateError, Migration, Migrator};
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::database::Database;
use crate::error::{Cause, StoreError};

/// The migration release of this build. Raise it by one in the first change after a release that
/// adds a migration anywhere in the suite.
pub const RELEASE: i64 = 1;

static PLATFORM_SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");
static PLATFORM_POSTGRES: Migrator = sqlx::migrate!("./migrations/postgres");

const HISTORY: &str = "_sqlx_migrations";

/// A service's own migrations, for both databases; the platform's come with them.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// The service: `refunds`, `cases`, `notifications` or `feedback`.
    pub service: &'static str,
    /// `sqlx::migrate!("./migrations/sqlite")`; numbers from 0100.
    pub sqlite: &'static Migrator,
    /// `sqlx::migrate!("./migrations/postgres")`; the same numbers and names.
    pub postgres: &'static Migrator,
}

/// Why a schema was not changed, or why a server does not start on it.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Migrations of this build are missing.
    #[error(
        "the database of {service} lacks migration {first_missing} of this release; run `redress migrate`"
    )]
    Outdated {
        /// The service.
        service: &'static str,
        /// Number of the first missing migration.
        first_missing: i64,
    },
    /// The schema is more than one release ahead.
    #[error(
        "the database of {service} is at migration release {found}, this build knows {RELEASE} and \
         works up to one release ahead; upgrade the servers"
    )]
    TooNew {
        /// The service.
        service: &'static str,
        /// The release found in the database.
        found: i64,
    },
    /// The database has a migration that this build should know and does not.
    #[error(
        "the database of {service} has migration {version}, which release {RELEASE} does not contain"
    )]
    Unknown {
        /// The service.
        service: &'static str,
        /// Its number.
        version: i64,
    },
    /// A migration was changed after it was applied.
    #[error(
        "migration {version} of {service} was edited after it was applied; add a new one instead"
    )]
    Edited {
        /// The service.
        service: &'static str,
        /// Its number.
        version: i64,
    },
    /// The database belongs to another service.
    #[error("the database belongs to {found}, not to {service}; give each service its own")]
    WrongService {
        /// The service that asked.
        service: &'static str,
        /// Whose database it is.
        found: String,
    },
    /// The database did not answer or refused a statement.
    #[error("the database failed while its schema was read or recorded")]
    Store(#[from] StoreError),
    /// A migration could not be applied.
    #[error("a migration of {service} failed")]
    Failed {
        /// The service.
        service: &'static str,
        /// The reason.
        #[source]
        cause: Cause,
    },
}

impl From<sqlx::Error> for SchemaError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Brings the database to this build's schema. One of several callers does the work, the others
/// wait and find it done; a schema that is up to date, or one release ahead, is left as it is.
#[tracing::instrument(skip_all, fields(service = schema.service))]
pub async fn migrate(database: &Database, schema: &Schema) -> Result<(), SchemaError> {
    match database {
        Database::Sqlite(database) => {
            // One transaction around everything: its write lock is what makes one winner.
            let mut tx = database.begin().await?;
            apply(&mut *tx, combined(&PLATFORM_SQLITE, schema.sqlite), schema).await?;
            tx.commit().await?;
        }
        Database::Postgres(database) => {
            // A connection of its own, so that an error cannot return it to the pool with the
            // lock still held, and without the pool's limit on a statement's time.
            let mut conn = database.pool.acquire().await?.detach();
            sqlx::query("SET statement_timeout = 0").execute(&mut conn).await?;
            conn.lock().await.map_err(|error| failed(schema, error))?;
            let migrator = combined(&PLATFORM_POSTGRES, schema.postgres);
            let applied = apply(&mut conn, migrator, schema).await;
            conn.close().await?;
            applied?;
        }
    }
    tracing::info!(service = schema.service, release = RELEASE, "the schema is up to date");
    Ok(())
}

/// Tells whether a server of this build can work on the database's schema.
pub async fn check(database: &Database, schema: &Schema) -> Result<(), SchemaError> {
    let (applied, migrator) = match database {
        Database::Sqlite(database) => {
            let mut conn = database.read.acquire().await?;
            (read(&mut *conn).await?, combined(&PLATFORM_SQLITE, schema.sqlite))
        }
        Database::Postgres(database) => {
            let mut conn = database.pool.acquire().await?;
            (read(&mut *conn).await?, combined(&PLATFORM_POSTGRES, schema.postgres))
        }
    };
    applied.accept(schema, &migrator)?;
    match applied.first_missing(&migrator) {
        None => Ok(()),
        Some(first_missing) => {
            Err(SchemaError::Outdated { service: schema.service, first_missing })
        }
    }
}

/// The platform's migrations and a service's, as one history.
fn combined(platform: &Migrator, own: &Migrator) -> Migrator {
    Migrator {
        ignore_missing: true,
        // Whoever applies them holds the lock already.
        locking: false,
        ..Migrator::with_migrations(platform.iter().chain(own.iter()).cloned().collect())
    }
}

/// What a database says of its own schema.
#[derive(Debug, Default)]
struct Applied {
    migrations: Vec<(i64, Cow<'static, [u8]>)>,
    releases: Vec<(String, i64)>,
}

impl Applied {
    /// Refuses a database that this build must not touch.
    fn accept(&self, schema: &Schema, migrator: &Migrator) -> Result<(), SchemaError> {
        let service = schema.service;
        if let Some((found, _)) = self.releases.iter().find(|(found, _)| found != service) {
            return Err(SchemaError::WrongService { service, found: found.clone() });
        }
        let release = self.releases.first().map_or(0, |(_, release)| *release);
        if release > RELEASE + 1 {
            return Err(SchemaError::TooNew { service, found: release });
        }
        for (version, checksum) in &self.migrations {
            match migrator.iter().find(|known| known.version == *version) {
                Some(known) if known.checksum != *checksum => {
                    return Err(SchemaError::Edited { service, version: *version });
                }
                None if release <= RELEASE => {
                    return Err(SchemaError::Unknown { service, version: *version });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn first_missing(&self, migrator: &Migrator) -> Option<i64> {
        let is_missing = |known: &&Migration| {
            self.migrations.iter().all(|(version, _)| *version != known.version)
        };
        migrator.iter().find(is_missing).map(|known| known.version)
    }
}

/// The statements that differ between the databases.
trait History: Migrate + Send {
    async fn has_history(&mut self) -> Result<bool, sqlx::Error>;
    async fn releases(&mut self) -> Result<Vec<(String, i64)>, sqlx::Error>;
    async fn record_release(&mut self, service: &str) -> Result<(), sqlx::Error>;
}

const RELEASES: &str = "SELECT service, release FROM schema_release";
const RECORD_RELEASE: &str = "INSERT INTO schema_release (service, release) VALUES ($1, $2) \
     ON CONFLICT (service) DO UPDATE SET release = excluded.release \
     WHERE schema_release.release < excluded.release";

impl History for SqliteConnection {
    async fn has_history(&mut self) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT count(*) = 2 FROM sqlite_schema WHERE name IN ($1, 'schema_release')",
        )
        .bind(HISTORY)
        .fetch_one(self)
        .await
    }

    async fn releases(&mut self) -> Result<Vec<(String, i64)>, sqlx::Error> {
        sqlx::query_as(RELEASES).fetch_all(self).await
    }

    async fn record_release(&mut self, service: &str) -> Result<(), sqlx::Error> {
        sqlx::query(RECORD_RELEASE).bind(service).bind(RELEASE).execute(self).await.map(drop)
    }
}

impl History for PgConnection {
    async fn has_history(&mut self) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT to_regclass($1) IS NOT NULL AND to_regclass('schema_release') IS NOT NULL",
        )
        .bind(HISTORY)
        .fetch_one(self)
        .await
    }

    async fn releases(&mut self) -> Result<Vec<(String, i64)>, sqlx::Error> {
        sqlx::query_as(RELEASES).fetch_all(self).await
    }

    async fn record_release(&mut self, service: &str) -> Result<(), sqlx::Error> {
        sqlx::query(RECORD_RELEASE).bind(service).bind(RELEASE).execute(self).await.map(drop)
    }
}

async fn read<C: History>(conn: &mut C) -> Result<Applied, SchemaError> {
    if !conn.has_history().await? {
        return Ok(Applied::default());
    }
    let listed = conn.list_applied_migrations(HISTORY).await;
    let listed = listed.map_err(|error| match error {
        MigrateError::Execute(cause) => SchemaError::from(cause),
        other => SchemaError::Store(StoreError::Internal(Box::new(other))),
    })?;
    let migrations = listed.into_iter().map(|m| (m.version, m.checksum)).collect();
    Ok(Applied { migrations, releases: conn.releases().await? })
}

async fn apply<C: History>(
    conn: &mut C,
    migrator: Migrator,
    schema: &Schema,
) -> Result<(), SchemaError> {
    let applied = read(conn).await?;
    applied.accept(schema, &migrator)?;
    migrator.run_direct(None, conn, false).await.map_err(|error| failed(schema, error))?;
    conn.record_release(schema.service).await?;
    Ok(())
}

fn failed(schema: &Schema, error: MigrateError) -> SchemaError {
    match error {
        MigrateError::VersionMismatch(version) => {
            SchemaError::Edited { service: schema.service, version }
        }
        other => SchemaError::Failed { service: schema.service, cause: Box::new(other) },
    }
}
