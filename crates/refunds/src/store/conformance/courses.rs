//! What becomes of items when a disruption is paused, called off, tried again, extended, or asks
//! its buyers.

use std::time::Duration;

use redress_core::id::{DisruptionId, OrderId};
use redress_core::money::Money;
use redress_store::{Database, StoreError};

use super::disruptions::{draft, moved, plan};
use super::items::TERMS;
use super::{Fixture, announced, arena, at, first_page, open_fixture, order, paid, request};
use crate::domain::attempt::Reason;
use crate::domain::disruption::{
    Disruption, DisruptionEvent, DisruptionState, Due, Item, ItemPlan, ItemState, NothingDue,
    Remedy, Scope, Terms,
};
use crate::domain::fact::{Fact, Needs};
use crate::domain::order::PaymentCounters;
use crate::domain::settle::Finding;
use crate::store::{Advanced, ItemFilter, Take};

redress_testkit::conformance! {
    open = open_fixture;
    a_pause_leaves_what_is_pending_and_settles_what_was_begun,
    what_was_called_off_stays_untouched,
    a_retry_touches_what_failed_and_nothing_else,
    a_retry_that_was_called_off_stays_with_its_person,
    a_completed_disruption_is_extended_and_runs_again,
    a_lane_is_fed_no_further_than_its_backlog,
    an_item_that_cannot_be_read_goes_to_a_person,
    one_item_is_taken_on_or_set_aside_by_name,
    a_batch_that_fails_leaves_its_items_free_at_once,
    a_choice_is_carried_out_once,
    silence_means_what_was_said,
    each_part_of_a_scope_narrows_it,
    orders_beside_a_selection_are_those_that_came_later,
    lanes_and_reasons_narrow_the_items,
}

fn id() -> DisruptionId {
    DisruptionId::new("d1").unwrap()
}

fn plans(ids: &[&str]) -> Vec<ItemPlan> {
    ids.iter().map(|id| plan(&order(id))).collect()
}

impl Fixture {
    async fn running(&self, ids: &[&str]) -> Disruption {
        self.import(ids.iter().map(|id| order(id)).collect::<Vec<_>>()).await;
        self.start("d1", "derby", &plans(ids)).await
    }

    async fn states(&self) -> Vec<(String, ItemState)> {
        let items = self.items("d1").await;
        items.into_iter().map(|item| (item.order.to_string(), item.state)).collect()
    }

    /// The provider refuses the attempts that are armed, for `reason`.
    async fn refuse_all(&self, reason: Reason) {
        for attempt in self.send("w1", 99, at(100)).await {
            let refused = Finding::Refused { reason, provider_refund: String::new() };
            self.learn(&attempt, refused, at(101)).await;
        }
    }

    async fn break_plan_of_a1(&self) {
        let sql = match &self.database {
            Database::Sqlite(_) => "UPDATE disruption_items SET plan = x'7b' WHERE order_id = 'A1'",
            Database::Postgres(_) => {
                "UPDATE disruption_items SET plan = '{'::bytea WHERE order_id = 'A1'"
            }
        };
        self.execute(sql).await.unwrap();
    }

    async fn pay_all(&self) {
        let sent = self.send("w2", 99, at(300)).await;
        let findings: Vec<_> = sent.iter().map(paid).collect();
        assert_eq!(self.settle(&findings, at(301)).await, findings.len());
    }

    async fn chosen(&self, disruption: &Disruption, order: &str, remedy: Remedy) -> Option<Item> {
        let order = OrderId::new(order).unwrap();
        let record = |_: &Item| request(&self.ids.next_id());
        let store = &self.store;
        store.choose(disruption, &order, remedy, &record, &*self.ids, at(50)).await.unwrap()
    }
}

fn pairs(expected: &[(&str, ItemState)]) -> Vec<(String, ItemState)> {
    expected.iter().map(|(order, state)| ((*order).to_owned(), *state)).collect()
}

