//! The service as its callers see it: real gRPC over memory, on both databases, one file an RPC.
#![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]

mod deliver;
mod get_case;
mod list_cases;
mod resolve_case;
mod support;
mod tenants;
