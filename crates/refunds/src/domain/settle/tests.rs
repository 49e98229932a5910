use super::super::ledger::PostingKind;
use super::super::order::tests::order;
use super::super::refund::RefundState;
use super::super::refund::tests::{NOW, refund_of};
use super::*;
use redress_core::id::RandomIds;

const LATER: Timestamp = Timestamp(90);
const CHECK: Timestamp = Timestamp(200);

/// A refund of one card payment of 53.90 whose attempt is in `state`, held under a claim.
fn held(state: AttemptState) -> Refund {
    let mut refund = refund_of(&order(), false);
    refund.attempts[0].state = state;
    refund.attempts[0].claim = "c-1".to_owned();
    refund.attempts[0].sent = NOW;
    refund.derive_state();
    refund
}

fn learn(refund: &mut Refund, finding: Finding) -> Option<Settlement> {
    let found = AttemptFinding {
        tenant: refund.tenant.clone(),
        attempt: refund.attempts[0].id.clone(),
        claim: "c-1".to_owned(),
        finding,
    };
    settle(refund, &found, &RandomIds, LATER)
}

fn succeeded() -> Finding {
    Finding::Succeeded { provider_refund: "re_1".to_owned() }
}

fn absent(past_window: bool) -> Finding {
    Finding::Absent { past_window, check: CHECK }
}

fn inconclusive(to_person: bool) -> Finding {
    Finding::Inconclusive { check: CHECK, to_person }
}

fn kinds(settlement: &Settlement) -> Vec<(PostingKind, i64)> {
    settlement.postings.iter().map(|posting| (posting.kind, posting.amount)).collect()
}

#[test]
fn paid_money_leaves_the_reservation_with_a_posting() {
    for state in [AttemptState::Sent, AttemptState::Accepted, AttemptState::Unknown] {
        let mut refund = held(state);
        refund.attempts[0].reason = Some(Reason::OutcomeUnknown);
        let settlement = learn(&mut refund, succeeded()).unwrap();
        let (attempt, change) = &settlement.changed[0];
        assert_eq!(*change, CounterChange { reserved: -5390, refunded: 5390 });
        assert_eq!(kinds(&settlement), [(PostingKind::Post, 5390)]);
        assert_eq!((attempt.state, attempt.reason), (AttemptState::Succeeded, None));
        assert_eq!((attempt.provider_refund.as_str(), attempt.claim.as_str()), ("re_1", ""));
        assert_eq!(attempt.updated, LATER);
        assert_eq!((refund.state, refund.issued), (RefundState::Succeeded, 5390));
        assert_eq!((refund.version, refund.updated), (2, LATER));
        assert_eq!(refund.attempts[0], *attempt);
        assert!(settlement.added.is_empty());
    }
}

#[test]
fn refused_money_goes_back_to_the_payment() {
    let mut refund = held(AttemptState::Sent);
    let refused =
        Finding::Refused { reason: Reason::AccountClosed, provider_refund: "re_9".to_owned() };
    let settlement = learn(&mut refund, refused).unwrap();
    assert_eq!(settlement.changed[0].1, CounterChange { reserved: -5390, refunded: 0 });
    assert_eq!(kinds(&settlement), [(PostingKind::Void, 5390)]);
    assert!(settlement.added.is_empty(), "a refusal is not tried again by itself");
    assert_eq!(refund.state, RefundState::Attention);
    assert_eq!(refund.reason, Some(Reason::AccountClosed));
    assert_eq!(refund.attempts[0].provider_refund, "re_9");
}

#[test]
fn proof_that_nothing_was_sent_arms_the_same_attempt_again() {
    let mut refund = held(AttemptState::Sent);
    let settlement = learn(&mut refund, Finding::NotSent { retry: CHECK }).unwrap();
    assert_eq!((settlement.postings.len(), settlement.added.len()), (0, 0));
    let attempt = &refund.attempts[0];
    assert_eq!((attempt.state, attempt.due, attempt.delays), (AttemptState::Armed, CHECK, 1));
    assert_eq!(settlement.changed[0].1, CounterChange::default());
    assert_eq!(learn(&mut held(AttemptState::Unknown), Finding::NotSent { retry: CHECK }), None);
}

