//! Lists come in pages: by id, bytewise, stable while rows are added, narrowed by filters.

use redress_core::id::{EventId, OrderId};

use super::{Fixture, arena, at, by_card, open_fixture, order, paid};
use crate::domain::disruption::Scope;
use crate::domain::order::{Order, OrderState};
use crate::store::{Listed, OrderFilter, Page, RefundFilter};

redress_testkit::conformance! {
    open = open_fixture;
    order_ids_sort_by_their_bytes,
    pages_of_orders_are_stable_while_orders_come_in,
    each_filter_narrows_the_orders,
    orders_are_found_by_event_in_pages,
    orders_that_are_not_there_are_left_out,
    contacts_come_with_the_first_line,
    pages_of_refunds_are_stable_while_refunds_come_in,
    each_filter_narrows_the_refunds,
}

/// In the order of their bytes, which is no language's order.
const BYTEWISE: [&str; 6] = ["A1", "a-1", "a.1", "a1", "a_1", "a~1"];

fn ids(orders: &[Order]) -> Vec<&str> {
    orders.iter().map(|order| order.id.as_str()).collect()
}

fn page(size: i64, after: Option<&str>) -> Page {
    Page { size, after: after.map(str::to_owned), count: true }
}

async fn list(fixture: &Fixture, filter: &OrderFilter, page: &Page) -> Listed<Order> {
    fixture.store.list_orders(&arena(), filter, page).await.unwrap()
}

async fn order_ids_sort_by_their_bytes(fixture: Fixture) {
    fixture.import(["a_1", "a1", "A1", "a~1", "a.1", "a-1"].map(order)).await;
    let all = OrderFilter::default();
    assert_eq!(ids(&list(&fixture, &all, &page(10, None)).await.rows), BYTEWISE);
    for after in 1..BYTEWISE.len() {
        let next = list(&fixture, &all, &page(1, Some(BYTEWISE[after - 1]))).await;
        assert_eq!(ids(&next.rows), [BYTEWISE[after]]);
        assert_eq!(next.more, after + 1 < BYTEWISE.len());
    }
    let named: Vec<_> = BYTEWISE.iter().rev().map(|id| OrderId::new(*id).unwrap()).collect();
    assert_eq!(ids(&fixture.store.orders(&arena(), &named).await.unwrap()), BYTEWISE);
    let scope = Scope::of_event(EventId::new("derby").unwrap());
    let scope = fixture.store.orders_in_scope(&arena(), &scope, None, None, 10).await.unwrap();
    assert_eq!(scope.iter().map(OrderId::as_str).collect::<Vec<_>>(), BYTEWISE);
}

async fn pages_of_orders_are_stable_while_orders_come_in(fixture: Fixture) {
    fixture.import(["b1", "b2", "b3", "b4"].map(order)).await;
    let all = OrderFilter::default();
    let first = list(&fixture, &all, &page(2, None)).await;
    assert_eq!((ids(&first.rows), first.more, first.total), (vec!["b1", "b2"], true, Some(4)));
    fixture.import(["a9", "b2a", "b9"].map(order)).await;
    let second = list(&fixture, &all, &page(3, Some("b2"))).await;
    assert_eq!(ids(&second.rows), ["b2a", "b3", "b4"]);
    assert!(second.more);
    let last = list(&fixture, &all, &page(3, Some("b4"))).await;
    assert_eq!((ids(&last.rows), last.more, last.total), (vec!["b9"], false, Some(7)));
    let uncounted = list(&fixture, &all, &Page { count: false, ..page(1, None) }).await;
    assert_eq!(uncounted.total, None);
}

async fn each_filter_narrows_the_orders(fixture: Fixture) {
    let mut gala = order("A2");
    gala.lines[1].event = EventId::new("gala").unwrap();
    gala.state = OrderState::Cancelled;
    let mut bought = order("A3");
    bought.customer = "c-2".to_owned().try_into().unwrap();
    fixture.import([order("A1"), gala, bought]).await;
    let none = OrderFilter::default;
    let some = |text: &str| Some(text.to_owned());
    for (filter, expected) in [
        (none(), vec!["A1", "A2", "A3"]),
        (OrderFilter { event: some("gala"), ..none() }, vec!["A2"]),
        (OrderFilter { event: some("derby"), ..none() }, vec!["A1", "A2", "A3"]),
        (OrderFilter { event: some("opera"), ..none() }, vec![]),
        (OrderFilter { customer: some("c-1"), ..none() }, vec!["A1", "A2"]),
        (OrderFilter { state: some("PLACED"), ..none() }, vec!["A1", "A3"]),
        (
            OrderFilter { customer: some("c-1"), state: some("PLACED"), event: some("derby") },
            vec!["A1"],
        ),
    ] {
        let listed = list(&fixture, &filter, &page(10, None)).await;
        assert_eq!(ids(&listed.rows), expected, "{filter:?}");
        assert_eq!(listed.total, i64::try_from(expected.len()).ok(), "{filter:?}");
    }
}

