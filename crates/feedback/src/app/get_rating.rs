//! Rates an event by all answers about it.

use redress_core::id::{EventId, TenantId};

use super::FeedbackError;
use crate::domain::rating::Rating;
use crate::store::FeedbackStore;

/// The rating of `event` by `tenant`'s customers. An event that nobody answered about, or nobody
/// knows, has a rating without answers: feedback does not own events.
pub async fn get_rating(
    store: &dyn FeedbackStore,
    tenant: &TenantId,
    event: &EventId,
) -> Result<Rating, FeedbackError> {
    Ok(store.score_sums(tenant, event).await?.rating())
}
