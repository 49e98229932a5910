//! Lists invitations, oldest first.

use redress_api::page::Page;
use redress_api::{ApiError, FieldViolation};
use redress_core::id::{InvitationId, TenantId};

use super::FeedbackError;
use crate::domain::invitation::{Invitation, InvitationFilter};
use crate::store::FeedbackStore;

/// One page of invitations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationPage {
    /// The invitations, by name.
    pub invitations: Vec<Invitation>,
    /// Asks for the next page; empty on the last one.
    pub next_page_token: String,
    /// How many match in all; only on the first page.
    pub total_size: Option<i64>,
}

/// The page of `tenant`'s invitations that `page` asks for.
pub async fn list_invitations(
    store: &dyn FeedbackStore,
    tenant: &TenantId,
    filter: &InvitationFilter,
    page: &Page,
) -> Result<InvitationPage, FeedbackError> {
    let after = after(page)?;
    let total_size = match after {
        None => Some(store.count_invitations(tenant, filter).await?),
        Some(_) => None,
    };
    let mut invitations =
        store.list_invitations(tenant, filter, after.as_ref(), page.fetch_limit()).await?;
    let next_page_token =
        page.finish(&mut invitations, |invitation| vec![invitation.id.as_str().to_owned()]);
    Ok(InvitationPage { invitations, next_page_token, total_size })
}

/// The last invitation before the page; a token that was tampered with may name none.
fn after(page: &Page) -> Result<Option<InvitationId>, ApiError> {
    page.after_key().map(InvitationId::new).transpose().map_err(|_| ApiError::InvalidArgument {
        reason: "INVALID_PAGE_TOKEN",
        violations: vec![FieldViolation::new("page_token", "start with an empty token")],
    })
}
