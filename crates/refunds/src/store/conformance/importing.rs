//! Orders come in: what is new or newer is stored, counters stay, nothing is half-written.

use std::sync::Arc;

use redress_core::id::{OrderId, PaymentId};
use redress_core::money::Money;
use redress_policy::LineKind;
use redress_store::StoreError;

use super::{
    Fixture, announced, arena, at, by_card, imported, open_fixture, order, paid, split_order,
};
use crate::domain::attempt::Reason;
use crate::domain::fact::{Fact, FactKind};
use crate::domain::order::{
    Discount, DiscountStep, Order, OrderState, Payment, PaymentCounters, Tender, Traveller,
};
use crate::domain::settle::Finding;
use crate::store::{CreateOutcome, ImportOutcome};

redress_testkit::conformance! {
    open = open_fixture;
    an_order_reads_back_as_it_was_imported,
    the_same_order_again_changes_nothing,
    only_a_higher_source_version_replaces_an_order,
    another_currency_is_refused,
    counters_survive_an_update,
    a_line_that_disappears_after_its_refund_is_kept_as_removed,
    a_line_that_disappears_without_a_refund_is_gone,
    a_payment_that_disappears_holds_nothing,
    facts_from_outside_mark_a_payment_overdrawn,
    a_payment_that_becomes_overdrawn_is_announced_once,
    a_payment_that_disappears_under_a_refund_is_announced,
    an_excess_that_goes_away_lifts_the_mark,
    a_chunk_is_stored_as_a_whole_or_not_at_all,
    of_concurrent_imports_of_one_order_one_creates_it,
    an_import_waits_for_a_refund_of_its_order,
}

fn newer(order: Order) -> Order {
    Order { source_version: order.source_version + 1, ..order }
}

/// The next version of an order, without one of its lines.
fn without_line(order: &Order, line: &str) -> Order {
    let mut order = newer(order.clone());
    order.lines.retain(|kept| kept.id != line);
    order.total = order.lines.iter().map(|line| line.gross).sum();
    order
}

async fn an_order_reads_back_as_it_was_imported(fixture: Fixture) {
    let mut full = split_order("A1", ("miles", Tender::Points));
    full.contact.email = "ada@example.org".to_owned();
    full.contact.display_name = "Ada \"Ä\" \\ O'Neil 李".to_owned();
    full.contact.locale = "zh-Hans".to_owned();
    full.state = OrderState::Cancelled;
    full.policy = Some("standard".to_owned().try_into().unwrap());
    full.sales_channel = "web".to_owned();
    full.place_of_sale = "US-CA".to_owned();
    full.travellers =
        vec![Traveller { id: "a1".to_owned(), display_name: "Ada \"Ä\" O'Neil 李".to_owned() }];
    let steps = vec![DiscountStep { min_units: 10, basis_points: 500 }];
    full.discounts = vec![Discount { id: "group".to_owned(), steps }];
    let line = &mut full.lines[0];
    (line.units, line.tax, line.discount) = (10, 479, 158);
    line.kind = LineKind::HotelNight;
    line.place = "Hotel \"Zur Post\"".to_owned();
    line.section = "Wing \"B\" 李".to_owned();
    line.carrier = "DB".to_owned();
    line.trip = Some("weekend".to_owned());
    line.event_end = Some(at(9));
    line.discount_id = Some("group".to_owned());
    line.traveller_ids = vec!["a1".to_owned()];
    full.payments[1].points = 13_900;
    full.payments[1].refunded_elsewhere = 90;
    full.payments[1].elsewhere_reported = 90;
    assert_eq!(fixture.import([full.clone()]).await, [ImportOutcome::Created]);
    assert_eq!(fixture.order("A1").await, full);
    let mut moved = newer(full);
    moved.lines[0].section = "Wing C".to_owned();
    moved.lines[0].carrier = "LH".to_owned();
    moved.place_of_sale = "GB-SCT".to_owned();
    assert_eq!(fixture.import([moved.clone()]).await, [ImportOutcome::Updated]);
    assert_eq!(fixture.order("A1").await, moved);
}