async fn orders_are_found_by_event_in_pages(fixture: Fixture) {
    let mut gala = order("A2");
    gala.lines.iter_mut().for_each(|line| line.event = EventId::new("gala").unwrap());
    fixture.import([order("A1"), gala, order("A3"), order("A4")]).await;
    let derby = Scope::of_event(EventId::new("derby").unwrap());
    let scope = async |after: Option<&OrderId>| {
        fixture.store.orders_in_scope(&arena(), &derby, None, after, 2).await.unwrap()
    };
    let id = |id| OrderId::new(id).unwrap();
    assert_eq!(scope(None).await, [id("A1"), id("A3")]);
    assert_eq!(scope(Some(&id("A3"))).await, [id("A4")]);
    assert_eq!(scope(Some(&id("A4"))).await, []);
}

async fn orders_that_are_not_there_are_left_out(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let asked = ["A0", "A1", "A1"].map(|id| OrderId::new(id).unwrap());
    assert_eq!(fixture.store.orders(&arena(), &asked).await.unwrap(), [order("A1")]);
    assert_eq!(fixture.store.orders(&arena(), &[]).await.unwrap(), []);
    assert_eq!(fixture.store.contacts(&arena(), &asked[..1]).await.unwrap(), []);
}

async fn contacts_come_with_the_first_line(fixture: Fixture) {
    let mut first = order("A1");
    first.contact.email = "ada@example.org".to_owned();
    first.lines[0].title = "North stand".to_owned();
    let mut bare = order("A2");
    bare.lines.clear();
    bare.total = 0;
    let contacts = [first.contact.clone(), bare.contact.clone()];
    fixture.import([bare, first]).await;
    let asked = ["A2", "A1"].map(|id| OrderId::new(id).unwrap());
    let [second_id, first_id] = asked.clone();
    let [first_contact, second_contact] = contacts;
    assert_eq!(
        fixture.store.contacts(&arena(), &asked).await.unwrap(),
        [
            (first_id, first_contact, "North stand".to_owned()),
            (second_id, second_contact, String::new()),
        ]
    );
}

async fn pages_of_refunds_are_stable_while_refunds_come_in(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(fixture.refund("A1", by_card(10)).await);
    }
    let all = RefundFilter::default();
    let list = async |page: Page| fixture.store.list_refunds(&arena(), &all, &page).await.unwrap();
    let first = list(page(2, None)).await;
    assert_eq!((&first.rows[..], first.more, first.total), (&made[..2], true, Some(3)));
    made.push(fixture.refund("A1", by_card(10)).await);
    let second = list(page(2, Some(made[1].id.as_str()))).await;
    assert_eq!((&second.rows[..], second.more, second.total), (&made[2..], false, Some(4)));
    let uncounted = list(Page { count: false, ..page(1, None) }).await;
    assert_eq!(uncounted.total, None);
}

async fn each_filter_narrows_the_refunds(fixture: Fixture) {
    fixture.import(["A1", "A2"].map(order)).await;
    let first = fixture.refund("A1", by_card(10)).await;
    let attempt = fixture.send("w1", 1, at(0)).await.pop().unwrap();
    fixture.settle(&[paid(&attempt)], at(1)).await;
    let second = fixture.refund("A1", by_card(20)).await;
    let third = fixture.refund("A2", by_card(30)).await;
    let none = RefundFilter::default;
    let some = |text: &str| Some(text.to_owned());
    for (filter, expected) in [
        (none(), vec![&first, &second, &third]),
        (RefundFilter { order: some("A1"), ..none() }, vec![&first, &second]),
        (RefundFilter { state: some("SUCCEEDED"), ..none() }, vec![&first]),
        (RefundFilter { state: some("QUEUED"), order: some("A1"), ..none() }, vec![&second]),
        (RefundFilter { disruption: some("d1"), ..none() }, vec![]),
    ] {
        let listed = fixture.store.list_refunds(&arena(), &filter, &page(10, None)).await.unwrap();
        let found: Vec<_> = listed.rows.iter().map(|refund| &refund.id).collect();
        let expected: Vec<_> = expected.iter().map(|refund| &refund.id).collect();
        assert_eq!(found, expected, "{filter:?}");
        assert_eq!(listed.total, i64::try_from(expected.len()).ok(), "{filter:?}");
    }
}
