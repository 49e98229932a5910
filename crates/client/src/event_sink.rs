//! Events on their way to another service.
//!
//! Invariant: a batch is sent once and never retried here: the relay keeps the cursor and decides
//! when to send again.

use std::time::Duration;

use async_trait::async_trait;
use redress_api::events::batch_to_proto;
use redress_api::ports::{EventSink, SinkError};
use redress_core::event::{EventBatch, SUITE_TENANT};
use redress_core::id::{InvalidId, TenantId};
use redress_proto::events::v1::event_sink_service_client::EventSinkServiceClient;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::channel::{PeerChannel, TenantChannel};

/// What a receiver gets for one batch of up to a thousand events.
const DELIVERY_LIMIT: Duration = Duration::from_secs(10);
/// What a full receiver is given when it names no time.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);

/// Delivers events over gRPC.
#[derive(Debug, Clone)]
pub struct GrpcEventSink {
    client: EventSinkServiceClient<TenantChannel>,
}

impl GrpcEventSink {
    /// A sink that delivers to `peer` with the service's own credential.
    pub fn new(peer: &PeerChannel) -> Result<Self, InvalidId> {
        let channel = peer.for_tenant(TenantId::new(SUITE_TENANT)?).with_deadline(DELIVERY_LIMIT);
        Ok(Self { client: EventSinkServiceClient::new(channel) })
    }
}

#[async_trait]
impl EventSink for GrpcEventSink {
    async fn deliver(&self, batch: &EventBatch) -> Result<i64, SinkError> {
        let mut client = self.client.clone();
        let answer = client.deliver(batch_to_proto(batch)).await.map_err(|s| refusal(&s))?;
        Ok(answer.into_inner().position)
    }
}

fn refusal(status: &Status) -> SinkError {
    match status.code() {
        Code::FailedPrecondition => match expected_position(status) {
            Some(expected) => SinkError::Gap { expected },
            None => SinkError::Refused(describe(status)),
        },
        Code::ResourceExhausted => {
            let retry = status.get_details_retry_info().and_then(|info| info.retry_delay);
            SinkError::Busy { retry_after: retry.unwrap_or(DEFAULT_PAUSE) }
        }
        // A lost connection surfaces as one of the last two: the batch may have been applied, and
        // sending it again is harmless, because the receiver skips what it holds.
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Aborted
        | Code::Unknown => SinkError::Unavailable(describe(status)),
        _ => SinkError::Refused(describe(status)),
    }
}

/// The position that the receiver asks for, when it refused a gap.
fn expected_position(status: &Status) -> Option<i64> {
    let info = status.get_details_error_info().filter(|info| info.reason == "EVENT_GAP")?;
    info.metadata.get("expected_position")?.parse().ok()
}

fn describe(status: &Status) -> String {
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    let code = status.code();
    format!("{code:?} {reason} {}", status.message()).replace("  ", " ")
}