async fn the_same_order_again_changes_nothing(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let outcomes = fixture.import([order("A1"), order("A2")]).await;
    assert_eq!(outcomes, [ImportOutcome::Unchanged, ImportOutcome::Created]);
    assert_eq!(fixture.order("A1").await, order("A1"));
}

async fn only_a_higher_source_version_replaces_an_order(fixture: Fixture) {
    let first = Order { source_version: 5, ..order("A1") };
    fixture.import([first.clone()]).await;
    let cancelled = Order { state: OrderState::Cancelled, ..first.clone() };
    assert_eq!(fixture.import([cancelled.clone()]).await, [ImportOutcome::Conflict]);
    let older = Order { source_version: 4, ..cancelled.clone() };
    assert_eq!(fixture.import([older]).await, [ImportOutcome::Stale]);
    assert_eq!(fixture.order("A1").await, first);
    assert_eq!(fixture.import([newer(cancelled.clone())]).await, [ImportOutcome::Updated]);
    assert_eq!(fixture.order("A1").await, newer(cancelled));
}

async fn another_currency_is_refused(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let yen = Order { currency: "JPY".parse().unwrap(), ..newer(order("A1")) };
    assert_eq!(fixture.import([yen]).await, [ImportOutcome::CurrencyChanged]);
    assert_eq!(fixture.order("A1").await, order("A1"));
}

async fn counters_survive_an_update(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    fixture.refund("A1", by_card(1000)).await;
    let attempt = fixture.send("w1", 1, at(0)).await.pop().unwrap();
    fixture.settle(&[paid(&attempt)], at(1)).await;
    fixture.refund("A1", by_card(200)).await;
    let update = Order { state: OrderState::Cancelled, ..newer(order("A1")) };
    assert_eq!(fixture.import([update]).await, [ImportOutcome::Updated]);
    let stored = fixture.order("A1").await;
    assert_eq!(stored.state, OrderState::Cancelled);
    assert_eq!(stored.lines[0].committed, 1200);
    let counters = PaymentCounters { reserved: 200, refunded: 1000, ..PaymentCounters::default() };
    assert_eq!(stored.payments[0].counters, counters);
    fixture.assert_books().await;
}

async fn a_line_that_disappears_after_its_refund_is_kept_as_removed(fixture: Fixture) {
    let first = order("A1");
    fixture.import([first.clone()]).await;
    let quote = fixture.offer("A1", by_card(500)).await;
    fixture.refund("A1", by_card(1000)).await;
    let without = without_line(&first, "p1");
    assert_eq!(fixture.import([without.clone()]).await, [ImportOutcome::Updated]);
    let lines = fixture.order("A1").await.lines;
    assert_eq!(lines.iter().map(|line| line.id.as_str()).collect::<Vec<_>>(), ["p2", "f1"]);
    let late = fixture.acceptance(&quote);
    let outcome = fixture.create(&late, &quote, "late").await.unwrap();
    assert!(matches!(outcome, CreateOutcome::Short(_)), "{outcome:?}");
    fixture.assert_books().await;
    // When it comes back, what was taken of it is still known.
    assert_eq!(fixture.import([newer(newer(first))]).await, [ImportOutcome::Updated]);
    assert_eq!(fixture.order("A1").await.lines[0].committed, 1000);
}

async fn a_line_that_disappears_without_a_refund_is_gone(fixture: Fixture) {
    let first = order("A1");
    fixture.import([first.clone()]).await;
    let without = without_line(&first, "p1");
    assert_eq!(fixture.import([without.clone()]).await, [ImportOutcome::Updated]);
    assert_eq!(fixture.order("A1").await, without);
}

