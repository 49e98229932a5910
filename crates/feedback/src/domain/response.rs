//! The response: one customer's answer.
//!
//! Invariant: a response never changes, and its score lies on the scale.

use redress_core::clock::Timestamp;
use redress_core::id::{EventId, InvitationId, ResponseId, TenantId};

/// The scale of a score, worst to best.
pub const SCALE: std::ops::RangeInclusive<i32> = 1..=5;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The tenant whose customer answered.
    pub tenant: TenantId,
    /// The response's id.
    pub id: ResponseId,
    /// The invitation that was answered.
    pub invitation: InvitationId,
    /// The event that the invitation is about; it decides which rating the answer counts in.
    pub event: EventId,
    /// On the [`SCALE`].
    pub score: i32,
    /// In the customer's own words; may be empty.
    pub comment: String,
    /// When it was recorded.
    pub created: Timestamp,
}
