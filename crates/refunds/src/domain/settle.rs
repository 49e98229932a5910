//! Settlement: what a provider's answer does to an attempt, its payment, the books and the refund.
//!
//! Invariant: money leaves `reserved` exactly once, to `refunded` on success or back to the payment
//! on failure, and each of the two has its posting; a finding by somebody who no longer holds the
//! attempt changes nothing.

use std::time::Duration;

use redress_core::clock::Timestamp;
use redress_core::id::{AttemptId, IdSource, PaymentId, TenantId};

use super::attempt::{Attempt, AttemptEvent, AttemptState, MAX_ATTEMPTS, Reason};
use super::ledger::{Posting, PostingKind, Subject};
use super::refund::Refund;
use super::reserve::LineChange;

/// What was learned about an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Proof that the provider was never reached, or turned the request away unread.
    NotSent {
        /// When it may be sent again.
        retry: Timestamp,
    },
    /// The provider has taken it on, or still has it.
    Accepted {
        /// The provider's id of the refund.
        provider_refund: String,
        /// When to ask again.
        check: Timestamp,
    },
    /// The provider has paid.
    Succeeded {
        /// The provider's id of the refund.
        provider_refund: String,
    },
    /// The provider has not paid and will not.
    Refused {
        /// Why.
        reason: Reason,
        /// The provider's id of the refund; empty when it made none.
        provider_refund: String,
    },
    /// The provider has refused because its balance does not cover it. It would answer the same
    /// under the same key, so that another attempt takes its place.
    OutOfFunds {
        /// When the next attempt may be sent.
        retry: Timestamp,
    },
    /// No answer, or one that proves nothing.
    AnswerLost {
        /// When to look it up.
        check: Timestamp,
    },
    /// A look-up found nothing.
    Absent {
        /// Whether the provider's visibility window had passed since it was sent.
        past_window: bool,
        /// When to ask again.
        check: Timestamp,
    },
    /// A look-up failed; nothing is known that was not known before.
    Inconclusive {
        /// When to ask again.
        check: Timestamp,
        /// Whether the outcome has stayed unclear for so long that a person has to look, too.
        to_person: bool,
    },
}

/// A finding about one attempt, by whoever holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptFinding {
    /// The attempt's owner.
    pub tenant: TenantId,
    /// The attempt.
    pub attempt: AttemptId,
    /// The claim under which it was looked into.
    pub claim: String,
    /// What was learned.
    pub finding: Finding,
}

/// How many look-ups past the visibility window have to miss before absence is proven.
pub const ABSENCES_FOR_PROOF: i32 = 2;

/// A change of a payment's counters, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CounterChange {
    /// Added to `reserved`; may be negative.
    pub reserved: i64,
    /// Added to `refunded`.
    pub refunded: i64,
}

/// What a finding or a decision did to one refund.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settlement {
    /// Attempts as they stand now, and how their payments' counters change.
    pub changed: Vec<(Attempt, CounterChange)>,
    /// Further attempts on tenders of the refund, armed.
    pub added: Vec<Attempt>,
    /// What further attempts reserve beyond what earlier ones gave up to them.
    pub reserved: Vec<(PaymentId, CounterChange)>,
    /// Postings to write.
    pub postings: Vec<Posting>,
    /// Changes of the order's lines.
    pub lines: Vec<LineChange>,
    /// Whether the buyer may use again what a policy gives each buyer once.
    pub frees_buyer: bool,
}

