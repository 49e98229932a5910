//! Notifications: what customers are told, once, in their own language.
//!
//! Facts arrive from the refunds service ([`events`]), become one row per occasion in the
//! transaction of the inbox ([`store`]), and leave as mail ([`worker`], [`app::dispatch_batch`],
//! [`mail`]). Addresses are asked for when a mail is written and are never stored.
//!
//! Invariant: an order hears of a disruption once, whatever is redelivered, retried or restarted.
//! The one thing that cannot be excluded is a second copy of the same mail when the answer of the
//! mail server was lost; it bears the same Message-ID.

pub mod app;
pub mod config;
pub mod domain;
pub mod events;
pub mod grpc;
pub mod mail;
pub mod render;
pub mod store;
pub mod worker;

mod build;

pub use build::{BuildError, Deps, Parts, build};
pub use store::SCHEMA;
