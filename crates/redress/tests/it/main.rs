//! The command from outside, where its own process is the point.
//!
//! Invariant: every figure compared was printed by the command; none is a time.
#![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]
#![expect(
    clippy::disallowed_methods,
    reason = "the environment says whether PostgreSQL is required"
)]

mod bench_disruption;
mod bench_unary;
