//! `EventSinkService.Deliver`: what feedback hears.

use crate::support::{Api, delivery, event, open_api, paid, told};

redress_testkit::conformance! {
    open = open_api;
    a_batch_is_applied_once_and_acknowledged,
    a_gap_is_refused_with_the_expected_position,
    the_tenant_of_the_event_owns_the_invitation,
}

async fn a_batch_is_applied_once_and_acknowledged(api: Api) {
    let batch = delivery(vec![
        event("arena", &paid("a"), 1),
        event("arena", &paid("b"), 2),
        event("arena", &paid("a"), 3),
    ]);
    for _ in 0..2 {
        let held = api.sink().deliver(batch.clone()).await.unwrap().into_inner();
        assert_eq!(held.position, 3);
    }
    assert_eq!(api.all("arena").await.len(), 2);
}

async fn a_gap_is_refused_with_the_expected_position(api: Api) {
    let batch = delivery(vec![event("arena", &paid("a"), 2)]);
    let refused = api.sink().deliver(batch).await.unwrap_err();
    assert_eq!(
        told(&refused),
        "FailedPrecondition EVENT_GAP: expected position 1: send from there\n\
         expected_position = 1"
    );
    assert_eq!(api.all("arena").await, []);
}

async fn the_tenant_of_the_event_owns_the_invitation(api: Api) {
    let batch = delivery(vec![event("other", &paid("a"), 1)]);
    api.sink().deliver(batch).await.unwrap();
    assert_eq!(api.all("arena").await, []);
    assert_eq!(api.all("other").await.len(), 1);
}
