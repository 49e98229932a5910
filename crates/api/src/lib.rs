//! The AIP toolkit of Redress' gRPC interfaces: what every service needs at its edge.
//!
//! Invariant: this is the only place where an error becomes a `tonic::Status`, and it always
//! carries `ErrorInfo`; nothing here knows a database or a socket.
//!
//! An RPC in a service reads like this:
//!
//! ```text
//! async fn get_refund(&self, request: Request<GetRefundRequest>) -> Result<Response<Refund>, Status> {
//!     let Valid { caller, message, .. } = validated(request)?;
//!     let refund = app::get_refund(&*self.store, &caller.tenant, &message.name)
//!         .await
//!         .map_err(to_status)?;
//!     Ok(Response::new(convert::refund(&refund)))
//! }
//! ```

pub mod access;
pub mod deadline;
pub mod error;
pub mod etag;
pub mod events;
pub mod filter;
pub mod money;
pub mod page;
pub mod ports;
pub mod problem;
pub mod request_id;
pub mod status;
pub mod tenants;
pub mod time;
pub mod trace;
pub mod validate;

pub use access::AccessTable;
pub use deadline::Deadline;
pub use error::ApiError;
pub use problem::{FieldViolation, Problem};
pub use status::to_status;
pub use validate::{RequestMeta, Valid, identified, validated};
