//! What people decide about a refund: approve, reject, take back, try again, record an outcome.
//!
//! Invariant: decided on rows that the transaction holds. A decision never sends money: at most it
//! arms an attempt that a worker sends. Money that is given up leaves `reserved` with a VOID, money
//! that a person has paid with a POST, each once.

use redress_core::clock::Timestamp;
use redress_core::id::{AttemptId, IdSource, PaymentId};

use super::attempt::{Attempt, AttemptEvent, AttemptState, Reason};
use super::audit::AuditAction;
use super::ledger::{Posting, PostingKind, Subject};
use super::order::{Order, Payment};
use super::refund::{Refund, RefundEvent, RefundState};
use super::reserve::{LineChange, Shortage};
use super::settle::{CounterChange, Settlement, further_attempt};

/// What somebody wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Agree to it.
    Approve,
    /// Do not agree to it.
    Reject,
    /// Take it back, or give up what is left of it.
    Cancel,
    /// Try failed tenders again.
    Retry,
    /// Record the outcome of an attempt.
    Resolve {
        /// The attempt.
        attempt: AttemptId,
        /// What is known now.
        outcome: Outcome,
    },
}

/// What a person has found out about an attempt, or done for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The buyer has been paid.
    Paid {
        /// The provider's id of the refund, or the reference of a transfer; may be empty.
        reference: String,
    },
    /// The buyer has not been paid, and will not be by this attempt.
    NotPaid,
}

impl Action {
    /// What it is in the table of states.
    pub const fn event(&self) -> RefundEvent {
        match self {
            Self::Approve => RefundEvent::Approve,
            Self::Reject => RefundEvent::Reject,
            Self::Cancel => RefundEvent::Cancel,
            Self::Retry => RefundEvent::Retry,
            Self::Resolve { .. } => RefundEvent::Resolve,
        }
    }

    /// What the audit log calls it.
    pub const fn audit_action(&self) -> AuditAction {
        match self {
            Self::Approve => AuditAction::REFUND_APPROVED,
            Self::Reject => AuditAction::REFUND_REJECTED,
            Self::Cancel => AuditAction::REFUND_CANCELLED,
            Self::Retry => AuditAction::REFUND_RETRIED,
            Self::Resolve { .. } => AuditAction::ATTEMPT_RESOLVED,
        }
    }
}

/// Why an action is refused; nothing changes then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    /// The refund's state does not allow it.
    #[error("it is {}", .0.as_str())]
    State(RefundState),
    /// The requester may not be the second person.
    #[error("it was asked for by the same person, somebody else has to decide")]
    OwnRefund,
    /// The outcome of an attempt is not known: it may have paid.
    #[error("attempt {attempt} is {}, and may have paid", state.as_str())]
    Unresolved {
        /// The attempt.
        attempt: AttemptId,
        /// Where it stands.
        state: AttemptState,
    },
    /// The refund has no such attempt.
    #[error("it has no attempt {0}")]
    NoSuchAttempt(AttemptId),
    /// A person can say nothing about an attempt in this state.
    #[error("attempt {attempt} is {}", state.as_str())]
    NotResolvable {
        /// The attempt.
        attempt: AttemptId,
        /// Where it stands.
        state: AttemptState,
    },
    /// No tender has failed in a way that another attempt could change.
    #[error("no tender of it can be tried again")]
    NothingToRetry,
    /// The payment no longer holds the money for another attempt.
    #[error(transparent)]
    Short(#[from] Shortage),
}