#[test]
fn an_accepted_refund_is_asked_about_less_and_less_often() {
    let accepted = || Finding::Accepted { provider_refund: "re_1".to_owned(), check: CHECK };
    let mut refund = held(AttemptState::Unknown);
    refund.attempts[0].delays = 7;
    refund.attempts[0].reason = Some(Reason::OutcomeUnknown);
    learn(&mut refund, accepted()).unwrap();
    let attempt = &refund.attempts[0];
    assert_eq!((attempt.state, attempt.delays, attempt.due), (AttemptState::Accepted, 1, CHECK));
    assert_eq!(attempt.reason, None, "the outcome is awaited, and no longer unclear");
    assert_eq!(attempt.provider_refund, "re_1");
    refund.attempts[0].claim = "c-1".to_owned();
    learn(&mut refund, accepted()).unwrap();
    assert_eq!(refund.attempts[0].delays, 2);
}

#[test]
fn a_lost_answer_is_unknown_and_not_failed() {
    let mut refund = held(AttemptState::Sent);
    refund.attempts[0].delays = 3;
    let settlement = learn(&mut refund, Finding::AnswerLost { check: CHECK }).unwrap();
    let attempt = &refund.attempts[0];
    assert_eq!((attempt.state, attempt.due, attempt.delays), (AttemptState::Unknown, CHECK, 0));
    assert_eq!((refund.state, settlement.postings.len()), (RefundState::Processing, 0));
}

#[test]
fn absence_is_proven_by_two_misses_past_the_window_and_hands_the_reservation_on() {
    let mut refund = held(AttemptState::Unknown);
    for past_window in [false, false, true] {
        assert!(learn(&mut refund, absent(past_window)).is_some());
        assert_eq!(refund.attempts[0].state, AttemptState::Unknown);
        assert_eq!(refund.attempts[0].due, CHECK);
        refund.attempts[0].claim = "c-1".to_owned();
    }
    assert_eq!((refund.attempts[0].absences, refund.attempts[0].delays), (1, 3));
    let settlement = learn(&mut refund, absent(true)).unwrap();
    let [failed, next] = refund.attempts.as_slice() else { panic!("no further attempt") };
    assert_eq!((failed.state, failed.reason), (AttemptState::Failed, Some(Reason::NotExecuted)));
    assert_eq!((next.state, next.ordinal, next.due), (AttemptState::Armed, 2, LATER));
    assert_eq!((next.absences, next.delays, next.sent), (0, 0, Timestamp(0)));
    assert_ne!(next.id, failed.id);
    assert_eq!(kinds(&settlement), [(PostingKind::Void, 5390), (PostingKind::Reserve, 5390)]);
    assert_eq!(settlement.changed[0].1, CounterChange::default(), "the reservation stays");
    assert_eq!(refund.state, RefundState::Processing);
}

#[test]
fn the_last_attempt_that_is_proven_absent_goes_to_a_person() {
    let mut refund = held(AttemptState::Unknown);
    refund.attempts[0].ordinal = MAX_ATTEMPTS;
    refund.attempts[0].absences = 1;
    let settlement = learn(&mut refund, absent(true)).unwrap();
    assert!(settlement.added.is_empty());
    assert_eq!(settlement.changed[0].1.reserved, -5390);
    assert_eq!((refund.state, refund.reason), (RefundState::Attention, Some(Reason::NotExecuted)));
}