/// Applies a finding to an attempt of `refund` and recomputes the refund's state. Returns `None`
/// when the attempt is not held under the finding's claim any more or the finding does not fit
/// its state: then nothing changes.
pub fn settle(
    refund: &mut Refund,
    found: &AttemptFinding,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Option<Settlement> {
    let is_it = |attempt: &Attempt| attempt.id == found.attempt && attempt.tenant == found.tenant;
    let at = refund.attempts.iter().position(is_it)?;
    if refund.attempts[at].claim != found.claim {
        return None;
    }
    let mut attempt = refund.attempts[at].clone();
    apply(&mut attempt, &found.finding)?;
    attempt.claim.clear();
    attempt.updated = now;

    let mut settlement = Settlement::default();
    let mut change = CounterChange::default();
    match attempt.state {
        AttemptState::Succeeded => {
            change = CounterChange { reserved: -attempt.amount, refunded: attempt.amount };
            settlement.postings.push(Posting::new(PostingKind::Post, Subject::of(&attempt)));
        }
        AttemptState::Failed => {
            change = CounterChange { reserved: -attempt.amount, refunded: 0 };
            settlement.postings.push(Posting::new(PostingKind::Void, Subject::of(&attempt)));
            let due = match found.finding {
                Finding::OutOfFunds { retry } => Some(retry),
                _ => (attempt.reason == Some(Reason::NotExecuted)).then_some(now),
            };
            if let Some(due) = due.filter(|_| attempt.ordinal < MAX_ATTEMPTS) {
                let next = Attempt { due, ..further_attempt(&attempt, ids, now) };
                // The next attempt takes over the reservation that this one gives up.
                change.reserved = 0;
                settlement.postings.push(Posting::new(PostingKind::Reserve, Subject::of(&next)));
                settlement.added.push(next);
            }
        }
        _ => {}
    }
    refund.attempts[at] = attempt.clone();
    refund.attempts.extend(settlement.added.iter().cloned());
    settlement.changed.push((attempt, change));
    refund.derive_state();
    refund.version += 1;
    refund.updated = now;
    Some(settlement)
}

/// Moves the attempt; `None` when the finding does not fit its state.
fn apply(attempt: &mut Attempt, finding: &Finding) -> Option<()> {
    let state = attempt.state;
    match finding {
        Finding::NotSent { retry } => {
            attempt.state = state.next(AttemptEvent::NotSent)?;
            attempt.due = *retry;
            attempt.delays += 1;
        }
        Finding::Accepted { provider_refund, check } => {
            if state != AttemptState::Accepted {
                attempt.state = state.next(AttemptEvent::Accept)?;
                attempt.delays = 0;
            }
            attempt.provider_refund.clone_from(provider_refund);
            attempt.reason = None;
            attempt.due = *check;
            attempt.delays += 1;
        }
        Finding::Succeeded { provider_refund } => {
            attempt.state = state.next(AttemptEvent::Succeed)?;
            attempt.provider_refund.clone_from(provider_refund);
            attempt.reason = None;
        }
        Finding::Refused { reason, provider_refund } => {
            attempt.state = state.next(AttemptEvent::Refuse)?;
            attempt.provider_refund.clone_from(provider_refund);
            attempt.reason = Some(*reason);
        }
        Finding::OutOfFunds { .. } => {
            if state != AttemptState::Sent {
                return None;
            }
            attempt.state = state.next(AttemptEvent::Refuse)?;
            attempt.reason = Some(Reason::InsufficientBalance);
        }
        Finding::AnswerLost { check } => {
            attempt.state = state.next(AttemptEvent::LoseAnswer)?;
            attempt.due = *check;
            attempt.delays = 0;
        }
        Finding::Absent { past_window, check } => {
            if !matches!(state, AttemptState::Unknown) {
                return None;
            }
            attempt.absences += i32::from(*past_window);
            attempt.due = *check;
            attempt.delays += 1;
            if attempt.absences >= ABSENCES_FOR_PROOF {
                attempt.state = state.next(AttemptEvent::ProveAbsent)?;
                attempt.reason = Some(Reason::NotExecuted);
            }
        }
        Finding::Inconclusive { check, to_person } => {
            if !matches!(state, AttemptState::Unknown | AttemptState::Accepted) {
                return None;
            }
            attempt.due = *check;
            attempt.delays += 1;
            if *to_person {
                attempt.reason = Some(Reason::OutcomeUnknown);
            }
        }
    }
    Some(())
}

/// Another try on the tender of an attempt that failed, armed.
pub(super) fn further_attempt(failed: &Attempt, ids: &dyn IdSource, now: Timestamp) -> Attempt {
    Attempt {
        id: AttemptId::fresh(ids),
        ordinal: failed.ordinal + 1,
        state: AttemptState::Armed,
        reason: None,
        provider_refund: String::new(),
        claim: String::new(),
        due: now,
        sent: Timestamp::default(),
        absences: 0,
        delays: 0,
        updated: now,
        ..failed.clone()
    }
}

/// How long to wait before try number `delays + 1`: doubling from `first`, at most `cap`.
pub fn backoff(delays: i32, first: Duration, cap: Duration) -> Duration {
    let doublings = u32::try_from(delays.clamp(0, 30)).unwrap_or(0);
    first.saturating_mul(1_u32 << doublings.min(30)).min(cap)
}

#[cfg(test)]
mod tests;
