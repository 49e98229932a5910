use super::super::order::tests::order;
use super::super::order::{Order, OrderLine};
use super::super::refund::tests::{NOW, mixed_order, refund_of};
use super::super::reserve::tests::apply;
use super::*;
use redress_core::id::RandomIds;

const LATER: Timestamp = Timestamp(50);

fn approve() -> Action {
    Action::Approve
}

fn by(actor: &str, refund: &mut Refund, action: &Action) -> Result<Settlement, ActError> {
    act(refund, &mixed_order(), action, actor, &RandomIds, LATER)
}

fn resolve(attempt: &Attempt, outcome: Outcome) -> Action {
    Action::Resolve { attempt: attempt.id.clone(), outcome }
}

fn paid() -> Outcome {
    Outcome::Paid { reference: "TX-1".to_owned() }
}

/// A refund on card and gift card whose card attempt is in `state`.
fn with_card(state: AttemptState, reason: Option<Reason>) -> Refund {
    let mut refund = refund_of(&mixed_order(), false);
    refund.attempts[0].state = state;
    refund.attempts[0].reason = reason;
    refund.attempts[0].sent = NOW;
    refund.derive_state();
    refund
}

fn kinds(settlement: &Settlement) -> Vec<PostingKind> {
    settlement.postings.iter().map(|posting| posting.kind).collect()
}

fn reserved(settlement: &Settlement) -> i64 {
    let changed = settlement.changed.iter().map(|(_, change)| change.reserved);
    changed.chain(settlement.reserved.iter().map(|(_, change)| change.reserved)).sum()
}

#[test]
fn approval_arms_what_was_held_and_names_who_approved() {
    let mut refund = refund_of(&mixed_order(), true);
    assert_eq!(refund.attempts[0].state, AttemptState::Held);
    let settlement = by("boss", &mut refund, &approve()).unwrap();
    assert_eq!(refund.state, RefundState::Queued);
    assert_eq!(refund.approver.as_deref(), Some("boss"));
    let states = [AttemptState::Armed, AttemptState::Manual];
    assert_eq!(refund.attempts.iter().map(|a| a.state).collect::<Vec<_>>(), states);
    assert_eq!(refund.attempts[0].due, LATER, "it is due at once");
    assert_eq!((refund.version, refund.updated), (2, LATER));
    assert_eq!((kinds(&settlement), reserved(&settlement)), (vec![], 0));
    assert_eq!(settlement.changed.len(), 1);
    assert!(settlement.lines.is_empty() && !settlement.frees_buyer);
}

#[test]
fn nobody_decides_about_their_own_refund() {
    for action in [Action::Approve, Action::Reject] {
        let mut refund = refund_of(&mixed_order(), true);
        let before = refund.clone();
        assert_eq!(by("agent-1", &mut refund, &action), Err(ActError::OwnRefund));
        assert_eq!(refund, before);
    }
    let mut refund = refund_of(&mixed_order(), true);
    assert!(by("agent-1", &mut refund, &Action::Cancel).is_ok(), "but may take it back");
    assert_eq!(refund.approver, None);
}

#[test]
fn what_was_never_sent_is_taken_back_whole() {
    for (needs_approval, action, state) in [
        (true, Action::Reject, RefundState::Rejected),
        (true, Action::Cancel, RefundState::Cancelled),
        (false, Action::Cancel, RefundState::Cancelled),
    ] {
        let mut order = mixed_order();
        let mut refund = refund_of(&order, needs_approval);
        apply(&mut order, &refund);
        let settlement = by("boss", &mut refund, &action).unwrap();
        assert_eq!(refund.state, state);
        assert!(refund.attempts.iter().all(|a| a.state == AttemptState::Cancelled));
        assert_eq!(kinds(&settlement), [PostingKind::Void, PostingKind::Void]);
        assert_eq!(reserved(&settlement), -5390);
        assert!(settlement.frees_buyer);
        let taken: i64 = settlement.lines.iter().map(|line| line.committed).sum();
        assert_eq!(taken, -order.lines.iter().map(|line| line.committed).sum::<i64>());
        assert_eq!(refund.issued, 0);
    }
}

