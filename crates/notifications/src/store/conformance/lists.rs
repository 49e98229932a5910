//! How notifications are listed and counted.

use prost::Message as _;
use redress_core::id::OrderId;

use super::*;
use crate::domain::notification::Reason;

redress_testkit::conformance! {
    open = open_world;
    each_condition_narrows_list_and_count,
    pages_go_by_id_and_stay_stable_while_rows_are_added,
    ids_are_told_apart_by_case,
}

async fn each_condition_narrows_list_and_count(world: World) {
    let arena = tenant("arena");
    let settled = |order: &str, outcome: &str| {
        (arena.clone(), "DisruptionItemSettled", item(order, outcome).encode_to_vec())
    };
    let asked_for =
        (arena.clone(), "RefundStateChanged", refund("r9", "SUCCEEDED").encode_to_vec());
    world.deliver(1, vec![settled("o1", "ATTENTION"), settled("o2", "SUCCEEDED"), asked_for]).await;
    world.deliver_orders(&tenant("opera"), 4, &["o1"]).await;
    let claimed = world.store.claim(&world.claim("t1", 1)).await.unwrap();
    let delivery = Delivery::Failed { reason: Reason::NoContact };
    let id = claimed[0].about.id.clone();
    let failed = Settlement { tenant: claimed[0].about.tenant.clone(), id, delivery };
    world.store.settle("t1", &[failed]).await.unwrap();

    let order = Some(OrderId::new("o1").unwrap());
    let disruption = Some(DisruptionId::new("d1").unwrap());
    let none = ListFilter::default();
    let cases = [
        (none.clone(), 3),
        (ListFilter { state: Some(State::Failed), ..none.clone() }, 1),
        (ListFilter { state: Some(State::Sent), ..none.clone() }, 0),
        (ListFilter { order: order.clone(), ..none.clone() }, 2),
        (ListFilter { disruption: disruption.clone(), ..none.clone() }, 2),
        (ListFilter { template: Some(Template::RefundIssued), ..none.clone() }, 2),
        (ListFilter { order, disruption, ..none }, 1),
    ];
    for (filter, expected) in cases {
        let listed = world.store.list(&arena, &filter, None, 10).await.unwrap();
        let counted = world.store.count(&arena, &filter).await.unwrap();
        assert_eq!((listed.len(), counted), (expected, expected.try_into().unwrap()), "{filter:?}");
        assert!(listed.iter().all(|n| n.about.tenant == arena));
    }
}

async fn pages_go_by_id_and_stay_stable_while_rows_are_added(world: World) {
    let arena = tenant("arena");
    world.deliver_orders(&arena, 1, &["o1", "o2", "o3"]).await;
    let filter = ListFilter::default();
    let first = world.store.list(&arena, &filter, None, 2).await.unwrap();
    world.deliver_orders(&arena, 4, &["o4"]).await;
    let after = Some(&first[1].about.id);
    let second = world.store.list(&arena, &filter, after, 2).await.unwrap();
    let seen: Vec<&str> = first.iter().chain(&second).map(|n| n.about.order.as_str()).collect();
    assert_eq!(seen, ["o1", "o2", "o3", "o4"]);
}

async fn ids_are_told_apart_by_case(world: World) {
    let arena = tenant("arena");
    world.deliver_orders(&arena, 1, &["abc", "ABC"]).await;
    let filter = ListFilter { order: Some(OrderId::new("ABC").unwrap()), ..ListFilter::default() };
    let found = world.store.list(&arena, &filter, None, 10).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].about.order.as_str(), "ABC");
}
