//! `DisruptionService.StartDisruption`, and what the items come to.

use std::time::Duration;

use redress_proto::refunds::v1 as pb;
use tonic::Status;

use super::support::{Api, euros, mixed, open_stocked, told, unpaid};

redress_testkit::conformance! {
    open = open_with_approved;
    a_started_disruption_runs_until_every_item_rests,
    a_repetition_gets_the_stored_answer,
    a_request_id_belongs_to_one_body,
    a_stale_etag_is_refused,
    only_an_approved_disruption_starts,
    a_missing_disruption_and_another_tenants_look_the_same,
}

const REQUEST_ID: &str = "9b2ac7f6-0c53-4f4e-9a35-3f9a0a6f6b01";

/// A cancelled derby with three orders, approved.
async fn open_with_approved(url: String) -> Api {
    let api = open_stocked(url).await;
    api.import(vec![mixed("A2"), unpaid("A3")]).await;
    let request = pb::CreateDisruptionRequest {
        event: "events/derby".to_owned(),
        kind: pb::disruption::Kind::Cancelled.into(),
        request_id: api.request_id(),
        ..Default::default()
    };
    let draft = api.disruptions("arena").create_disruption(request).await.unwrap().into_inner();
    let request = pb::ApproveDisruptionRequest {
        name: draft.name,
        expected_orders: 3,
        etag: String::new(),
        request_id: api.request_id(),
        ..Default::default()
    };
    api.disruptions("arena").approve_disruption(request).await.unwrap();
    api
}

async fn request(api: &Api, request_id: &str) -> pb::StartDisruptionRequest {
    pb::StartDisruptionRequest {
        name: api.disruption().await.name,
        request_id: request_id.to_owned(),
        ..Default::default()
    }
}

async fn start(api: &Api, request: pb::StartDisruptionRequest) -> Result<pb::Disruption, Status> {
    api.disruptions("arena").start_disruption(request).await.map(tonic::Response::into_inner)
}

async fn refused(api: &Api, request: pb::StartDisruptionRequest) -> String {
    let name = request.name.clone();
    told(&start(api, request).await.unwrap_err()).replace(&name, "disruptions/D")
}

async fn a_started_disruption_runs_until_every_item_rests(api: Api) {
    let ask = pb::StartDisruptionRequest {
        etag: api.disruption().await.etag,
        ..request(&api, REQUEST_ID).await
    };
    let started = start(&api, ask).await.unwrap();
    assert_eq!(started.state(), pb::disruption::State::Running);
    assert_eq!(started.counts.unwrap().pending, 3);
    assert_eq!(api.disruption().await, started);

    api.start_items().await;
    let counts = api.disruption().await.counts.unwrap();
    assert_eq!((counts.pending, counts.processing, counts.nothing_due), (0, 2, 1));
    api.pay_all().await;
    let rested = api.disruption().await;
    let counts = pb::DisruptionCounts {
        orders_in_scope: 3,
        succeeded: 1,
        attention: 1,
        nothing_due: 1,
        ..Default::default()
    };
    assert_eq!(rested.counts, Some(counts));
    assert_eq!(rested.requested, [euros(2 * 5390).unwrap()]);
    assert_eq!(rested.issued, [euros(5390 + 5000).unwrap()]);
    items_tell_what_became_of_each_order(&api, &rested.name).await;
}

async fn items_tell_what_became_of_each_order(api: &Api, parent: &str) {
    let list = async |filter: &str| {
        let request = pb::ListDisruptionItemsRequest {
            parent: parent.to_owned(),
            filter: filter.to_owned(),
            ..Default::default()
        };
        let listed = api.disruptions("arena").list_disruption_items(request).await.unwrap();
        listed.into_inner().items
    };
    let [paid, partly, unpaid]: [pb::DisruptionItem; 3] = list("").await.try_into().unwrap();
    assert_eq!(paid.state(), pb::disruption_item::State::Succeeded);
    assert_eq!((paid.requested, paid.issued), (euros(5390), euros(5390)));
    assert_eq!(partly.state(), pb::disruption_item::State::Attention);
    assert_eq!((partly.requested.clone(), partly.issued.clone()), (euros(5390), euros(5000)));
    let codes = (partly.reason_code.as_str(), partly.next_action.as_str());
    assert_eq!(codes, ("NO_CONNECTOR", "PAY_BY_OTHER_MEANS"));
    assert_eq!(unpaid.state(), pb::disruption_item::State::NothingDue);
    assert_eq!((unpaid.refund.as_str(), unpaid.reason_code.as_str()), ("", "NOT_PAID"));
    assert_eq!(list("state = ATTENTION").await, std::slice::from_ref(&partly));

    let request = pb::ListRefundsRequest {
        filter: format!("disruption = {parent} AND state = ATTENTION"),
        ..Default::default()
    };
    let refunds = api.refunds("arena").list_refunds(request).await.unwrap().into_inner().refunds;
    assert_eq!(refunds.len(), 1);
    assert_eq!(refunds[0].name, partly.refund);
    assert_eq!(refunds[0].disruption, parent);
}

async fn a_repetition_gets_the_stored_answer(api: Api) {
    let ask = request(&api, REQUEST_ID).await;
    let first = start(&api, ask.clone()).await.unwrap();
    api.start_items().await;
    api.clock.advance(Duration::from_hours(1));
    assert_eq!(start(&api, ask).await.unwrap(), first, "though its items have moved on");
}

async fn a_request_id_belongs_to_one_body(api: Api) {
    let ask = request(&api, REQUEST_ID).await;
    start(&api, ask.clone()).await.unwrap();
    let other = pb::StartDisruptionRequest { etag: api.disruption().await.etag, ..ask };
    snapshot!(refused(&api, other).await, @r"
    InvalidArgument REQUEST_ID_REUSED: request_id: was used for a request with another body; repeat that body or draw a new id
    request_id: was used for a request with another body; repeat that body or draw a new id
    ");
}

async fn a_stale_etag_is_refused(api: Api) {
    let ask =
        pb::StartDisruptionRequest { etag: "stale".to_owned(), ..request(&api, REQUEST_ID).await };
    snapshot!(refused(&api, ask).await, @r"
    Aborted ETAG_MISMATCH: disruptions/D has changed since its etag was read: read it again
    name = disruptions/D
    ");
}

async fn only_an_approved_disruption_starts(api: Api) {
    start(&api, request(&api, REQUEST_ID).await).await.unwrap();
    let again = request(&api, &api.request_id()).await;
    snapshot!(refused(&api, again).await, @r"
    FailedPrecondition DISRUPTION_STATE: disruptions/D is RUNNING, it cannot be started
    name = disruptions/D
    state = RUNNING
    ");
}

async fn a_missing_disruption_and_another_tenants_look_the_same(api: Api) {
    let ask = request(&api, REQUEST_ID).await;
    let theirs = api.disruptions("other").start_disruption(ask.clone()).await.unwrap_err();
    let theirs = told(&theirs).replace(&ask.name, "disruptions/D");
    snapshot!(theirs, @r"
    NotFound RESOURCE_NOT_FOUND: disruptions/D not found
    name = disruptions/D
    ");
    let missing = pb::StartDisruptionRequest { name: "disruptions/none".to_owned(), ..ask };
    assert_eq!(refused(&api, missing).await, theirs);
}
