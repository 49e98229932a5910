//! Refunds made at the provider past Redress: counted once, and never guessed.

use redress_core::id::{AttemptId, PaymentId, RefundId};
use redress_core::money::Money;

use super::{
    Fixture, STRIPE, announced, arena, at, by_card, euro, open_fixture, order, other, paid,
};
use crate::domain::attempt::{Attempt, AttemptState, Reason};
use crate::domain::deadline::stopped_clock;
use crate::domain::fact::Fact;
use crate::domain::refund::{Origin, Refund, RefundState};
use crate::store::{AmbiguousRefund, CreateOutcome, PaymentAt};

redress_testkit::conformance! {
    open = open_fixture;
    a_refund_made_at_the_provider_reduces_what_is_left_and_cancels_nothing,
    it_is_recorded_once,
    more_than_was_captured_marks_the_payment,
    payments_are_found_by_the_providers_reference,
    a_payment_tells_that_one_of_our_refunds_may_be_meant,
    an_ambiguous_one_is_announced_once_for_each_tenant,
}

/// What Redress learned of a refund of `amount` on the card of A1.
fn external(fixture: &Fixture, id: &str, amount: i64) -> Refund {
    let refund = RefundId::fresh(&*fixture.ids);
    let attempt = Attempt {
        tenant: arena(),
        id: AttemptId::fresh(&*fixture.ids),
        refund: refund.clone(),
        order: order("A1").id,
        payment: PaymentId::new("p1").unwrap(),
        ordinal: 1,
        provider: STRIPE.to_owned(),
        payment_reference: "ref-p1".to_owned(),
        currency: euro(),
        amount,
        state: AttemptState::Succeeded,
        reason: None,
        provider_refund: id.to_owned(),
        claim: String::new(),
        due: at(0),
        sent: at(0),
        absences: 0,
        delays: 0,
        updated: at(0),
    };
    Refund {
        tenant: arena(),
        id: refund,
        order: order("A1").id,
        customer: order("A1").customer,
        disruption: None,
        origin: Origin::Provider,
        state: RefundState::Succeeded,
        currency: euro(),
        requested: amount,
        issued: amount,
        lines: Vec::new(),
        repriced: Vec::new(),
        override_code: None,
        attempts: vec![attempt],
        legal_clock: stopped_clock(at(0)),
        expected_arrival: None,
        reason: None,
        requester: "provider:stripe".to_owned(),
        approver: None,
        traceparent: None,
        version: 1,
        created: at(0),
        updated: at(0),
    }
}

async fn record(fixture: &Fixture, refund: &Refund) -> bool {
    fixture.store.record_external(refund, &*fixture.ids, at(0)).await.unwrap()
}

async fn a_refund_made_at_the_provider_reduces_what_is_left_and_cancels_nothing(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let refund = external(&fixture, "re_dash", 5000);
    assert!(record(&fixture, &refund).await);
    assert_eq!(fixture.read(&refund.id).await, refund);
    let stored = fixture.order("A1").await;
    assert_eq!(stored.payments[0].refundable(), 390);
    assert_eq!(stored.payments[0].counters.external, 5000);
    assert!(stored.lines.iter().all(|line| line.committed == 0), "no ticket is cancelled");
    assert_eq!(fixture.events("orders/A1").await, announced(&[Fact::refund_state(&refund)]));
    fixture.assert_books().await;
    let quote = fixture.offer("A1", by_card(391)).await;
    let outcome = fixture.create(&fixture.acceptance(&quote), &quote, "a").await.unwrap();
    assert!(matches!(outcome, CreateOutcome::Short(_)), "{outcome:?}");
}

async fn it_is_recorded_once(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    assert!(record(&fixture, &external(&fixture, "re_dash", 100)).await);
    assert!(!record(&fixture, &external(&fixture, "re_dash", 100)).await);
    assert!(record(&fixture, &external(&fixture, "re_other", 100)).await);
    assert_eq!(fixture.payment("A1", "p1").await.counters.refunded, 200);
    assert_eq!(fixture.events("orders/A1").await.len(), 2);
    fixture.assert_books().await;
}

async fn more_than_was_captured_marks_the_payment(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    fixture.refund("A1", by_card(1000)).await;
    let refund = external(&fixture, "re_dash", 5000);
    assert!(record(&fixture, &refund).await);
    let payment = fixture.payment("A1", "p1").await;
    assert!(payment.counters.overdrawn);
    assert_eq!(payment.refundable(), 0);
    let excess = Money::new(euro(), 610).unwrap();
    let overdrawn = Fact::overdrawn(&refund, payment.id, excess);
    let told = fixture.events("orders/A1").await;
    assert_eq!(told[1..], announced(&[Fact::refund_state(&refund), overdrawn]));
    fixture.assert_books().await;
}

async fn payments_are_found_by_the_providers_reference(fixture: Fixture) {
    fixture.import([order("A1"), order("A2")]).await;
    let found = fixture.store.payments_at(STRIPE, "ref-p1", 9).await.unwrap();
    let at = |id: &str| PaymentAt {
        tenant: arena(),
        order: order(id).id,
        customer: order(id).customer,
        payment: PaymentId::new("p1").unwrap(),
        currency: euro(),
        awaits_answer: false,
        awaits_person: false,
    };
    assert_eq!(found, [at("A1"), at("A2")]);
    assert_eq!(fixture.store.payments_at(STRIPE, "ref-p1", 1).await.unwrap(), [at("A1")]);
    assert_eq!(fixture.store.payments_at("adyen", "ref-p1", 9).await.unwrap(), []);
    assert_eq!(fixture.store.payments_at(STRIPE, "", 9).await.unwrap(), []);
}

async fn a_payment_tells_that_one_of_our_refunds_may_be_meant(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    fixture.refund("A1", by_card(1000)).await;
    let awaits = async || {
        let found = fixture.store.payments_at(STRIPE, "ref-p1", 9).await.unwrap().remove(0);
        (found.awaits_answer, found.awaits_person)
    };
    assert_eq!(awaits().await, (false, false), "nothing was sent");
    let sent = fixture.send("c1", 9, at(0)).await.remove(0);
    assert_eq!(awaits().await, (true, false));
    fixture.settle(&[paid(&sent)], at(1)).await;
    assert_eq!(awaits().await, (false, false));
    let mut by_hand = by_card(1000);
    by_hand.shares[0].by_hand = Some(Reason::OutOfRefundWindow);
    fixture.refund("A1", by_hand).await;
    assert_eq!(awaits().await, (false, true), "a person is to pay it");
}

async fn an_ambiguous_one_is_announced_once_for_each_tenant(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let ambiguous = AmbiguousRefund {
        tenant: arena(),
        provider: STRIPE.to_owned(),
        provider_refund: "re_dash".to_owned(),
        amount: Money::new(euro(), 100).unwrap(),
        order: order("A1").id,
        customer: order("A1").customer,
    };
    let announce = async |ambiguous: &AmbiguousRefund| {
        fixture.store.announce_ambiguous(ambiguous, &*fixture.ids, at(0)).await.unwrap()
    };
    assert!(announce(&ambiguous).await);
    assert!(!announce(&ambiguous).await);
    assert!(announce(&AmbiguousRefund { tenant: other(), ..ambiguous.clone() }).await);
    assert_eq!(fixture.events("orders/A1").await.len(), 2);
    assert_eq!(fixture.payment("A1", "p1").await.counters.refunded, 0);
}
