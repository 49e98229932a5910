//! Rows that both databases share.
//!
//! Invariant: a stored event reads back exactly as it was appended, or as `Corrupt`.

use redress_core::clock::Timestamp;
use redress_core::event::Event;
use redress_core::id::TenantId;

use crate::error::StoreError;

/// An event as a row of `event_log` or `parked_events`.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct EventRow {
    id: String,
    tenant: String,
    r#type: String,
    subject: String,
    time: i64,
    payload_version: i32,
    payload: Vec<u8>,
    traceparent: Option<String>,
    position: i64,
}

impl EventRow {
    pub(crate) fn into_event(self, table: &'static str) -> Result<Event, StoreError> {
        let corrupt = |column| StoreError::corrupt(table, column, self.id.clone());
        Ok(Event {
            tenant: TenantId::new(self.tenant).map_err(|_| corrupt("tenant"))?,
            payload_version: u16::try_from(self.payload_version)
                .map_err(|_| corrupt("payload_version"))?,
            event_type: self.r#type,
            subject: self.subject,
            time: Timestamp(self.time),
            payload: self.payload,
            traceparent: self.traceparent,
            position: self.position,
            id: self.id,
        })
    }
}

/// A partition number as it is stored.
pub(crate) fn stored_partition(partition: u16) -> i16 {
    i16::try_from(partition).unwrap_or(i16::MAX)
}
