//! From a URL to connections, for either database.
//!
//! Invariant: SQLite has one writer, whose transactions begin IMMEDIATE, and readers that cannot
//! write; PostgreSQL runs read committed. A password never reaches a message or a log.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, PgPool, Postgres, Sqlite, SqlitePool, Transaction};
use tracing::Instrument as _;

use crate::error::{Cause, StoreError};
use crate::wakeup::Wakeup;

/// How long a caller waits for a connection before the database counts as not available.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long SQLite waits for another process' write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was idle for longer is asked for a sign of life before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// How long PostgreSQL keeps a transaction whose process stands still, with the rows that it has
/// locked and that others wait for.
const IDLE_IN_TRANSACTION: &str = "10s";
/// Older versions can corrupt a WAL file when two connections write or checkpoint at once.
const MIN_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// A SQLite transaction that may write.
pub type SqliteTx = Transaction<'static, Sqlite>;
/// A PostgreSQL transaction.
pub type PostgresTx = Transaction<'static, Postgres>;

/// Which database to use and how much of it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `sqlite:path/to/file.db` or `postgres://user:password@host/database`.
    pub url: String,
    /// The most connections that this process opens; 10 when not given.
    #[serde(default = "default_max_connections")]
    pub max_connections: u32,
}

const fn default_max_connections() -> u32 {
    10
}

impl DatabaseSettings {
    /// The settings for `url`, with defaults for the rest.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), max_connections: default_max_connections() }
    }
}

impl fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseSettings")
            .field("url", &describe(&self.url))
            .field("max_connections", &self.max_connections)
            .finish()
    }
}

/// Why there is no connection. The messages name the setting and never carry its password.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL names no database that Redress speaks to.
    #[error(
        "database url: expected sqlite:<path> or postgres://<user>@<host>/<database>, got {got}"
    )]
    Scheme {
        /// The URL without its password.
        got: String,
    },
    /// SQLite in memory is private to each connection, so readers would not see what was written.
    #[error(
        "database url: SQLite in memory is not supported; give a file, such as sqlite:redress.db"
    )]
    InMemory,
    /// The URL cannot be parsed.
    #[error("database url: {got} cannot be parsed")]
    Malformed {
        /// The URL without its password.
        got: String,
        /// The reason.
        #[source]
        cause: Cause,
    },
    /// The database did not answer, or refused the connection.
    #[error(
        "database url: cannot open {database}; check that it is running, that the address, user \
         and password are right and that nobody else locks it"
    )]
    Unreachable {
        /// The URL without its password.
        database: String,
        /// The reason.
        #[source]
        cause: Cause,
    },
    /// The SQLite library that was linked has a defect that corrupts files.
    #[error("SQLite {found} can corrupt its WAL file; link {}.{}.{} or later", MIN_SQLITE.0, MIN_SQLITE.1, MIN_SQLITE.2)]
    SqliteTooOld {
        /// What the library says of itself.
        found: String,
    },
}

/// A service's database.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file beside the service.
    Sqlite(SqliteDatabase),
    /// A PostgreSQL database, shared by all replicas of the service.
    Postgres(PostgresDatabase),
}

/// A SQLite file: many readers, one writer.
#[derive(Debug, Clone)]
pub struct SqliteDatabase {
    /// Connections that can only read.
    pub read: SqlitePool,
    /// The one connection that writes; take it with [`SqliteDatabase::begin`].
    pub write: SqlitePool,
    wakeup: Wakeup,
}

/// A PostgreSQL database.
#[derive(Debug, Clone)]
pub struct PostgresDatabase {
    /// The connections.
    pub pool: PgPool,
    wakeup: Wakeup,
}

impl Database {
    /// Opens the database that `settings` name; a SQLite file is created when it is missing.
    pub async fn connect(settings: &DatabaseSettings) -> Result<Self, ConnectError> {
        let url = settings.url.as_str();
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            connect_postgres(settings).await.map(Self::Postgres)
        } else if url.starts_with("sqlite:") {
            connect_sqlite(settings).await.map(Self::Sqlite)
        } else {
            Err(ConnectError::Scheme { got: describe(url) })
        }
    }

    /// The signal to this database's event workers.
    pub const fn wakeup(&self) -> &Wakeup {
        match self {
            Self::Sqlite(database) => &database.wakeup,
            Self::Postgres(database) => &database.wakeup,
        }
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(database) => {
                sqlx::query("SELECT 1").execute(&database.read).await?;
            }
            Self::Postgres(database) => {
                sqlx::query("SELECT 1").execute(&database.pool).await?;
            }
        }
        Ok(())
    }

    /// Closes all connections, waiting for those in use.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(database) => {
                database.read.close().await;
                database.write.close().await;
            }
            Self::Postgres(database) => database.pool.close().await,
        }
    }
}

