//! `SurveyService.RecordResponse`.

use std::time::Duration;

use redress_proto::feedback::v1::{RecordResponseRequest, Response, invitation};
use redress_testkit::clock::START;
use tonic::Status;

use crate::support::{Api, open_api, paid, settled, told};

redress_testkit::conformance! {
    open = open_api;
    an_answer_is_recorded_and_closes_the_invitation,
    a_repetition_gets_the_stored_answer,
    a_request_id_belongs_to_one_body,
    a_second_answer_is_refused,
    a_customer_who_was_not_asked_cannot_answer,
    another_tenants_invitation_is_missing,
    two_sendings_of_one_request_get_one_answer,
    two_answers_at_once_leave_one,
    bad_fields_are_named,
}

const FIRST: &str = "9b2ac7f6-0c53-4f4e-9a35-3f9a0a6f6b01";
const SECOND: &str = "9b2ac7f6-0c53-4f4e-9a35-3f9a0a6f6b02";

fn request(request_id: &str) -> RecordResponseRequest {
    RecordResponseRequest {
        invitation: "invitations/00000001".to_owned(),
        score: 4,
        comment: "ging schnell".to_owned(),
        request_id: request_id.to_owned(),
    }
}

async fn record(api: &Api, request: RecordResponseRequest) -> Result<Response, Status> {
    api.surveys("arena").record_response(request).await.map(tonic::Response::into_inner)
}

async fn state(api: &Api) -> invitation::State {
    api.all("arena").await[0].state()
}

async fn an_answer_is_recorded_and_closes_the_invitation(api: Api) {
    api.settle(vec![paid("a")]).await;
    let recorded = record(&api, request(FIRST)).await.unwrap();
    let expected = Response {
        name: "responses/00000002".to_owned(),
        invitation: "invitations/00000001".to_owned(),
        score: 4,
        comment: "ging schnell".to_owned(),
        create_time: Some(redress_api::time::to_proto(START)),
    };
    assert_eq!(recorded, expected);
    assert_eq!(state(&api).await, invitation::State::Answered);
}

async fn a_repetition_gets_the_stored_answer(api: Api) {
    api.settle(vec![paid("a")]).await;
    let first = record(&api, request(FIRST)).await.unwrap();
    api.clock.advance(Duration::from_hours(1));
    assert_eq!(record(&api, request(FIRST)).await.unwrap(), first);
}

async fn a_request_id_belongs_to_one_body(api: Api) {
    api.settle(vec![paid("a")]).await;
    record(&api, request(FIRST)).await.unwrap();
    let other = RecordResponseRequest { score: 1, ..request(FIRST) };
    assert_eq!(
        told(&record(&api, other).await.unwrap_err()),
        "InvalidArgument REQUEST_ID_REUSED: request_id: was used for a request with another \
         body; repeat that body or draw a new id\n\
         request_id: was used for a request with another body; repeat that body or draw a new id"
    );
}

async fn a_second_answer_is_refused(api: Api) {
    api.settle(vec![paid("a")]).await;
    record(&api, request(FIRST)).await.unwrap();
    assert_eq!(
        told(&record(&api, request(SECOND)).await.unwrap_err()),
        "FailedPrecondition ALREADY_ANSWERED: invitations/00000001: the customer has answered\n\
         name = invitations/00000001"
    );
}

async fn a_customer_who_was_not_asked_cannot_answer(api: Api) {
    api.settle(vec![settled("a", "ATTENTION")]).await;
    assert_eq!(
        told(&record(&api, request(FIRST)).await.unwrap_err()),
        "FailedPrecondition NOT_INVITED: invitations/00000001: the customer was not asked \
         (REFUND_UNRESOLVED)\n\
         name = invitations/00000001\n\
         reason_code = REFUND_UNRESOLVED"
    );
}

async fn another_tenants_invitation_is_missing(api: Api) {
    api.settle(vec![paid("a")]).await;
    let refused = api.surveys("other").record_response(request(FIRST)).await.unwrap_err();
    assert_eq!(
        told(&refused),
        "NotFound RESOURCE_NOT_FOUND: invitations/00000001 not found\n\
         name = invitations/00000001"
    );
    assert_eq!(state(&api).await, invitation::State::Invited);
}

async fn two_sendings_of_one_request_get_one_answer(api: Api) {
    api.settle(vec![paid("a")]).await;
    let (left, right) = tokio::join!(record(&api, request(FIRST)), record(&api, request(FIRST)));
    assert_eq!(left.unwrap(), right.unwrap());
}

async fn two_answers_at_once_leave_one(api: Api) {
    api.settle(vec![paid("a")]).await;
    let (left, right) = tokio::join!(record(&api, request(FIRST)), record(&api, request(SECOND)));
    assert!(left.is_ok() != right.is_ok(), "{left:?} {right:?}");
}

async fn bad_fields_are_named(api: Api) {
    let refused = async |request| told(&record(&api, request).await.unwrap_err());
    let score = RecordResponseRequest { score: 6, ..request(FIRST) };
    assert_eq!(
        refused(score).await,
        "InvalidArgument INVALID_FIELD: score: value must be greater than or equal to 1 and \
         less than or equal to 5\n\
         score: value must be greater than or equal to 1 and less than or equal to 5"
    );
    let comment = RecordResponseRequest { comment: "a\0b".to_owned(), ..request(FIRST) };
    assert_eq!(
        refused(comment).await,
        "InvalidArgument INVALID_FIELD: comment: must not contain the character NUL\n\
         comment: must not contain the character NUL"
    );
    assert_eq!(
        refused(request("again")).await,
        "InvalidArgument INVALID_FIELD: request_id: breaks the rule string.uuid\n\
         request_id: breaks the rule string.uuid"
    );
}
