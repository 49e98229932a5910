//! Why a use case did not do what it was asked.
//!
//! Invariant: closed. Each variant says what stands in the way and what would help; none carries
//! personal data.

use redress_api::ApiError;
use redress_api::ports::PortError;
use redress_core::clock::Timestamp;
use redress_core::id::{DisruptionId, OrderId, PolicyId, QuoteId, RefundId, TenantId};
use redress_core::money::Money;
use redress_policy::PolicyProblem;
use redress_store::StoreError;

use crate::domain::act::ActError;
use crate::domain::disruption::{DisruptionEvent, DisruptionState, Problem, Remedy};
use crate::domain::quote::QuoteError;
use crate::domain::reserve::Shortage;

/// Why a use case did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RefundError {
    /// There is no such resource, or it is another tenant's.
    #[error("{name} not found")]
    NotFound {
        /// Resource name.
        name: String,
    },
    /// The rules of a policy contradict each other, or cannot be read.
    #[error("the policy is wrong in {} places", .0.len())]
    BadPolicy(Vec<PolicyProblem>),
    /// The tenant's settings hold the policy to laws that this version does not promise.
    #[error(
        "the tenant's settings hold {} to {}: list that in at_least, or change the settings first",
        policy.resource_name(), laws.join(", ")
    )]
    LawNotPromised {
        /// The policy.
        policy: PolicyId,
        /// Ids of the laws that are missing; never empty.
        laws: Vec<String>,
    },
    /// The tenant's settings were never applied, and the order names no policy of its own.
    #[error(
        "{} names no default policy yet: apply the tenant's settings first",
        .0.resource_name()
    )]
    TenantNotApplied(TenantId),
    /// The policy was not in force when the order was bought.
    #[error("no version of {} was in force when the order was bought", policy.resource_name())]
    NoPolicyInForce {
        /// The order's policy, or the one that the tenant's settings choose for it.
        policy: PolicyId,
        /// When the order was bought.
        purchased: Timestamp,
    },
    /// Nothing can be quoted.
    #[error("{}: {cause}", order.resource_name())]
    NotQuotable {
        /// The order.
        order: OrderId,
        /// Why.
        cause: QuoteError,
    },
    /// The quote was for nothing: its fee takes the whole price.
    #[error("{} pays nothing, so there is nothing to refund", .0.resource_name())]
    NothingQuoted(QuoteId),
    /// The quote can no longer be accepted.
    #[error("{} has expired: ask for a new quote", quote.resource_name())]
    QuoteExpired {
        /// The quote.
        quote: QuoteId,
        /// When it expired.
        expired: Timestamp,
    },
    /// The quote was accepted before, by another request.
    #[error("{} was accepted before: ask for a new quote", .0.resource_name())]
    QuoteUsed(QuoteId),
    /// The ticket may still open the gate.
    #[error("the entitlement is not void: void it, then set entitlement_voided")]
    EntitlementNotVoided,
    /// Money or lines that the refund needs are no longer there.
    #[error("{cause}: ask for a new quote")]
    OverRefund {
        /// What is missing.
        cause: Shortage,
    },
    /// The order's payments hold something else than the caller believes.
    #[error("{} has {refundable} left to refund, which is not what was expected", order.resource_name())]
    RefundableChanged {
        /// The order.
        order: OrderId,
        /// What its payments hold.
        refundable: Money,
    },
    /// The buyer has used up what the policy gives each buyer once.
    #[error("the buyer of {} has withdrawn from this event before", .0.resource_name())]
    BuyerLimit(OrderId),
    /// The refund, or an attempt of it, is not in a state that allows what is asked for.
    #[error("{}: {cause}", refund.resource_name())]
    NotAllowed {
        /// The refund.
        refund: RefundId,
        /// Why not.
        cause: ActError,
    },
    /// What a disruption should be contradicts itself.
    #[error("the disruption is wrong in {} places", .0.len())]
    BadDisruption(Vec<Problem>),
    /// The scope has an open disruption.
    #[error(
        "{} is open for this scope: go on with it, or abort it before you open another one",
        .0.resource_name()
    )]
    DisruptionExists(DisruptionId),
    /// Another number of orders was agreed to.
    #[error("{expected} orders were agreed to, there are {found} now: look at the preview again")]
    TotalsChanged {
        /// What the caller expects.
        expected: i64,
        /// What is there.
        found: i64,
    },
    /// Another sum was agreed to.
    #[error("{expected} was agreed to, it is {found} now: look at the preview again")]
    SumChanged {
        /// What the caller expects.
        expected: Money,
        /// What is there.
        found: Money,
    },
    /// The sum is above what its requester may release alone.
    #[error(
        "{sum} is above what whoever opened {} may release alone: somebody else has to approve it",
        disruption.resource_name()
    )]
    OwnDisruption {
        /// The disruption.
        disruption: DisruptionId,
        /// The sum that is above.
        sum: Money,
    },
    /// The disruption's state does not allow the step.
    #[error(
        "{} is {}, it cannot be {}",
        disruption.resource_name(), state.as_str(), event.participle()
    )]
    DisruptionState {
        /// The disruption.
        disruption: DisruptionId,
        /// Where it stands.
        state: DisruptionState,
        /// What was asked for.
        event: DisruptionEvent,
    },
    /// Nothing of it has failed in a way that can change.
    #[error("{}", nothing_to_retry(disruption, order.as_ref()))]
    NothingToRetry {
        /// The disruption.
        disruption: DisruptionId,
        /// The order that was named and cannot be tried again.
        order: Option<OrderId>,
    },
    /// The remedy is not among those offered.
    #[error("{} does not offer {}", disruption.resource_name(), remedy.as_str())]
    NotOffered {
        /// The disruption.
        disruption: DisruptionId,
        /// What was chosen.
        remedy: Remedy,
    },
    /// There is nothing to choose for the order any more.
    #[error(
        "{} has nothing to choose in {}: it was offered nothing, the time is up, or its choice was \
         carried out",
        order.resource_name(), disruption.resource_name()
    )]
    ChoiceClosed {
        /// The disruption.
        disruption: DisruptionId,
        /// The order.
        order: OrderId,
    },
    /// Another call changed the resource at the same moment.
    #[error("{name} was changed at the same time")]
    Conflict {
        /// Resource name.
        name: String,
    },
    /// A stale etag, or a request id that was used for something else.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The tenants' settings cannot be read.
    #[error(transparent)]
    Tenants(#[from] PortError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RefundError {
    /// The named resource does not exist for this tenant.
    pub fn not_found(name: impl Into<String>) -> Self {
        Self::NotFound { name: name.into() }
    }
}

fn nothing_to_retry(disruption: &DisruptionId, order: Option<&OrderId>) -> String {
    let name = disruption.resource_name();
    match order {
        None => format!("nothing of {name} has failed in a way that can change"),
        Some(order) => {
            format!("{} has not failed in {name} in a way that can change", order.resource_name())
        }
    }
}
