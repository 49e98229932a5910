//! Refunds: money going back for lines of one order, on one or several tenders.
//!
//! Invariant: while a refund is neither waiting for approval nor given up by a person, its state
//! follows from its attempts and nothing else; what it has issued is the sum of its succeeded
//! attempts.

use redress_core::clock::Timestamp;
use redress_core::id::{
    AttemptId, CustomerId, DisruptionId, EventId, IdSource, OrderId, RefundId, TenantId,
};
use redress_core::money::Currency;
use redress_policy::{LegalClock, OverrideCode};

use super::attempt::{Attempt, AttemptState, Reason};
use super::price::{Price, QuoteLine, Repriced};

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefundState {
    /// Accepted; no attempt has been sent.
    Queued,
    /// An attempt is with a provider, or its outcome is not known yet.
    Processing,
    /// Every attempt succeeded.
    Succeeded,
    /// Nothing moves by itself, and a person must decide something.
    Attention,
    /// Reserved; a second person must agree before anything is sent.
    PendingApproval,
    /// Not paid in full, and given up by a person.
    Failed,
    /// The second person did not agree.
    Rejected,
    /// Taken back before anything was sent.
    Cancelled,
}

/// What people can do about a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefundEvent {
    /// A second person agrees.
    Approve,
    /// A second person does not agree.
    Reject,
    /// Somebody takes it back, or gives up what is left of it.
    Cancel,
    /// Somebody wants failed tenders tried again.
    Retry,
    /// A person records the outcome of an attempt.
    Resolve,
}

impl RefundEvent {
    /// Every event, for tables.
    pub const ALL: [Self; 5] =
        [Self::Approve, Self::Reject, Self::Cancel, Self::Retry, Self::Resolve];
}

/// Where a refund comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Somebody asked for it.
    Requested,
    /// A disruption asked for it.
    Disruption,
    /// It was made at the provider, past Redress.
    Provider,
}

impl Origin {
    /// Every origin, for tables.
    pub const ALL: [Self; 3] = [Self::Requested, Self::Disruption, Self::Provider];

    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::Disruption => "DISRUPTION",
            Self::Provider => "PROVIDER",
        }
    }

    /// Reads the stored name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|origin| origin.as_str() == name)
    }
}

impl RefundState {
    /// Every state, for tables.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Processing,
        Self::Succeeded,
        Self::Attention,
        Self::PendingApproval,
        Self::Failed,
        Self::Rejected,
        Self::Cancelled,
    ];

    /// The name in the database and in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Processing => "PROCESSING",
            Self::Succeeded => "SUCCEEDED",
            Self::Attention => "ATTENTION",
            Self::PendingApproval => "PENDING_APPROVAL",
            Self::Failed => "FAILED",
            Self::Rejected => "REJECTED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Reads the stored name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether nothing moves any more by itself.
    pub const fn is_at_rest(self) -> bool {
        !matches!(self, Self::PendingApproval | Self::Queued | Self::Processing)
    }

    /// Whether a person's decision holds the refund in this state, whatever its attempts say.
    const fn is_decided(self) -> bool {
        matches!(self, Self::PendingApproval | Self::Failed | Self::Rejected | Self::Cancelled)
    }

    /// The state after `event`, where the attempts do not say more; `None` when people cannot do
    /// that in this state.
    pub const fn next(self, event: RefundEvent) -> Option<Self> {
        match (self, event) {
            (Self::PendingApproval, RefundEvent::Approve) => Some(Self::Queued),
            (Self::PendingApproval, RefundEvent::Reject) => Some(Self::Rejected),
            (Self::PendingApproval | Self::Queued, RefundEvent::Cancel) => Some(Self::Cancelled),
            (Self::Attention, RefundEvent::Cancel) => Some(Self::Failed),
            (Self::Attention, RefundEvent::Retry) => Some(Self::Processing),
            (Self::Processing | Self::Attention, RefundEvent::Resolve) => Some(Self::Attention),
            _ => None,
        }
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
    /// Where it comes from.
    pub origin: Origin,
    /// Where it stands.
    pub state: RefundState,
    /// The currency of its amounts.
    pub currency: Currency,
    /// What is to be paid.
    pub requested: i64,
    /// What has been paid, as confirmed by providers.
    pub issued: i64,
    /// What it is for; empty when it was made at the provider.
    pub lines: Vec<QuoteLine>,
    /// What it made dearer of the lines that the buyer keeps.
    pub repriced: Vec<Repriced>,
    /// Why the tiers did not apply.
    pub override_code: Option<OverrideCode>,
    /// Payments by tender, every try of each.
    pub attempts: Vec<Attempt>,
    /// By when the law wants the money to be paid.
    pub legal_clock: LegalClock,
    /// When the buyer should see the money.
    pub expected_arrival: Option<Timestamp>,
    /// Why a person is needed.
    pub reason: Option<Reason>,
    /// Who asked.
    pub requester: String,
    /// Who approved or rejected it; never the requester.
    pub approver: Option<String>,
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
    /// Why the tiers did not apply.
    pub override_code: Option<OverrideCode>,
    /// Whether a second person must agree before anything is sent.
    pub needs_approval: bool,
    /// By when the law wants the money to be paid.
    pub legal_clock: LegalClock,
    /// When the buyer should see the money.
    pub expected_arrival: Option<Timestamp>,
    /// Who asked.
    pub requester: String,
    /// W3C traceparent of the request.
    pub traceparent: Option<String>,
}

