//! The channel against real tonic servers on loopback.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod balancing;
mod calls;
mod event_sink;
mod peers;
mod retries;
mod tls;
mod tracing_headers;
