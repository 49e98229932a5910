//! `DisruptionService.ApproveDisruption`.

use std::time::Duration;

use redress_core::id::{DisruptionId, OrderId, TenantId};
use redress_proto::refunds::v1 as pb;
use redress_refunds::app::Connections;
use redress_refunds::domain::disruption::plan_item;
use redress_testkit::clock::START;
use tonic::Status;

use super::support::{Api, euros, mixed, open_stocked, order, told, unpaid};

redress_testkit::conformance! {
    open = open_with_draft;
    an_approved_disruption_has_its_items_frozen,
    a_repetition_gets_the_stored_answer,
    a_request_id_belongs_to_one_body,
    another_number_of_orders_is_refused,
    a_stale_etag_is_refused,
    an_approved_disruption_is_not_approved_again,
    an_interrupted_approval_leaves_a_draft_that_can_be_approved,
    an_order_that_left_the_event_after_an_interrupted_approval_is_not_paid,
    racing_approvals_approve_once,
    orders_are_frozen_page_after_page,
    a_missing_disruption_and_another_tenants_look_the_same,
    a_malformed_request_is_refused,
}

const REQUEST_ID: &str = "8b2ac7f6-0c53-4f4e-9a35-3f9a0a6f6b01";

/// Three orders for the derby and a draft that cancels it.
async fn open_with_draft(url: String) -> Api {
    let api = open_stocked(url).await;
    api.import(vec![mixed("A2"), unpaid("A3")]).await;
    let request = pb::CreateDisruptionRequest {
        event: "events/derby".to_owned(),
        kind: pb::disruption::Kind::Cancelled.into(),
        request_id: api.request_id(),
        ..Default::default()
    };
    api.disruptions("arena").create_disruption(request).await.unwrap();
    api
}

async fn request(api: &Api, expected_orders: i64) -> pb::ApproveDisruptionRequest {
    pb::ApproveDisruptionRequest {
        name: api.disruption().await.name,
        expected_orders,
        request_id: REQUEST_ID.to_owned(),
        ..Default::default()
    }
}

async fn approve(
    api: &Api,
    request: pb::ApproveDisruptionRequest,
) -> Result<pb::Disruption, Status> {
    api.disruptions("arena").approve_disruption(request).await.map(tonic::Response::into_inner)
}

async fn refused(api: &Api, request: pb::ApproveDisruptionRequest) -> String {
    let name = request.name.clone();
    told(&approve(api, request).await.unwrap_err()).replace(&name, "disruptions/D")
}

async fn items(api: &Api) -> Vec<pb::DisruptionItem> {
    let request = pb::ListDisruptionItemsRequest {
        parent: api.disruption().await.name,
        ..Default::default()
    };
    let listed = api.disruptions("arena").list_disruption_items(request).await.unwrap();
    listed.into_inner().items
}

async fn an_approved_disruption_has_its_items_frozen(api: Api) {
    let draft = api.disruption().await;
    let ask = pb::ApproveDisruptionRequest { etag: draft.etag.clone(), ..request(&api, 3).await };
    let approved = approve(&api, ask).await.unwrap();
    assert_eq!(approved.state(), pb::disruption::State::Approved);
    let counts = pb::DisruptionCounts { orders_in_scope: 3, pending: 3, ..Default::default() };
    assert_eq!(approved.counts, Some(counts));
    assert_eq!(approved.requested, [euros(2 * 5390).unwrap()]);
    assert_eq!(approved.issued, [euros(0).unwrap()]);
    assert_ne!(approved.etag, draft.etag);
    assert_eq!(api.disruption().await, approved);
    let frozen: Vec<_> = items(&api)
        .await
        .into_iter()
        .map(|item| (item.state(), item.order, item.requested))
        .collect();
    let pending = pb::disruption_item::State::Pending;
    assert_eq!(
        frozen,
        [
            (pending, "orders/A1".to_owned(), euros(5390)),
            (pending, "orders/A2".to_owned(), euros(5390)),
            (pending, "orders/A3".to_owned(), euros(0)),
        ]
    );
}

async fn a_repetition_gets_the_stored_answer(api: Api) {
    let ask = request(&api, 3).await;
    let first = approve(&api, ask.clone()).await.unwrap();
    api.clock.advance(Duration::from_hours(1));
    assert_eq!(approve(&api, ask).await.unwrap(), first);
}