#[test]
fn the_rest_of_a_partly_paid_refund_is_given_up() {
    let mut refund = with_card(AttemptState::Succeeded, None);
    assert_eq!(refund.state, RefundState::Attention);
    let settlement = by("agent-1", &mut refund, &Action::Cancel).unwrap();
    assert_eq!((refund.state, refund.issued), (RefundState::Failed, 5000));
    assert_eq!(refund.attempts[1].state, AttemptState::Cancelled);
    assert_eq!((kinds(&settlement), reserved(&settlement)), (vec![PostingKind::Void], -390));
    assert_eq!(settlement.lines.iter().map(|line| line.refunding).sum::<i64>(), -390);
    assert!(settlement.lines.iter().all(|line| line.units == 0));
    assert!(!settlement.frees_buyer, "the buyer was paid once");
    let mut unpaid = with_card(AttemptState::Failed, Some(Reason::AccountClosed));
    let settlement = by("agent-1", &mut unpaid, &Action::Cancel).unwrap();
    assert!(settlement.frees_buyer);
    assert_eq!(settlement.lines.iter().map(|line| line.refunding).sum::<i64>(), -5390);
    assert_eq!(reserved(&settlement), -390, "what failed has given its money back before");
}

#[test]
fn what_may_have_paid_is_never_given_up() {
    for state in [AttemptState::Unknown, AttemptState::Accepted] {
        let mut refund = with_card(state, Some(Reason::OutcomeUnknown));
        assert_eq!(refund.state, RefundState::Attention);
        let attempt = refund.attempts[0].id.clone();
        let refused = by("boss", &mut refund, &Action::Cancel);
        assert_eq!(refused, Err(ActError::Unresolved { attempt, state }));
        assert!(refused.unwrap_err().to_string().contains("may have paid"));
    }
}

#[test]
fn each_failed_tender_is_tried_again_under_a_new_id() {
    let mut refund = with_card(AttemptState::Failed, Some(Reason::InsufficientBalance));
    let failed = &mut refund.attempts[0];
    (failed.provider_refund, failed.claim) = ("re_1".to_owned(), "c1".to_owned());
    let settlement = by("agent-1", &mut refund, &Action::Retry).unwrap();
    assert_eq!(refund.state, RefundState::Processing);
    let next = refund.attempts.last().unwrap();
    assert_eq!((next.ordinal, next.state, next.due), (2, AttemptState::Armed, LATER));
    assert_ne!(next.id, refund.attempts[0].id);
    assert_eq!(next.reason, None);
    assert_eq!((&*next.provider_refund, &*next.claim, next.updated), ("", "", LATER));
    assert_eq!((kinds(&settlement), reserved(&settlement)), (vec![PostingKind::Reserve], 5000));
    assert_eq!(settlement.postings[0].attempt, next.id);
}

#[test]
fn a_retry_needs_something_to_try_and_the_money_for_it() {
    for reason in [Reason::AccountClosed, Reason::AlreadyRefunded, Reason::OutOfRefundWindow] {
        let mut refund = with_card(AttemptState::Failed, Some(reason));
        assert_eq!(by("boss", &mut refund, &Action::Retry), Err(ActError::NothingToRetry));
    }
    let mut refund = with_card(AttemptState::Failed, Some(Reason::ProviderRefused));
    let before = refund.clone();
    let mut order: Order = mixed_order();
    order.payments[0].counters.reserved = 1;
    let refused = act(&mut refund, &order, &Action::Retry, "boss", &RandomIds, LATER);
    assert!(matches!(
        refused,
        Err(ActError::Short(Shortage::Payment { refundable: 4999, wanted: 5000, .. }))
    ));
    assert_eq!(refund, before);
}

#[test]
fn a_person_tells_about_an_unknown_attempt_and_sends_nothing_by_it() {
    let mut refund = with_card(AttemptState::Unknown, Some(Reason::OutcomeUnknown));
    let told = resolve(&refund.attempts[0], paid());
    let settlement = by("boss", &mut refund, &told).unwrap();
    let card = &refund.attempts[0];
    assert_eq!((card.state, card.reason), (AttemptState::Succeeded, None));
    assert_eq!(card.provider_refund, "TX-1");
    assert_eq!(refund.state, RefundState::Attention, "the gift card still waits");
    assert_eq!((kinds(&settlement), reserved(&settlement)), (vec![PostingKind::Post], -5000));
    assert_eq!(settlement.changed[0].1.refunded, 5000);
    assert_eq!(settlement.postings[0].credit, "provider:stripe");
    assert!(settlement.added.is_empty());

    let mut refund = with_card(AttemptState::Unknown, None);
    assert_eq!(refund.state, RefundState::Processing, "also before anybody asked for a person");
    let not_paid = resolve(&refund.attempts[0].clone(), Outcome::NotPaid);
    let settlement = by("boss", &mut refund, &not_paid).unwrap();
    assert_eq!(refund.attempts[0].reason, Some(Reason::ConfirmedNotPaid));
    assert_eq!((kinds(&settlement), reserved(&settlement)), (vec![PostingKind::Void], -5000));
    assert!(settlement.added.is_empty(), "trying again is a decision of its own");
    assert!(by("boss", &mut refund, &Action::Retry).is_ok());
}