async fn a_pause_leaves_what_is_pending_and_settles_what_was_begun(fixture: Fixture) {
    let running = fixture.running(&["A1", "A2", "A3"]).await;
    assert_eq!(fixture.take(1).await, 1);
    let paused = fixture.advance(&running, DisruptionEvent::Pause, None).await.unwrap();
    assert_eq!(fixture.take(9).await, 0);
    fixture.pay_all().await;
    assert_eq!(fixture.complete().await, 0, "a paused disruption does not complete");
    let [succeeded, pending] = [ItemState::Succeeded, ItemState::Pending];
    assert_eq!(
        fixture.states().await,
        pairs(&[("A1", succeeded), ("A2", pending), ("A3", pending)])
    );
    fixture.advance(&paused, DisruptionEvent::Resume, None).await.unwrap();
    assert_eq!(fixture.take(9).await, 2);
    fixture.pay_all().await;
    assert_eq!(fixture.complete().await, 1);
    fixture.assert_books().await;
}

async fn what_was_called_off_stays_untouched(fixture: Fixture) {
    let running = fixture.running(&["A1", "A2", "A3"]).await;
    assert_eq!(fixture.take(1).await, 1);
    let aborting = fixture.advance(&running, DisruptionEvent::Abort, None).await.unwrap();
    assert_eq!(fixture.take(9).await, 0);
    assert_eq!(fixture.store.abort_items(1).await.unwrap(), 1);
    assert_eq!(fixture.complete().await, 0);
    assert_eq!(fixture.store.abort_items(9).await.unwrap(), 1);
    assert_eq!(fixture.store.abort_items(9).await.unwrap(), 0);
    assert_eq!(fixture.complete().await, 0, "a refund is under way");
    fixture.pay_all().await;
    assert_eq!(fixture.complete().await, 1);
    let aborted = fixture.disruption("d1").await;
    assert_eq!((aborted.state, aborted.version), (DisruptionState::Aborted, aborting.version + 1));
    let untouched = ItemState::Aborted;
    assert_eq!(
        fixture.states().await,
        pairs(&[("A1", ItemState::Succeeded), ("A2", untouched), ("A3", untouched)])
    );
    for order in ["A2", "A3"] {
        assert_eq!(fixture.payment(order, "p1").await.counters, PaymentCounters::default());
        assert_eq!(fixture.events(&format!("orders/{order}")).await, []);
    }
    // The same scope is free again, and pays what is left.
    let again = Disruption { id: DisruptionId::new("d2").unwrap(), ..draft("d2", "derby") };
    fixture.open(&again).await.unwrap();
    fixture.assert_books().await;
}

async fn a_retry_touches_what_failed_and_nothing_else(fixture: Fixture) {
    fixture.running(&["A1", "A2", "A3", "A4"]).await;
    assert_eq!(fixture.take(2).await, 2);
    fixture.refuse_all(Reason::ProviderRefused).await;
    assert_eq!(fixture.take(1).await, 1);
    fixture.refuse_all(Reason::AccountClosed).await;
    assert_eq!(fixture.take(1).await, 1);
    fixture.pay_all().await;
    assert_eq!(fixture.complete().await, 1);
    let done = fixture.disruption("d1").await;
    let retry = DisruptionEvent::Retry;
    // Paid, closed for good, and not in it.
    for refused in ["A4", "A3", "A9"] {
        let outcome = fixture.step(&done, retry, None, &["A1", refused]).await.unwrap();
        assert_eq!(outcome, Advanced::NotRetryable(OrderId::new(refused).unwrap()));
    }
    assert_eq!(fixture.disruption("d1").await, done);
    let outcome = fixture.step(&done, retry, None, &["A2"]).await.unwrap();
    assert_eq!(outcome, Advanced::Done(1));
    let attention = ItemState::Attention;
    let (pending, succeeded) = (ItemState::Pending, ItemState::Succeeded);
    let rest = [("A3", attention), ("A4", succeeded)];
    let expected = [[("A1", attention), ("A2", pending)], rest].concat();
    assert_eq!(fixture.states().await, pairs(&expected));
    assert_eq!(fixture.take(9).await, 1);
    fixture.pay_all().await;
    assert_eq!(fixture.complete().await, 1);
    let outcome = fixture.step(&fixture.disruption("d1").await, retry, None, &[]).await.unwrap();
    assert_eq!(outcome, Advanced::Done(1), "A1 is all that is left to try");
    assert_eq!(fixture.take(9).await, 1);
    fixture.pay_all().await;
    assert_eq!(fixture.complete().await, 1);
    let outcome = fixture.step(&fixture.disruption("d1").await, retry, None, &[]).await.unwrap();
    assert_eq!(outcome, Advanced::NothingToRetry);
    let expected = [[("A1", succeeded), ("A2", succeeded)], rest].concat();
    assert_eq!(fixture.states().await, pairs(&expected));
    for order in ["A1", "A2", "A4"] {
        assert_eq!(fixture.payment(order, "p1").await.counters.refunded, 5390, "once");
    }
    fixture.assert_books().await;
}

