//! The loop that sends: woken by what comes in, stopped between batches.

use std::time::Duration;

use redress_proto::notifications::v1 as pb;
use redress_proto::notifications::v1::notification::State;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::{World, ask, contact, open_world, settled, tenant_id};

redress_testkit::conformance! {
    open = open_world;
    a_fact_that_comes_in_is_sent_at_once_and_the_loop_ends_when_told,
}

/// Far above what is needed and far below the poll interval of a minute.
const PATIENCE: Duration = Duration::from_secs(30);

async fn a_fact_that_comes_in_is_sent_at_once_and_the_loop_ends_when_told(mut world: World) {
    let orders: Vec<String> = (0..700).map(|n| format!("o{n}")).collect();
    for order in &orders {
        let email = format!("{order}@mail.example");
        world.refunds.knows(&tenant_id("arena"), order, contact(&email, "ru"));
    }
    let stop = CancellationToken::new();
    let worker = world.take_worker();
    let running = tokio::spawn(worker.run(stop.clone()));
    let facts = orders.iter().map(|order| settled(order)).collect();
    world.deliver("arena", 1, facts).await.unwrap();

    let all_sent = async {
        while count(&world, State::Sent).await < 700 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, all_sent).await.unwrap();
    stop.cancel();
    timeout(PATIENCE, running).await.unwrap().unwrap();
    assert_eq!(world.mails().len(), 700);
}

async fn count(world: &World, state: State) -> i64 {
    let filter = format!("state = {}", state.as_str_name());
    let request = pb::ListNotificationsRequest { page_size: 1, filter, ..Default::default() };
    let request = ask(&tenant_id("arena"), request);
    world.notifications().list_notifications(request).await.unwrap().into_inner().total_size
}
