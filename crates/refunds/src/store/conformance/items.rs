//! Each item of a running disruption is taken on once, and its event says how it ended.

use std::sync::Arc;
use std::time::Duration;

use redress_core::id::{DisruptionId, EventId, OrderId};

use super::disruptions::{draft, plan};
use super::{
    Fixture, STRIPE, announced, arena, at, by_card, first_page, found, open_fixture, order, paid,
    patiently, split_order,
};
use crate::domain::attempt::Reason;
use crate::domain::disruption::{
    DisruptionEvent, DisruptionState, Due, Item, ItemPlan, ItemState, NothingDue,
};
use crate::domain::fact::Fact;
use crate::domain::order::{Order, Tender};
use crate::domain::price::tests::{NOW, price_cancelled_lines, routes};
use crate::domain::refund::{DisruptionRef, Refund, RefundState};
use crate::domain::settle::Finding;
use crate::store::{ItemFilter, ItemTerms, RefundFilter, Take, Work};

redress_testkit::conformance! {
    open = open_fixture;
    only_items_of_running_disruptions_are_taken_on,
    an_item_becomes_a_refund_that_settles_it,
    an_item_with_nothing_due_is_settled_at_once,
    an_item_without_a_connector_needs_a_person_at_once,
    an_item_whose_money_is_gone_needs_a_person,
    an_item_whose_line_is_gone_needs_a_person,
    items_of_one_disruption_after_the_other,
    a_disruption_completes_when_every_item_is_at_rest,
    racing_workers_take_each_item_once,
    items_start_while_attempts_settle,
    a_single_customer_goes_before_a_disruption,
    counts_hold_however_many_changes_they_are_made_of,
}

pub(super) const TERMS: ItemTerms =
    ItemTerms { pay_within: Duration::from_secs(1_000), arrival: Some(Duration::from_secs(50)) };

fn derby() -> DisruptionRef {
    let event = EventId::new("derby").unwrap();
    DisruptionRef { id: DisruptionId::new("d1").unwrap(), event }
}

impl Fixture {
    /// Takes up to `limit` items of the first disruption that has any, whatever their lane.
    pub(super) async fn take(&self, limit: i64) -> usize {
        let (mut taken, mut first) = (0, None);
        for work in self.store.work().await.unwrap() {
            if taken > 0 && first.as_ref() != Some(&work.disruption) {
                break;
            }
            let left = limit - i64::try_from(taken).unwrap();
            taken += self.take_of(&work, left, i64::MAX).await;
            first = Some(work.disruption);
        }
        taken
    }

    pub(super) async fn take_of(&self, work: &Work, limit: i64, backlog: i64) -> usize {
        let next = Take::Next(limit);
        let start = || self.store.start_items(work, &next, backlog, &TERMS, &*self.ids, at(100));
        patiently(start).await.unwrap()
    }

    pub(super) async fn complete(&self) -> usize {
        patiently(|| self.store.complete_disruptions(&*self.ids, at(200))).await.unwrap()
    }

    pub(super) async fn items(&self, id: &str) -> Vec<Item> {
        let id = DisruptionId::new(id).unwrap();
        self.store
            .list_items(&arena(), &id, &ItemFilter::default(), &first_page())
            .await
            .unwrap()
            .rows
    }

    /// The refunds of a disruption.
    async fn refunds_of(&self, id: &str) -> Vec<Refund> {
        let filter = RefundFilter { disruption: Some(id.to_owned()), ..RefundFilter::default() };
        self.store.list_refunds(&arena(), &filter, &first_page()).await.unwrap().rows
    }
}

async fn only_items_of_running_disruptions_are_taken_on(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    assert_eq!(fixture.take(9).await, 0);
    let draft = draft("d1", "derby");
    fixture.open(&draft).await.unwrap();
    fixture.store.freeze_items(&draft, &[plan(&order("A1"))]).await.unwrap();
    assert_eq!(fixture.take(9).await, 0);
    let approved = fixture.advance(&draft, DisruptionEvent::Approve, Some(1)).await.unwrap();
    assert_eq!(fixture.take(9).await, 0);
    fixture.advance(&approved, DisruptionEvent::Start, None).await.unwrap();
    assert_eq!((fixture.take(9).await, fixture.take(9).await), (1, 0));
}