async fn a_payment_that_disappears_holds_nothing(fixture: Fixture) {
    let first = split_order("A1", ("adyen", Tender::Card));
    fixture.import([first.clone()]).await;
    fixture.refund("A1", by_card(1000)).await;
    let mut unpaid = newer(first);
    unpaid.payments.clear();
    assert_eq!(fixture.import([unpaid]).await, [ImportOutcome::Updated]);
    let payments = fixture.order("A1").await.payments;
    assert_eq!(payments.iter().map(Payment::refundable).collect::<Vec<_>>(), [0, 0]);
    let marks: Vec<bool> = payments.iter().map(|payment| payment.counters.overdrawn).collect();
    assert_eq!(marks, [true, false], "only the one with a reservation exceeds what it captured");
    // The attempt on its way is not forgotten.
    let attempt = fixture.send("w1", 1, at(0)).await.pop().unwrap();
    fixture.learn(&attempt, Finding::Succeeded { provider_refund: "re_1".to_owned() }, at(1)).await;
    assert_eq!(fixture.payment("A1", "p1").await.counters.refunded, 1000);
}

async fn facts_from_outside_mark_a_payment_overdrawn(fixture: Fixture) {
    let mut before = order("A0");
    before.payments[0].refunded_elsewhere = 5391;
    fixture.import([order("A1"), before]).await;
    assert!(fixture.payment("A0", "p1").await.counters.overdrawn);
    let quote = fixture.offer("A1", by_card(1)).await;
    fixture.refund("A1", by_card(1000)).await;
    let mut elsewhere = newer(order("A1"));
    elsewhere.payments[0].refunded_elsewhere = 4390;
    fixture.import([elsewhere.clone()]).await;
    assert!(!fixture.payment("A1", "p1").await.counters.overdrawn);
    elsewhere.source_version += 1;
    elsewhere.payments[0].refunded_elsewhere = 4391;
    assert_eq!(fixture.import([elsewhere]).await, [ImportOutcome::Updated]);
    let payment = fixture.payment("A1", "p1").await;
    assert_eq!((payment.counters.overdrawn, payment.refunded_elsewhere), (true, 4391));
    let refund = fixture.acceptance(&quote);
    let outcome = fixture.create(&refund, &quote, "more").await.unwrap();
    assert!(matches!(outcome, CreateOutcome::Short(_)), "{outcome:?}");
    fixture.assert_books().await;
}

/// What is announced about payment p1 of A1.
fn overdrawn_by(minor_units: i64) -> Vec<(String, Vec<u8>)> {
    let kind = FactKind::PaymentOverdrawn {
        order: OrderId::new("A1").unwrap(),
        customer: order("A1").customer,
        payment: PaymentId::new("p1").unwrap(),
        excess: Money::new(order("A1").currency, minor_units).unwrap(),
    };
    announced(&[Fact { tenant: arena(), traceparent: None, kind }])
}

async fn a_payment_that_becomes_overdrawn_is_announced_once(fixture: Fixture) {
    let first = order("A1");
    fixture.import([first.clone(), order("A2")]).await;
    assert_eq!(fixture.events("orders/A1").await, []);
    let mut elsewhere = newer(first.clone());
    elsewhere.payments[0].refunded_elsewhere = 5400;
    assert_eq!(fixture.import([elsewhere.clone()]).await, [ImportOutcome::Updated]);
    assert_eq!(fixture.events("orders/A1").await, overdrawn_by(10));
    assert_eq!(fixture.import([elsewhere.clone()]).await, [ImportOutcome::Unchanged]);
    let mut more = newer(elsewhere);
    more.payments[0].refunded_elsewhere = 5500;
    assert_eq!(fixture.import([more.clone()]).await, [ImportOutcome::Updated]);
    assert_eq!(fixture.events("orders/A1").await, overdrawn_by(10), "it was so before");
    let sound = Order { source_version: more.source_version + 1, ..first };
    fixture.import([sound]).await;
    more.source_version += 2;
    assert_eq!(fixture.import([more]).await, [ImportOutcome::Updated]);
    let both = [overdrawn_by(10), overdrawn_by(110)].concat();
    assert_eq!(fixture.events("orders/A1").await, both, "it was sound between");
    let mut created = order("A3");
    created.payments[0].refunded_elsewhere = 5391;
    assert_eq!(fixture.import([created]).await, [ImportOutcome::Created]);
    assert_eq!(fixture.events("orders/A3").await.len(), 1);
    assert_eq!(fixture.events("orders/A2").await, []);
}

