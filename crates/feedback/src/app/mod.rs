//! The use cases of this service: load, decide, commit.
//!
//! Invariant: one public async function a file; no wire types and no SQL. Each one reaches only the
//! rows of the tenant it is given.

mod get_invitation;
mod get_rating;
mod list_invitations;
mod record_response;

pub use get_invitation::get_invitation;
pub use get_rating::get_rating;
pub use list_invitations::{InvitationPage, list_invitations};
pub use record_response::{Outcome, RecordResponse, record_response};

use redress_api::ApiError;
use redress_core::id::InvitationId;
use redress_store::StoreError;

use crate::domain::invitation::CannotAnswer;

/// Why a use case did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum FeedbackError {
    /// There is no such invitation, or it is another tenant's.
    #[error("{} not found", .0.resource_name())]
    NotFound(InvitationId),
    /// The invitation takes no answer.
    #[error("{} cannot be answered", id.resource_name())]
    CannotAnswer {
        /// The invitation.
        id: InvitationId,
        /// Why not.
        #[source]
        reason: CannotAnswer,
    },
    /// Another call changed the invitation at the same moment.
    #[error("{} was changed at the same time", .0.resource_name())]
    Conflict(InvitationId),
    /// A request id that was used for something else.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
