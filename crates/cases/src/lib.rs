//! Cases: work that a person owns. They open by themselves where a refund needs a person.
//!
//! Invariant: a tenant has one case for one refund, or for one order of a disruption that has no
//! refund, however often it is told of; a case is resolved once. Cases move no money.
//!
//! The way of a fact: the inbox hands a batch to [`store::CaseConsumer`], [`events`] reads it, and
//! the store opens the cases in the inbox's transaction. The way of a call: [`grpc`] decodes,
//! [`app`] loads, decides and commits.

pub mod app;
pub mod domain;
pub mod events;
pub mod grpc;
pub mod store;

use std::sync::Arc;

use redress_api::events::EventSinkGrpc;
use redress_api::tenants::TenantGrpc;
use redress_core::clock::Clock;
use redress_core::id::Ids;
use redress_proto::cases::v1::case_service_server::CaseServiceServer;
use redress_proto::common::v1::tenant_service_server::TenantServiceServer;
use redress_proto::events::v1::event_sink_service_server::EventSinkServiceServer;
use redress_runtime::{MAX_SEND_BYTES, Service};
use redress_store::inbox::Inbox;
use redress_store::{Database, Tenants};

pub use store::SCHEMA;

/// The service over `database`, whose schema is up to date. `clock` dates cases; `ids` name them.
pub fn build(database: &Database, clock: Arc<dyn Clock>, ids: Ids) -> Service {
    let consumer = store::CaseConsumer::new(clock.clone(), ids);
    let inbox = Inbox::new(database.clone(), clock.clone(), consumer);
    let tenants = Tenants::new(database.clone(), clock.clone());
    let cases = grpc::CaseGrpc::new(store::open(database), clock);
    Service::new(SCHEMA.service)
        .serve(CaseServiceServer::new(cases).max_encoding_message_size(MAX_SEND_BYTES))
        .serve(TenantServiceServer::new(TenantGrpc::new(Arc::new(tenants))))
        .serve(EventSinkServiceServer::new(EventSinkGrpc::new(Arc::new(inbox))))
}
