//! Later versions of an order meet what refunds have done to it.

use redress_core::id::{OrderId, PaymentId};
use redress_core::money::Money;
use redress_store::StoreError;

use super::{Fixture, announced, arena, by_card, open_fixture, order};
use crate::domain::fact::{Fact, FactKind};
use crate::domain::order::Order;
use crate::store::{CreateOutcome, ImportOutcome};

redress_testkit::conformance! {
    open = open_fixture;
    a_line_may_become_cheaper_than_what_refunds_took_of_it,
    a_line_may_become_fewer_units_than_what_refunds_took_of_it,
    what_other_refunds_made_dearer_is_not_too_much,
    a_line_that_becomes_over_refunded_is_announced_once,
    a_line_that_is_raised_again_loses_the_mark,
    a_removed_line_is_not_marked,
    a_repriced_line_keeps_its_counters,
    nothing_more_is_taken_of_a_marked_line,
    a_refund_that_the_provider_told_of_first_is_not_counted_twice,
    what_only_the_shop_knows_of_counts,
    a_payment_that_comes_back_counts_as_before,
    the_database_holds_the_caps_of_lines,
}

/// The next version of an order, in which ticket p1 costs so much.
fn costing(order: &Order, gross: i64) -> Order {
    let mut order = Order { source_version: order.source_version + 1, ..order.clone() };
    order.lines[0].gross = gross;
    order.total = order.lines.iter().map(|line| line.gross).sum();
    order
}

/// The next version of an order, whose shop says that so much was given back elsewhere.
fn reporting(order: &Order, elsewhere: i64) -> Order {
    let mut order = Order { source_version: order.source_version + 1, ..order.clone() };
    order.payments[0].refunded_elsewhere = elsewhere;
    order
}

/// What is announced about ticket p1 of A1.
fn too_much(minor_units: i64) -> Vec<(String, Vec<u8>)> {
    let kind = FactKind::LineOverRefunded {
        order: OrderId::new("A1").unwrap(),
        customer: order("A1").customer,
        line: "p1".to_owned(),
        excess: Money::new(order("A1").currency, minor_units).unwrap(),
    };
    announced(&[Fact { tenant: arena(), traceparent: None, kind }])
}

impl Fixture {
    async fn update(&self, order: Order) {
        assert_eq!(self.import([order]).await, [ImportOutcome::Updated]);
    }

    /// What counts as given back on payment p1 of A1 elsewhere, as counted and as reported.
    async fn elsewhere(&self) -> (i64, i64) {
        let payment = self.payment("A1", "p1").await;
        (payment.refunded_elsewhere, payment.elsewhere_reported)
    }
}

async fn a_line_may_become_cheaper_than_what_refunds_took_of_it(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    fixture.refund("A1", by_card(1000)).await;
    fixture.update(costing(&order("A1"), 1000)).await;
    let line = fixture.order("A1").await.lines.remove(0);
    assert_eq!((line.remaining(), line.over_refunded), (0, false));
    let first = costing(&costing(&order("A1"), 1000), 999);
    fixture.update(first).await;
    let line = fixture.order("A1").await.lines.remove(0);
    assert_eq!((line.gross, line.committed, line.over_refunded), (999, 1000, true));
    assert_eq!((line.remaining(), line.excess()), (0, Some(1)));
    fixture.assert_books().await;
}

async fn a_line_may_become_fewer_units_than_what_refunds_took_of_it(fixture: Fixture) {
    let mut three = order("A1");
    three.lines[0].units = 3;
    fixture.import([three.clone()]).await;
    fixture
        .execute("UPDATE order_lines SET committed_units = 2 WHERE line_id = 'p1'")
        .await
        .unwrap();
    let events = fixture.events("orders/A1").await;
    let mut fewer = costing(&three, 3000);
    fewer.lines[0].units = 2;
    fixture.update(fewer.clone()).await;
    assert!(!fixture.order("A1").await.lines[0].over_refunded);
    let mut fewest = costing(&fewer, 3000);
    fewest.lines[0].units = 1;
    fixture.update(fewest).await;
    let line = fixture.order("A1").await.lines.remove(0);
    assert_eq!((line.over_refunded, line.remaining(), line.remaining_units()), (true, 0, 0));
    assert_eq!(fixture.events("orders/A1").await, [events, too_much(0)].concat());
}

