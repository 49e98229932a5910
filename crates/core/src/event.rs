//! Facts that leave a service: what an outbox stores and a consumer receives.
//!
//! Invariant: a payload carries ids, amounts and states, never contact data; within one partition
//! positions are gapless and start at 1, so that a consumer can tell a gap from a pause.

use crate::clock::Timestamp;
use crate::id::TenantId;

/// How many partitions every event log has. Fixed: changing it would reorder entities.
pub const PARTITIONS: u16 = 16;

/// The reserved tenant of a service's own credential: a batch holds the events of many tenants,
/// and each event names its own.
pub const SUITE_TENANT: &str = "suite";

/// A fact to append to the outbox, inside the transaction that made it true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Unique id of the event; a redelivery keeps it.
    pub id: String,
    /// The tenant whose fact this is.
    pub tenant: TenantId,
    /// Type, as in `redress.refunds.v1.RefundStateChanged`: the full name of the payload message.
    pub event_type: &'static str,
    /// Resource name of the entity the fact is about; events of one subject stay in order.
    pub subject: String,
    /// When it became true.
    pub time: Timestamp,
    /// Version of the payload's meaning, from 1.
    pub payload_version: u16,
    /// The encoded protobuf payload.
    pub payload: Vec<u8>,
    /// W3C `traceparent` of the work that caused it, when it was traced.
    pub traceparent: Option<String>,
}

impl NewEvent {
    /// The partition of this event: a stable hash of tenant and subject.
    pub fn partition(&self) -> u16 {
        partition_of(&self.tenant, &self.subject)
    }
}

/// A fact as it stands in a log, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Unique id of the event; a redelivery keeps it.
    pub id: String,
    /// The tenant whose fact this is.
    pub tenant: TenantId,
    /// Type: the full name of the payload message.
    pub event_type: String,
    /// Resource name of the entity the fact is about.
    pub subject: String,
    /// When it became true.
    pub time: Timestamp,
    /// Version of the payload's meaning, from 1.
    pub payload_version: u16,
    /// The encoded protobuf payload.
    pub payload: Vec<u8>,
    /// W3C `traceparent` of the work that caused it, when it was traced.
    pub traceparent: Option<String>,
    /// Place in its partition: 1, 2, 3, without gaps.
    pub position: i64,
}

/// Consecutive events of one partition of one source, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBatch {
    /// The service whose log this is: `refunds`, `cases`, `notifications` or `feedback`.
    pub source: String,
    /// The partition, below [`PARTITIONS`].
    pub partition: u16,
    /// The events, positions rising by one.
    pub events: Vec<Event>,
}

/// The partition of an entity: FNV-1a over tenant and subject, mixed once more because FNV alone
/// spreads short names badly. The function is part of the stored format and never changes.
pub fn partition_of(tenant: &TenantId, subject: &str) -> u16 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let bytes = tenant.as_str().bytes().chain(std::iter::once(0)).chain(subject.bytes());
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    #[expect(clippy::cast_possible_truncation, reason = "a value below PARTITIONS fits u16")]
    let partition = ((mixed >> 32) % u64::from(PARTITIONS)) as u16;
    partition
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_pinned_because_they_are_stored() {
        let tenant = TenantId::new("arena").unwrap();
        let pinned: Vec<u16> = ["refunds/a", "refunds/b", "disruptions/x", "cases/1"]
            .map(|subject| partition_of(&tenant, subject))
            .to_vec();
        assert_eq!(pinned, PINNED);
    }

    const PINNED: [u16; 4] = [11, 11, 15, 9];

    #[test]
    fn partitions_are_filled_evenly() {
        let tenant = TenantId::new("arena").unwrap();
        let mut counts = [0_u32; PARTITIONS as usize];
        for n in 0..16_000 {
            counts[usize::from(partition_of(&tenant, &format!("refunds/{n}")))] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }
}
