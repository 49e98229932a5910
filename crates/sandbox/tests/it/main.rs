//! The sandbox, driven over real HTTP on a free port.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod api;
mod control;
mod faults;
mod idempotency;
mod money;
mod rate_limit;
mod support;
mod webhooks;
