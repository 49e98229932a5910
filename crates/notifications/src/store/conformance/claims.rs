//! How notifications are claimed and what may become of them.

use std::collections::HashSet;
use std::time::Duration;

use redress_core::clock::Timestamp;

use super::*;
use crate::domain::locale::Locale;
use crate::domain::notification::Reason;

redress_testkit::conformance! {
    open = open_world;
    a_claim_takes_what_is_due_longest_first,
    nothing_is_claimed_twice_at_once,
    two_workers_at_once_share_the_work,
    a_claim_that_ran_out_is_taken_over_and_its_holder_is_fenced,
    outcomes_are_written_as_they_are,
    only_pending_moves_cell_by_cell,
    what_is_settled_never_moves_again,
    what_is_postponed_comes_back_when_it_is_due,
    settling_nothing_writes_nothing,
}

fn settlement(notification: &Notification, delivery: Delivery) -> Settlement {
    let (tenant, id) = (notification.about.tenant.clone(), notification.about.id.clone());
    Settlement { tenant, id, delivery }
}

fn sent(world: &World) -> Delivery {
    Delivery::Sent { locale: Locale::De, send_time: world.clock.now() }
}

fn orders(notifications: &[Notification]) -> HashSet<String> {
    notifications.iter().map(|n| n.about.order.as_str().to_owned()).collect()
}

fn set(orders: &[&str]) -> HashSet<String> {
    orders.iter().map(|&order| order.to_owned()).collect()
}

async fn a_claim_takes_what_is_due_longest_first(world: World) {
    world.deliver_orders(&tenant("arena"), 1, &["o1"]).await;
    world.clock.advance(Duration::from_micros(1));
    world.deliver_orders(&tenant("opera"), 2, &["o2"]).await;
    world.clock.advance(Duration::from_micros(1));
    world.deliver_orders(&tenant("arena"), 3, &["o3"]).await;

    let first = world.store.claim(&world.claim("t1", 2)).await.unwrap();
    assert_eq!(orders(&first), set(&["o1", "o2"]));
    assert!(first.iter().all(|n| n.state == State::Pending));
    let early = Claim { now: Timestamp(world.clock.now().0 - 1), ..world.claim("t2", 2) };
    assert_eq!(world.store.claim(&early).await.unwrap(), []);
    let rest = world.store.claim(&world.claim("t3", 2)).await.unwrap();
    assert_eq!(orders(&rest), set(&["o3"]));
}

async fn nothing_is_claimed_twice_at_once(world: World) {
    world.deliver_orders(&tenant("arena"), 1, &["o1"]).await;
    assert_eq!(world.store.claim(&world.claim("t1", 10)).await.unwrap().len(), 1);
    assert_eq!(world.store.claim(&world.claim("t2", 10)).await.unwrap(), []);
}

