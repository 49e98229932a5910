//! Armed attempts are handed to one sender each, and what it learns counts once.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use redress_core::clock::Timestamp;

use super::{Fixture, LEASE, STRIPE, announced, at, by_card, found, open_fixture, order, paid};
use crate::domain::attempt::{Attempt, AttemptState, Reason};
use crate::domain::fact::Fact;
use crate::domain::order::{Order, PaymentCounters};
use crate::domain::refund::RefundState;
use crate::domain::settle::Finding;
use crate::store::{Claim, ImportOutcome};

redress_testkit::conformance! {
    open = open_fixture;
    a_claim_marks_the_attempt_sent_and_its_refund_processing,
    a_claim_takes_what_is_due_first_and_no_more_than_asked_for,
    racing_senders_share_the_attempts,
    success_moves_the_money_and_announces_it,
    refusal_gives_the_money_back_and_needs_a_person,
    proof_that_nothing_was_sent_arms_it_again,
    the_same_finding_counts_once,
    a_finding_under_a_stale_claim_changes_nothing,
    a_finding_about_nothing_changes_nothing,
    next_due_is_the_earliest_of_what_is_open,
    settlers_and_imports_of_the_same_payments_do_not_block_each_other,
}

async fn three_refunds(fixture: &Fixture) {
    fixture.import([order("A1")]).await;
    for _ in 0..3 {
        fixture.refund("A1", by_card(100)).await;
    }
}

async fn next_due(fixture: &Fixture, provider: &str) -> Option<Timestamp> {
    fixture.store.next_due(provider).await.unwrap()
}

async fn a_claim_marks_the_attempt_sent_and_its_refund_processing(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let refund = fixture.refund("A1", by_card(1000)).await;
    let claimed = fixture.send("w1", 5, at(7)).await;
    let expected = Attempt {
        state: AttemptState::Sent,
        claim: "w1".to_owned(),
        due: at(7).plus(LEASE),
        sent: at(7),
        updated: at(7),
        ..refund.attempts[0].clone()
    };
    assert_eq!(claimed, [expected]);
    let stored = fixture.read(&refund.id).await;
    assert_eq!((stored.state, stored.version), (RefundState::Processing, 2));
    assert_eq!((stored.updated, stored.attempts), (at(7), claimed));
    assert!(fixture.send("w2", 5, at(8)).await.is_empty());
    assert!(fixture.look_up("w2", 5, at(8)).await.is_empty());
    fixture.assert_books().await;
}

async fn a_claim_takes_what_is_due_first_and_no_more_than_asked_for(fixture: Fixture) {
    three_refunds(&fixture).await;
    let [first, second] = fixture.send("w1", 2, at(0)).await.try_into().unwrap();
    let third = fixture.send("w2", 2, at(0)).await;
    assert_eq!(third.len(), 1);
    let later = [(&first, 9), (&second, 7), (&third[0], 8)]
        .map(|(attempt, retry)| found(attempt, Finding::NotSent { retry: at(retry) }));
    assert_eq!(fixture.settle(&later, at(1)).await, 3);
    assert!(fixture.send("w3", 9, at(6)).await.is_empty());
    assert_eq!(fixture.send("w3", 1, at(20)).await[0].id, second.id);
    assert_eq!(fixture.send("w3", 1, at(8)).await[0].id, third[0].id);
    let other = Claim { provider: "adyen", claim: "w4", limit: 9, now: at(20), lease: LEASE };
    assert_eq!(fixture.store.claim_to_send(&other, None).await.unwrap().attempts, []);
    assert_eq!(fixture.send("w4", 9, at(20)).await[0].id, first.id);
}

