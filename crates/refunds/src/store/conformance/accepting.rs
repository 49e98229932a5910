//! A quote is accepted once: money, lines, postings, event and the answer are one write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redress_core::clock::Timestamp;
use redress_core::id::{EventId, OrderId, PaymentId, QuoteId, RefundId};
use redress_store::{StoreError, idempotency};

use super::{
    Fixture, announced, arena, at, by_card, open_fixture, order, other, patiently, price, request,
    split_order,
};
use crate::domain::act::Action;
use crate::domain::fact::Fact;
use crate::domain::order::Tender;
use crate::domain::quote::Quote;
use crate::domain::refund::RefundState;
use crate::domain::reserve::Shortage;
use crate::store::{CreateOutcome, NewRefund, Offer, RefundFilter, StoredQuote};

redress_testkit::conformance! {
    open = open_fixture;
    a_quote_reads_back_until_a_refund_accepts_it,
    a_quote_needs_its_order,
    accepting_reserves_the_money_and_announces_the_refund,
    an_answered_request_is_found_again,
    a_quote_is_accepted_once,
    a_request_id_is_used_once,
    money_that_is_gone_is_a_shortage,
    a_line_that_is_taken_is_a_shortage,
    a_tender_without_a_connector_is_reserved_for_a_person,
    a_batch_ends_as_its_refunds_would_one_after_another,
    a_batch_of_several_tenants_is_one_write,
    what_the_caller_believes_to_be_left_is_compared,
    a_buyer_uses_a_policy_once,
    a_quote_can_be_stored_with_its_refund,
    racing_refunds_never_exceed_the_payment,
    racing_repetitions_of_one_request_leave_one_refund,
}

async fn a_quote_reads_back_until_a_refund_accepts_it(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let quote = fixture.offer("A1", by_card(1000)).await;
    let read = async || fixture.quote(&quote.id).await;
    let customer = order("A1").customer;
    let stored = StoredQuote { quote: quote.clone(), customer, accepted: None };
    assert_eq!(read().await, Some(stored.clone()));
    let refund = fixture.acceptance(&quote);
    fixture.create(&refund, &quote, "a").await.unwrap();
    assert_eq!(read().await, Some(StoredQuote { accepted: Some(refund.id), ..stored }));
    let missing = QuoteId::new("missing").unwrap();
    assert_eq!(fixture.quote(&missing).await, None);
}

async fn a_quote_needs_its_order(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let mut quote = fixture.offer("A1", by_card(1000)).await;
    quote.id = QuoteId::new("q").unwrap();
    quote.order = OrderId::new("A2").unwrap();
    let stored = fixture.store.create_quote(&arena(), &quote, &request("a"), at(0)).await;
    assert!(matches!(stored, Err(StoreError::ReferenceViolated)), "{stored:?}");
    quote.order = OrderId::new("A1").unwrap();
    fixture.store.create_quote(&arena(), &quote, &request("a"), at(0)).await.unwrap();
    quote.id = QuoteId::new("q2").unwrap();
    let again = fixture.store.create_quote(&arena(), &quote, &request("a"), at(0)).await;
    assert!(again.is_err_and(|error| idempotency::is_duplicate(&error)));
    assert_eq!(fixture.quote(&quote.id).await, None);
}

async fn accepting_reserves_the_money_and_announces_the_refund(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let refund = fixture.refund("A1", by_card(1000)).await;
    assert_eq!(fixture.read(&refund.id).await, refund);
    let stored = fixture.order("A1").await;
    assert_eq!(stored.lines[0].committed, 1000);
    assert_eq!(stored.payments[0].refundable(), 4390);
    let sums = fixture.store.ledger_sums(&arena()).await.unwrap().remove(0);
    assert_eq!((sums.debits, sums.payable, sums.reserved, sums.open), (1000, 1000, 1000, 1000));
    assert_eq!(fixture.events("orders/A1").await, announced(&[Fact::refund_state(&refund)]));
    fixture.assert_books().await;
}

async fn an_answered_request_is_found_again(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let stored = async |method, id| fixture.store.replay(&arena(), method, id).await.unwrap();
    assert!(stored("RefundService/CreateRefund", "a").await.is_none());
    let quote = fixture.offer("A1", by_card(1000)).await;
    fixture.create(&fixture.acceptance(&quote), &quote, "a").await.unwrap();
    let reply = stored("RefundService/CreateRefund", "a").await.unwrap();
    assert_eq!((reply.fingerprint, reply.response), (vec![7; 32], b"a".to_vec()));
    assert!(stored("RefundService/QuoteRefund", "a").await.is_none());
    assert!(stored("RefundService/QuoteRefund", quote.id.as_str()).await.is_some());
}