async fn a_retry_that_was_called_off_stays_with_its_person(fixture: Fixture) {
    let running = fixture.running(&["A1", "A2"]).await;
    assert_eq!(fixture.take(1).await, 1);
    fixture.refuse_all(Reason::ProviderRefused).await;
    let retried = fixture.advance(&running, DisruptionEvent::Retry, None).await.unwrap();
    fixture.advance(&retried, DisruptionEvent::Abort, None).await.unwrap();
    assert_eq!(fixture.store.abort_items(9).await.unwrap(), 2);
    let states = [("A1", ItemState::Attention), ("A2", ItemState::Aborted)];
    assert_eq!(fixture.states().await, pairs(&states));
    let item = fixture.items("d1").await.remove(0);
    assert_eq!(item.reason_code, Reason::ProviderRefused.code());
    assert_eq!(fixture.complete().await, 1);
}

async fn a_completed_disruption_is_extended_and_runs_again(fixture: Fixture) {
    fixture.running(&["A1"]).await;
    assert_eq!(fixture.take(9).await, 1);
    fixture.pay_all().await;
    assert_eq!(fixture.complete().await, 1);
    fixture.import([order("A2")]).await;
    let done = fixture.disruption("d1").await;
    fixture.store.freeze_items(&done, &plans(&["A2"])).await.unwrap();
    assert_eq!(fixture.take(9).await, 0, "nobody has agreed to it");
    fixture.advance(&done, DisruptionEvent::Extend, Some(1)).await.unwrap();
    assert_eq!(fixture.disruption("d1").await.state, DisruptionState::Running);
    assert_eq!(fixture.complete().await, 0);
    assert_eq!(fixture.take(9).await, 1);
    fixture.pay_all().await;
    assert_eq!(fixture.complete().await, 1);
    let succeeded = ItemState::Succeeded;
    assert_eq!(fixture.states().await, pairs(&[("A1", succeeded), ("A2", succeeded)]));
}

async fn a_lane_is_fed_no_further_than_its_backlog(fixture: Fixture) {
    fixture.running(&["A1", "A2", "A3", "A4", "A5"]).await;
    let work = fixture.store.work().await.unwrap();
    let [stripe] = work.as_slice() else { panic!("{work:?}") };
    assert_eq!((stripe.lane.as_str(), &stripe.disruption), ("stripe", &id()));
    assert_eq!(fixture.take_of(stripe, 9, 2).await, 2);
    assert_eq!(fixture.take_of(stripe, 9, 2).await, 0, "two attempts are armed");
    assert_eq!(fixture.send("w1", 1, at(100)).await.len(), 1);
    assert_eq!(fixture.take_of(stripe, 9, 2).await, 1);
    assert_eq!(fixture.take_of(stripe, 1, 9).await, 1);
    assert_eq!(fixture.take_of(stripe, 9, 9).await, 1);
    assert_eq!(fixture.store.work().await.unwrap(), []);
}

async fn an_item_that_cannot_be_read_goes_to_a_person(fixture: Fixture) {
    fixture.running(&["A1", "A2"]).await;
    fixture.break_plan_of_a1().await;
    assert_eq!(fixture.take(9).await, 2);
    let states = [("A1", ItemState::Attention), ("A2", ItemState::Processing)];
    assert_eq!(fixture.states().await, pairs(&states));
    let item = fixture.items("d1").await.remove(0);
    assert_eq!((&*item.reason_code, &*item.next_action), ("ITEM_BROKEN", "REFUND_BY_HAND"));
    assert_eq!(fixture.events("orders/A1").await.len(), 1, "somebody hears of it");
    let running = fixture.disruption("d1").await;
    let again = fixture.step(&running, DisruptionEvent::Retry, None, &["A1"]).await.unwrap();
    assert_eq!(again, Advanced::Done(1), "it may have been mended");
    assert_eq!(fixture.take(9).await, 1);
    assert_eq!(fixture.states().await, pairs(&states), "it was not");
}

