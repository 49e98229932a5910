//! Seams between crates that must not know each other: a store implements them, a server or a
//! channel uses them, or the other way round.

use std::time::Duration;

use async_trait::async_trait;
use redress_core::event::EventBatch;
use redress_core::id::TenantId;
use redress_core::tenant::Tenant;

use crate::problem::FieldViolation;

/// Where a service keeps its copy of the tenants' settings.
#[async_trait]
pub trait TenantDirectory: Send + Sync {
    /// Stores `tenant` as its next version, or returns the stored one when nothing but the version
    /// differs. The returned tenant carries its version.
    async fn apply(&self, tenant: Tenant) -> Result<Tenant, PortError>;

    /// The tenant's current settings, `None` before they were applied.
    async fn get(&self, id: &TenantId) -> Result<Option<Tenant>, PortError>;

    /// The tenant's settings as they were at most a second ago, for calls that come by the
    /// thousand. What this directory applied itself is seen at once.
    async fn recent(&self, id: &TenantId) -> Result<Option<Tenant>, PortError> {
        self.get(id).await
    }
}

/// What one service asks of a tenant's settings beyond what every service asks.
#[async_trait]
pub trait TenantRules: Send + Sync {
    /// What stands in the way of storing `tenant`, by the fields of its contract, such as
    /// `policies[0].law`; empty when nothing does.
    async fn broken_by(&self, tenant: &Tenant) -> Result<Vec<FieldViolation>, PortError>;
}

/// Takes events out of a service: gRPC today; a message broker can join without touching a
/// service.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// Hands over consecutive events and returns the last position that the receiver holds.
    async fn deliver(&self, batch: &EventBatch) -> Result<i64, SinkError>;
}

/// Why events could not be handed over. The sender keeps its cursor in every case.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The receiver expects an earlier position; the sender rewinds to it.
    #[error("the receiver expects position {expected}")]
    Gap {
        /// The next position that the receiver will take.
        expected: i64,
    },
    /// The receiver asks for time.
    #[error("the receiver is busy")]
    Busy {
        /// How long to wait at least.
        retry_after: Duration,
    },
    /// The receiver cannot be reached or does not answer in time.
    #[error("the receiver is unavailable: {0}")]
    Unavailable(String),
    /// The receiver refuses the batch; retrying alone will not help, a person has to look.
    #[error("the receiver refused the batch: {0}")]
    Refused(String),
}

/// Takes events into a service: decodes them, decides and applies them once.
#[async_trait]
pub trait EventHandler: Send + Sync {
    /// Applies what is new in `batch` and moves the cursor, in one transaction; returns the last
    /// position held. Events at or below the cursor are skipped.
    async fn handle(&self, batch: EventBatch) -> Result<i64, HandleError>;
}

/// Why a batch was not applied.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// The batch starts beyond the next expected position.
    #[error("expected position {expected}")]
    Gap {
        /// The next position that will be taken.
        expected: i64,
    },
    /// The database failed; the batch may be sent again.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// A failure behind a seam. The cause is for logs; a caller of the API never sees it.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The database or a peer is not available now; the same call may succeed later.
    #[error("temporarily unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A defect: retrying does not help.
    #[error("internal failure")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}
