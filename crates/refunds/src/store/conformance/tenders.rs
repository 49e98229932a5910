//! A refund on two tenders is paid on each by itself, and its state says what a person must know.

use std::sync::Arc;

use super::{Fixture, LEASE, announced, arena, at, found, open_fixture, paid, price, split_order};
use crate::domain::act::{Action, Outcome};
use crate::domain::attempt::{Attempt, Reason};
use crate::domain::fact::Fact;
use crate::domain::order::Tender;
use crate::domain::price::Price;
use crate::domain::refund::{Refund, RefundState};
use crate::domain::settle::Finding;
use crate::store::Claim;

redress_testkit::conformance! {
    open = open_fixture;
    two_tenders_settle_in_one_batch,
    two_tenders_settle_one_after_the_other,
    a_part_that_failed_needs_a_person_whatever_else_was_paid,
    the_connected_part_is_paid_beside_one_that_a_person_pays,
    several_refunds_settle_in_one_batch,
    lanes_of_two_providers_do_not_block_each_other,
}

fn both(amount: i64, second: &str) -> Price {
    let half = amount / 2;
    price(&[("p1", amount)], &[("p1", "stripe", half), ("p2", second, amount - half)])
}

async fn claim(fixture: &Fixture, provider: &str, token: &str) -> Vec<Attempt> {
    let claim = Claim { provider, claim: token, limit: 50, now: at(0), lease: LEASE };
    super::patiently(|| fixture.store.claim_to_send(&claim, None)).await.unwrap().attempts
}

/// One refund of 20.00 EUR, half by stripe and half by adyen, both sent.
async fn sent(fixture: &Fixture) -> (Refund, [Attempt; 2]) {
    fixture.import([split_order("A1", ("adyen", Tender::Wallet))]).await;
    let refund = fixture.refund("A1", both(2000, "adyen")).await;
    let first = claim(fixture, "stripe", "w1").await.pop().unwrap();
    let second = claim(fixture, "adyen", "w2").await.pop().unwrap();
    assert_eq!(fixture.read(&refund.id).await.version, 2, "the first claim moved the refund on");
    (refund, [first, second])
}

fn refused(attempt: &Attempt) -> Finding {
    let provider_refund = format!("re_{}", attempt.id);
    Finding::Refused { reason: Reason::AccountClosed, provider_refund }
}

/// Counters of the two payments: reserved and refunded.
async fn counters(fixture: &Fixture) -> Vec<(i64, i64)> {
    let payments = fixture.order("A1").await.payments;
    payments.iter().map(|p| (p.counters.reserved, p.counters.refunded)).collect()
}

async fn two_tenders_settle_in_one_batch(fixture: Fixture) {
    let (queued, attempts) = sent(&fixture).await;
    assert_eq!(fixture.settle(&attempts.each_ref().map(paid), at(1)).await, 2);
    fixture.assert_books().await;
    let stored = fixture.read(&queued.id).await;
    assert_eq!((stored.state, stored.issued), (RefundState::Succeeded, 2000));
    assert_eq!(counters(&fixture).await, [(0, 1000), (0, 1000)]);
    let facts = [Fact::refund_state(&queued), Fact::refund_state(&stored)];
    assert_eq!(fixture.events("orders/A1").await, announced(&facts));
}

async fn two_tenders_settle_one_after_the_other(fixture: Fixture) {
    let (queued, [first, second]) = sent(&fixture).await;
    fixture.learn(&first, Finding::Succeeded { provider_refund: "re_1".to_owned() }, at(1)).await;
    let between = fixture.read(&queued.id).await;
    assert_eq!((between.state, between.issued), (RefundState::Processing, 1000));
    assert_eq!(counters(&fixture).await, [(0, 1000), (1000, 0)]);
    assert_eq!(fixture.events("orders/A1").await.len(), 1, "it has not come to rest");
    fixture.learn(&second, Finding::Succeeded { provider_refund: "re_2".to_owned() }, at(2)).await;
    let stored = fixture.read(&queued.id).await;
    assert_eq!((stored.state, stored.issued), (RefundState::Succeeded, 2000));
    assert_eq!(fixture.events("orders/A1").await.len(), 2);
}

async fn a_part_that_failed_needs_a_person_whatever_else_was_paid(fixture: Fixture) {
    let (queued, [first, second]) = sent(&fixture).await;
    fixture.learn(&first, refused(&first), at(1)).await;
    assert_eq!(fixture.read(&queued.id).await.state, RefundState::Processing);
    fixture.learn(&second, Finding::Succeeded { provider_refund: "re_2".to_owned() }, at(2)).await;
    let stored = fixture.read(&queued.id).await;
    assert_eq!((stored.state, stored.issued), (RefundState::Attention, 1000));
    assert_eq!(stored.reason, Some(Reason::AccountClosed));
    assert_eq!(counters(&fixture).await, [(0, 0), (0, 1000)]);
    let facts = [Fact::refund_state(&queued), Fact::refund_state(&stored)];
    assert_eq!(fixture.events("orders/A1").await, announced(&facts));
}

