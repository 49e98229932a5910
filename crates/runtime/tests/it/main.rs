//! A real server on a real port, and clients that behave well, badly, or not at all.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a step that fails here is a failed test, in helpers too"
)]

mod admission;
mod builtin;
mod callers;
mod connections;
mod deadlines;
mod drain;
mod raw;
mod support;
mod telemetry;
mod tls;
mod web;
