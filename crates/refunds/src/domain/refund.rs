//! Refunds: money going back for lines of one order, on one or several tenders.
//!
//! Invariant: a refund's state follows from its attempts and nothing else; what it has issued is
//! the sum of its succeeded attempts.

use redress_core::clock::Timestamp;
use redress_core::id::{
    AttemptId, CustomerId, DisruptionId, EventId, IdSource, OrderId, RefundId, TenantId,
};
use redress_core::money::Currency;

use super::attempt::{Attempt, AttemptState, Reason};
use super::quote::{Price, QuoteLine};

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefundState {
    /// Accepted; no attempt has been sent.
    Queued,
    /// An attempt is with a provider, or its outcome is not known yet.
    Processing,
    /// Every attempt succeeded.
    Succeeded,
    /// At rest, and a person must decide something.
    Attention,
}

impl RefundState {
    /// Every state, for tables.
    pub const ALL: [Self; 4] = [Self::Queued, Self::Processing, Self::Succeeded, Self::Attention];

    /// The name in the database and in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Processing => "PROCESSING",
            Self::Succeeded => "SUCCEEDED",
            Self::Attention => "ATTENTION",
        }
    }

    /// Reads the stored name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether nothing moves any more.
    pub const fn is_at_rest(self) -> bool {
        matches!(self, Self::Succeeded | Self::Attention)
    }
}

/// The cancelled event that a refund belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisruptionRef {
    /// The disruption.
    pub id: DisruptionId,
    /// Its event.
    pub event: EventId,
}

/// A refund with its attempts, as stored. Amounts are minor units of `currency`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// The owner.
    pub tenant: TenantId,
    /// Its id.
    pub id: RefundId,
    /// The order.
    pub order: OrderId,
    /// The buyer.
    pub customer: CustomerId,
    /// The disruption that caused it; `None` when somebody asked for this one refund.
    pub disruption: Option<DisruptionRef>,
    /// Where it stands.
    pub state: RefundState,
    /// The currency of its amounts.
    pub currency: Currency,
    /// What is to be paid.
    pub requested: i64,
    /// What has been paid, as confirmed by providers.
    pub issued: i64,
    /// What it is for.
    pub lines: Vec<QuoteLine>,
    /// Payments by tender, every try of each.
    pub attempts: Vec<Attempt>,
    /// By when the money has to be paid.
    pub legal_deadline: Timestamp,
    /// When the buyer should see the money.
    pub expected_arrival: Option<Timestamp>,
    /// Why a person is needed.
    pub reason: Option<Reason>,
    /// Who asked.
    pub requester: String,
    /// W3C traceparent of the request, so that everything it causes joins its trace.
    pub traceparent: Option<String>,
    /// Rises with every change.
    pub version: i64,
    /// When it was accepted.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
}

/// What a new refund is made of, beside its price.
#[derive(Debug, Clone)]
pub struct RefundTerms {
    /// The owner.
    pub tenant: TenantId,
    /// The order.
    pub order: OrderId,
    /// The buyer.
    pub customer: CustomerId,
    /// The disruption that causes it.
    pub disruption: Option<DisruptionRef>,
    /// By when the money has to be paid.
    pub legal_deadline: Timestamp,
    /// When the buyer should see the money.
    pub expected_arrival: Option<Timestamp>,
    /// Who asked.
    pub requester: String,
    /// W3C traceparent of the request.
    pub traceparent: Option<String>,
}

impl Refund {
    /// A refund that is about to be reserved: one attempt for each tender, armed where Redress can
    /// send it and failed from the start where a person has to pay it.
    pub fn new(terms: RefundTerms, price: &Price, ids: &dyn IdSource, now: Timestamp) -> Self {
        let id = RefundId::fresh(ids);
        let attempts: Vec<Attempt> = price
            .shares
            .iter()
            .map(|share| Attempt {
                tenant: terms.tenant.clone(),
                id: AttemptId::fresh(ids),
                refund: id.clone(),
                order: terms.order.clone(),
                payment: share.payment.clone(),
                ordinal: 1,
                provider: share.provider.clone(),
                payment_reference: share.payment_reference.clone(),
                currency: price.currency,
                amount: share.amount,
                state: if share.connected { AttemptState::Armed } else { AttemptState::Failed },
                reason: (!share.connected).then_some(Reason::NoConnector),
                provider_refund: String::new(),
                claim: String::new(),
                due: now,
                sent: Timestamp::default(),
                absences: 0,
                delays: 0,
                updated: now,
            })
            .collect();
        let mut refund = Self {
            tenant: terms.tenant,
            id,
            order: terms.order,
            customer: terms.customer,
            disruption: terms.disruption,
            state: RefundState::Queued,
            currency: price.currency,
            requested: price.total,
            issued: 0,
            lines: price.lines.clone(),
            attempts,
            legal_deadline: terms.legal_deadline,
            expected_arrival: terms.expected_arrival,
            reason: None,
            requester: terms.requester,
            traceparent: terms.traceparent,
            version: 1,
            created: now,
            updated: now,
        };
        refund.derive_state();
        refund
    }

    /// Recomputes state, issued amount and reason from the attempts.
    pub fn derive_state(&mut self) {
        let succeeded = self.attempts.iter().filter(|a| a.state == AttemptState::Succeeded);
        self.issued = succeeded.map(|attempt| attempt.amount).sum();
        let open: Vec<_> = self.attempts.iter().filter(|a| a.state.is_open()).collect();
        let untouched = |a: &&Attempt| a.state == AttemptState::Armed && a.ordinal == 1;
        let any_sent = self.attempts.iter().any(|a| a.sent != Timestamp::default());
        let failed = self.latest_attempts().find(|a| a.state == AttemptState::Failed);
        let failed_reason = failed.and_then(|attempt| attempt.reason);
        (self.state, self.reason) = if !open.is_empty() {
            let queued = open.iter().all(untouched) && !any_sent;
            (if queued { RefundState::Queued } else { RefundState::Processing }, None)
        } else if self.issued == self.requested {
            (RefundState::Succeeded, None)
        } else {
            (RefundState::Attention, Some(failed_reason.unwrap_or(Reason::OverRefund)))
        };
    }

    /// The newest attempt of each tender.
    pub fn latest_attempts(&self) -> impl Iterator<Item = &Attempt> {
        let newest = |attempt: &&Attempt| {
            let later = |other: &Attempt| {
                other.payment == attempt.payment && other.ordinal > attempt.ordinal
            };
            !self.attempts.iter().any(later)
        };
        self.attempts.iter().filter(newest)
    }
}
