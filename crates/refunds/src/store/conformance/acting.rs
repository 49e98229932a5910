//! What people decide about refunds: each decision is one write, with who and why, or none.

use std::sync::Arc;

use super::{Fixture, announced, arena, at, by_card, open_fixture, order, other, split_order};
use crate::domain::act::{ActError, Action, Outcome};
use crate::domain::attempt::{AttemptState, Reason};
use crate::domain::fact::Fact;
use crate::domain::order::Tender;
use crate::domain::quote::Quote;
use crate::domain::refund::{Refund, RefundState};
use crate::domain::settle::Finding;
use crate::store::{ActOutcome, CreateOutcome};

redress_testkit::conformance! {
    open = open_fixture;
    nothing_is_sent_before_a_second_person_agrees,
    a_rejected_refund_leaves_nothing_behind,
    nobody_approves_their_own,
    a_queued_refund_is_taken_back_before_it_is_sent,
    what_is_given_up_keeps_what_was_paid,
    a_failed_tender_is_tried_again,
    an_unknown_outcome_is_recorded_with_who_and_why,
    a_decision_about_an_older_version_changes_nothing,
    decisions_reach_only_their_tenants_refunds,
    of_two_decisions_at_once_one_counts,
    a_refund_is_taken_back_or_sent_and_never_both,
}

/// A refund of 10.00 EUR by card that waits for approval.
async fn pending(fixture: &Fixture) -> Refund {
    fixture.import([order("A1")]).await;
    let quote = fixture.offer("A1", by_card(1000)).await;
    let quote = Quote { needs_approval: true, ..quote };
    let refund = fixture.acceptance(&quote);
    let created = fixture.create(&refund, &quote, "a").await.unwrap();
    assert_eq!(created, CreateOutcome::Created);
    assert_eq!(fixture.read(&refund.id).await, refund);
    refund
}

async fn reserved(fixture: &Fixture) -> (i64, i64) {
    let order = fixture.order("A1").await;
    (order.payments[0].counters.reserved, order.lines[0].committed)
}

async fn actions(fixture: &Fixture, refund: &Refund) -> Vec<(String, String)> {
    let name = refund.id.resource_name();
    let entries = fixture.store.audit_of(&arena(), &name).await.unwrap();
    entries.into_iter().map(|entry| (entry.action.to_string(), entry.actor)).collect()
}

fn pair(action: &str, actor: &str) -> (String, String) {
    (action.to_owned(), actor.to_owned())
}

async fn nothing_is_sent_before_a_second_person_agrees(fixture: Fixture) {
    let refund = pending(&fixture).await;
    assert_eq!(reserved(&fixture).await, (1000, 1000));
    assert_eq!(fixture.send("w1", 9, at(9)).await, []);
    fixture.assert_books().await;
    let approved = fixture.decide(&refund.id, &Action::Approve, "boss").await;
    assert_eq!(fixture.read(&refund.id).await, approved);
    assert_eq!((approved.state, approved.version), (RefundState::Queued, 2));
    assert_eq!(approved.approver.as_deref(), Some("boss"));
    assert_eq!(fixture.send("w1", 9, at(9)).await.len(), 1);
    let expected = [pair("REFUND_CREATED", "agent-1"), pair("REFUND_APPROVED", "boss")];
    assert_eq!(actions(&fixture, &refund).await, expected);
    let facts = [Fact::refund_state(&refund), Fact::refund_state(&approved)];
    assert_eq!(fixture.events("orders/A1").await, announced(&facts));
    fixture.assert_books().await;
}

async fn a_rejected_refund_leaves_nothing_behind(fixture: Fixture) {
    let refund = pending(&fixture).await;
    let rejected = fixture.decide(&refund.id, &Action::Reject, "boss").await;
    assert_eq!(fixture.read(&refund.id).await, rejected);
    assert_eq!(rejected.state, RefundState::Rejected);
    assert_eq!(reserved(&fixture).await, (0, 0));
    assert_eq!(fixture.send("w1", 9, at(9)).await, []);
    let sums = fixture.store.ledger_sums(&arena()).await.unwrap().remove(0);
    assert_eq!((sums.debits, sums.payable, sums.open), (2000, 0, 0));
    fixture.assert_books().await;
    fixture.refund("A1", by_card(3000)).await;
}

