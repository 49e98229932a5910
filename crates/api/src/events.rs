//! Events on the wire, and the receiving end of every service.
//!
//! Invariant: a batch that reaches the handler is valid, belongs to one partition of one source,
//! and its positions rise by one; the envelope's tenant counts here and only here.

use std::sync::Arc;

use redress_core::event::{Event, EventBatch};
use redress_core::id::TenantId;
use redress_proto::events::v1 as pb;
use redress_proto::events::v1::event_sink_service_server::EventSinkService;
use tonic::{Request, Response, Status};

use crate::error::ApiError;
use crate::ports::{EventHandler, HandleError};
use crate::problem::FieldViolation;
use crate::validate::{Valid, validated};
use crate::{time, to_status};

/// The wire form of an event.
pub fn event_to_proto(event: &Event) -> pb::Event {
    pb::Event {
        id: event.id.clone(),
        tenant: event.tenant.as_str().to_owned(),
        r#type: event.event_type.clone(),
        subject: event.subject.clone(),
        time: Some(time::to_proto(event.time)),
        position: event.position,
        payload_version: u32::from(event.payload_version),
        payload: event.payload.clone(),
        traceparent: event.traceparent.clone().unwrap_or_default(),
    }
}

/// The wire form of a batch.
pub fn batch_to_proto(batch: &EventBatch) -> pb::DeliverRequest {
    pb::DeliverRequest {
        source: batch.source.clone(),
        partition: u32::from(batch.partition),
        events: batch.events.iter().map(event_to_proto).collect(),
    }
}

/// Reads an event that stands at `path`; violations name its fields.
pub fn event_from_proto(event: pb::Event, path: &str) -> Result<Event, FieldViolation> {
    let bad = |field: &str, text: String| FieldViolation::new(field, text).under(path);
    let time = time::required(event.time.as_ref(), "time").map_err(|v| v.under(path))?;
    let tenant = TenantId::new(event.tenant).map_err(|e| bad("tenant", e.to_string()))?;
    let payload_version = u16::try_from(event.payload_version)
        .map_err(|_| bad("payload_version", "must be below 65536".to_owned()))?;
    Ok(Event {
        id: event.id,
        tenant,
        event_type: event.r#type,
        subject: event.subject,
        time,
        payload_version,
        payload: event.payload,
        traceparent: Some(event.traceparent).filter(|text| !text.is_empty()),
        position: event.position,
    })
}

/// Reads a batch and checks that its positions rise by one. Returns every violation at once.
pub fn batch_from_proto(request: pb::DeliverRequest) -> Result<EventBatch, ApiError> {
    let mut violations = Vec::new();
    let mut events: Vec<Event> = Vec::with_capacity(request.events.len());
    let mut expected = request.events.first().map_or(1, |first| first.position);
    for (index, event) in request.events.into_iter().enumerate() {
        let path = format!("events[{index}]");
        if event.position != expected {
            let text = format!("positions must rise by one: expected {expected}");
            violations.push(FieldViolation::new("position", text).under(&path));
        }
        expected = event.position.saturating_add(1);
        match event_from_proto(event, &path) {
            Ok(event) => events.push(event),
            Err(violation) => violations.push(violation),
        }
    }
    let partition = u16::try_from(request.partition).unwrap_or(u16::MAX);
    if partition >= redress_core::event::PARTITIONS {
        violations.push(FieldViolation::new("partition", "must be 0 to 15"));
    }
    if !violations.is_empty() {
        return Err(ApiError::invalid_fields(violations));
    }
    Ok(EventBatch { source: request.source, partition, events })
}

/// `EventSinkService` over whatever a service does with events.
#[derive(Clone)]
pub struct EventSinkGrpc {
    handler: Arc<dyn EventHandler>,
}

impl EventSinkGrpc {
    /// Serves `handler`.
    pub const fn new(handler: Arc<dyn EventHandler>) -> Self {
        Self { handler }
    }
}

#[tonic::async_trait]
impl EventSinkService for EventSinkGrpc {
    async fn deliver(
        &self,
        request: Request<pb::DeliverRequest>,
    ) -> Result<Response<pb::DeliverResponse>, Status> {
        let Valid { message, .. } = validated(request)?;
        let batch = batch_from_proto(message)?;
        let position = self.handler.handle(batch).await.map_err(refusal)?;
        Ok(Response::new(pb::DeliverResponse { position }))
    }
}

fn refusal(error: HandleError) -> Status {
    to_status(match error {
        HandleError::Gap { expected } => ApiError::FailedPrecondition {
            reason: "EVENT_GAP",
            message: format!("expected position {expected}: send from there"),
            metadata: vec![("expected_position", expected.to_string())],
        },
        HandleError::Port(error) => error.into(),
    })
}