async fn the_connected_part_is_paid_beside_one_that_a_person_pays(fixture: Fixture) {
    fixture.import([split_order("A1", ("giftcard", Tender::GiftCard))]).await;
    let refund = fixture.refund("A1", both(2000, "giftcard")).await;
    assert_eq!(refund.state, RefundState::Queued);
    assert_eq!(counters(&fixture).await, [(1000, 0), (1000, 0)], "a person needs it as well");
    assert_eq!(claim(&fixture, "giftcard", "w1").await, []);
    let attempt = claim(&fixture, "stripe", "w1").await.pop().unwrap();
    fixture.learn(&attempt, Finding::Succeeded { provider_refund: "re_1".to_owned() }, at(1)).await;
    let stored = fixture.read(&refund.id).await;
    assert_eq!((stored.state, stored.issued), (RefundState::Attention, 1000));
    assert_eq!(stored.reason, Some(Reason::NoConnector));
    assert_eq!(counters(&fixture).await, [(0, 1000), (1000, 0)]);
    let by_hand = stored.attempts.into_iter().find(|a| a.provider == "giftcard").unwrap();
    let outcome = Outcome::Paid { reference: "TX-1".to_owned() };
    let resolve = Action::Resolve { attempt: by_hand.id, outcome };
    let resolved = fixture.decide(&refund.id, &resolve, "agent-2").await;
    assert_eq!((resolved.state, resolved.issued), (RefundState::Succeeded, 2000));
    assert_eq!(counters(&fixture).await, [(0, 1000), (0, 1000)]);
    fixture.assert_books().await;
}

async fn several_refunds_settle_in_one_batch(fixture: Fixture) {
    fixture.import(["A1", "A2"].map(|id| split_order(id, ("adyen", Tender::Wallet)))).await;
    let mut refunds = Vec::new();
    for id in ["A1", "A2", "A1"] {
        refunds.push(fixture.refund(id, both(200, "adyen")).await.id);
    }
    let mut attempts = claim(&fixture, "stripe", "w1").await;
    attempts.extend(claim(&fixture, "adyen", "w2").await);
    let mut findings: Vec<_> = attempts.iter().map(paid).collect();
    findings[4] = found(&attempts[4], refused(&attempts[4]));
    findings[5] = found(&attempts[5], Finding::AnswerLost { check: at(9) });
    // Of somebody who has lost its claim: the others count all the same.
    findings[0].claim = "stale".to_owned();
    assert_eq!(fixture.settle(&findings, at(1)).await, 5);
    fixture.assert_books().await;
    let sums = fixture.store.ledger_sums(&arena()).await.unwrap().remove(0);
    assert_eq!((sums.paid, sums.payable, sums.debits), (300, 200, 600 + 300 + 100));
}

/// Senders and settlers of two lanes work on two tenders of the same refunds.
async fn lanes_of_two_providers_do_not_block_each_other(fixture: Fixture) {
    let ids: Vec<String> = (0..8).map(|nth| format!("A{nth}")).collect();
    fixture.import(ids.iter().map(|id| split_order(id, ("adyen", Tender::Wallet)))).await;
    for id in ids.iter().cycle().take(32) {
        fixture.refund(id, both(20, "adyen")).await;
    }
    let fixture = Arc::new(fixture);
    let lanes =
        [("stripe", 0), ("stripe", 1), ("adyen", 2), ("adyen", 3)].map(|(provider, lane)| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move {
                for round in 0..40 {
                    let claim = claim(&fixture, provider, &format!("{lane}-{round}")).await;
                    let not_sent = Finding::NotSent { retry: at(0) };
                    let findings: Vec<_> =
                        claim.iter().map(|attempt| found(attempt, not_sent.clone())).collect();
                    assert_eq!(fixture.settle(&findings, at(1)).await, findings.len());
                }
            })
        });
    for lane in lanes {
        lane.await.unwrap();
    }
    fixture.assert_books().await;
    let mut rest = claim(&fixture, "stripe", "last").await;
    rest.extend(claim(&fixture, "adyen", "last").await);
    assert_eq!(rest.len(), 64);
    assert_eq!(fixture.settle(&rest.iter().map(paid).collect::<Vec<_>>(), at(2)).await, 64);
    fixture.assert_books().await;
}
