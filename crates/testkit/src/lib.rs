//! What tests share: temporary databases of both kinds, clocks that stand still, ids that count,
//! and gRPC without sockets. Only ever a dev-dependency.
//!
//! Invariant: nothing here knows a service, and nothing that a test made outlives it: databases
//! are dropped with their handles, the PostgreSQL cluster stops when no test process is left.

#![expect(
    clippy::disallowed_methods,
    reason = "tests are configured by the environment, and process boundaries are polled"
)]
#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a test kit that cannot set up its test fails the test"
)]

pub mod clock;
mod conformance;
pub mod database;
pub mod duplex;
pub mod ids;
mod mortal_postgres;
mod postgres;

pub use database::{Backend, TestDatabase};
pub use mortal_postgres::MortalPostgres;