async fn an_item_becomes_a_refund_that_settles_it(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let running = fixture.start("d1", "derby", &[plan(&order("A1"))]).await;
    assert_eq!(fixture.take(9).await, 1);
    fixture.assert_books().await;
    let queued = fixture.refunds_of("d1").await.pop().unwrap();
    assert_eq!((queued.state, queued.requested), (RefundState::Queued, 5390));
    assert_eq!(queued.disruption, Some(derby()));
    let clock = &queued.legal_clock;
    assert_eq!((clock.start, &*clock.time_zone), (at(100), "Europe/Berlin"));
    assert_eq!((queued.legal_clock.due, queued.expected_arrival), (at(1_100), Some(at(150))));
    assert_eq!(
        (&queued.requester, &queued.traceparent),
        (&running.requester, &running.traceparent)
    );
    let item = Item {
        order: OrderId::new("A1").unwrap(),
        state: ItemState::Processing,
        remedy: None,
        lane: "stripe".to_owned(),
        refund: Some(queued.id.clone()),
        currency: super::euro(),
        requested: 5390,
        issued: 0,
        reason_code: String::new(),
        next_action: String::new(),
    };
    assert_eq!(fixture.items("d1").await, std::slice::from_ref(&item));
    let attempt = fixture.send("w1", 9, at(100)).await.pop().unwrap();
    assert_eq!(fixture.items("d1").await[0].state, ItemState::Processing);
    fixture
        .learn(&attempt, Finding::Succeeded { provider_refund: "re_1".to_owned() }, at(101))
        .await;
    let settled = Item { state: ItemState::Succeeded, issued: 5390, ..item };
    assert_eq!(fixture.items("d1").await, [settled]);
    let stored = fixture.read(&queued.id).await;
    let facts =
        [Fact::refund_state(&queued), Fact::refund_state(&stored), Fact::item_of(&stored).unwrap()];
    assert_eq!(fixture.events("orders/A1").await, announced(&facts));
}

async fn an_item_with_nothing_due_is_settled_at_once(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let nothing = ItemPlan { due: Due::Nothing(NothingDue::NotPaid), ..plan(&order("A1")) };
    fixture.start("d1", "derby", std::slice::from_ref(&nothing)).await;
    assert_eq!(fixture.take(9).await, 1);
    assert_eq!(fixture.totals("d1").await, [(ItemState::NothingDue, 1, 0, 0)]);
    let item = fixture.items("d1").await.remove(0);
    assert_eq!((&*item.reason_code, &*item.next_action), ("NOT_PAID", ""));
    assert_eq!((item.refund, fixture.refunds_of("d1").await), (None, vec![]));
    let fact = Fact::item_without_refund(&arena(), &derby(), None, "CANCELLED", &nothing);
    assert_eq!(fixture.events("orders/A1").await, announced(&[fact]));
    assert_eq!(fixture.complete().await, 1);
}

async fn an_item_without_a_connector_needs_a_person_at_once(fixture: Fixture) {
    let mut by_voucher = split_order("A1", ("giftcard", Tender::GiftCard));
    by_voucher.payments.remove(0);
    fixture.import([by_voucher.clone()]).await;
    fixture.start("d1", "derby", &[plan(&by_voucher)]).await;
    assert_eq!(fixture.take(9).await, 1);
    fixture.assert_books().await;
    assert_eq!(fixture.totals("d1").await, [(ItemState::Attention, 1, 1390, 0)]);
    let item = fixture.items("d1").await.remove(0);
    assert_eq!((&*item.reason_code, &*item.next_action), ("NO_CONNECTOR", "PAY_BY_OTHER_MEANS"));
    let refund = fixture.refunds_of("d1").await.remove(0);
    assert_eq!((refund.state, &Some(refund.id.clone())), (RefundState::Attention, &item.refund));
    let facts = [Fact::refund_state(&refund), Fact::item_of(&refund).unwrap()];
    assert_eq!(fixture.events("orders/A1").await, announced(&facts));
}

/// The plan was frozen, and a refund of one unit came in between.
async fn an_item_whose_money_is_gone_needs_a_person(fixture: Fixture) {
    let mut rich = order("A1");
    rich.lines[0].event = EventId::new("gala").unwrap();
    rich.payments[0].captured = 2390;
    fixture.import([rich.clone(), order("A2")]).await;
    let plans = [plan(&rich), plan(&order("A2"))];
    fixture.start("d1", "derby", &plans).await;
    fixture.refund("A1", by_card(1)).await;
    assert_eq!(fixture.take(9).await, 2);
    fixture.assert_books().await;
    let [short, whole] = fixture.items("d1").await.try_into().unwrap();
    assert_eq!((short.state, short.refund, short.issued), (ItemState::Attention, None, 0));
    assert_eq!(short.reason_code, Reason::OverRefund.code());
    assert_eq!(short.next_action, Reason::OverRefund.next_action());
    assert_eq!(whole.state, ItemState::Processing, "the other order is not held up");
    let trace = fixture.disruption("d1").await.traceparent;
    let fact = Fact::item_without_refund(&arena(), &derby(), trace, "CANCELLED", &plans[0]);
    assert_eq!(fixture.events("orders/A1").await[1..], announced(&[fact]));
    assert_eq!(fixture.payment("A1", "p1").await.counters.reserved, 1);
}

