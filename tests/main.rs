//! The whole suite under test: four services, real gRPC, a payment provider that misbehaves, and
//! processes that are killed. Nothing here could be said by the tests of one crate.
//!
//! Invariant: whatever a scenario starts ends with it; every figure it compares was read through an
//! API, ours or the provider's.
#![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]

mod bad_input;
mod chaos;
mod clients;
mod harness;
mod isolation;
mod kill_nine;
mod ledger;
mod messages;
mod mixed_tender;
mod provider_cuts_answers;
mod roles;
mod trace;
