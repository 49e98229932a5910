//! `EventSinkService.Deliver`: what cases hears.

use crate::support::{Api, attention, delivery, event, open_api, told};

redress_testkit::conformance! {
    open = open_api;
    a_batch_is_applied_once_and_acknowledged,
    a_gap_is_refused_with_the_expected_position,
    the_tenant_of_the_event_owns_the_case,
}

async fn a_batch_is_applied_once_and_acknowledged(api: Api) {
    let batch = delivery(vec![
        event("arena", &attention("o1"), 1),
        event("arena", &attention("o2"), 2),
        event("arena", &attention("o1"), 3),
    ]);
    for _ in 0..2 {
        let held = api.sink().deliver(batch.clone()).await.unwrap().into_inner();
        assert_eq!(held.position, 3);
    }
    assert_eq!(api.all("arena").await.len(), 2);
}

async fn a_gap_is_refused_with_the_expected_position(api: Api) {
    let batch = delivery(vec![event("arena", &attention("o1"), 2)]);
    let refused = api.sink().deliver(batch).await.unwrap_err();
    assert_eq!(
        told(&refused),
        "FailedPrecondition EVENT_GAP: expected position 1: send from there\n\
         expected_position = 1"
    );
    assert_eq!(api.all("arena").await, []);
}

async fn the_tenant_of_the_event_owns_the_case(api: Api) {
    let batch = delivery(vec![event("other", &attention("o1"), 1)]);
    api.sink().deliver(batch).await.unwrap();
    assert_eq!(api.all("arena").await, []);
    assert_eq!(api.all("other").await.len(), 1);
}