/// Applies `action` of `actor` to `refund` and recomputes its state. `order` is its order as the
/// transaction holds it. On an error nothing has changed.
pub fn act(
    refund: &mut Refund,
    order: &Order,
    action: &Action,
    actor: &str,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<Settlement, ActError> {
    let next = refund.state.next(action.event()).ok_or(ActError::State(refund.state))?;
    let mut changed = refund.clone();
    changed.state = next;
    let mut settlement = match action {
        Action::Approve | Action::Reject if actor == refund.requester => {
            return Err(ActError::OwnRefund);
        }
        Action::Approve => move_all(&mut changed, AttemptEvent::Release),
        Action::Reject => take_back(&mut changed),
        Action::Cancel => cancel(&mut changed)?,
        Action::Retry => retry(&mut changed, order, ids, now)?,
        Action::Resolve { attempt, outcome } => resolve(&mut changed, attempt, outcome)?,
    };
    if matches!(action, Action::Approve | Action::Reject) {
        changed.approver = Some(actor.to_owned());
    }
    for (attempt, _) in &mut settlement.changed {
        attempt.claim.clear();
        attempt.updated = now;
        if attempt.state == AttemptState::Armed {
            attempt.due = now;
        }
    }
    for (attempt, _) in &settlement.changed {
        if let Some(own) = changed.attempts.iter_mut().find(|own| own.id == attempt.id) {
            own.clone_from(attempt);
        }
    }
    changed.attempts.extend(settlement.added.iter().cloned());
    changed.derive_state();
    changed.version += 1;
    changed.updated = now;
    *refund = changed;
    Ok(settlement)
}

/// Moves every attempt that knows `event`.
fn move_all(refund: &mut Refund, event: AttemptEvent) -> Settlement {
    let mut settlement = Settlement::default();
    for attempt in &refund.attempts {
        if let Some(state) = attempt.state.next(event) {
            push(&mut settlement, Attempt { state, ..attempt.clone() });
        }
    }
    settlement
}

/// Adds an attempt with what its state does to the money.
fn push(settlement: &mut Settlement, attempt: Attempt) {
    let (change, kind) = match attempt.state {
        AttemptState::Succeeded => {
            let paid = CounterChange { reserved: -attempt.amount, refunded: attempt.amount };
            (paid, Some(PostingKind::Post))
        }
        AttemptState::Failed | AttemptState::Cancelled => {
            let freed = CounterChange { reserved: -attempt.amount, refunded: 0 };
            (freed, Some(PostingKind::Void))
        }
        _ => (CounterChange::default(), None),
    };
    settlement.postings.extend(kind.map(|kind| Posting::new(kind, Subject::of(&attempt))));
    settlement.changed.push((attempt, change));
}

/// Nothing of the refund will be sent: money and lines are free again.
fn take_back(refund: &mut Refund) -> Settlement {
    let mut settlement = move_all(refund, AttemptEvent::Withdraw);
    settlement.lines = LineChange::release(refund, refund.requested);
    settlement.frees_buyer = true;
    settlement
}

/// What was never sent is taken back; of what was tried, the part that was not paid is given up.
fn cancel(refund: &mut Refund) -> Result<Settlement, ActError> {
    if refund.state == RefundState::Cancelled {
        return Ok(take_back(refund));
    }
    if let Some(open) = refund.attempts.iter().find(|attempt| attempt.state.is_under_way()) {
        return Err(ActError::Unresolved { attempt: open.id.clone(), state: open.state });
    }
    let mut settlement = move_all(refund, AttemptEvent::Withdraw);
    settlement.lines = LineChange::release(refund, refund.requested - refund.issued);
    settlement.frees_buyer = refund.issued == 0;
    Ok(settlement)
}

/// A further attempt on each tender that failed in a way that can change.
fn retry(
    refund: &mut Refund,
    order: &Order,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Result<Settlement, ActError> {
    let retryable = |attempt: &&Attempt| {
        let is_retryable = attempt.reason.is_some_and(Reason::is_retryable);
        attempt.state == AttemptState::Failed && is_retryable
    };
    let failed: Vec<&Attempt> = refund.latest_attempts().filter(retryable).collect();
    if failed.is_empty() {
        return Err(ActError::NothingToRetry);
    }
    let mut settlement = Settlement::default();
    for attempt in failed {
        let stored = order.payments.iter().find(|payment| payment.id == attempt.payment);
        let refundable = stored.map_or(0, Payment::refundable);
        if refundable < attempt.amount {
            let (payment, wanted): (PaymentId, i64) = (attempt.payment.clone(), attempt.amount);
            return Err(Shortage::Payment { payment, refundable, wanted }.into());
        }
        let next = further_attempt(attempt, ids, now);
        let reserved = CounterChange { reserved: next.amount, refunded: 0 };
        settlement.postings.push(Posting::new(PostingKind::Reserve, Subject::of(&next)));
        settlement.reserved.push((next.payment.clone(), reserved));
        settlement.added.push(next);
    }
    Ok(settlement)
}

/// A person's word about an attempt that nobody else can tell about.
fn resolve(refund: &mut Refund, id: &AttemptId, outcome: &Outcome) -> Result<Settlement, ActError> {
    let found = refund.attempts.iter().find(|attempt| attempt.id == *id);
    let attempt = found.ok_or_else(|| ActError::NoSuchAttempt(id.clone()))?;
    let event = match outcome {
        Outcome::Paid { .. } => AttemptEvent::ConfirmPaid,
        Outcome::NotPaid => AttemptEvent::ConfirmNotPaid,
    };
    let refused = || ActError::NotResolvable { attempt: id.clone(), state: attempt.state };
    let by_hand = attempt.state == AttemptState::Manual;
    let mut resolved =
        Attempt { state: attempt.state.next(event).ok_or_else(refused)?, ..attempt.clone() };
    match outcome {
        Outcome::Paid { reference } => {
            resolved.reason = None;
            resolved.provider_refund.clone_from(reference);
        }
        // A tender that Redress cannot send on still cannot be sent on.
        Outcome::NotPaid if by_hand => {}
        Outcome::NotPaid => resolved.reason = Some(Reason::ConfirmedNotPaid),
    }
    let mut settlement = Settlement::default();
    if by_hand && resolved.state == AttemptState::Succeeded {
        let paid = CounterChange { reserved: -resolved.amount, refunded: resolved.amount };
        settlement.postings.push(Posting::paid_by_hand(Subject::of(&resolved)));
        settlement.changed.push((resolved, paid));
    } else {
        push(&mut settlement, resolved);
    }
    Ok(settlement)
}

#[cfg(test)]
mod tests;
