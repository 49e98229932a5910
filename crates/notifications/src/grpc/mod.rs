//! The gRPC interfaces of this service, and its one outgoing call.
//!
//! Invariant: an RPC is validation, one use case and a conversion; every one asks with the
//! caller's tenant. Who may call what is decided before, from the contracts.

mod contacts;
mod convert;
mod notifications;
mod status;
mod templates;

pub use contacts::GrpcContacts;
pub use notifications::NotificationGrpc;
pub use templates::TemplateGrpc;