async fn racing_senders_share_the_attempts(fixture: Fixture) {
    fixture.import([order("A1"), order("A2")]).await;
    for turn in 0..60 {
        fixture.refund(if turn % 2 == 0 { "A1" } else { "A2" }, by_card(10)).await;
    }
    let fixture = Arc::new(fixture);
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move {
                let mut taken = Vec::new();
                loop {
                    let name = format!("w{sender}-{}", taken.len());
                    let claimed = fixture.send(&name, 7, at(0)).await;
                    assert!(claimed.len() <= 7, "{} claimed", claimed.len());
                    if claimed.is_empty() {
                        return taken;
                    }
                    taken.extend(claimed.into_iter().map(|attempt| attempt.id));
                }
            })
        })
        .collect();
    let mut taken = Vec::new();
    for sender in senders {
        taken.extend(sender.await.unwrap());
    }
    // Who came while another one held the rest went home: nothing is lost by that.
    taken.extend(fixture.send("last", 60, at(0)).await.into_iter().map(|attempt| attempt.id));
    assert_eq!(taken.len(), 60);
    assert_eq!(taken.into_iter().collect::<HashSet<_>>().len(), 60);
}

async fn success_moves_the_money_and_announces_it(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let queued = fixture.refund("A1", by_card(1000)).await;
    let attempt = fixture.send("w1", 1, at(0)).await.pop().unwrap();
    let success = Finding::Succeeded { provider_refund: "re_1".to_owned() };
    fixture.learn(&attempt, success, at(3)).await;
    let counters = fixture.payment("A1", "p1").await.counters;
    assert_eq!(counters, PaymentCounters { refunded: 1000, ..PaymentCounters::default() });
    let stored = fixture.read(&queued.id).await;
    assert_eq!((stored.state, stored.issued, stored.version), (RefundState::Succeeded, 1000, 3));
    let settled = &stored.attempts[0];
    assert_eq!((settled.state, &*settled.provider_refund), (AttemptState::Succeeded, "re_1"));
    assert_eq!(settled.claim, "");
    let facts = [Fact::refund_state(&queued), Fact::refund_state(&stored)];
    assert_eq!(fixture.events("orders/A1").await, announced(&facts));
    let sums = fixture.store.ledger_sums(&super::arena()).await.unwrap().remove(0);
    assert_eq!((sums.payable, sums.paid, sums.refunded, sums.succeeded), (0, 1000, 1000, 1000));
}

async fn refusal_gives_the_money_back_and_needs_a_person(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let queued = fixture.refund("A1", by_card(1000)).await;
    let attempt = fixture.send("w1", 1, at(0)).await.pop().unwrap();
    let reason = Reason::AccountClosed;
    let refused = Finding::Refused { reason, provider_refund: "re_1".to_owned() };
    fixture.learn(&attempt, refused, at(3)).await;
    assert_eq!(fixture.payment("A1", "p1").await.counters, PaymentCounters::default());
    let stored = fixture.read(&queued.id).await;
    assert_eq!((stored.state, stored.issued), (RefundState::Attention, 0));
    assert_eq!((stored.reason, stored.attempts[0].reason), (Some(reason), Some(reason)));
    let facts = [Fact::refund_state(&queued), Fact::refund_state(&stored)];
    assert_eq!(fixture.events("orders/A1").await, announced(&facts));
    assert_eq!(next_due(&fixture, STRIPE).await, None);
}

async fn proof_that_nothing_was_sent_arms_it_again(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let refund = fixture.refund("A1", by_card(1000)).await;
    let first = fixture.send("w1", 1, at(0)).await.pop().unwrap();
    fixture.learn(&first, Finding::NotSent { retry: at(30) }, at(1)).await;
    let stored = fixture.read(&refund.id).await;
    assert_eq!(stored.state, RefundState::Processing, "a refund that was begun is not queued");
    let armed = &stored.attempts[0];
    assert_eq!((armed.state, armed.due, armed.delays), (AttemptState::Armed, at(30), 1));
    let again = fixture.send("w2", 1, at(30)).await.pop().unwrap();
    assert_eq!((again.id, again.sent), (first.id, at(30)), "the provider knows it by its key");
    assert_eq!(fixture.payment("A1", "p1").await.counters.reserved, 1000);
    assert_eq!(fixture.events("orders/A1").await.len(), 1);
}

async fn the_same_finding_counts_once(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    fixture.refund("A1", by_card(1000)).await;
    let attempt = fixture.send("w1", 1, at(0)).await.pop().unwrap();
    assert_eq!(fixture.settle(&[paid(&attempt)], at(3)).await, 1);
    assert_eq!(fixture.settle(&[paid(&attempt)], at(4)).await, 0);
    assert_eq!(fixture.payment("A1", "p1").await.counters.refunded, 1000);
    assert_eq!(fixture.events("orders/A1").await.len(), 2);
    fixture.assert_books().await;
}

