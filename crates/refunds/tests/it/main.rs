//! What the service does over real HTTP, real gRPC and real databases.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod api;
mod chain;
mod crash;
mod deadlines;
mod keyless;
mod sandbox;
mod scenarios;
mod shop;
mod stripe;
mod webhook;
mod worker;
