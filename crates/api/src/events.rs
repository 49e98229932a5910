//! Events on the wire, and the receiving end of every service.
//!
//! Invariant: a batch that reaches the handler comes with the suite's own credential, is valid,
//! belongs to one partition of one source, and its positions rise by one; the envelope's tenant
//! counts here and only here.

use std::collections::BTreeSet;
use std::sync::Arc;

use redress_core::caller::Caller;
use redress_core::event::{Event, EventBatch, SUITE_TENANT};
use redress_core::id::TenantId;
use redress_proto::events::v1 as pb;
use redress_proto::events::v1::event_sink_service_server::EventSinkService;
use tonic::{Request, Response, Status};

use crate::error::ApiError;
use crate::ports::{EventHandler, HandleError};
use crate::problem::FieldViolation;
use crate::trace::span_with_parent;
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
        let Valid { caller, message, .. } = validated(request)?;
        speaks_for_the_suite(&caller)?;
        let batch = batch_from_proto(message)?;
        let (source, causes) = (batch.source.clone(), causes_of(&batch));
        let position = self.handler.handle(batch).await.map_err(refusal)?;
        for cause in &causes {
            // The call belongs to the relay's trace; what caused the events hears of them too.
            let span = tracing::info_span!("events applied", event.source = source);
            drop(span_with_parent(span, Some(cause)));
        }
        Ok(Response::new(pb::DeliverResponse { position }))
    }
}

/// The events name their tenants themselves, so a caller of one tenant has no say here, even when
/// it is a service.
fn speaks_for_the_suite(caller: &Caller) -> Result<(), ApiError> {
    if caller.tenant.as_str() == SUITE_TENANT {
        return Ok(());
    }
    Err(ApiError::PermissionDenied {
        reason: "SUITE_CREDENTIAL_REQUIRED",
        message: format!("events are delivered with a token of the tenant {SUITE_TENANT} only"),
    })
}

/// The traces behind a batch, each once.
fn causes_of(batch: &EventBatch) -> BTreeSet<String> {
    batch.events.iter().filter_map(|event| event.traceparent.clone()).collect()
}

fn refusal(error: HandleError) -> Status {
    to_status(match error {
        HandleError::Gap { expected } => ApiError::FailedPrecondition {
            reason: "EVENT_GAP",
            message: format!("expected position {expected}: send from there"),
            metadata: vec![("expected_position", expected.to_string())],
            violations: Vec::new(),
        },
        HandleError::Port(error) => error.into(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use redress_core::caller::Role;
    use redress_core::clock::Timestamp;
    use tonic::Code;
    use tonic_types::StatusExt;

    use super::*;

    fn event(position: i64) -> Event {
        Event {
            id: format!("e{position}"),
            tenant: TenantId::new("arena").unwrap(),
            event_type: "redress.events.v1.RefundStateChanged".to_owned(),
            subject: "refunds/1".to_owned(),
            time: Timestamp(1_700_000_000_123_456),
            payload_version: 1,
            payload: vec![1, 2, 3],
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
            position,
        }
    }

    fn batch(positions: &[i64]) -> EventBatch {
        let events = positions.iter().copied().map(event).collect();
        EventBatch { source: "refunds".to_owned(), partition: 3, events }
    }

    #[test]
    fn a_batch_survives_the_way_there_and_back() {
        let there = batch(&[5, 6, 7]);
        assert_eq!(batch_from_proto(batch_to_proto(&there)).unwrap(), there);
    }

    #[test]
    fn holes_and_repetitions_inside_a_batch_are_refused_by_name() {
        for positions in [&[1, 3][..], &[1, 1], &[2, 1]] {
            let error = batch_from_proto(batch_to_proto(&batch(positions))).unwrap_err();
            let ApiError::InvalidArgument { violations, .. } = error else { panic!("{error:?}") };
            assert_eq!(violations[0].field, "events[1].position");
        }
    }

    /// Takes position 5 next; keeps what it was given.
    #[derive(Default)]
    struct Recorder(Mutex<Vec<EventBatch>>);

    #[async_trait]
    impl EventHandler for Recorder {
        async fn handle(&self, batch: EventBatch) -> Result<i64, HandleError> {
            let last = batch.events.last().map_or(4, |event| event.position);
            if batch.events[0].position > 5 {
                return Err(HandleError::Gap { expected: 5 });
            }
            self.0.lock().unwrap().push(batch);
            Ok(last)
        }
    }

    async fn deliver(sink: &EventSinkGrpc, batch: &EventBatch) -> Result<i64, Status> {
        deliver_as(SUITE_TENANT, sink, batch).await
    }

    async fn deliver_as(
        tenant: &str,
        sink: &EventSinkGrpc,
        batch: &EventBatch,
    ) -> Result<i64, Status> {
        let mut request = Request::new(batch_to_proto(batch));
        request.extensions_mut().insert(Caller {
            tenant: TenantId::new(tenant).unwrap(),
            subject: "refunds".to_owned(),
            issuer: "test".to_owned(),
            roles: vec![Role::Service],
        });
        sink.deliver(request).await.map(|response| response.into_inner().position)
    }

    #[tokio::test]
    async fn a_service_of_one_tenant_delivers_nothing_not_even_of_its_own() {
        let recorder = Arc::new(Recorder::default());
        let sink = EventSinkGrpc::new(recorder.clone());
        for tenant in ["arena", "opera", "suite-2"] {
            let status = deliver_as(tenant, &sink, &batch(&[5])).await.unwrap_err();
            assert_eq!(status.code(), Code::PermissionDenied, "{tenant}");
            let info = status.get_details_error_info().unwrap();
            assert_eq!(info.reason, "SUITE_CREDENTIAL_REQUIRED");
        }
        assert!(recorder.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn good_batches_reach_the_handler_and_gaps_name_the_way_back() {
        let recorder = Arc::new(Recorder::default());
        let sink = EventSinkGrpc::new(recorder.clone());
        assert_eq!(deliver(&sink, &batch(&[5, 6])).await.unwrap(), 6);
        assert_eq!(*recorder.0.lock().unwrap(), [batch(&[5, 6])]);

        let status = deliver(&sink, &batch(&[9])).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.reason, "EVENT_GAP");
        assert_eq!(info.metadata["expected_position"], "5");

        let status = deliver(&sink, &batch(&[])).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    }
}