/// Nothing but what was there before is there now.
async fn assert_only(fixture: &Fixture, refund: &RefundId, reserved: i64) {
    let filter = RefundFilter::default();
    let page = super::first_page();
    let refunds = fixture.store.list_refunds(&arena(), &filter, &page).await.unwrap().rows;
    assert_eq!(refunds.iter().map(|refund| &refund.id).collect::<Vec<_>>(), [refund]);
    assert_eq!(fixture.payment("A1", "p1").await.counters.reserved, reserved);
    assert_eq!(fixture.order("A1").await.lines[0].committed, reserved);
    assert_eq!(fixture.events("orders/A1").await.len(), 1);
    fixture.assert_books().await;
}

async fn a_quote_is_accepted_once(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let quote = fixture.offer("A1", by_card(1000)).await;
    let [first, second] = [fixture.acceptance(&quote), fixture.acceptance(&quote)];
    assert_eq!(fixture.create(&first, &quote, "a").await.unwrap(), CreateOutcome::Created);
    assert_eq!(fixture.create(&second, &quote, "b").await.unwrap(), CreateOutcome::QuoteUsed);
    assert_only(&fixture, &first.id, 1000).await;
    // The refused request was not answered: it may come again.
    let method = "RefundService/CreateRefund";
    assert!(fixture.store.replay(&arena(), method, "b").await.unwrap().is_none());
}

async fn a_request_id_is_used_once(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let quotes =
        [fixture.offer("A1", by_card(1000)).await, fixture.offer("A1", by_card(500)).await];
    let first = fixture.acceptance(&quotes[0]);
    assert_eq!(fixture.create(&first, &quotes[0], "a").await.unwrap(), CreateOutcome::Created);
    for quote in &quotes {
        let repeated = fixture.create(&fixture.acceptance(quote), quote, "a").await;
        assert_eq!(repeated.unwrap(), CreateOutcome::Answered);
    }
    assert_only(&fixture, &first.id, 1000).await;
    let free = fixture.quote(&quotes[1].id).await.unwrap();
    assert_eq!(free.accepted, None);
}

async fn money_that_is_gone_is_a_shortage(fixture: Fixture) {
    let mut small = order("A1");
    small.payments[0].captured = 1500;
    fixture.import([small]).await;
    let quote = fixture.offer("A1", by_card(501)).await;
    let first = fixture.refund("A1", by_card(1000)).await;
    let late = fixture.acceptance(&quote);
    let shortage =
        Shortage::Payment { payment: PaymentId::new("p1").unwrap(), refundable: 500, wanted: 501 };
    let outcome = fixture.create(&late, &quote, "a").await.unwrap();
    assert_eq!(outcome, CreateOutcome::Short(shortage));
    assert_only(&fixture, &first.id, 1000).await;
    assert_eq!(fixture.store.refund(&arena(), &late.id).await.unwrap(), None);
}

async fn a_line_that_is_taken_is_a_shortage(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let quote = fixture.offer("A1", by_card(2001)).await;
    let first = fixture.refund("A1", by_card(1000)).await;
    let shortage = Shortage::Line { line: "p1".to_owned(), remaining: 2000, wanted: 2001 };
    let outcome = fixture.create(&fixture.acceptance(&quote), &quote, "a").await.unwrap();
    assert_eq!(outcome, CreateOutcome::Short(shortage));
    assert_only(&fixture, &first.id, 1000).await;
}

async fn a_tender_without_a_connector_is_reserved_for_a_person(fixture: Fixture) {
    fixture.import([split_order("A1", ("giftcard", Tender::GiftCard))]).await;
    let by_voucher = price(&[("p2", 700)], &[("p2", "giftcard", 700)]);
    let refund = fixture.refund("A1", by_voucher).await;
    assert_eq!(refund.state, RefundState::Attention);
    assert_eq!(fixture.read(&refund.id).await, refund);
    assert_eq!(fixture.payment("A1", "p2").await.counters.reserved, 700);
    assert_eq!(fixture.order("A1").await.lines[1].committed, 700);
    assert_eq!(fixture.events("orders/A1").await, announced(&[Fact::refund_state(&refund)]));
    assert!(fixture.send("w1", 9, at(0)).await.is_empty());
    fixture.assert_books().await;
}

/// Creates refunds in one go.
async fn create_all(fixture: &Fixture, batch: &[NewRefund]) -> Vec<CreateOutcome> {
    fixture.store.create_refunds(batch, &*fixture.ids).await.unwrap()
}

