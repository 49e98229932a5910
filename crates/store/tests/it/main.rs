//! What the store promises, on both databases.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod cancelled;
mod errors;
mod full_disk;
mod idempotency;
mod inbox;
mod lease;
mod migrate;
mod relay;
mod sequencer;
mod support;
mod tenants;
mod writes;