async fn an_item_whose_line_is_gone_needs_a_person(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    fixture.start("d1", "derby", &[plan(&order("A1"))]).await;
    let mut without = order("A1");
    without.source_version = 2;
    without.lines.remove(0);
    without.total = 2390;
    fixture.import([without]).await;
    assert_eq!(fixture.take(9).await, 1);
    assert_eq!(fixture.totals("d1").await, [(ItemState::Attention, 1, 5390, 0)]);
    assert_eq!(fixture.payment("A1", "p1").await.counters.reserved, 0);
}

async fn items_of_one_disruption_after_the_other(fixture: Fixture) {
    let ids = ["A1", "A2", "A3", "A4", "A5"];
    fixture.import(ids.map(order)).await;
    let plans = ids.map(|id| {
        let mut first_line_only = order(id);
        first_line_only.lines.truncate(1);
        plan(&first_line_only)
    });
    fixture.start("d1", "derby", &plans[..3]).await;
    fixture.start("d2", "gala", &plans[1..]).await;
    let mut taken = Vec::new();
    while let count @ 1.. = fixture.take(2).await {
        taken.push(count);
    }
    assert_eq!(taken, [2, 1, 2, 2]);
    // A2 and A3 stand in both, and their line was there once.
    let states = async |id| -> Vec<ItemState> {
        fixture.items(id).await.into_iter().map(|item| item.state).collect()
    };
    let (first, second) = (states("d1").await, states("d2").await);
    assert_eq!(first, [ItemState::Processing; 3]);
    let [attention, processing] = [ItemState::Attention, ItemState::Processing];
    assert_eq!(second, [attention, attention, processing, processing]);
    fixture.assert_books().await;
}

async fn a_disruption_completes_when_every_item_is_at_rest(fixture: Fixture) {
    fixture.import(["A1", "A2", "A3"].map(order)).await;
    let mut plans = ["A1", "A2", "A3"].map(|id| plan(&order(id)));
    plans[2].due = Due::Nothing(NothingDue::OrderCancelled);
    fixture.start("d1", "derby", &plans).await;
    assert_eq!(fixture.complete().await, 0);
    assert_eq!(fixture.take(9).await, 3);
    assert_eq!(fixture.complete().await, 0);
    let [first, second] = fixture.send("w1", 9, at(100)).await.try_into().unwrap();
    fixture.learn(&first, Finding::Succeeded { provider_refund: "re_1".to_owned() }, at(101)).await;
    assert_eq!(fixture.complete().await, 0);
    let refused =
        Finding::Refused { reason: Reason::AccountClosed, provider_refund: "re_2".to_owned() };
    fixture.learn(&second, refused, at(102)).await;
    let totals = [
        (ItemState::Attention, 1, 5390, 0),
        (ItemState::NothingDue, 1, 0, 0),
        (ItemState::Succeeded, 1, 5390, 5390),
    ];
    assert_eq!(fixture.totals("d1").await, totals);
    assert_eq!((fixture.complete().await, fixture.complete().await), (1, 0));
    let done = fixture.disruption("d1").await;
    assert_eq!((done.state, done.updated), (DisruptionState::Completed, at(200)));
    let states = [DisruptionState::Draft, DisruptionState::Approved, DisruptionState::Running]
        .map(|state| crate::domain::disruption::Disruption { state, ..done.clone() });
    let facts: Vec<Fact> = states.iter().chain([&done]).map(Fact::disruption_state).collect();
    assert_eq!(fixture.events("disruptions/d1").await, announced(&facts));
    for (id, events) in [("A1", 3), ("A2", 3), ("A3", 1)] {
        let found = fixture.events(&format!("orders/{id}")).await;
        let settled = found.iter().filter(|(kind, _)| kind.ends_with("DisruptionItemSettled"));
        assert_eq!((found.len(), settled.count()), (events, 1), "{id}");
    }
}

fn many() -> Vec<String> {
    (0..120).map(|nth| format!("A{nth:03}")).collect()
}

async fn start_many(fixture: &Fixture) {
    let orders: Vec<_> = many().iter().map(|id| order(id)).collect();
    let plans: Vec<ItemPlan> = orders.iter().map(plan).collect();
    assert_eq!(
        plans[0].requested(),
        price_cancelled_lines(&orders[0], &derby().event, &routes(), NOW).unwrap().total
    );
    fixture.import(orders).await;
    fixture.start("d1", "derby", &plans).await;
}