async fn a_batch_ends_as_its_refunds_would_one_after_another(fixture: Fixture) {
    fixture.import([order("A1"), order("A2")]).await;
    assert_eq!(create_all(&fixture, &[]).await, []);
    let mut quotes = Vec::new();
    for (order, amount) in [("A1", 2000), ("A1", 1000), ("A1", 1), ("A2", 500), ("A2", 100)] {
        quotes.push(fixture.offer(order, by_card(amount)).await);
    }
    let new = |at: usize, request: &str| {
        let refund = fixture.acceptance(&quotes[at]);
        fixture.to_create(&refund, &quotes[at], request)
    };
    let batch = [
        new(0, "a"),
        new(1, "b"),
        // The line has nothing left after these two.
        new(2, "c"),
        new(3, "d"),
        // The quote, and the request, were used a moment ago.
        new(3, "e"),
        new(4, "d"),
        new(4, "f"),
    ];
    let outcomes = create_all(&fixture, &batch).await;
    let shortage = Shortage::Line { line: "p1".to_owned(), remaining: 0, wanted: 1 };
    assert_eq!(
        outcomes,
        [
            CreateOutcome::Created,
            CreateOutcome::Created,
            CreateOutcome::Short(shortage),
            CreateOutcome::Created,
            CreateOutcome::QuoteUsed,
            CreateOutcome::Answered,
            CreateOutcome::Created,
        ]
    );
    for (new, outcome) in batch.iter().zip(&outcomes) {
        let stored = fixture.store.refund(&arena(), &new.refund.id).await.unwrap();
        let expected = (*outcome == CreateOutcome::Created).then(|| new.refund.clone());
        assert_eq!(stored, expected);
        let audited =
            fixture.store.audit_of(&arena(), &new.refund.id.resource_name()).await.unwrap();
        let written =
            if *outcome == CreateOutcome::Created { vec![new.audit.clone()] } else { vec![] };
        assert_eq!(audited, written);
    }
    assert_eq!(fixture.payment("A1", "p1").await.counters.reserved, 3000);
    assert_eq!(fixture.payment("A2", "p1").await.counters.reserved, 600);
    assert_eq!(fixture.events("orders/A1").await.len(), 2);
    fixture.assert_books().await;
}

async fn a_batch_of_several_tenants_is_one_write(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let imported = [super::imported(order("A1"))];
    fixture.store.import_orders(&other(), &imported, None, &*fixture.ids, at(0)).await.unwrap();
    let quote = fixture.offer("A1", by_card(1000)).await;
    let ours = fixture.to_create(&fixture.acceptance(&quote), &quote, "a");
    let mut theirs = fixture.to_create(&fixture.acceptance(&quote), &quote, "a");
    theirs.refund.tenant = other();
    theirs.refund.attempts.iter_mut().for_each(|attempt| attempt.tenant = other());
    theirs.audit.tenant = other();
    theirs.offer = Offer::Fresh(Box::new(quote.clone()));
    let outcomes = create_all(&fixture, &[ours.clone(), theirs.clone()]).await;
    assert_eq!(outcomes, [CreateOutcome::Created, CreateOutcome::Created]);
    let read = fixture.store.refund(&other(), &theirs.refund.id).await.unwrap();
    assert_eq!(read, Some(theirs.refund));
    assert_eq!(fixture.store.refund(&other(), &ours.refund.id).await.unwrap(), None);
}

async fn what_the_caller_believes_to_be_left_is_compared(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let quotes =
        [fixture.offer("A1", by_card(1000)).await, fixture.offer("A1", by_card(1000)).await];
    let new = |at: usize, expected| NewRefund {
        expected_refundable: Some(expected),
        ..fixture.to_create(&fixture.acceptance(&quotes[at]), &quotes[at], quotes[at].id.as_str())
    };
    let outcomes = create_all(&fixture, &[new(0, 5389), new(0, 5390), new(1, 5390)]).await;
    assert_eq!(
        outcomes,
        [
            CreateOutcome::RefundableChanged(5390),
            CreateOutcome::Created,
            CreateOutcome::RefundableChanged(4390),
        ]
    );
    fixture.assert_books().await;
}

