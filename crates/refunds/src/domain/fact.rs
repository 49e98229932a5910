//! Facts that refunds announces: what became true, for the services that act on it.
//!
//! Invariant: a fact carries ids, amounts and states, never contact data.

use redress_core::id::{CustomerId, DisruptionId, EventId, OrderId, PaymentId, RefundId, TenantId};
use redress_core::money::Money;

use super::deadline::RefundDeadline;
use super::disruption::{Change, Disruption, DisruptionState, Due, ItemPlan, ItemState, Remedy};
use super::refund::{DisruptionRef, Origin, Refund, RefundState};

/// One fact with the trace of the work that caused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Whose fact it is.
    pub tenant: TenantId,
    /// W3C traceparent of the work that caused it.
    pub traceparent: Option<String>,
    /// What became true.
    pub kind: FactKind,
}

/// What became true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactKind {
    /// A refund was accepted, somebody decided about it, it has come to rest, or it is under way
    /// again after it needed a person.
    RefundStateChanged {
        /// The refund.
        refund: RefundId,
        /// Its order.
        order: OrderId,
        /// The buyer.
        customer: CustomerId,
        /// The disruption behind it.
        disruption: Option<DisruptionId>,
        /// Where it comes from.
        origin: Origin,
        /// The new state.
        state: RefundState,
        /// The amounts.
        amounts: Amounts,
        /// Why a person is needed.
        needs: Needs,
    },
    /// A disruption moved on.
    DisruptionStateChanged {
        /// The disruption.
        disruption: DisruptionId,
        /// What it is about; `None` when its scope names no event.
        event: Option<EventId>,
        /// The new state.
        state: DisruptionState,
    },
    /// A disruption is done with one order, for now.
    DisruptionItemSettled {
        /// The disruption and its event.
        disruption: DisruptionRef,
        /// The order.
        order: OrderId,
        /// The buyer.
        customer: CustomerId,
        /// The refund, when one was made.
        refund: Option<RefundId>,
        /// What happened, by its name in the contract; empty when that is not known.
        change: &'static str,
        /// Succeeded, attention, nothing due or kept.
        outcome: ItemState,
        /// The amounts.
        amounts: Amounts,
        /// Why a person is needed or nothing is due.
        needs: Needs,
    },
    /// The law's clock over an open refund ends soon.
    RefundDeadlineApproaching(RefundDeadline),
    /// The law's clock over an open refund has run out.
    RefundDeadlineMissed(RefundDeadline),
    /// A refund made at the provider past Redress fits several payments; nothing was recorded.
    ProviderRefundAmbiguous {
        /// The first of the orders that it fits.
        order: OrderId,
        /// That order's buyer.
        customer: CustomerId,
        /// The provider.
        provider: String,
        /// The provider's id of the refund.
        provider_refund: String,
        /// What it gave back.
        amount: Money,
    },
    /// An import left a payment with more given back or held than was captured.
    PaymentOverdrawn {
        /// The order.
        order: OrderId,
        /// The buyer.
        customer: CustomerId,
        /// The payment.
        payment: PaymentId,
        /// How much too much; above zero.
        excess: Money,
    },
    /// An import made a line smaller than what refunds have taken up of it.
    LineOverRefunded {
        /// The order.
        order: OrderId,
        /// The buyer.
        customer: CustomerId,
        /// Id of the line.
        line: String,
        /// How much too much; zero when only the line's units are too few.
        excess: Money,
    },
}

/// What was to be paid and what has been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amounts {
    /// What was to be paid.
    pub requested: Money,
    /// What has been paid, as confirmed by providers.
    pub issued: Money,
}

/// Why a person is needed, and for what. Codes are UPPER_SNAKE; empty when not needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// The reason.
    pub reason_code: &'static str,
    /// What to do next.
    pub next_action: &'static str,
}

impl Needs {
    /// A worker could not take an item on: what is stored of it cannot be read or carried out.
    pub const BROKEN_ITEM: Self =
        Self { reason_code: "ITEM_BROKEN", next_action: "REFUND_BY_HAND" };

    /// What the choice of a remedy asks of a person.
    pub const fn of_remedy(remedy: Remedy) -> Self {
        let (reason_code, next_action) = match remedy {
            Remedy::Refund | Remedy::Keep => ("", ""),
            Remedy::Rebook => ("REBOOKING_CHOSEN", "REBOOK"),
            Remedy::Voucher => ("VOUCHER_CHOSEN", "ISSUE_VOUCHER"),
        };
        Self { reason_code, next_action }
    }

    fn of(refund: &Refund) -> Self {
        refund.reason.map_or_else(Self::default, |reason| Self {
            reason_code: reason.code(),
            next_action: reason.next_action(),
        })
    }
}

/// An item that has come to rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtRest {
    /// The order.
    pub order: OrderId,
    /// The buyer.
    pub customer: CustomerId,
    /// The refund, when one was made.
    pub refund: Option<RefundId>,
    /// What happened, by its name in the contract; empty when that is not known.
    pub change: &'static str,
    /// How it ended.
    pub outcome: ItemState,
    /// What was to be paid.
    pub requested: Money,
    /// What has been paid, in minor units.
    pub issued: i64,
    /// Why a person is needed or nothing is due.
    pub needs: Needs,
}

