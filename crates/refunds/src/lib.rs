//! Refunds: orders, policies, quotes, money on its way back, disruptions and the books.
//!
//! Invariant: an attempt is stored and committed before its provider is called, and every movement
//! of money is a balanced posting in the transaction that causes it.
//!
//! The way of a call: [`grpc`] decodes, [`app`] loads, decides with [`domain`] and commits through
//! [`store`]; nobody waits for a provider. The way of the money: [`worker`] claims what is due and
//! calls a [`provider`]; what it learns, or what a [`webhook`] hints at and the provider confirms,
//! is settled in one transaction with counters, postings and [`events`].

pub mod app;
pub mod config;
pub mod domain;
pub mod events;
pub mod grpc;
pub mod provider;
pub mod store;
pub mod webhook;
pub mod worker;

mod build;

pub use build::{BuildError, Deps, build};
pub use store::SCHEMA;