async fn what_other_refunds_made_dearer_is_not_too_much(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    fixture.refund("A1", by_card(1000)).await;
    fixture.execute("UPDATE order_lines SET repriced = 300 WHERE line_id = 'p1'").await.unwrap();
    let cheaper = costing(&order("A1"), 700);
    fixture.update(cheaper.clone()).await;
    let line = fixture.order("A1").await.lines.remove(0);
    assert_eq!((line.over_refunded, line.repriced, line.remaining()), (false, 300, 0));
    fixture.update(costing(&cheaper, 699)).await;
    assert_eq!(fixture.order("A1").await.lines[0].excess(), Some(1));
    assert_eq!(fixture.events("orders/A1").await.last(), too_much(1).last());
}

async fn a_line_that_becomes_over_refunded_is_announced_once(fixture: Fixture) {
    fixture.import([order("A1"), order("A2")]).await;
    fixture.refund("A1", by_card(1000)).await;
    let mut expected = fixture.events("orders/A1").await;
    let cheap = costing(&order("A1"), 900);
    fixture.update(cheap.clone()).await;
    expected.extend(too_much(100));
    assert_eq!(fixture.events("orders/A1").await, expected);
    assert_eq!(fixture.import([cheap.clone()]).await, [ImportOutcome::Unchanged]);
    let cheaper = costing(&cheap, 800);
    fixture.update(cheaper.clone()).await;
    assert_eq!(fixture.events("orders/A1").await, expected, "it was so before");
    let sound = costing(&cheaper, 1000);
    fixture.update(sound.clone()).await;
    assert_eq!(fixture.events("orders/A1").await, expected);
    fixture.update(costing(&sound, 800)).await;
    expected.extend(too_much(200));
    assert_eq!(fixture.events("orders/A1").await, expected, "it was sound between");
    assert_eq!(fixture.events("orders/A2").await, []);
}

async fn a_line_that_is_raised_again_loses_the_mark(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    fixture.refund("A1", by_card(1000)).await;
    let cheap = costing(&order("A1"), 900);
    fixture.update(cheap.clone()).await;
    fixture.update(costing(&cheap, 2500)).await;
    let line = fixture.order("A1").await.lines.remove(0);
    assert_eq!((line.over_refunded, line.remaining()), (false, 1500));
    fixture.refund("A1", by_card(1500)).await;
    fixture.assert_books().await;
}

async fn a_removed_line_is_not_marked(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    fixture.refund("A1", by_card(1000)).await;
    let cheap = costing(&order("A1"), 900);
    fixture.update(cheap.clone()).await;
    let before = fixture.events("orders/A1").await;
    let mut gone = costing(&cheap, 900);
    gone.lines.remove(0);
    gone.total -= 900;
    fixture.update(gone.clone()).await;
    assert_eq!(fixture.order("A1").await.lines.len(), 2);
    assert_eq!(fixture.events("orders/A1").await, before);
    // When it comes back, what was taken of it is still known.
    fixture.update(Order { source_version: 9, ..cheap }).await;
    let line = fixture.order("A1").await.lines.remove(0);
    assert_eq!((line.committed, line.over_refunded), (1000, true));
    assert_eq!(fixture.events("orders/A1").await, [before, too_much(100)].concat());
    fixture.assert_books().await;
}

async fn a_repriced_line_keeps_its_counters(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    fixture.execute("UPDATE order_lines SET repriced = 300 WHERE line_id = 'p1'").await.unwrap();
    fixture.update(costing(&order("A1"), 2900)).await;
    let line = fixture.order("A1").await.lines.remove(0);
    assert_eq!((line.repriced, line.remaining()), (300, 3200));
}