async fn one_item_is_taken_on_or_set_aside_by_name(fixture: Fixture) {
    fixture.running(&["A1", "A2", "A3"]).await;
    let work = fixture.store.work().await.unwrap().remove(0);
    let next = async || fixture.store.next_item(&work).await.unwrap();
    let id = |id| OrderId::new(id).unwrap();
    let aside = async |order| {
        let (order, ids) = (id(order), &*fixture.ids);
        fixture.store.set_aside(&work, &order, ids, at(9)).await.unwrap()
    };
    assert_eq!(next().await, Some(id("A1")));
    let (only, ids) = (Take::Only(id("A2")), &*fixture.ids);
    let taken = fixture.store.start_items(&work, &only, 9, &TERMS, ids, at(9)).await.unwrap();
    assert_eq!(taken, 1);
    let [pending, attention] = [ItemState::Pending, ItemState::Attention];
    let states = [("A1", pending), ("A2", ItemState::Processing), ("A3", pending)];
    assert_eq!(fixture.states().await, pairs(&states));
    assert!(!aside("A2").await, "it was taken on meanwhile");
    assert!(aside("A1").await);
    let states = [("A1", attention), ("A2", ItemState::Processing), ("A3", pending)];
    assert_eq!(fixture.states().await, pairs(&states));
    assert_eq!(next().await, Some(id("A3")));
    assert!(aside("A3").await);
    assert_eq!(next().await, None);
    assert_eq!(fixture.payment("A1", "p1").await.counters, PaymentCounters::default());
}

/// The share of nothing is what no database takes.
async fn a_batch_that_fails_leaves_its_items_free_at_once(fixture: Fixture) {
    fixture.import(["A1", "A2"].map(order)).await;
    let mut plans = plans(&["A1", "A2"]);
    let Due::Pay(price) = &mut plans[0].due else { panic!("nothing is due") };
    price.shares[0].amount = 0;
    fixture.start("d1", "derby", &plans).await;
    let work = fixture.store.work().await.unwrap().remove(0);
    let takes = [Take::Next(9), Take::Next(1), Take::Only(OrderId::new("A1").unwrap())];
    for take in takes.iter().cycle().take(60) {
        let started = fixture.store.start_items(&work, take, 9, &TERMS, &*fixture.ids, at(9));
        assert!(started.await.is_err(), "{take:?} passes over the item that fails");
    }
    let pending = ItemState::Pending;
    assert_eq!(fixture.states().await, pairs(&[("A1", pending), ("A2", pending)]));
    fixture.assert_books().await;
}

/// A postponed derby: keep or money or a voucher until 60, silence keeps.
fn postponed(default_remedy: Remedy) -> Disruption {
    let terms = Terms {
        remedies: vec![Remedy::Keep, Remedy::Refund, Remedy::Voucher],
        choose_until: Some(at(60)),
        default_remedy: Some(default_remedy),
        ..Terms::default()
    };
    Disruption { terms, ..draft("d1", "derby") }
}

async fn a_choice_is_carried_out_once(fixture: Fixture) {
    let ids = ["A1", "A2", "A3", "A4"];
    fixture.import(ids.map(order)).await;
    let mut plans = plans(&ids);
    plans[3].due = Due::Nothing(NothingDue::NotPaid);
    let running = fixture.start_draft(&postponed(Remedy::Keep), &plans).await;
    let [offered, pending] = [ItemState::Offered, ItemState::Pending];
    let states = [("A1", offered), ("A2", offered), ("A3", offered), ("A4", pending)];
    assert_eq!(fixture.states().await, pairs(&states), "who is due nothing is not asked");
    let stale = moved(&running, DisruptionEvent::Pause);
    let record = |_: &Item| request("stale");
    let order_id = OrderId::new("A1").unwrap();
    let refused =
        fixture.store.choose(&stale, &order_id, Remedy::Keep, &record, &*fixture.ids, at(50)).await;
    assert!(matches!(refused, Err(StoreError::VersionMismatch)), "{refused:?}");

    let kept = fixture.chosen(&running, "A1", Remedy::Keep).await.unwrap();
    assert_eq!((kept.state, kept.remedy), (ItemState::Kept, Some(Remedy::Keep)));
    let money = fixture.chosen(&running, "A1", Remedy::Refund).await.unwrap();
    assert_eq!((money.state, money.remedy), (pending, Some(Remedy::Refund)));
    assert_eq!(fixture.chosen(&running, "A1", Remedy::Keep).await, None, "it is being paid");
    let voucher = fixture.chosen(&running, "A2", Remedy::Voucher).await.unwrap();
    assert_eq!(voucher.state, ItemState::Attention);
    assert_eq!((&*voucher.reason_code, &*voucher.next_action), ("VOUCHER_CHOSEN", "ISSUE_VOUCHER"));
    assert_eq!(fixture.chosen(&running, "A4", Remedy::Refund).await, None);
    assert_eq!(fixture.chosen(&running, "A9", Remedy::Refund).await, None);
    assert_eq!(fixture.take(9).await, 2);
    fixture.pay_all().await;
    assert_eq!(fixture.complete().await, 0, "A3 may still choose");
    let states = [
        ("A1", ItemState::Succeeded),
        ("A2", ItemState::Attention),
        ("A3", offered),
        ("A4", ItemState::NothingDue),
    ];
    assert_eq!(fixture.states().await, pairs(&states));
    assert_eq!(fixture.payment("A1", "p1").await.counters.refunded, 5390);
    assert_eq!(fixture.payment("A2", "p1").await.counters, PaymentCounters::default());
    let kinds: Vec<_> =
        fixture.events("orders/A2").await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds.len(), 1, "{kinds:?}");
    fixture.assert_books().await;
}

