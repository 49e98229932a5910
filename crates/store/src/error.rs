//! What can go wrong in a store, told in one way for both databases.
//!
//! Invariant: a caller decides by the variant alone; constraint names are the same on both
//! databases when migrations keep to PostgreSQL's own naming: `<table>_pkey`,
//! `<table>_<columns>_key` for unique constraints and indexes, and a name on every CHECK.

use redress_api::ports::PortError;
use sqlx::error::{DatabaseError, ErrorKind};

/// A boxed cause, for logs.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A row with this key is there already.
    #[error("a row already exists ({constraint})")]
    AlreadyExists {
        /// Name of the unique constraint or index, such as `idempotency_records_pkey`.
        constraint: String,
    },
    /// The row changed since it was read, or is gone.
    #[error("the row changed since it was read")]
    VersionMismatch,
    /// A CHECK of the schema refused the row.
    #[error("the check {constraint} refused the row")]
    CheckViolated {
        /// Name of the CHECK.
        constraint: String,
    },
    /// A row that this one refers to is not there, or is still referred to.
    #[error("a row that is referred to is missing, or is still in use")]
    ReferenceViolated,
    /// Somebody else holds the lease now; its former holder must stop.
    #[error("the lease {name} was taken over")]
    LeaseLost {
        /// Name of the lease.
        name: String,
    },
    /// The database cannot be reached, is locked or gave up on a conflict; the same call may
    /// succeed later.
    #[error("the database is not available now")]
    Unavailable(#[source] Cause),
    /// A stored value cannot be read back: a defect or a damaged file.
    #[error("column {column} of {table} holds an unreadable value in row {row}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's key; never a value with personal data.
        row: String,
    },
    /// A defect: retrying does not help.
    #[error("the database refused the statement")]
    Internal(#[source] Cause),
}

impl StoreError {
    /// Whether the same call may succeed later without anybody's doing.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::VersionMismatch | Self::LeaseLost { .. })
    }

    /// A stored value of `table.column` that cannot be read back; `row` is the row's key.
    pub fn corrupt(table: &'static str, column: &'static str, row: impl Into<String>) -> Self {
        Self::Corrupt { table, column, row: row.into() }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(cause) => classify(cause),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => Self::Unavailable(Box::new(error)),
            other => Self::Internal(Box::new(other)),
        }
    }
}

impl From<StoreError> for PortError {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            Self::Unavailable(Box::new(error))
        } else {
            Self::Internal(Box::new(error))
        }
    }
}

fn classify(cause: Box<dyn DatabaseError>) -> StoreError {
    match cause.kind() {
        ErrorKind::UniqueViolation => {
            StoreError::AlreadyExists { constraint: unique_constraint(&*cause) }
        }
        ErrorKind::CheckViolation => {
            StoreError::CheckViolated { constraint: check_constraint(&*cause) }
        }
        ErrorKind::ForeignKeyViolation => StoreError::ReferenceViolated,
        _ if is_transient(&*cause) => {
            StoreError::Unavailable(Box::new(sqlx::Error::Database(cause)))
        }
        _ => StoreError::Internal(Box::new(sqlx::Error::Database(cause))),
    }
}

/// SQLite's extended code for a primary key that is there already.
const SQLITE_PRIMARY_KEY: &str = "1555";

/// SQLite names no unique constraint, but lists its columns: `UNIQUE constraint failed: t.a, t.b`.
/// From them follows the name that PostgreSQL would have given.
fn unique_constraint(cause: &dyn DatabaseError) -> String {
    if let Some(name) = cause.constraint() {
        return name.to_owned();
    }
    let message = cause.message();
    let columns = message.rsplit_once(": ").map_or(message, |(_, columns)| columns);
    if let Some(index) = columns.strip_prefix("index '") {
        return index.trim_end_matches('\'').to_owned();
    }
    let table = columns.split('.').next().unwrap_or(columns);
    if cause.code().as_deref() == Some(SQLITE_PRIMARY_KEY) {
        return format!("{table}_pkey");
    }
    let columns: Vec<&str> =
        columns.split(", ").filter_map(|c| c.split_once('.')).map(|(_, column)| column).collect();
    format!("{table}_{}_key", columns.join("_"))
}

fn check_constraint(cause: &dyn DatabaseError) -> String {
    let message = cause.message();
    let named = || message.rsplit_once(": ").map_or(message, |(_, name)| name);
    cause.constraint().unwrap_or_else(named).to_owned()
}

fn is_transient(cause: &dyn DatabaseError) -> bool {
    let code = cause.code().unwrap_or_default();
    if let Some(postgres) = cause.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        // Connection trouble, serialization and deadlock, no resources, lock not available,
        // cancelled or shutting down, and a former primary that is read-only now.
        let code = postgres.code();
        return ["08", "40", "53", "57"].contains(&&code[..2])
            || ["55P03", "25006", "25P03", "58030"].contains(&code);
    }
    // SQLite's extended codes carry the primary code in their low byte: BUSY, LOCKED, IOERR, FULL,
    // CANTOPEN.
    code.parse::<i32>().is_ok_and(|code| [5, 6, 10, 13, 14].contains(&(code & 0xff)))
}
