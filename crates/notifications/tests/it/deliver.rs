//! `EventSinkService.Deliver`: facts come in once, in order.

use tonic::Code;

use crate::support::{World, open_world, refusal, settled};

redress_testkit::conformance! {
    open = open_world;
    a_batch_that_comes_again_changes_nothing,
    a_gap_is_refused_and_says_what_is_expected,
    the_tenant_is_the_events_own,
}

async fn a_batch_that_comes_again_changes_nothing(world: World) {
    for _ in 0..2 {
        let position = world.deliver("arena", 1, vec![settled("o1"), settled("o2")]).await;
        assert_eq!(position.unwrap(), 2);
    }
    let position = world.deliver("arena", 2, vec![settled("o2"), settled("o3")]).await;
    assert_eq!(position.unwrap(), 3);
    assert_eq!(world.list("arena").await.len(), 3);
}

async fn a_gap_is_refused_and_says_what_is_expected(world: World) {
    world.deliver("arena", 1, vec![settled("o1")]).await.unwrap();
    let (code, reason, message) = refusal(world.deliver("arena", 3, vec![settled("o3")]).await);
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "EVENT_GAP"));
    assert!(message.contains("position 2"), "{message}");
    assert_eq!(world.list("arena").await.len(), 1);
}

async fn the_tenant_is_the_events_own(world: World) {
    world.deliver("opera", 1, vec![settled("o1")]).await.unwrap();
    assert_eq!(world.list("arena").await, []);
    assert_eq!(world.list("opera").await.len(), 1);
}
