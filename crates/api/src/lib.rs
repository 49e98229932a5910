//! The AIP toolkit of Redress' gRPC interfaces: what every service needs at its edge.
//!
//! Invariant: this is the only place where an error becomes a `tonic::Status`, and it always
//! carries `ErrorInfo`; nothing here knows a database or a socket.

pub mod ports;