async fn silence_means_what_was_said(fixture: Fixture) {
    for (tenant_event, default_remedy, expected) in [
        ("d1", Remedy::Keep, ItemState::Kept),
        ("d2", Remedy::Refund, ItemState::Pending),
        ("d3", Remedy::Voucher, ItemState::Attention),
    ] {
        let ids = ["A1", "A2", "A3"].map(|id| format!("{tenant_event}-{id}"));
        fixture.import(ids.iter().map(|id| order(id)).collect::<Vec<_>>()).await;
        let plans: Vec<_> = ids.iter().map(|id| plan(&order(id))).collect();
        let mut draft = postponed(default_remedy);
        draft.id = DisruptionId::new(tenant_event).unwrap();
        draft.scope = Scope::of_event(tenant_event.to_owned().try_into().unwrap());
        let running = fixture.start_draft(&draft, &plans).await;
        let lapse = async |limit, now| {
            fixture.store.lapse_choices(limit, &*fixture.ids, at(now)).await.unwrap()
        };
        assert_eq!(lapse(9, 59).await, 0, "there is time left");
        let paused = fixture.advance(&running, DisruptionEvent::Pause, None).await.unwrap();
        assert_eq!(lapse(9, 60).await, 0, "nothing is decided in a pause");
        fixture.advance(&paused, DisruptionEvent::Resume, None).await.unwrap();
        assert_eq!((lapse(2, 60).await, lapse(2, 60).await, lapse(2, 60).await), (2, 1, 0));
        for item in fixture.items(tenant_event).await {
            assert_eq!((item.state, item.remedy), (expected, Some(default_remedy)));
        }
    }
    let told = fixture.events("orders/d1-A1").await;
    let item = fixture.items("d1").await.remove(0);
    let running = fixture.disruption("d1").await;
    let subject = crate::domain::refund::DisruptionRef {
        id: running.id.clone(),
        event: "derby".to_owned().try_into().unwrap(),
    };
    let at_rest = crate::domain::fact::AtRest {
        order: item.order,
        customer: order("A1").customer,
        refund: None,
        change: "CANCELLED",
        outcome: ItemState::Kept,
        requested: Money { currency: item.currency, minor_units: item.requested },
        issued: 0,
        needs: Needs::default(),
    };
    let fact = Fact::item_at_rest(&arena(), &subject, running.traceparent, at_rest);
    assert_eq!(told, announced(&[fact]));
}