async fn nobody_approves_their_own(fixture: Fixture) {
    let refund = pending(&fixture).await;
    for action in [Action::Approve, Action::Reject] {
        let outcome = fixture.try_deciding(&refund.id, &action, "agent-1", None).await.unwrap();
        assert_eq!(outcome, ActOutcome::Refused(ActError::OwnRefund));
    }
    assert_eq!(fixture.read(&refund.id).await, refund);
    assert_eq!(actions(&fixture, &refund).await, [pair("REFUND_CREATED", "agent-1")]);
}

async fn a_queued_refund_is_taken_back_before_it_is_sent(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let refund = fixture.refund("A1", by_card(1000)).await;
    let cancelled = fixture.decide(&refund.id, &Action::Cancel, "agent-1").await;
    assert_eq!(cancelled.state, RefundState::Cancelled);
    assert_eq!(reserved(&fixture).await, (0, 0));
    assert_eq!(fixture.send("w1", 9, at(9)).await, []);
    fixture.assert_books().await;
    let again = fixture.try_deciding(&refund.id, &Action::Cancel, "agent-1", None).await.unwrap();
    assert_eq!(again, ActOutcome::Refused(ActError::State(RefundState::Cancelled)));
}

async fn what_is_given_up_keeps_what_was_paid(fixture: Fixture) {
    fixture.import([split_order("A1", ("giftcard", Tender::GiftCard))]).await;
    let both = super::price(&[("p1", 2000)], &[("p1", "stripe", 1500), ("p2", "giftcard", 500)]);
    let refund = fixture.refund("A1", both).await;
    let attempt = fixture.send("w1", 9, at(0)).await.pop().unwrap();
    fixture.learn(&attempt, Finding::Succeeded { provider_refund: "re_1".to_owned() }, at(1)).await;
    let failed = fixture.decide(&refund.id, &Action::Cancel, "agent-1").await;
    assert_eq!((failed.state, failed.issued), (RefundState::Failed, 1500));
    assert_eq!(fixture.read(&refund.id).await, failed);
    let order = fixture.order("A1").await;
    assert_eq!((order.lines[0].committed, order.lines[0].refunding), (1500, 1500));
    let counters = order.payments.iter().map(|p| (p.counters.reserved, p.counters.refunded));
    assert_eq!(counters.collect::<Vec<_>>(), [(0, 1500), (0, 0)]);
    fixture.assert_books().await;
}

async fn a_failed_tender_is_tried_again(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let refund = fixture.refund("A1", by_card(1000)).await;
    let attempt = fixture.send("w1", 9, at(0)).await.pop().unwrap();
    let refused =
        Finding::Refused { reason: Reason::InsufficientBalance, provider_refund: String::new() };
    fixture.learn(&attempt, refused, at(1)).await;
    assert_eq!(reserved(&fixture).await, (0, 1000));
    let failed = fixture.read(&refund.id).await;
    let retried = fixture.decide(&refund.id, &Action::Retry, "agent-1").await;
    assert_eq!(retried.state, RefundState::Processing);
    assert_eq!(fixture.read(&refund.id).await, retried);
    assert_eq!(reserved(&fixture).await, (1000, 1000));
    fixture.assert_books().await;
    let next = fixture.send("w2", 9, at(2)).await.pop().unwrap();
    assert_eq!(next.ordinal, 2);
    fixture.learn(&next, Finding::Succeeded { provider_refund: "re_2".to_owned() }, at(3)).await;
    let paid = fixture.read(&refund.id).await;
    assert_eq!(paid.state, RefundState::Succeeded);
    // Who was called learns that nobody is needed any more; the claims in between are no news.
    let facts = [&refund, &failed, &retried, &paid].map(Fact::refund_state);
    assert_eq!(fixture.events("orders/A1").await, announced(&facts));
    fixture.assert_books().await;
}