async fn nothing_more_is_taken_of_a_marked_line(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let quote = fixture.offer("A1", by_card(1)).await;
    fixture.refund("A1", by_card(1000)).await;
    fixture.update(costing(&order("A1"), 900)).await;
    let refund = fixture.acceptance(&quote);
    let outcome = fixture.create(&refund, &quote, "more").await.unwrap();
    assert!(matches!(outcome, CreateOutcome::Short(_)), "{outcome:?}");
}

/// So much was given back in the provider's dashboard, which the provider has told of.
const TOLD: &str = "UPDATE payments SET refunded = refunded + 400, external = external + 400";

async fn a_refund_that_the_provider_told_of_first_is_not_counted_twice(fixture: Fixture) {
    let first = reporting(&order("A1"), 90);
    fixture.import([first.clone()]).await;
    assert_eq!(fixture.elsewhere().await, (90, 90));
    fixture.execute(TOLD).await.unwrap();
    assert_eq!(fixture.payment("A1", "p1").await.refundable(), 5390 - 90 - 400);
    // The shop has heard of a part, then of all of it.
    let part = reporting(&first, 190);
    fixture.update(part.clone()).await;
    assert_eq!(fixture.elsewhere().await, (90, 190));
    let all = reporting(&part, 490);
    fixture.update(all.clone()).await;
    assert_eq!(fixture.elsewhere().await, (90, 490));
    assert_eq!(fixture.payment("A1", "p1").await.refundable(), 5390 - 90 - 400);
    fixture.update(reporting(&all, 490)).await;
    assert_eq!(fixture.elsewhere().await, (90, 490), "the same said twice");
    assert_eq!(fixture.payment("A1", "p1").await.counters.external, 400);
}

async fn what_only_the_shop_knows_of_counts(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    fixture.execute(TOLD).await.unwrap();
    let more = reporting(&order("A1"), 450);
    fixture.update(more.clone()).await;
    assert_eq!(fixture.elsewhere().await, (50, 450));
    let less = reporting(&more, 420);
    fixture.update(less.clone()).await;
    assert_eq!(fixture.elsewhere().await, (20, 420));
    let too_much = reporting(&less, 5391);
    fixture.update(too_much).await;
    let payment = fixture.payment("A1", "p1").await;
    assert_eq!((payment.refunded_elsewhere, payment.counters.overdrawn), (4991, true));
}

async fn a_payment_that_comes_back_counts_as_before(fixture: Fixture) {
    let first = reporting(&order("A1"), 100);
    fixture.import([first.clone()]).await;
    fixture.execute(TOLD).await.unwrap();
    let mut unpaid = reporting(&first, 0);
    unpaid.payments.clear();
    fixture.update(unpaid.clone()).await;
    let gone = fixture.payment("A1", "p1").await;
    assert_eq!((gone.refundable(), gone.counters.overdrawn), (0, true));
    assert_eq!(gone.counters.refunded, 400);
    let payments = first.payments.clone();
    fixture.update(Order { source_version: 9, payments, ..unpaid }).await;
    assert_eq!(fixture.elsewhere().await, (100, 100));
    let back = fixture.payment("A1", "p1").await;
    assert_eq!((back.refundable(), back.counters.overdrawn), (4890, false));
    let id = PaymentId::new("p1").unwrap();
    assert_eq!((back.id, back.captured), (id, 5390));
}

async fn the_database_holds_the_caps_of_lines(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    for broken in [
        "UPDATE order_lines SET committed = gross + 1",
        "UPDATE order_lines SET committed_units = units + 1",
        "UPDATE order_lines SET refunding = committed + 1",
        "UPDATE order_lines SET units = 0",
        "UPDATE order_lines SET discount = -1",
        "UPDATE payments SET external = refunded + 1",
        "UPDATE payments SET points = -1",
        "UPDATE payments SET refunded_elsewhere = elsewhere_reported + 1",
        "UPDATE orders SET policy_version = 1",
    ] {
        let outcome = fixture.execute(broken).await;
        assert!(matches!(outcome, Err(StoreError::CheckViolated { .. })), "{broken}: {outcome:?}");
    }
    assert_eq!(fixture.order("A1").await, order("A1"));
}