impl Refund {
    /// A refund that is about to be reserved, with one attempt for each tender: armed where Redress
    /// can send it, held while a second person has to agree, manual where a person has to pay.
    pub fn new(terms: RefundTerms, price: &Price, ids: &dyn IdSource, now: Timestamp) -> Self {
        let id = RefundId::fresh(ids);
        let sendable = if terms.needs_approval { AttemptState::Held } else { AttemptState::Armed };
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
                state: if share.by_hand.is_some() { AttemptState::Manual } else { sendable },
                reason: share.by_hand,
                provider_refund: String::new(),
                claim: String::new(),
                due: now,
                sent: Timestamp::default(),
                absences: 0,
                delays: 0,
                updated: now,
            })
            .collect();
        let state =
            if terms.needs_approval { RefundState::PendingApproval } else { RefundState::Queued };
        let origin = match terms.disruption {
            Some(_) => Origin::Disruption,
            None => Origin::Requested,
        };
        let mut refund = Self {
            tenant: terms.tenant,
            id,
            order: terms.order,
            customer: terms.customer,
            disruption: terms.disruption,
            origin,
            state,
            currency: price.currency,
            requested: price.total,
            issued: 0,
            lines: price.lines.iter().map(QuoteLine::without_path).collect(),
            repriced: price.repriced.clone(),
            override_code: terms.override_code,
            attempts,
            legal_clock: terms.legal_clock,
            expected_arrival: terms.expected_arrival,
            reason: None,
            requester: terms.requester,
            approver: None,
            traceparent: terms.traceparent,
            version: 1,
            created: now,
            updated: now,
        };
        refund.derive_state();
        refund
    }

    /// Recomputes the issued amount from the attempts, and state and reason where no person's
    /// decision holds them.
    pub fn derive_state(&mut self) {
        let succeeded = self.attempts.iter().filter(|a| a.state == AttemptState::Succeeded);
        self.issued = succeeded.map(|attempt| attempt.amount).sum();
        (self.state, self.reason) = match self.state {
            decided if decided.is_decided() => (decided, None),
            _ => self.derived(),
        };
    }

    fn derived(&self) -> (RefundState, Option<Reason>) {
        // An attempt whose outcome stays unclear is still looked up, but a person is needed now.
        let asks =
            |a: &&Attempt| a.state.is_under_way() && a.reason == Some(Reason::OutcomeUnknown);
        if let Some(unclear) = self.attempts.iter().find(asks) {
            return (RefundState::Attention, unclear.reason);
        }
        let armed = |a: &Attempt| a.state == AttemptState::Armed;
        if self.attempts.iter().any(|a| armed(a) || a.state.is_under_way()) {
            // What was never handed to a provider can still be taken back.
            let untouched = |a: &Attempt| {
                let at_rest = matches!(a.state, AttemptState::Manual | AttemptState::Cancelled);
                a.ordinal == 1 && a.sent == Timestamp::default() && (armed(a) || at_rest)
            };
            let queued = self.attempts.iter().all(untouched);
            return (if queued { RefundState::Queued } else { RefundState::Processing }, None);
        }
        if self.issued == self.requested {
            return (RefundState::Succeeded, None);
        }
        let waits = |a: &&Attempt| matches!(a.state, AttemptState::Failed | AttemptState::Manual);
        let reason = self.latest_attempts().find(waits).and_then(|attempt| attempt.reason);
        (RefundState::Attention, Some(reason.unwrap_or(Reason::OverRefund)))
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

#[cfg(test)]
pub(crate) mod tests {
    use super::super::deadline::stopped_clock;
    use super::super::order::tests::{order, payment};
    use super::super::order::{Order, Tender};
    use super::super::price::tests::{price_cancelled_lines, routes};
    use super::*;
    use redress_core::id::RandomIds;

    pub(crate) const NOW: Timestamp = Timestamp(5);

    /// A refund of everything on an order that was paid by card and gift card.
    pub(crate) fn refund_of(order: &Order, needs_approval: bool) -> Refund {
        let event = &order.lines[0].event;
        let price = price_cancelled_lines(order, event, &routes(), NOW).unwrap();
        let terms = RefundTerms {
            tenant: TenantId::new("arena").unwrap(),
            order: order.id.clone(),
            customer: order.customer.clone(),
            disruption: None,
            override_code: None,
            needs_approval,
            legal_clock: stopped_clock(NOW),
            expected_arrival: None,
            requester: "agent-1".to_owned(),
            traceparent: None,
        };
        Refund::new(terms, &price, &RandomIds, NOW)
    }

    pub(crate) fn mixed_order() -> Order {
        let payments = vec![
            payment("p1", "stripe", Tender::Card, 5000),
            payment("p2", "giftcard", Tender::GiftCard, 390),
        ];
        Order { payments, ..order() }
    }

    /// Rows are states, columns events; `-` refuses.
    const TABLE: &str = "
        state            Approve Reject   Cancel    Retry      Resolve
        QUEUED           -       -        CANCELLED -          -
        PROCESSING       -       -        -         -          ATTENTION
        SUCCEEDED        -       -        -         -          -
        ATTENTION        -       -        FAILED    PROCESSING ATTENTION
        PENDING_APPROVAL QUEUED  REJECTED CANCELLED -          -
        FAILED           -       -        -         -          -
        REJECTED         -       -        -         -          -
        CANCELLED        -       -        -         -          -
    ";

    #[test]
    fn every_cell_of_the_transition_table() {
        let rows: Vec<Vec<&str>> = TABLE
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|row| !row.is_empty())
            .collect();
        let (head, rows) = rows.split_first().unwrap();
        let events: Vec<String> = RefundEvent::ALL.iter().map(|e| format!("{e:?}")).collect();
        assert_eq!(head[1..], events);
        assert_eq!(rows.len(), RefundState::ALL.len());
        for (row, state) in rows.iter().zip(RefundState::ALL) {
            assert_eq!(row[0], state.as_str());
            for (cell, event) in row[1..].iter().zip(RefundEvent::ALL) {
                let next = state.next(event).map_or("-", RefundState::as_str);
                assert_eq!(next, *cell, "{state:?} x {event:?}");
            }
        }
    }

    #[test]
    fn states_follow_from_attempts() {
        use AttemptState::{Accepted, Armed, Cancelled, Failed, Manual, Sent, Succeeded, Unknown};
        let refund = refund_of(&mixed_order(), false);
        assert_eq!(refund.attempts.len(), 2);
        for (card, gift, state) in [
            (Armed, Manual, RefundState::Queued),
            (Sent, Manual, RefundState::Processing),
            (Accepted, Succeeded, RefundState::Processing),
            (Unknown, Failed, RefundState::Processing),
            (Succeeded, Manual, RefundState::Attention),
            (Succeeded, Failed, RefundState::Attention),
            (Failed, Succeeded, RefundState::Attention),
            (Succeeded, Cancelled, RefundState::Attention),
            (Succeeded, Succeeded, RefundState::Succeeded),
        ] {
            let mut moved = refund.clone();
            moved.attempts[0].state = card;
            moved.attempts[1].state = gift;
            moved.derive_state();
            assert_eq!(moved.state, state, "{card:?} and {gift:?}");
            assert_eq!(moved.reason.is_some(), state == RefundState::Attention);
        }
    }

    #[test]
    fn an_unclear_outcome_asks_for_a_person_while_it_is_open() {
        let mut refund = refund_of(&order(), false);
        refund.attempts[0].state = AttemptState::Unknown;
        refund.attempts[0].sent = NOW;
        refund.attempts[0].reason = Some(Reason::OutcomeUnknown);
        refund.derive_state();
        assert_eq!(
            (refund.state, refund.reason),
            (RefundState::Attention, Some(Reason::OutcomeUnknown))
        );
    }

    #[test]
    fn what_was_sent_once_is_not_queued_again() {
        let mut refund = refund_of(&order(), false);
        refund.attempts[0].sent = NOW;
        refund.derive_state();
        assert_eq!(refund.state, RefundState::Processing);
    }

    #[test]
    fn a_decision_holds_whatever_the_attempts_say() {
        for state in RefundState::ALL.into_iter().filter(|state| state.is_decided()) {
            let mut refund = refund_of(&order(), true);
            refund.state = state;
            refund.derive_state();
            assert_eq!((refund.state, refund.reason), (state, None));
        }
    }

    #[test]
    fn of_each_tender_the_newest_attempt_counts() {
        let mut refund = refund_of(&mixed_order(), false);
        let again = Attempt { ordinal: 2, ..refund.attempts[0].clone() };
        refund.attempts.push(again);
        let newest: Vec<_> =
            refund.latest_attempts().map(|a| (a.payment.clone(), a.ordinal)).collect();
        let (card, other) = (&refund.attempts[0].payment, &refund.attempts[1].payment);
        assert_eq!(newest, [(other.clone(), 1), (card.clone(), 2)]);
    }

    #[test]
    fn a_refund_is_at_rest_when_nothing_moves_by_itself() {
        let moves = [RefundState::PendingApproval, RefundState::Queued, RefundState::Processing];
        for state in RefundState::ALL {
            assert_eq!(state.is_at_rest(), !moves.contains(&state), "{state:?}");
        }
    }

    #[test]
    fn stored_names_read_back() {
        for state in RefundState::ALL {
            assert_eq!(RefundState::parse(state.as_str()), Some(state));
        }
        for origin in Origin::ALL {
            assert_eq!(Origin::parse(origin.as_str()), Some(origin));
        }
    }
}
