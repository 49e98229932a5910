//! `DisruptionService.CreateDisruption`.

use redress_api::time;
use redress_proto::refunds::v1 as pb;
use redress_testkit::clock::START;
use tonic::Status;

use super::support::{Api, open_stocked, order, told};

redress_testkit::conformance! {
    open = open_stocked;
    a_new_disruption_is_a_draft,
    a_repetition_gets_the_stored_answer,
    a_request_id_belongs_to_one_body,
    an_event_has_one_disruption,
    racing_requests_make_one_disruption,
    an_event_that_nobody_has_is_missing,
    a_malformed_request_is_refused,
}

const REQUEST_ID: &str = "7b2ac7f6-0c53-4f4e-9a35-3f9a0a6f6b01";

fn request(event: &str, request_id: &str) -> pb::CreateDisruptionRequest {
    pb::CreateDisruptionRequest {
        event: event.to_owned(),
        kind: pb::disruption::Kind::Cancelled.into(),
        request_id: request_id.to_owned(),
        ..Default::default()
    }
}

async fn create(api: &Api, request: pb::CreateDisruptionRequest) -> Result<pb::Disruption, Status> {
    api.disruptions("arena").create_disruption(request).await.map(tonic::Response::into_inner)
}

async fn a_new_disruption_is_a_draft(api: Api) {
    api.import(vec![order("A2")]).await;
    let draft = create(&api, request("events/derby", REQUEST_ID)).await.unwrap();
    let expected = pb::Disruption {
        name: draft.name.clone(),
        event: "events/derby".to_owned(),
        kind: pb::disruption::Kind::Cancelled.into(),
        state: pb::disruption::State::Draft.into(),
        counts: Some(pb::DisruptionCounts { orders_in_scope: 2, ..Default::default() }),
        requested: Vec::new(),
        issued: Vec::new(),
        create_time: Some(time::to_proto(START)),
        update_time: Some(time::to_proto(START)),
        etag: draft.etag.clone(),
        scope: Some(pb::DisruptionScope {
            events: vec!["events/derby".to_owned()],
            ..Default::default()
        }),
        change: Some(pb::DisruptionChange::default()),
        terms: Some(pb::DisruptionTerms {
            remedies: vec![pb::Remedy::Refund.into()],
            fees: Some(pb::DisruptionFees::default()),
            stored_value: pb::disruption_terms::StoredValue::ToTender.into(),
            ..Default::default()
        }),
        requester: draft.requester.clone(),
        approver: String::new(),
    };
    assert_eq!(draft, expected);
    assert!(!draft.requester.is_empty());
    let get = pb::GetDisruptionRequest { name: draft.name.clone() };
    assert_eq!(api.disruptions("arena").get_disruption(get).await.unwrap().into_inner(), draft);
}

async fn a_repetition_gets_the_stored_answer(api: Api) {
    let first = create(&api, request("events/derby", REQUEST_ID)).await.unwrap();
    api.import(vec![order("A2")]).await;
    let again = create(&api, request("events/derby", REQUEST_ID)).await.unwrap();
    assert_eq!(again, first, "though the scope has grown");
}

async fn a_request_id_belongs_to_one_body(api: Api) {
    create(&api, request("events/derby", REQUEST_ID)).await.unwrap();
    let refused = create(&api, request("events/final", REQUEST_ID)).await.unwrap_err();
    snapshot!(told(&refused), @r"
    InvalidArgument REQUEST_ID_REUSED: request_id: was used for a request with another body; repeat that body or draw a new id
    request_id: was used for a request with another body; repeat that body or draw a new id
    ");
}

async fn an_event_has_one_disruption(api: Api) {
    let first = create(&api, request("events/derby", REQUEST_ID)).await.unwrap();
    let refused = create(&api, request("events/derby", &api.request_id())).await.unwrap_err();
    let told = told(&refused).replace(&first.name, "disruptions/D");
    snapshot!(told, @r"
    AlreadyExists RESOURCE_ALREADY_EXISTS: disruptions/D already exists
    name = disruptions/D
    ");
}

async fn racing_requests_make_one_disruption(api: Api) {
    let (one, two) = (api.request_id(), api.request_id());
    let (left, right, again) = tokio::join!(
        create(&api, request("events/derby", &one)),
        create(&api, request("events/derby", &two)),
        create(&api, request("events/derby", &one)),
    );
    assert_eq!(left.is_ok(), again.is_ok(), "two sendings of one request get one answer");
    assert_ne!(left.is_ok(), right.is_ok());
    let refused = if left.is_ok() { right } else { left }.unwrap_err();
    assert!(told(&refused).starts_with("AlreadyExists"), "{refused}");
}

async fn an_event_that_nobody_has_is_missing(api: Api) {
    let missing = create(&api, request("events/final", REQUEST_ID)).await.unwrap_err();
    snapshot!(told(&missing), @r"
    NotFound RESOURCE_NOT_FOUND: events/final not found
    name = events/final
    ");
    let derby = request("events/derby", REQUEST_ID);
    let theirs = api.disruptions("other").create_disruption(derby).await.unwrap_err();
    assert_eq!(told(&theirs), told(&missing).replace("final", "derby"));
}

async fn a_malformed_request_is_refused(api: Api) {
    let bad = pb::CreateDisruptionRequest { event: "derby".to_owned(), ..Default::default() };
    snapshot!(told(&create(&api, bad).await.unwrap_err()), @r"
    InvalidArgument INVALID_FIELD: event: does not match regex pattern `^events/[A-Za-z0-9._~-]{1,64}$` (and 2 more)
    event: does not match regex pattern `^events/[A-Za-z0-9._~-]{1,64}$`
    kind: must not be in list [0]
    request_id: breaks the rule string.uuid_empty
    ");
}
