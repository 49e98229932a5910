//! Returns one invitation.

use redress_core::id::{InvitationId, TenantId};

use super::FeedbackError;
use crate::domain::invitation::Invitation;
use crate::store::FeedbackStore;

/// The invitation `id` of `tenant`; another tenant's is not found, like a missing one.
pub async fn get_invitation(
    store: &dyn FeedbackStore,
    tenant: &TenantId,
    id: &InvitationId,
) -> Result<Invitation, FeedbackError> {
    store.invitation(tenant, id).await?.ok_or_else(|| FeedbackError::NotFound(id.clone()))
}
