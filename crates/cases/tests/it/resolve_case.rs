//! `CaseService.ResolveCase`.

use std::time::Duration;

use redress_proto::cases::v1::{Case, ResolveCaseRequest, case};
use redress_testkit::clock::START;
use tonic::Status;

use crate::support::{Api, attention, open_api, told};

redress_testkit::conformance! {
    open = open_api;
    a_resolved_case_says_what_was_done_and_by_whom,
    a_repetition_gets_the_stored_answer,
    a_request_id_belongs_to_one_body,
    a_closed_case_is_not_closed_again,
    a_stale_etag_is_refused,
    another_tenants_case_is_missing,
    two_sendings_of_one_request_get_one_answer,
    a_resolution_must_be_text,
}

const FIRST: &str = "9b2ac7f6-0c53-4f4e-9a35-3f9a0a6f6b01";
const SECOND: &str = "9b2ac7f6-0c53-4f4e-9a35-3f9a0a6f6b02";

fn request(request_id: &str) -> ResolveCaseRequest {
    ResolveCaseRequest {
        name: "cases/00000001".to_owned(),
        resolution: "paid by bank transfer".to_owned(),
        etag: String::new(),
        request_id: request_id.to_owned(),
    }
}

async fn resolve(api: &Api, request: ResolveCaseRequest) -> Result<Case, Status> {
    api.cases("arena").resolve_case(request).await.map(tonic::Response::into_inner)
}

async fn a_resolved_case_says_what_was_done_and_by_whom(api: Api) {
    api.settle(vec![attention("o1")]).await;
    let open = api.all("arena").await.remove(0);
    api.clock.advance(Duration::from_hours(1));
    let resolved = resolve(&api, ResolveCaseRequest { etag: open.etag.clone(), ..request(FIRST) });
    let resolved = resolved.await.unwrap();
    let later = redress_api::time::to_proto(START.plus(Duration::from_hours(1)));
    assert_ne!(resolved.etag, open.etag);
    let expected = Case {
        state: case::State::Resolved.into(),
        resolution: "paid by bank transfer".to_owned(),
        resolver: "agent-1".to_owned(),
        update_time: Some(later),
        etag: resolved.etag.clone(),
        ..open
    };
    assert_eq!(resolved, expected);
    assert_eq!(api.all("arena").await, [resolved]);
}

async fn a_repetition_gets_the_stored_answer(api: Api) {
    api.settle(vec![attention("o1")]).await;
    let etag = api.all("arena").await.remove(0).etag;
    let ask = ResolveCaseRequest { etag, ..request(FIRST) };
    let first = resolve(&api, ask.clone()).await.unwrap();
    api.clock.advance(Duration::from_hours(1));
    let mut again = ask;
    again.request_id = FIRST.to_ascii_uppercase();
    assert_eq!(resolve(&api, again).await.unwrap(), first, "though the etag is stale by now");
}

async fn a_request_id_belongs_to_one_body(api: Api) {
    api.settle(vec![attention("o1")]).await;
    resolve(&api, request(FIRST)).await.unwrap();
    let other = ResolveCaseRequest { resolution: "nothing".to_owned(), ..request(FIRST) };
    assert_eq!(
        told(&resolve(&api, other).await.unwrap_err()),
        "InvalidArgument REQUEST_ID_REUSED: request_id: was used for a request with another \
         body; repeat that body or draw a new id\n\
         request_id: was used for a request with another body; repeat that body or draw a new id"
    );
}

async fn a_closed_case_is_not_closed_again(api: Api) {
    api.settle(vec![attention("o1")]).await;
    resolve(&api, request(FIRST)).await.unwrap();
    assert_eq!(
        told(&resolve(&api, request(SECOND)).await.unwrap_err()),
        "FailedPrecondition CASE_NOT_OPEN: cases/00000001: the case is RESOLVED, not OPEN; \
         what was done stands in it\n\
         name = cases/00000001\n\
         state = RESOLVED"
    );
}

async fn a_stale_etag_is_refused(api: Api) {
    api.settle(vec![attention("o1")]).await;
    let stale = ResolveCaseRequest { etag: "stale".to_owned(), ..request(FIRST) };
    assert_eq!(
        told(&resolve(&api, stale).await.unwrap_err()),
        "Aborted ETAG_MISMATCH: cases/00000001 has changed since its etag was read: read it again\n\
         name = cases/00000001"
    );
    assert_eq!(api.all("arena").await[0].state, case::State::Open as i32);
}

async fn another_tenants_case_is_missing(api: Api) {
    api.settle(vec![attention("o1")]).await;
    let refused = api.cases("other").resolve_case(request(FIRST)).await.unwrap_err();
    assert_eq!(
        told(&refused),
        "NotFound RESOURCE_NOT_FOUND: cases/00000001 not found\n\
         name = cases/00000001"
    );
    assert_eq!(api.all("arena").await[0].state, case::State::Open as i32);
}

async fn two_sendings_of_one_request_get_one_answer(api: Api) {
    api.settle(vec![attention("o1")]).await;
    let (left, right) = tokio::join!(resolve(&api, request(FIRST)), resolve(&api, request(FIRST)));
    assert_eq!(left.unwrap(), right.unwrap());
}

async fn a_resolution_must_be_text(api: Api) {
    api.settle(vec![attention("o1")]).await;
    let refused = async |resolution: &str| {
        let ask = ResolveCaseRequest { resolution: resolution.to_owned(), ..request(FIRST) };
        told(&resolve(&api, ask).await.unwrap_err())
    };
    assert_eq!(
        refused("").await,
        "InvalidArgument INVALID_FIELD: resolution: value length must be at least 1 characters\n\
         resolution: value length must be at least 1 characters"
    );
    assert_eq!(
        refused("a\0b").await,
        "InvalidArgument INVALID_FIELD: resolution: must not contain the character NUL\n\
         resolution: must not contain the character NUL"
    );
}