async fn two_workers_at_once_share_the_work(world: World) {
    let names: Vec<String> = (0..200).map(|n| format!("o{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.deliver_orders(&tenant("arena"), 1, &names).await;
    let drain = async |worker: &str| {
        let mut taken = Vec::new();
        for round in 0.. {
            let claim = world.claim(&format!("{worker}-{round}"), 7);
            let batch = world.store.claim(&claim).await.unwrap();
            if batch.is_empty() {
                break;
            }
            taken.extend(batch.iter().map(|n| n.about.order.as_str().to_owned()));
        }
        taken
    };
    let (one, other) = tokio::join!(drain("one"), drain("other"));
    let all: HashSet<&String> = one.iter().chain(&other).collect();
    assert_eq!((one.len() + other.len(), all.len()), (200, 200));
}

async fn a_claim_that_ran_out_is_taken_over_and_its_holder_is_fenced(world: World) {
    let arena = tenant("arena");
    world.deliver_orders(&arena, 1, &["o1"]).await;
    let slow = world.store.claim(&world.claim("slow", 1)).await.unwrap();
    world.clock.advance(CLAIM_TIME);
    let heir = world.store.claim(&world.claim("heir", 1)).await.unwrap();
    assert_eq!(orders(&heir), set(&["o1"]));

    let failed = Delivery::Failed { reason: Reason::MailRefused };
    let late = [settlement(&slow[0], failed)];
    assert_eq!(world.store.settle("slow", &late).await.unwrap(), 0);
    assert_eq!(world.all(&arena).await[0].state, State::Pending);
    let done = [settlement(&heir[0], sent(&world))];
    assert_eq!(world.store.settle("heir", &done).await.unwrap(), 1);
    assert_eq!(world.all(&arena).await[0].state, State::Sent);
}

async fn outcomes_are_written_as_they_are(world: World) {
    let arena = tenant("arena");
    world.deliver_orders(&arena, 1, &["o1", "o2", "o3", "o4"]).await;
    let claimed = world.store.claim(&world.claim("t1", 10)).await.unwrap();
    world.clock.advance(Duration::from_micros(123_457));
    let now = world.clock.now();
    let postponed =
        Delivery::Postponed { reason: Some(Reason::MailUnavailable), attempts: 3, due_time: now };
    let of = |order: &str| claimed.iter().find(|n| n.about.order.as_str() == order).unwrap();
    let settlements = [
        settlement(of("o1"), Delivery::Sent { locale: Locale::Zh, send_time: now }),
        settlement(of("o2"), Delivery::Failed { reason: Reason::NoContact }),
        settlement(of("o3"), postponed),
    ];
    assert_eq!(world.store.settle("t1", &settlements).await.unwrap(), 3);
    let seen: Vec<_> = world
        .all(&arena)
        .await
        .into_iter()
        .map(|n| (n.state, n.locale, n.reason, n.attempts, n.send_time))
        .collect();
    assert_eq!(
        seen,
        [
            (State::Sent, Some(Locale::Zh), None, 0, Some(now)),
            (State::Failed, None, Some(Reason::NoContact), 0, None),
            (State::Pending, None, Some(Reason::MailUnavailable), 3, None),
            (State::Pending, None, None, 0, None),
        ]
    );
}

async fn only_pending_moves_cell_by_cell(world: World) {
    let arena = tenant("arena");
    let reason = Some(Reason::MailUnavailable);
    let due_time = world.clock.now();
    let deliveries = [
        sent(&world),
        Delivery::Failed { reason: Reason::NoContact },
        Delivery::Postponed { reason, attempts: 1, due_time },
    ];
    let mut position = 1;
    for first in deliveries {
        for second in deliveries {
            let order = format!("o{position}");
            world.deliver_orders(&arena, position, &[&order]).await;
            position += 1;
            let token = format!("t{order}");
            let claim = Claim { limit: 100, ..world.claim(&token, 1) };
            let claimed = world.store.claim(&claim).await.unwrap();
            let this = claimed.iter().find(|n| n.about.order.as_str() == order).unwrap();
            let settle = async |delivery| {
                world.store.settle(&token, &[settlement(this, delivery)]).await.unwrap()
            };
            assert_eq!(settle(first).await, 1, "PENDING by {first:?}");
            // Even one who still knows the token has nothing to say any more.
            assert_eq!(settle(second).await, 0, "{first:?} by {second:?}");
            let found = world.store.get(&arena, &this.about.id).await.unwrap().unwrap();
            assert_eq!(found.state, first.state());
        }
    }
}

async fn what_is_settled_never_moves_again(world: World) {
    let arena = tenant("arena");
    world.deliver_orders(&arena, 1, &["o1"]).await;
    let claimed = world.store.claim(&world.claim("t1", 1)).await.unwrap();
    let done = [settlement(&claimed[0], sent(&world))];
    assert_eq!(world.store.settle("t1", &done).await.unwrap(), 1);
    let before = world.all(&arena).await;
    let failed = [settlement(&claimed[0], Delivery::Failed { reason: Reason::MailRefused })];
    assert_eq!(world.store.settle("t1", &failed).await.unwrap(), 0);
    world.clock.advance(CLAIM_TIME * 2);
    assert_eq!(world.store.claim(&world.claim("t2", 1)).await.unwrap(), []);
    assert_eq!(world.all(&arena).await, before);
}

async fn what_is_postponed_comes_back_when_it_is_due(world: World) {
    world.deliver_orders(&tenant("arena"), 1, &["o1"]).await;
    let claimed = world.store.claim(&world.claim("t1", 1)).await.unwrap();
    let wait = Duration::from_secs(30);
    let due_time = world.clock.now().plus(wait);
    let reason = Some(Reason::MailUnavailable);
    let later = [settlement(&claimed[0], Delivery::Postponed { reason, attempts: 1, due_time })];
    assert_eq!(world.store.settle("t1", &later).await.unwrap(), 1);
    assert_eq!(world.store.claim(&world.claim("t2", 1)).await.unwrap(), []);
    world.clock.advance(wait);
    let again = world.store.claim(&world.claim("t3", 1)).await.unwrap();
    assert_eq!((again[0].attempts, again[0].reason), (1, reason));
}

async fn settling_nothing_writes_nothing(world: World) {
    assert_eq!(world.store.settle("t1", &[]).await.unwrap(), 0);
}