#[test]
fn want_of_funds_hands_the_reservation_on_to_an_attempt_with_a_key_of_its_own() {
    let mut refund = held(AttemptState::Sent);
    let settlement = learn(&mut refund, Finding::OutOfFunds { retry: CHECK }).unwrap();
    let [failed, next] = refund.attempts.as_slice() else { panic!("no further attempt") };
    let refused = (AttemptState::Failed, Some(Reason::InsufficientBalance));
    assert_eq!((failed.state, failed.reason), refused);
    assert_eq!((next.state, next.ordinal, next.due), (AttemptState::Armed, 2, CHECK));
    assert_ne!(next.id, failed.id);
    assert_eq!(kinds(&settlement), [(PostingKind::Void, 5390), (PostingKind::Reserve, 5390)]);
    assert_eq!(settlement.changed[0].1, CounterChange::default(), "the reservation stays");
    assert_eq!(refund.state, RefundState::Processing);

    let mut last = held(AttemptState::Sent);
    last.attempts[0].ordinal = MAX_ATTEMPTS;
    learn(&mut last, Finding::OutOfFunds { retry: CHECK }).unwrap();
    assert_eq!((last.state, last.attempts.len()), (RefundState::Attention, 1));
    let unknown = learn(&mut held(AttemptState::Unknown), Finding::OutOfFunds { retry: CHECK });
    assert_eq!(unknown, None, "what may have arrived has to be looked up");
}

#[test]
fn absence_means_something_for_unknown_attempts_only() {
    for state in [AttemptState::Sent, AttemptState::Accepted] {
        let mut refund = held(state);
        let before = refund.clone();
        assert_eq!(learn(&mut refund, absent(true)), None);
        assert_eq!(refund, before);
    }
}

#[test]
fn what_stays_unclear_for_long_calls_for_a_person_and_is_still_asked_about() {
    for state in [AttemptState::Unknown, AttemptState::Accepted] {
        let mut refund = held(state);
        learn(&mut refund, inconclusive(false)).unwrap();
        assert_eq!(refund.state, RefundState::Processing);
        refund.attempts[0].claim = "c-1".to_owned();
        learn(&mut refund, inconclusive(true)).unwrap();
        let attempt = &refund.attempts[0];
        assert_eq!((attempt.state, attempt.delays, attempt.due), (state, 2, CHECK));
        assert_eq!(refund.state, RefundState::Attention);
        assert_eq!(refund.reason, Some(Reason::OutcomeUnknown));
    }
    assert_eq!(learn(&mut held(AttemptState::Sent), inconclusive(true)), None);
}

#[test]
fn who_lost_the_claim_changes_nothing() {
    let mut refund = held(AttemptState::Sent);
    refund.attempts[0].claim = "c-2".to_owned();
    let before = refund.clone();
    assert_eq!(learn(&mut refund, succeeded()), None);
    assert_eq!(refund, before);
    let mut other = held(AttemptState::Sent);
    let stranger = AttemptFinding {
        tenant: other.tenant.clone(),
        attempt: before.attempts[0].id.clone(),
        claim: "c-1".to_owned(),
        finding: succeeded(),
    };
    assert_eq!(settle(&mut other, &stranger, &RandomIds, LATER), None);
}

#[test]
fn a_settled_attempt_is_settled() {
    for state in [AttemptState::Succeeded, AttemptState::Failed, AttemptState::Cancelled] {
        for finding in [succeeded(), absent(true), Finding::AnswerLost { check: CHECK }] {
            assert_eq!(learn(&mut held(state), finding), None, "{state:?}");
        }
    }
}

#[test]
fn pauses_double_up_to_their_cap() {
    let (first, cap) = (Duration::from_secs(1), Duration::from_secs(10));
    let pauses = [-1, 0, 1, 2, 3, 4, 31, i32::MAX].map(|delays| backoff(delays, first, cap));
    assert_eq!(pauses.map(|pause| pause.as_secs()), [1, 1, 2, 4, 8, 10, 10, 10]);
    assert_eq!(backoff(30, Duration::from_micros(1), Duration::MAX).as_secs(), 1073);
}
