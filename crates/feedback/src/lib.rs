//! Feedback: whom to ask how it went, what they answered, and how an event is rated.
//!
//! Invariant: a customer has one invitation for one disruption and is asked at most once within
//! the survey's quiet time; an invitation is answered at most once.
//!
//! The way of a fact: the inbox hands a batch to [`store::FeedbackConsumer`], `events` reads it,
//! [`domain::decide`] says whom to ask, and the store keeps that in the inbox's transaction. The
//! way of a call: [`grpc`] decodes, [`app`] loads, decides and commits.

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
use redress_proto::common::v1::tenant_service_server::TenantServiceServer;
use redress_proto::events::v1::event_sink_service_server::EventSinkServiceServer;
use redress_proto::feedback::v1::rating_service_server::RatingServiceServer;
use redress_proto::feedback::v1::survey_service_server::SurveyServiceServer;
use redress_runtime::{MAX_SEND_BYTES, Service};
use redress_store::inbox::Inbox;
use redress_store::{Database, Tenants};

pub use store::SCHEMA;

/// The service over `database`, whose schema is up to date. `clock` dates what is decided and
/// recorded; `ids` name it.
pub fn build(database: &Database, clock: Arc<dyn Clock>, ids: Ids) -> Service {
    let feedback = store::open(database);
    let consumer = store::FeedbackConsumer::new(clock.clone(), ids.clone());
    let inbox = Inbox::new(database.clone(), clock.clone(), consumer);
    let tenants = Tenants::new(database.clone(), clock.clone());
    let surveys = grpc::SurveyGrpc::new(feedback.clone(), clock, ids);
    Service::new(SCHEMA.service)
        .serve(SurveyServiceServer::new(surveys).max_encoding_message_size(MAX_SEND_BYTES))
        .serve(RatingServiceServer::new(grpc::RatingGrpc::new(feedback)))
        .serve(TenantServiceServer::new(TenantGrpc::new(Arc::new(tenants))))
        .serve(EventSinkServiceServer::new(EventSinkGrpc::new(Arc::new(inbox))))
}