async fn a_request_id_belongs_to_one_body(api: Api) {
    approve(&api, request(&api, 3).await).await.unwrap();
    snapshot!(refused(&api, request(&api, 4).await).await, @r"
    InvalidArgument REQUEST_ID_REUSED: request_id: was used for a request with another body; repeat that body or draw a new id
    request_id: was used for a request with another body; repeat that body or draw a new id
    ");
}

async fn another_number_of_orders_is_refused(api: Api) {
    snapshot!(refused(&api, request(&api, 2).await).await, @r"
    FailedPrecondition TOTALS_CHANGED: 2 orders were agreed to, there are 3 now: look at the preview again
    expected_orders = 2
    orders = 3
    ");
    assert_eq!(api.disruption().await.state(), pb::disruption::State::Draft);
    assert_eq!(items(&api).await, [], "a draft shows no items");
    api.import(vec![order("A4")]).await;
    snapshot!(refused(&api, request(&api, 3).await).await, @r"
    FailedPrecondition TOTALS_CHANGED: 3 orders were agreed to, there are 4 now: look at the preview again
    expected_orders = 3
    orders = 4
    ");
    assert!(approve(&api, request(&api, 4).await).await.is_ok());
}

async fn a_stale_etag_is_refused(api: Api) {
    let ask = pb::ApproveDisruptionRequest { etag: "stale".to_owned(), ..request(&api, 3).await };
    snapshot!(refused(&api, ask).await, @r"
    Aborted ETAG_MISMATCH: disruptions/D has changed since its etag was read: read it again
    name = disruptions/D
    ");
    assert_eq!(api.disruption().await.state(), pb::disruption::State::Draft);
}

async fn an_approved_disruption_is_not_approved_again(api: Api) {
    approve(&api, request(&api, 3).await).await.unwrap();
    let again =
        pb::ApproveDisruptionRequest { request_id: api.request_id(), ..request(&api, 3).await };
    snapshot!(refused(&api, again).await, @r"
    FailedPrecondition DISRUPTION_STATE: disruptions/D is APPROVED, it cannot be approved
    name = disruptions/D
    state = APPROVED
    ");
}

/// Leaves what an approval has written when its process ends after the first order.
async fn interrupt_an_approval(api: &Api) {
    let tenant = TenantId::new("arena").unwrap();
    let id = DisruptionId::from_resource_name(&api.disruption().await.name).unwrap();
    let draft = api.store.disruption(&tenant, &id).await.unwrap().unwrap();
    let first = api.store.orders(&tenant, &[OrderId::new("A1").unwrap()]).await.unwrap();
    let plan = plan_item(&first[0], draft.rules(), &Connections::default(), START);
    api.store.freeze_items(&draft, &[plan.unwrap()]).await.unwrap();
}

async fn an_interrupted_approval_leaves_a_draft_that_can_be_approved(api: Api) {
    interrupt_an_approval(&api).await;
    let seen = api.disruption().await;
    let counts = seen.counts.unwrap();
    assert_eq!((seen.state(), counts.orders_in_scope), (pb::disruption::State::Draft, 3));
    assert_eq!((counts.pending, seen.requested), (0, vec![]));
    assert_eq!(items(&api).await, []);
    let approved = approve(&api, request(&api, 3).await).await.unwrap();
    assert_eq!(approved.requested, [euros(2 * 5390).unwrap()]);
}

async fn an_order_that_left_the_event_after_an_interrupted_approval_is_not_paid(api: Api) {
    interrupt_an_approval(&api).await;
    let mut moved = pb::Order { source_version: 2, ..order("A1") };
    for line in &mut moved.lines {
        line.event = "events/final".to_owned();
    }
    api.import(vec![moved]).await;
    let approved = approve(&api, request(&api, 2).await).await.unwrap();
    assert_eq!(approved.requested, [euros(5390).unwrap()]);
    let frozen: Vec<_> = items(&api).await.into_iter().map(|item| item.order).collect();
    assert_eq!(frozen, ["orders/A2", "orders/A3"]);
}

async fn racing_approvals_approve_once(api: Api) {
    let one = request(&api, 3).await;
    let two = pb::ApproveDisruptionRequest { request_id: api.request_id(), ..one.clone() };
    let (left, right, again) =
        tokio::join!(approve(&api, one.clone()), approve(&api, two), approve(&api, one));
    assert_eq!(left.is_ok(), again.is_ok(), "two sendings of one request get one answer");
    assert_ne!(left.is_ok(), right.is_ok());
    assert_eq!(items(&api).await.len(), 3);
}

async fn orders_are_frozen_page_after_page(api: Api) {
    api.import((0..997).map(|n| order(&format!("B{n:04}"))).collect()).await;
    let approved = approve(&api, request(&api, 1000).await).await.unwrap();
    assert_eq!(approved.counts.unwrap().pending, 1000);
    assert_eq!(approved.requested, [euros(999 * 5390).unwrap()]);
}

async fn a_missing_disruption_and_another_tenants_look_the_same(api: Api) {
    let ask = request(&api, 3).await;
    let theirs = api.disruptions("other").approve_disruption(ask.clone()).await.unwrap_err();
    let theirs = told(&theirs).replace(&ask.name, "disruptions/D");
    snapshot!(theirs, @r"
    NotFound RESOURCE_NOT_FOUND: disruptions/D not found
    name = disruptions/D
    ");
    let missing = pb::ApproveDisruptionRequest { name: "disruptions/none".to_owned(), ..ask };
    assert_eq!(refused(&api, missing).await, theirs);
}

async fn a_malformed_request_is_refused(api: Api) {
    let bad = pb::ApproveDisruptionRequest { etag: "x".repeat(65), ..Default::default() };
    snapshot!(told(&approve(&api, bad).await.unwrap_err()), @r"
    InvalidArgument INVALID_FIELD: name: does not match regex pattern `^disruptions/[A-Za-z0-9._~-]{1,64}$` (and 3 more)
    name: does not match regex pattern `^disruptions/[A-Za-z0-9._~-]{1,64}$`
    expected_orders: value must be greater than 0
    etag: value length must be at most 64 characters
    request_id: breaks the rule string.uuid_empty
    ");
}
