//! The use cases of this service: load, decide, commit.
//!
//! Invariant: one public async function a file; no wire types and no SQL. Each one reaches only the
//! rows of the tenant it is given.

mod get_case;
mod list_cases;
mod resolve_case;

pub use get_case::get_case;
pub use list_cases::{CasePage, list_cases};
pub use resolve_case::{Outcome, ResolveCase, resolve_case};

use redress_api::ApiError;
use redress_core::id::CaseId;
use redress_store::StoreError;

use crate::domain::state::NotOpen;

/// Why a use case did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// There is no such case, or it is another tenant's.
    #[error("{} not found", .0.resource_name())]
    NotFound(CaseId),
    /// The case is closed already.
    #[error("{} cannot be resolved", id.resource_name())]
    NotOpen {
        /// The case.
        id: CaseId,
        /// Where it stands.
        #[source]
        not_open: NotOpen,
    },
    /// Another call changed the case at the same moment.
    #[error("{} was changed at the same time", .0.resource_name())]
    Conflict(CaseId),
    /// A stale etag, or a request id that was used for something else.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