async fn a_buyer_uses_a_policy_once(fixture: Fixture) {
    // Two orders of one buyer for one event.
    fixture.import([order("A1"), order("A2")]).await;
    let event = order("A1").lines[0].event.clone();
    let mut quotes = Vec::new();
    for order in ["A1", "A2"] {
        let once_for = vec![event.clone()];
        quotes.push(Quote { once_for, ..fixture.offer(order, by_card(1000)).await });
    }
    let new = |at: usize| {
        let refund = fixture.acceptance(&quotes[at]);
        let request = refund.id.as_str().to_owned();
        fixture.to_create(&refund, &quotes[at], &request)
    };
    let (first, second) = (new(0), new(1));
    let uses = async || {
        let customer = &first.refund.customer;
        let events = [event.clone(), EventId::new("other").unwrap()];
        fixture.store.buyer_refunds(&arena(), customer, &events).await.unwrap()
    };
    assert_eq!(uses().await, []);
    let outcomes = create_all(&fixture, &[first.clone(), second.clone()]).await;
    assert_eq!(outcomes, [CreateOutcome::Created, CreateOutcome::BuyerLimit]);
    assert_eq!(
        create_all(&fixture, std::slice::from_ref(&second)).await,
        [CreateOutcome::BuyerLimit]
    );
    assert_eq!(uses().await, [(event.clone(), 1)]);
    // Taken back, it does not count.
    fixture.decide(&first.refund.id, &Action::Cancel, "agent-1").await;
    assert_eq!(uses().await, []);
    assert_eq!(create_all(&fixture, &[second]).await, [CreateOutcome::Created]);
    fixture.assert_books().await;
}

async fn a_quote_can_be_stored_with_its_refund(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let stored = fixture.offer("A1", by_card(1000)).await;
    let quote = Quote { id: QuoteId::new("fresh").unwrap(), ..stored };
    let refund = fixture.acceptance(&quote);
    let new = NewRefund {
        offer: Offer::Fresh(Box::new(quote.clone())),
        ..fixture.to_create(&refund, &quote, "a")
    };
    assert_eq!(create_all(&fixture, &[new]).await, [CreateOutcome::Created]);
    let read = fixture.quote(&quote.id).await.unwrap();
    assert_eq!((read.quote, read.accepted), (quote, Some(refund.id)));
}

/// 50 refunds of 3.00 EUR race for a payment of 53.90 EUR, whose lines would give 150.00: 17 fit.
async fn racing_refunds_never_exceed_the_payment(fixture: Fixture) {
    let mut dear = order("A1");
    dear.lines[0].gross = 15_000;
    fixture.import([dear]).await;
    let fixture = Arc::new(fixture);
    let racing = Arc::new(AtomicBool::new(true));
    let observer = tokio::spawn({
        let (fixture, racing) = (Arc::clone(&fixture), Arc::clone(&racing));
        async move {
            let (tenant, ids) = (arena(), [OrderId::new("A1").unwrap()]);
            while racing.load(Ordering::SeqCst) {
                let read = patiently(|| fixture.store.orders(&tenant, &ids)).await;
                let order = read.unwrap().remove(0);
                let reserved = order.payments[0].counters.reserved;
                assert_eq!(order.payments[0].refundable(), 5390 - reserved);
                assert_eq!(order.lines[0].committed, reserved, "lines and payments at one instant");
            }
        }
    });
    let mut racers = Vec::new();
    for _ in 0..50 {
        let quote = fixture.offer("A1", by_card(300)).await;
        let refund = fixture.acceptance(&quote);
        let fixture = Arc::clone(&fixture);
        racers.push(async move { fixture.create(&refund, &quote, refund.id.as_str()).await });
    }
    let racers: Vec<_> = racers.into_iter().map(tokio::spawn).collect();
    let mut created = 0;
    for racer in racers {
        match racer.await.unwrap().unwrap() {
            CreateOutcome::Created => created += 1,
            outcome => assert!(matches!(outcome, CreateOutcome::Short(_)), "{outcome:?}"),
        }
    }
    racing.store(false, Ordering::SeqCst);
    observer.await.unwrap();
    assert_eq!(created, 17);
    assert_eq!(fixture.payment("A1", "p1").await.counters.reserved, 17 * 300);
    assert_eq!(fixture.events("orders/A1").await.len(), 17);
    fixture.assert_books().await;
}

async fn racing_repetitions_of_one_request_leave_one_refund(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let quote = fixture.offer("A1", by_card(1000)).await;
    let fixture = Arc::new(fixture);
    let racers: Vec<_> = (0..100)
        .map(|_| {
            let (fixture, quote) = (Arc::clone(&fixture), quote.clone());
            tokio::spawn(async move {
                let refund = fixture.acceptance(&quote);
                let outcome = fixture.create(&refund, &quote, "a").await;
                (refund.id, outcome)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for racer in racers {
        match racer.await.unwrap() {
            (id, Ok(CreateOutcome::Created)) => winners.push(id),
            (_, Ok(outcome)) => assert_eq!(outcome, CreateOutcome::Answered),
            (_, Err(error)) => assert!(idempotency::is_duplicate(&error), "{error}"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_only(&fixture, &winners[0], 1000).await;
    assert_eq!(fixture.read(&winners[0]).await.created, Timestamp(at(0).0));
}