async fn each_part_of_a_scope_narrows_it(fixture: Fixture) {
    let mut north = order("A1");
    north.lines[0].section = "north".to_owned();
    north.sales_channel = "web".to_owned();
    let mut flight = order("A2");
    for line in &mut flight.lines {
        line.trip = Some("t1".to_owned());
        line.carrier = "LH".to_owned();
        line.event_start = line.event_start.plus(Duration::from_mins(1));
    }
    let mut gala = order("A3");
    gala.lines.iter_mut().for_each(|line| line.event = "gala".to_owned().try_into().unwrap());
    let start = north.lines[0].event_start;
    let later = start.plus(Duration::from_mins(1));
    fixture.import([north, flight, gala]).await;
    let texts = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>();
    let event = |id: &str| Scope::of_event(id.to_owned().try_into().unwrap());
    let both =
        Scope { events: [event("gala").events, event("derby").events].concat(), ..event("x") };
    for (scope, expected) in [
        (event("derby"), vec!["A1", "A2"]),
        (both.clone(), vec!["A1", "A2", "A3"]),
        (Scope { sections: texts(&["north", "south"]), ..event("derby") }, vec!["A1"]),
        (Scope { sales_channels: texts(&["web"]), ..both }, vec!["A1"]),
        (Scope { starts_from: Some(later), ..event("derby") }, vec!["A2"]),
        (Scope { starts_before: Some(later), ..event("derby") }, vec!["A1"]),
        (Scope { trips: texts(&["t1"]), ..Scope::default() }, vec!["A2"]),
        (Scope { trips: texts(&["t1", "t2"]), ..Scope::default() }, vec!["A2"]),
        (Scope { carriers: texts(&["LH"]), ..Scope::default() }, vec!["A2"]),
        (Scope { carriers: texts(&["LH", "LX"]), ..Scope::default() }, vec!["A2"]),
        (Scope { carriers: texts(&["LX"]), ..event("derby") }, vec![]),
        (event("opera"), vec![]),
        (Scope::default(), vec![]),
    ] {
        let store = &fixture.store;
        let found = store.orders_in_scope(&arena(), &scope, None, None, 9).await.unwrap();
        let ids: Vec<_> = found.iter().map(OrderId::as_str).collect();
        assert_eq!(ids, expected, "{scope:?}");
        for order in &store.orders(&arena(), &found).await.unwrap() {
            assert!(order.lines.iter().any(|line| scope.covers(order, line)), "{scope:?}");
        }
        let count = store.count_scope(&arena(), &scope).await.unwrap();
        assert_eq!(usize::try_from(count).unwrap(), expected.len(), "{scope:?}");
        let first = store.orders_in_scope(&arena(), &scope, None, None, 1).await.unwrap();
        let rest = match first.first() {
            Some(first) => {
                store.orders_in_scope(&arena(), &scope, None, Some(first), 9).await.unwrap()
            }
            None => Vec::new(),
        };
        assert_eq!([first, rest].concat(), found, "{scope:?}");
    }
}

async fn orders_beside_a_selection_are_those_that_came_later(fixture: Fixture) {
    let running = fixture.running(&["A1", "A2"]).await;
    fixture.import([order("A3")]).await;
    let beside = async || {
        let store = &fixture.store;
        let found =
            store.orders_in_scope(&arena(), &running.scope, Some(&id()), None, 9).await.unwrap();
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(beside().await, ["A3"]);
    fixture.store.freeze_items(&running, &plans(&["A3"])).await.unwrap();
    assert_eq!(beside().await, ["A3"], "it is held, and can be planned anew");
    fixture.advance(&running, DisruptionEvent::Extend, Some(1)).await.unwrap();
    assert_eq!(beside().await, [] as [&str; 0]);
}

async fn lanes_and_reasons_narrow_the_items(fixture: Fixture) {
    fixture.import(["A1", "A2"].map(order)).await;
    let mut plans = plans(&["A1", "A2"]);
    plans[1].due = Due::Nothing(NothingDue::NotPaid);
    fixture.start("d1", "derby", &plans).await;
    assert_eq!(fixture.take(9).await, 2);
    let some = |text: &str| Some(text.to_owned());
    for (filter, expected) in [
        (ItemFilter { lane: some("stripe"), ..Default::default() }, vec!["A1"]),
        (ItemFilter { lane: some(""), ..Default::default() }, vec!["A2"]),
        (ItemFilter { reason_code: some("NOT_PAID"), ..Default::default() }, vec!["A2"]),
        (ItemFilter { reason_code: some("OTHER"), ..Default::default() }, vec![]),
    ] {
        let page = first_page();
        let listed = fixture.store.list_items(&arena(), &id(), &filter, &page).await.unwrap();
        let orders: Vec<_> = listed.rows.iter().map(|item| item.order.as_str()).collect();
        assert_eq!(orders, expected, "{filter:?}");
        assert_eq!(listed.total, i64::try_from(expected.len()).ok(), "{filter:?}");
    }
}
