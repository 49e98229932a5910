//! Outgoing gRPC channels between the services, and from the command line to them.
//!
//! Invariant: every call carries a credential, the trace and, unless it is a stream, a deadline; a
//! call is sent a second time only when the first provably never left, or when its caller has said
//! that sending it twice is harmless.
//!
//! A [`PeerChannel`] knows all addresses behind one host name and keeps them fresh. Bound to a
//! tenant it becomes a [`TenantChannel`], which every generated client takes:
//!
//! ```
//! use redress_client::PeerChannel;
//! use redress_core::id::TenantId;
//! use redress_proto::refunds::v1::refund_service_client::RefundServiceClient;
//!
//! async fn read(peer: &PeerChannel, tenant: TenantId) {
//!     // A read, and a command that carries a request_id, may be sent again when the peer was
//!     // unavailable.
//!     let refunds = RefundServiceClient::new(peer.for_tenant(tenant).idempotent());
//!     drop(refunds);
//! }
//! ```

mod backends;
mod body;
mod channel;
mod deadline;
mod event_sink;
mod outcome;
mod resolver;
mod retry;
mod settings;
mod token;
mod trace;

pub use channel::{PeerChannel, TenantChannel};
pub use event_sink::GrpcEventSink;
pub use outcome::{CallOutcome, is_unknown_outcome, outcome};
pub use resolver::{Resolver, SystemResolver};
pub use settings::{ClientIdentity, PeerSettings, SettingsError};
pub use token::{CachedTokens, MintedToken, StaticToken, TokenError, TokenSource};
