//! The sqlx plumbing that all services share: connections, migrations, idempotency, the event log
//! on its way out and in, leases, tenants and one classification of errors.
//!
//! Invariant: a service writes its rows, its idempotency record and its events through one
//! transaction of its [`Database`]; everything here that takes part in it takes a connection,
//! never a pool. SQL is written once for SQLite and once for PostgreSQL, beside its binds, and
//! both behave the same: the tests run on both.
//!
//! The way of an event: [`outbox`] appends it inside the transaction that made it true,
//! [`sequencer`] gives it its place (SQLite: the append does), [`relay`] hands it to a subscriber,
//! whose [`inbox`] applies it once. [`pump::EventPump`] runs what has to run for that.

mod database;
mod error;
mod gather;
pub mod idempotency;
pub mod inbox;
pub mod lease;
pub mod log;
mod migrate;
pub mod outbox;
pub mod parking;
pub mod pump;
mod reads;
pub mod relay;
mod rows;
pub mod sequencer;
mod tenants;
mod wakeup;
mod writes;

pub use database::{
    ConnectError, Database, DatabaseSettings, PostgresDatabase, PostgresTx, SqliteDatabase,
    SqliteTx,
};
pub use error::{Cause, StoreError};
pub use gather::{Gather, Pace, Together};
pub use migrate::{RELEASE, Schema, SchemaError, check, migrate};
pub use tenants::Tenants;
pub use wakeup::Wakeup;
pub use writes::{Part, Writes};