async fn a_payment_that_disappears_under_a_refund_is_announced(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    fixture.refund("A1", by_card(1000)).await;
    let before = fixture.events("orders/A1").await;
    let mut unpaid = newer(order("A1"));
    unpaid.payments.clear();
    for version in 0..2 {
        let unpaid = Order { source_version: unpaid.source_version + version, ..unpaid.clone() };
        assert_eq!(fixture.import([unpaid]).await, [ImportOutcome::Updated]);
    }
    let after = fixture.events("orders/A1").await;
    assert_eq!(after, [before, overdrawn_by(1000)].concat());
}

async fn an_excess_that_goes_away_lifts_the_mark(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    fixture.refund("A1", by_card(1000)).await;
    let mut elsewhere = newer(order("A1"));
    elsewhere.payments[0].refunded_elsewhere = 5000;
    fixture.import([elsewhere]).await;
    assert!(fixture.payment("A1", "p1").await.counters.overdrawn);
    let attempt = fixture.send("w1", 1, at(0)).await.pop().unwrap();
    let refused =
        Finding::Refused { reason: Reason::AlreadyRefunded, provider_refund: String::new() };
    fixture.learn(&attempt, refused, at(1)).await;
    assert_eq!(fixture.payment("A1", "p1").await.refundable(), 390);
}

async fn a_chunk_is_stored_as_a_whole_or_not_at_all(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let mut bad = order("A3");
    bad.lines[2].gross = -1;
    let update = Order { state: OrderState::Cancelled, ..newer(order("A1")) };
    let chunk = [update, order("A2"), bad].map(imported);
    let outcome = fixture.store.import_orders(&arena(), &chunk, None, &*fixture.ids, at(0)).await;
    assert!(matches!(outcome, Err(StoreError::CheckViolated { .. })), "{outcome:?}");
    let ids = ["A1", "A2", "A3"].map(|id| OrderId::new(id).unwrap());
    assert_eq!(fixture.store.orders(&arena(), &ids).await.unwrap(), [order("A1")]);
}

async fn of_concurrent_imports_of_one_order_one_creates_it(fixture: Fixture) {
    let fixture = Arc::new(fixture);
    for round in 0..10 {
        let id = format!("A{round}");
        let orders = [order(&id), Order { state: OrderState::Cancelled, ..order(&id) }];
        let [first, second] = orders.map(|order| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move { fixture.import([order]).await.remove(0) })
        });
        let outcomes = [first.await.unwrap(), second.await.unwrap()];
        let expected = [ImportOutcome::Created, ImportOutcome::Conflict];
        assert!(outcomes == expected || outcomes == [expected[1], expected[0]], "{outcomes:?}");
    }
}

/// The refund takes up the line before the update makes it cheaper, which marks it, or finds it
/// cheaper; either way the mark is right.
async fn an_import_waits_for_a_refund_of_its_order(fixture: Fixture) {
    let fixture = Arc::new(fixture);
    for round in 0..20 {
        let id = format!("A{round}");
        fixture.import([order(&id)]).await;
        let quote = fixture.offer(&id, by_card(3000)).await;
        let mut cheaper = newer(order(&id));
        cheaper.lines[0].gross = 2999;
        cheaper.total = 5389;
        let update = tokio::spawn({
            let fixture = Arc::clone(&fixture);
            async move { fixture.import([cheaper]).await.remove(0) }
        });
        let refund = fixture.acceptance(&quote);
        let created = fixture.create(&refund, &quote, &id).await.unwrap();
        assert_eq!(update.await.unwrap(), ImportOutcome::Updated);
        let line = fixture.order(&id).await.lines.remove(0);
        let expected = match created {
            CreateOutcome::Created => (3000, true),
            _ => (0, false),
        };
        assert_eq!((line.committed, line.over_refunded), expected, "{created:?}");
    }
    fixture.assert_books().await;
}
