//! Sets of rows that one PostgreSQL statement writes.
//!
//! Invariant: all of it or nothing, in one round trip. Every part sees the rows as they were before
//! the statement, so no two parts may change one row, and whatever has an order of its own (a lock,
//! an event's place) is settled before: by then the caller's transaction holds the rows.

use sqlx::encode::Encode;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::{Arguments as _, AssertSqlSafe, Postgres, Type};

use crate::error::{Cause, StoreError};

/// The statement, as far as it is known.
#[derive(Debug, Default)]
pub struct Writes {
    sql: String,
    parts: usize,
    arguments: PgArguments,
    failed: Option<Cause>,
}

/// A part of the statement that still takes values.
#[derive(Debug)]
pub struct Part<'a>(&'a mut Writes);

impl Writes {
    /// Adds an INSERT, UPDATE or DELETE, whose own parameters are `$1`, `$2` and so on; bind one
    /// value for each.
    pub fn push(&mut self, sql: &'static str) -> Part<'_> {
        use std::fmt::Write as _;
        let before = self.arguments.len();
        let start = if self.parts == 0 { "WITH" } else { ")," };
        self.parts += 1;
        // Writing to a String does not fail.
        let _infallible = write!(self.sql, "{start} part{} AS (", self.parts);
        let mut pieces = sql.split('$');
        self.sql.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = piece.split_at(digits);
            let number = number.parse::<usize>().unwrap_or_default();
            let _infallible = write!(self.sql, "${}{rest}", before + number);
        }
        Part(self)
    }

    /// Writes everything; nothing when no part was added.
    pub async fn execute(mut self, conn: &mut PgConnection) -> Result<(), StoreError> {
        if let Some(cause) = self.failed {
            return Err(StoreError::Internal(cause));
        }
        if self.sql.is_empty() {
            return Ok(());
        }
        self.sql.push_str(") SELECT 1");
        sqlx::query_with(AssertSqlSafe(self.sql), self.arguments).execute(conn).await?;
        Ok(())
    }
}

impl Part<'_> {
    /// The value of the next parameter.
    pub fn bind<'q, T: Encode<'q, Postgres> + Type<Postgres>>(&mut self, value: T) -> &mut Self {
        if let Err(cause) = self.0.arguments.add(value) {
            self.0.failed = Some(cause);
        }
        self
    }
}