impl Fact {
    /// The state that `refund` has now.
    pub fn refund_state(refund: &Refund) -> Self {
        Self {
            tenant: refund.tenant.clone(),
            traceparent: refund.traceparent.clone(),
            kind: FactKind::RefundStateChanged {
                refund: refund.id.clone(),
                order: refund.order.clone(),
                customer: refund.customer.clone(),
                disruption: refund.disruption.as_ref().map(|disruption| disruption.id.clone()),
                origin: refund.origin,
                state: refund.state,
                amounts: amounts_of(refund),
                needs: Needs::of(refund),
            },
        }
    }

    /// The clock of an open refund ends soon.
    pub const fn deadline_approaching(
        tenant: TenantId,
        traceparent: Option<String>,
        deadline: RefundDeadline,
    ) -> Self {
        Self { tenant, traceparent, kind: FactKind::RefundDeadlineApproaching(deadline) }
    }

    /// The clock of an open refund has run out.
    pub const fn deadline_missed(
        tenant: TenantId,
        traceparent: Option<String>,
        deadline: RefundDeadline,
    ) -> Self {
        Self { tenant, traceparent, kind: FactKind::RefundDeadlineMissed(deadline) }
    }

    /// The payment of `refund` takes `excess` more than was captured.
    pub fn overdrawn(refund: &Refund, payment: PaymentId, excess: Money) -> Self {
        Self {
            tenant: refund.tenant.clone(),
            traceparent: refund.traceparent.clone(),
            kind: FactKind::PaymentOverdrawn {
                order: refund.order.clone(),
                customer: refund.customer.clone(),
                payment,
                excess,
            },
        }
    }

    /// The item behind `refund` has come to rest; `None` when it has not, there is no item, or a
    /// person gave the refund up, which calls for nobody else.
    pub fn item_of(refund: &Refund) -> Option<Self> {
        let disruption = refund.disruption.clone()?;
        let outcome = item_state(refund.state);
        let is_news = matches!(refund.state, RefundState::Succeeded | RefundState::Attention);
        is_news.then(|| Self {
            tenant: refund.tenant.clone(),
            traceparent: refund.traceparent.clone(),
            kind: FactKind::DisruptionItemSettled {
                disruption,
                order: refund.order.clone(),
                customer: refund.customer.clone(),
                refund: Some(refund.id.clone()),
                change: refund.lines.first().map_or("", |line| Change::kind_of_rule(&line.rule)),
                outcome,
                amounts: amounts_of(refund),
                needs: Needs::of(refund),
            },
        })
    }

    /// An item came to rest without a refund: nothing was due, or the money is gone.
    pub fn item_without_refund(
        tenant: &TenantId,
        disruption: &DisruptionRef,
        traceparent: Option<String>,
        change: &'static str,
        plan: &ItemPlan,
    ) -> Self {
        let (outcome, needs) = match &plan.due {
            Due::Nothing(reason) => {
                (ItemState::NothingDue, Needs { reason_code: reason.code(), next_action: "" })
            }
            Due::Pay(_) => {
                let reason = super::attempt::Reason::OverRefund;
                let needs = Needs { reason_code: reason.code(), next_action: reason.next_action() };
                (ItemState::Attention, needs)
            }
        };
        let at_rest = AtRest {
            order: plan.order.clone(),
            customer: plan.customer.clone(),
            refund: None,
            change,
            outcome,
            requested: Money { currency: plan.currency, minor_units: plan.requested() },
            issued: 0,
            needs,
        };
        Self::item_at_rest(tenant, disruption, traceparent, at_rest)
    }

    /// An item came to rest.
    pub fn item_at_rest(
        tenant: &TenantId,
        disruption: &DisruptionRef,
        traceparent: Option<String>,
        item: AtRest,
    ) -> Self {
        let AtRest { order, customer, refund, change, outcome, requested, issued, needs } = item;
        let issued = Money { currency: requested.currency, minor_units: issued };
        Self {
            tenant: tenant.clone(),
            traceparent,
            kind: FactKind::DisruptionItemSettled {
                disruption: disruption.clone(),
                order,
                customer,
                refund,
                change,
                outcome,
                amounts: Amounts { requested, issued },
                needs,
            },
        }
    }

    /// The state that `disruption` has now.
    pub fn disruption_state(disruption: &Disruption) -> Self {
        Self {
            tenant: disruption.tenant.clone(),
            traceparent: disruption.traceparent.clone(),
            kind: FactKind::DisruptionStateChanged {
                disruption: disruption.id.clone(),
                event: disruption.event().cloned(),
                state: disruption.state,
            },
        }
    }
}

/// The state of an item whose refund is in `state`.
pub const fn item_state(state: RefundState) -> ItemState {
    match state {
        RefundState::PendingApproval | RefundState::Queued | RefundState::Processing => {
            ItemState::Processing
        }
        RefundState::Succeeded => ItemState::Succeeded,
        // Given up by a person: what was not paid is still not paid.
        RefundState::Attention
        | RefundState::Failed
        | RefundState::Rejected
        | RefundState::Cancelled => ItemState::Attention,
    }
}

fn amounts_of(refund: &Refund) -> Amounts {
    let money = |minor_units| Money { currency: refund.currency, minor_units };
    Amounts { requested: money(refund.requested), issued: money(refund.issued) }
}