async fn racing_workers_take_each_item_once(fixture: Fixture) {
    start_many(&fixture).await;
    let fixture = Arc::new(fixture);
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move {
                let mut taken = 0;
                while let count @ 1.. = fixture.take(10).await {
                    assert!(count <= 10);
                    taken += count;
                }
                taken
            })
        })
        .collect();
    let mut taken = 0;
    for worker in workers {
        taken += worker.await.unwrap();
    }
    assert_eq!(taken, 120);
    assert_eq!(fixture.totals("d1").await, [(ItemState::Processing, 120, 120 * 5390, 0)]);
    assert_eq!(fixture.refunds_of("d1").await.len(), 120);
    fixture.assert_books().await;
}

async fn items_start_while_attempts_settle(fixture: Fixture) {
    start_many(&fixture).await;
    let fixture = Arc::new(fixture);
    let starting = tokio::spawn({
        let fixture = Arc::clone(&fixture);
        async move { while fixture.take(7).await > 0 {} }
    });
    let lanes: Vec<_> = (0..2)
        .map(|lane| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move {
                while !fixture
                    .totals("d1")
                    .await
                    .iter()
                    .all(|(state, ..)| *state == ItemState::Succeeded)
                {
                    let sent = fixture.send(&format!("w{lane}"), 9, at(100)).await;
                    let not_sent = Finding::NotSent { retry: at(100) };
                    let findings: Vec<_> = (0..)
                        .zip(&sent)
                        .map(|(nth, attempt)| match nth % 3 {
                            0 => found(attempt, not_sent.clone()),
                            _ => paid(attempt),
                        })
                        .collect();
                    assert_eq!(fixture.settle(&findings, at(101)).await, findings.len());
                    assert!(fixture.complete().await <= 1);
                    let one = fixture.send(&format!("x{lane}"), 1, at(100)).await;
                    let findings: Vec<_> = one.iter().map(paid).collect();
                    fixture.settle(&findings, at(101)).await;
                }
            })
        })
        .collect();
    starting.await.unwrap();
    for lane in lanes {
        lane.await.unwrap();
    }
    fixture.complete().await;
    assert_eq!(fixture.disruption("d1").await.state, DisruptionState::Completed);
    for id in many() {
        let events = fixture.events(&format!("orders/{id}")).await;
        assert_eq!(events.len(), 3, "queued, succeeded and settled: {id}");
    }
    fixture.assert_books().await;
}

async fn a_single_customer_goes_before_a_disruption(fixture: Fixture) {
    fixture.import([order("A1"), order("A2"), order("B1")]).await;
    fixture.start("d1", "derby", &[plan(&order("A1")), plan(&order("A2"))]).await;
    assert_eq!(fixture.take(9).await, 2);
    let single = fixture.refund("B1", by_card(100)).await;
    let first = fixture.send("w1", 1, at(100)).await.remove(0);
    assert_eq!(first.refund, single.id);
    // Also when its turn comes later.
    fixture.learn(&first, Finding::NotSent { retry: at(150) }, at(100)).await;
    let bulk = fixture.send("w2", 1, at(149)).await.remove(0);
    assert_ne!(bulk.refund, single.id);
    let again = fixture.send("w3", 1, at(150)).await.remove(0);
    assert_eq!(again.id, first.id);
    // And when further attempts take the places of these.
    fixture.learn(&again, Finding::OutOfFunds { retry: at(150) }, at(150)).await;
    fixture.learn(&bulk, Finding::OutOfFunds { retry: at(100) }, at(150)).await;
    assert_eq!(fixture.store.next_due(STRIPE).await.unwrap(), Some(at(100)));
    assert_eq!(fixture.send("w4", 1, at(150)).await[0].refund, single.id);
    let rest = fixture.send("w5", 9, at(150)).await;
    assert_eq!(rest.len(), 2);
    assert!(rest.iter().all(|attempt| attempt.refund != single.id));
}

/// More changes than a store keeps before it adds them up.
async fn counts_hold_however_many_changes_they_are_made_of(fixture: Fixture) {
    let orders: Vec<Order> = (0..90).map(|number| order(&format!("A{number:02}"))).collect();
    fixture.import(orders.clone()).await;
    let draft = draft("d1", "derby");
    fixture.open(&draft).await.unwrap();
    for order in &orders {
        fixture.store.freeze_items(&draft, &[plan(order)]).await.unwrap();
    }
    let approved = fixture.advance(&draft, DisruptionEvent::Approve, Some(90)).await.unwrap();
    fixture.advance(&approved, DisruptionEvent::Start, None).await.unwrap();
    for _ in 0..80 {
        assert_eq!(fixture.take(1).await, 1);
    }
    let sum = |count: i64| 5390 * count;
    let expected = [(ItemState::Pending, 10, sum(10), 0), (ItemState::Processing, 80, sum(80), 0)];
    for _ in 0..2 {
        assert_eq!(fixture.complete().await, 0);
        assert_eq!(fixture.totals("d1").await, expected);
        fixture.assert_books().await;
    }
    assert_eq!(fixture.take(9).await, 9);
    fixture.assert_books().await;
}