impl SqliteDatabase {
    /// Begins the transaction that may write; waits for the one before it. Nothing slow belongs
    /// between here and its commit.
    pub async fn begin(&self) -> Result<SqliteTx, StoreError> {
        Ok(self.write.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Commits and wakes the event workers.
    pub async fn commit(&self, tx: SqliteTx) -> Result<(), StoreError> {
        tx.commit().await?;
        self.wakeup.committed();
        // A SQLite append has given the positions already.
        self.wakeup.stamped();
        Ok(())
    }
}

impl PostgresDatabase {
    pub(crate) const fn wakeup(&self) -> &Wakeup {
        &self.wakeup
    }

    /// Begins a read committed transaction that may write. Its statements reach rows through their
    /// keys whatever the statistics say: plans are kept, those of foreign keys included, and one
    /// that was made while a table was nearly empty would read all of it ever after.
    pub async fn begin(&self) -> Result<PostgresTx, StoreError> {
        // One message, one round trip.
        self.begin_with("BEGIN; SET LOCAL enable_seqscan = off").await
    }

    /// Begins a transaction that only reads, and sees one instant throughout.
    pub async fn snapshot(&self) -> Result<PostgresTx, StoreError> {
        self.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
    }

    /// Begins in a task of its own, which nobody drops between BEGIN and its answer: sqlx would
    /// give the connection back to the pool inside of the transaction, and whoever gets it next
    /// would read and write in there. A caller that is gone drops a whole transaction, which is
    /// rolled back.
    async fn begin_with(&self, statement: &'static str) -> Result<PostgresTx, StoreError> {
        let pool = self.pool.clone();
        let begun = async move { pool.begin_with(statement).await };
        match tokio::spawn(begun.in_current_span()).await {
            Ok(begun) => Ok(begun?),
            Err(ended) => Err(StoreError::Unavailable(Box::new(ended))),
        }
    }

    /// Commits and wakes the event workers.
    pub async fn commit(&self, tx: PostgresTx) -> Result<(), StoreError> {
        tx.commit().await?;
        self.wakeup.committed();
        Ok(())
    }
}

async fn connect_sqlite(settings: &DatabaseSettings) -> Result<SqliteDatabase, ConnectError> {
    let options = SqliteConnectOptions::from_str(&settings.url)
        .map_err(|cause| malformed(settings, cause))?;
    let path = settings.url.trim_start_matches("sqlite:").trim_start_matches("//");
    if path.is_empty() || path.starts_with(":memory:") || settings.url.contains("mode=memory") {
        return Err(ConnectError::InMemory);
    }
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT);
    let write = usable_sqlite()
        .max_connections(1)
        .acquire_timeout(BUSY_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options.clone())
        .await
        .map_err(|cause| unreachable(settings, cause))?;
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(&write)
        .await
        .map_err(|cause| unreachable(settings, cause))?;
    if !is_recent_enough(&version) {
        return Err(ConnectError::SqliteTooOld { found: version });
    }
    let read = usable_sqlite()
        .max_connections(settings.max_connections.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options.pragma("query_only", "on").create_if_missing(false))
        .await
        .map_err(|cause| unreachable(settings, cause))?;
    Ok(SqliteDatabase { read, write, wakeup: Wakeup::default() })
}

/// A pool that hands out no connection that believes to be in a transaction. SQLite itself ends a
/// transaction whose statement finds the disk full or failing; the ROLLBACK that follows then fails,
/// sqlx goes on counting, and every later BEGIN would be refused.
fn usable_sqlite() -> SqlitePoolOptions {
    SqlitePoolOptions::new().before_acquire(|connection, _metadata| {
        let is_usable = !connection.is_in_transaction();
        Box::pin(async move { Ok(is_usable) })
    })
}

async fn connect_postgres(settings: &DatabaseSettings) -> Result<PostgresDatabase, ConnectError> {
    let options =
        PgConnectOptions::from_str(&settings.url).map_err(|cause| malformed(settings, cause))?;
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("redress"),
    };
    let options = options.options([
        ("statement_timeout", "30s"),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION),
        ("default_transaction_isolation", "read committed"),
        // Statements are short. Where nothing but reading a whole small table is possible, its
        // price in a transaction that avoids that would have it compiled each time.
        ("jit", "off"),
    ]);
    let pool = PgPoolOptions::new()
        .max_connections(settings.max_connections.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|conn, meta| {
            Box::pin(async move {
                if meta.idle_for > TRUSTED_IDLE {
                    conn.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_with(options)
        .await
        .map_err(|cause| unreachable(settings, cause))?;
    Ok(PostgresDatabase { pool, wakeup: Wakeup::default() })
}

fn malformed(settings: &DatabaseSettings, cause: sqlx::Error) -> ConnectError {
    ConnectError::Malformed { got: describe(&settings.url), cause: Box::new(cause) }
}

fn unreachable(settings: &DatabaseSettings, cause: sqlx::Error) -> ConnectError {
    ConnectError::Unreachable { database: describe(&settings.url), cause: Box::new(cause) }
}

fn is_recent_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map_while(|part| part.parse::<u32>().ok());
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next()) >= MIN_SQLITE
}

/// The URL as it may be shown: without credentials and without parameters, which can carry a
/// password too.
fn describe(url: &str) -> String {
    let url = url.split_once('?').map_or(url, |(before, _)| before);
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
            format!("{scheme}://{place}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        let cases = [
            ("postgres://app:se@cret@db:5432/refunds?password=x", "postgres://db:5432/refunds"),
            ("sqlite:data/refunds.db", "sqlite:data/refunds.db"),
            ("mysql://u:p@h/d", "mysql://h/d"),
        ];
        for (url, shown) in cases {
            assert_eq!(describe(url), shown);
            assert!(!format!("{:?}", DatabaseSettings::new(url)).contains("se@cret"));
        }
    }

    #[test]
    fn sqlite_versions_compare_as_numbers() {
        for (version, recent) in [
            ("3.51.3", true),
            ("3.100.0", true),
            ("4.0", true),
            ("3.51.2", false),
            ("3.9.9", false),
        ] {
            assert_eq!(is_recent_enough(version), recent, "{version}");
        }
    }
}