async fn a_finding_under_a_stale_claim_changes_nothing(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let refund = fixture.refund("A1", by_card(1000)).await;
    let mut attempt = fixture.send("w1", 1, at(0)).await.pop().unwrap();
    let before = fixture.read(&refund.id).await;
    for claim in ["w2", ""] {
        attempt.claim = claim.to_owned();
        assert_eq!(fixture.settle(&[paid(&attempt)], at(3)).await, 0);
        assert_eq!(fixture.read(&refund.id).await, before);
    }
    assert_eq!(fixture.events("orders/A1").await.len(), 1);
    fixture.assert_books().await;
}

async fn a_finding_about_nothing_changes_nothing(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let refund = fixture.refund("A1", by_card(1000)).await;
    let armed = refund.attempts[0].clone();
    assert_eq!(fixture.settle(&[paid(&armed)], at(1)).await, 0, "it was never sent");
    let mut unknown = fixture.send("w1", 1, at(0)).await.pop().unwrap();
    unknown.id = "missing".to_owned().try_into().unwrap();
    assert_eq!(fixture.settle(&[paid(&unknown)], at(1)).await, 0);
    assert_eq!(fixture.settle(&[], at(1)).await, 0);
    assert_eq!(fixture.payment("A1", "p1").await.counters.reserved, 1000);
}

async fn next_due_is_the_earliest_of_what_is_open(fixture: Fixture) {
    assert_eq!(next_due(&fixture, STRIPE).await, None);
    three_refunds(&fixture).await;
    assert_eq!(next_due(&fixture, STRIPE).await, Some(at(0)));
    assert_eq!(next_due(&fixture, "adyen").await, None);
    let sent = fixture.send("w1", 3, at(0)).await;
    assert_eq!(next_due(&fixture, STRIPE).await, Some(at(0).plus(LEASE)));
    let accepted = Finding::Accepted { provider_refund: "re_1".to_owned(), check: at(50) };
    fixture.learn(&sent[0], accepted, at(1)).await;
    fixture.learn(&sent[1], Finding::AnswerLost { check: at(40) }, at(1)).await;
    fixture.learn(&sent[2], Finding::NotSent { retry: at(45) }, at(1)).await;
    assert_eq!(next_due(&fixture, STRIPE).await, Some(at(40)));
}

/// Two processes settle findings about the same payments, in opposite order, while the shop sends
/// new versions of all their orders.
async fn settlers_and_imports_of_the_same_payments_do_not_block_each_other(fixture: Fixture) {
    let orders: Vec<Order> = (0..8).map(|nth| order(&format!("A{nth}"))).collect();
    fixture.import(orders.clone()).await;
    let fixture = Arc::new(fixture);
    for round in 0..15 {
        for order in orders.iter().chain(&orders) {
            fixture.refund(order.id.as_str(), by_card(1)).await;
        }
        let claimed = fixture.send(&format!("w{round}"), 16, at(0)).await;
        let (mut mine, mut yours): (Vec<_>, Vec<_>) = claimed.iter().partition(|attempt| {
            let first = claimed.iter().find(|other| other.order == attempt.order);
            first.is_some_and(|first| first.id == attempt.id)
        });
        mine.sort_by_key(|attempt| attempt.order.clone());
        yours.sort_by_key(|attempt| Reverse(attempt.order.clone()));
        let settlers = [mine, yours].map(|half| {
            let fixture = Arc::clone(&fixture);
            let findings: Vec<_> = half.into_iter().map(paid).collect();
            tokio::spawn(async move { fixture.settle(&findings, at(1)).await })
        });
        let newer =
            orders.iter().rev().map(|order| Order { source_version: 2 + round, ..order.clone() });
        let outcomes = fixture.import(newer).await;
        assert_eq!(outcomes, [ImportOutcome::Updated; 8]);
        for settler in settlers {
            assert_eq!(settler.await.unwrap(), 8);
        }
    }
    fixture.assert_books().await;
}
