//! The service as its callers see it: real gRPC over memory, on both databases, one file an RPC.
#![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]

mod deliver;
mod get_invitation;
mod get_rating;
mod list_invitations;
mod list_surveys;
mod record_response;
mod support;
mod tenants;