#[test]
fn a_person_pays_what_redress_cannot_send() {
    let mut refund = with_card(AttemptState::Succeeded, None);
    let gift = refund.attempts[1].clone();
    let settlement = by("boss", &mut refund, &resolve(&gift, paid())).unwrap();
    assert_eq!((refund.state, refund.issued), (RefundState::Succeeded, 5390));
    assert_eq!(settlement.postings[0].credit, "manual:giftcard");
    assert_eq!(reserved(&settlement), -390);

    let mut refund = with_card(AttemptState::Succeeded, None);
    let told = resolve(&gift_of(&refund), Outcome::NotPaid);
    let settlement = by("boss", &mut refund, &told).unwrap();
    assert_eq!(refund.attempts[1].state, AttemptState::Failed);
    assert_eq!(refund.reason, Some(Reason::NoConnector), "it still cannot be sent");
    assert_eq!(settlement.postings[0].debit, "refunds_payable");
    assert_eq!(settlement.postings[0].credit, "sales_returns");
}

fn gift_of(refund: &Refund) -> Attempt {
    refund.attempts[1].clone()
}

#[test]
fn only_unknown_and_manual_attempts_are_resolved() {
    let mut refund = with_card(AttemptState::Accepted, None);
    let accepted = resolve(&refund.attempts[0].clone(), paid());
    let attempt = refund.attempts[0].id.clone();
    let state = AttemptState::Accepted;
    assert_eq!(by("boss", &mut refund, &accepted), Err(ActError::NotResolvable { attempt, state }));
    let stranger = refund_of(&order(), false).attempts[0].clone();
    let refused = by("boss", &mut refund, &resolve(&stranger, paid()));
    assert_eq!(refused, Err(ActError::NoSuchAttempt(stranger.id)));
}

#[test]
fn the_state_refuses_what_the_table_does_not_allow() {
    let mut refund = refund_of(&mixed_order(), false);
    for action in [Action::Approve, Action::Reject, Action::Retry] {
        let refused = by("boss", &mut refund, &action);
        assert_eq!(refused, Err(ActError::State(RefundState::Queued)));
    }
    let gift = gift_of(&refund);
    assert!(by("boss", &mut refund, &resolve(&gift, paid())).is_err(), "nothing moves yet");
}

#[test]
fn actions_have_their_names() {
    let resolve = Action::Resolve {
        attempt: refund_of(&order(), false).attempts[0].id.clone(),
        outcome: Outcome::NotPaid,
    };
    let actions = [Action::Approve, Action::Reject, Action::Cancel, Action::Retry, resolve];
    let names = [
        "REFUND_APPROVED",
        "REFUND_REJECTED",
        "REFUND_CANCELLED",
        "REFUND_RETRIED",
        "ATTEMPT_RESOLVED",
    ];
    let audited = actions.each_ref().map(Action::audit_action);
    assert_eq!(audited.each_ref().map(AuditAction::as_str), names);
    assert_eq!(actions.map(|action| action.event()), RefundEvent::ALL);
}

#[test]
fn an_order_line_is_whole_again_after_a_refund_was_taken_back() {
    let mut order = order();
    let mut refund = refund_of(&order, false);
    apply(&mut order, &refund);
    let settlement =
        act(&mut refund, &order, &Action::Cancel, "agent-1", &RandomIds, LATER).unwrap();
    for change in settlement.lines {
        let line = order.lines.iter_mut().find(|line| line.id == change.line_id).unwrap();
        line.committed += change.committed;
        line.committed_units += change.units;
        line.refunding += change.refunding;
    }
    let untouched = super::super::order::tests::order();
    let left = |order: &Order| {
        let of = |line: &OrderLine| (line.remaining(), line.remaining_units(), line.refunding);
        order.lines.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(left(&order), left(&untouched));
}
