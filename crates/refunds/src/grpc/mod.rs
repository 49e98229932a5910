//! The gRPC interfaces: each call is decoded, handed to one use case, and its answer encoded.
//!
//! Invariant: the tenant is the caller's; roles were checked before a call gets here.

mod convert;
mod disruptions;
mod ledger;
mod orders;
mod policies;
mod refunds;
mod status;

pub use disruptions::DisruptionGrpc;
pub use ledger::LedgerGrpc;
pub use orders::OrderGrpc;
pub use policies::PolicyGrpc;
pub use refunds::RefundGrpc;

use prost::Message;
use redress_api::ApiError;
use redress_core::caller::Caller;
use tonic::Extensions;

use crate::app::Outcome;

/// The verified caller of a call whose request has no declared rules: a stream, or an empty
/// message. Everything else goes through [`redress_api::validated`].
fn caller(extensions: &Extensions) -> Result<&Caller, ApiError> {
    extensions.get::<Caller>().ok_or_else(|| ApiError::Unauthenticated {
        reason: "TOKEN_MISSING",
        message: "no verified caller: send a bearer token in the authorization metadata".to_owned(),
    })
}

/// The message that answers a request with an id: encoded now, or as it was encoded then.
fn answer<T, M: Message + Default>(
    outcome: Outcome<T>,
    encode: impl FnOnce(&T) -> M,
) -> Result<M, ApiError> {
    match outcome {
        Outcome::Done(done) => Ok(encode(&done)),
        Outcome::Replayed(stored) => {
            M::decode(stored.as_slice()).map_err(|error| ApiError::Internal(Box::new(error)))
        }
    }
}
