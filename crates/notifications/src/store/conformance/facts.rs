//! How facts become notifications.

use prost::Message as _;
use redress_core::id::{CustomerId, OrderId, RefundId};
use redress_core::money;
use redress_store::check;

use super::*;

redress_testkit::conformance! {
    open = open_world;
    migrating_twice_changes_nothing,
    a_fact_becomes_a_notification_that_reads_back,
    a_fact_without_amounts_reads_back_without,
    an_order_hears_of_a_disruption_once,
    a_refund_is_told_once_for_each_way_it_comes_to_rest,
    a_batch_that_comes_again_has_its_effects_once,
    the_same_order_of_two_tenants_is_two_orders,
    a_batch_of_hundreds_is_applied_whole,
    an_unreadable_event_is_parked_and_others_go_on,
}

async fn migrating_twice_changes_nothing(world: World) {
    world.deliver_orders(&tenant("arena"), 1, &["o1"]).await;
    migrate(&world.database, &SCHEMA).await.unwrap();
    check(&world.database, &SCHEMA).await.unwrap();
    assert_eq!(world.all(&tenant("arena")).await.len(), 1);
}

async fn a_fact_becomes_a_notification_that_reads_back(world: World) {
    let arena = tenant("arena");
    world.deliver_orders(&arena, 1, &["o1"]).await;
    let expected = Notification {
        about: NewNotification {
            tenant: arena.clone(),
            id: NotificationId::new("00000001").unwrap(),
            occasion: "disruptions/d1/orders/o1".to_owned(),
            template: Template::RefundIssued,
            order: OrderId::new("o1").unwrap(),
            customer: CustomerId::new("of-o1").unwrap(),
            disruption: Some(DisruptionId::new("d1").unwrap()),
            refund: Some(RefundId::new("r1").unwrap()),
            requested: Some(money::Money::new("EUR".parse().unwrap(), 500).unwrap()),
            issued: Some(money::Money::new("EUR".parse().unwrap(), 300).unwrap()),
            create_time: world.clock.now(),
        },
        state: State::Pending,
        locale: None,
        reason: None,
        attempts: 0,
        send_time: None,
    };
    let id = expected.about.id.clone();
    assert_eq!(world.store.get(&arena, &id).await.unwrap(), Some(expected.clone()));
    assert_eq!(world.all(&arena).await, [expected]);
}

async fn a_fact_without_amounts_reads_back_without(world: World) {
    let arena = tenant("arena");
    let nothing = DisruptionItemSettled {
        refund: String::new(),
        requested: None,
        issued: None,
        ..item("o1", "NOTHING_DUE")
    };
    world.deliver(1, vec![(arena.clone(), "DisruptionItemSettled", nothing.encode_to_vec())]).await;
    let about = &world.all(&arena).await[0].about;
    assert_eq!(about.template, Template::EventCancelled);
    assert_eq!((&about.refund, about.requested, about.issued), (&None, None, None));
}

async fn an_order_hears_of_a_disruption_once(world: World) {
    let arena = tenant("arena");
    let settled =
        |outcome| (arena.clone(), "DisruptionItemSettled", item("o1", outcome).encode_to_vec());
    world.deliver(1, vec![settled("ATTENTION"), settled("ATTENTION")]).await;
    world.deliver(3, vec![settled("SUCCEEDED")]).await;
    let told = world.all(&arena).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].about.template, Template::RefundDelayed, "the first message stands");
}

async fn a_refund_is_told_once_for_each_way_it_comes_to_rest(world: World) {
    let arena = tenant("arena");
    let changed =
        |state| (arena.clone(), "RefundStateChanged", refund("r1", state).encode_to_vec());
    let states = ["QUEUED", "ATTENTION", "ATTENTION", "SUCCEEDED", "SUCCEEDED"];
    world.deliver(1, states.map(changed).to_vec()).await;
    let templates: Vec<Template> =
        world.all(&arena).await.iter().map(|told| told.about.template).collect();
    assert_eq!(templates, [Template::RefundDelayed, Template::RefundIssued]);
}

async fn a_batch_that_comes_again_has_its_effects_once(world: World) {
    let arena = tenant("arena");
    let first = world.deliver_orders(&arena, 1, &["o1", "o2"]).await;
    let claimed = world.store.claim(&world.claim("t1", 10)).await.unwrap();
    let again = world.deliver_orders(&arena, 1, &["o1", "o2"]).await;
    assert_eq!((first, again), (2, 2));
    assert_eq!((claimed.len(), world.all(&arena).await.len()), (2, 2));
}

async fn the_same_order_of_two_tenants_is_two_orders(world: World) {
    let (arena, opera) = (tenant("arena"), tenant("opera"));
    world.deliver_orders(&arena, 1, &["o1"]).await;
    world.deliver_orders(&opera, 2, &["o1"]).await;
    let (ours, theirs) = (world.all(&arena).await, world.all(&opera).await);
    assert_eq!((ours.len(), theirs.len()), (1, 1));
    let id = &ours[0].about.id;
    assert_eq!(world.store.get(&opera, id).await.unwrap(), None);
    assert_eq!(world.store.count(&opera, &ListFilter::default()).await.unwrap(), 1);
}

async fn a_batch_of_hundreds_is_applied_whole(world: World) {
    let arena = tenant("arena");
    let orders: Vec<String> = (0..500).map(|n| format!("o{n}")).collect();
    let orders: Vec<&str> = orders.iter().map(String::as_str).collect();
    assert_eq!(world.deliver_orders(&arena, 1, &orders).await, 500);
    assert_eq!(world.store.count(&arena, &ListFilter::default()).await.unwrap(), 500);
}

const PARKED: &str = "SELECT error FROM parked_events ORDER BY position";

async fn an_unreadable_event_is_parked_and_others_go_on(world: World) {
    let arena = tenant("arena");
    let good =
        |order| (arena.clone(), "DisruptionItemSettled", item(order, "SUCCEEDED").encode_to_vec());
    let bad = (arena.clone(), "DisruptionItemSettled", vec![0xff]);
    let unknown = item("o4", "PAID_IN_SHELLS").encode_to_vec();
    let unknown = (arena.clone(), "DisruptionItemSettled", unknown);
    assert_eq!(world.deliver(1, vec![good("o1"), bad, unknown, good("o2")]).await, 4);
    assert_eq!(world.all(&arena).await.len(), 2);

    let errors: Vec<String> = match &world.database {
        Database::Sqlite(database) => {
            sqlx::query_scalar(PARKED).fetch_all(&database.read).await.unwrap()
        }
        Database::Postgres(database) => {
            sqlx::query_scalar(PARKED).fetch_all(&database.pool).await.unwrap()
        }
    };
    assert_eq!(errors.len(), 2);
    assert!(errors[0].starts_with("the payload is not of the type it names"), "{errors:?}");
    assert_eq!(errors[1], r#"outcome: unknown value "PAID_IN_SHELLS""#);
}