async fn an_unknown_outcome_is_recorded_with_who_and_why(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    for (nth, (outcome, state)) in [
        (Outcome::Paid { reference: "re_9".to_owned() }, RefundState::Succeeded),
        (Outcome::NotPaid, RefundState::Attention),
    ]
    .into_iter()
    .enumerate()
    {
        let refund = fixture.refund("A1", by_card(1000)).await;
        let attempt = fixture.send(&format!("w{nth}"), 9, at(0)).await.pop().unwrap();
        fixture.learn(&attempt, Finding::AnswerLost { check: at(2) }, at(1)).await;
        let held = fixture.look_up(&format!("l{nth}"), 9, at(3)).await.pop().unwrap();
        let unclear = Finding::Inconclusive { check: at(9), to_person: true };
        fixture.learn(&held, unclear, at(4)).await;
        let asked = fixture.read(&refund.id).await;
        assert_eq!(
            (asked.state, asked.reason),
            (RefundState::Attention, Some(Reason::OutcomeUnknown))
        );
        // The look-up that is under way now comes too late.
        let late = fixture.look_up(&format!("m{nth}"), 9, at(99)).await.pop().unwrap();
        let resolve = Action::Resolve { attempt: attempt.id.clone(), outcome };
        let resolved = fixture.decide(&refund.id, &resolve, "boss").await;
        assert_eq!(resolved.state, state);
        assert_eq!(fixture.read(&refund.id).await, resolved);
        assert_eq!(fixture.settle(&[super::paid(&late)], at(100)).await, 0);
        assert_eq!(actions(&fixture, &refund).await[1], pair("ATTEMPT_RESOLVED", "boss"));
        assert_eq!(fixture.send(&format!("x{nth}"), 9, at(200)).await, [], "it sends nothing");
        fixture.assert_books().await;
    }
}

async fn a_decision_about_an_older_version_changes_nothing(fixture: Fixture) {
    let refund = pending(&fixture).await;
    let stale = fixture.try_deciding(&refund.id, &Action::Approve, "boss", Some(2)).await.unwrap();
    assert_eq!(stale, ActOutcome::Stale);
    assert_eq!(fixture.read(&refund.id).await, refund);
    let now = fixture.try_deciding(&refund.id, &Action::Approve, "boss", Some(1)).await.unwrap();
    assert!(matches!(now, ActOutcome::Done(_)));
}

async fn decisions_reach_only_their_tenants_refunds(fixture: Fixture) {
    let refund = pending(&fixture).await;
    let decision = crate::store::Decision {
        action: &Action::Approve,
        actor: "boss",
        expected_version: None,
        audit: &|_| unreachable!("nothing is decided"),
        record: &|_| unreachable!("nothing is decided"),
    };
    let outcome = fixture.store.act(&other(), &refund.id, &decision, &*fixture.ids, at(0)).await;
    assert_eq!(outcome.unwrap(), ActOutcome::NotFound);
    assert_eq!(fixture.read(&refund.id).await, refund);
}

async fn of_two_decisions_at_once_one_counts(fixture: Fixture) {
    let refund = pending(&fixture).await;
    let fixture = Arc::new(fixture);
    let racers: Vec<_> = (0..20)
        .map(|nth| {
            let (fixture, id) = (Arc::clone(&fixture), refund.id.clone());
            let action = if nth % 2 == 0 { Action::Approve } else { Action::Reject };
            tokio::spawn(async move { fixture.try_deciding(&id, &action, "boss", None).await })
        })
        .collect();
    let mut done = Vec::new();
    for racer in racers {
        match racer.await.unwrap().unwrap() {
            ActOutcome::Done(refund) => done.push(*refund),
            outcome => {
                assert!(matches!(outcome, ActOutcome::Refused(ActError::State(_))), "{outcome:?}");
            }
        }
    }
    assert_eq!(done.len(), 1);
    assert_eq!(fixture.read(&refund.id).await, done[0]);
    fixture.assert_books().await;
}

async fn a_refund_is_taken_back_or_sent_and_never_both(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let fixture = Arc::new(fixture);
    for round in 0..10 {
        let refund = fixture.refund("A1", by_card(100)).await;
        let cancel = tokio::spawn({
            let (fixture, id) = (Arc::clone(&fixture), refund.id.clone());
            async move { fixture.try_deciding(&id, &Action::Cancel, "agent-1", None).await }
        });
        let sending = tokio::spawn({
            let fixture = Arc::clone(&fixture);
            async move { fixture.send(&format!("w{round}"), 9, at(0)).await }
        });
        let cancelled = matches!(cancel.await.unwrap().unwrap(), ActOutcome::Done(_));
        // A claim passes by a row that is being changed, so it may have to look again.
        let mut sent = sending.await.unwrap();
        if sent.is_empty() {
            sent = fixture.send(&format!("v{round}"), 9, at(0)).await;
        }
        let stored = fixture.read(&refund.id).await;
        if cancelled {
            assert_eq!((stored.state, sent.len()), (RefundState::Cancelled, 0));
        } else {
            assert_eq!((stored.state, sent.len()), (RefundState::Processing, 1));
            assert_eq!(stored.attempts[0].state, AttemptState::Sent);
        }
        fixture.assert_books().await;
    }
}
