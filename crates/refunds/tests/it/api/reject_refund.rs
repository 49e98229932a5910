//! `RefundService.RejectRefund`.

use redress_proto::refunds::v1 as pb;
use tonic::Status;

use super::deeds::{REQUEST_ID, SUPERVISOR, told_of};
use super::support::{Api, euros, open_stocked, told};

redress_testkit::conformance! {
    open = open_stocked;
    a_second_person_frees_money_and_lines,
    nobody_rejects_their_own,
    a_refund_that_does_not_wait_is_refused,
    a_repetition_gets_the_stored_answer,
    a_request_id_belongs_to_one_body,
    a_stale_etag_is_refused,
    a_missing_refund_and_another_tenants_look_the_same,
    a_reason_is_required,
}

fn request(refund: &pb::Refund) -> pb::RejectRefundRequest {
    pb::RejectRefundRequest {
        name: refund.name.clone(),
        request_id: REQUEST_ID.to_owned(),
        etag: String::new(),
        reason: "the buyer was let in".to_owned(),
    }
}

async fn reject(api: &Api, request: pb::RejectRefundRequest) -> Result<pb::Refund, Status> {
    let mut boss = api.refunds_as("boss", SUPERVISOR);
    boss.reject_refund(request).await.map(tonic::Response::into_inner)
}

async fn a_second_person_frees_money_and_lines(api: Api) {
    let pending = api.pending().await;
    let rejected = reject(&api, request(&pending)).await.unwrap();
    assert_eq!(rejected.state(), pb::refund::State::Rejected);
    assert_eq!(rejected.attempts[0].state(), pb::refund_attempt::State::Cancelled);
    assert_eq!((&*rejected.approver, rejected.issued), ("boss", euros(0)));
    let decisions = api.refund(&pending.name).await.decisions;
    let last = decisions.last().unwrap();
    assert_eq!((&*last.action, &*last.reason), ("REFUND_REJECTED", "the buyer was let in"));
    assert_eq!(api.quote(&[]).await.total, euros(4500), "all of it can be asked for again");
}

async fn nobody_rejects_their_own(api: Api) {
    let pending = api.pending().await;
    let mut same = api.refunds_as("agent-1", SUPERVISOR);
    let refused = same.reject_refund(request(&pending)).await;
    snapshot!(told_of(refused.map(tonic::Response::into_inner), &pending.name), @r"
    FailedPrecondition OWN_REFUND: refunds/R: it was asked for by the same person, somebody else has to decide
    refund = refunds/R
    ");
}

async fn a_refund_that_does_not_wait_is_refused(api: Api) {
    let queued = api.queued().await;
    snapshot!(told_of(reject(&api, request(&queued)).await, &queued.name), @r"
    FailedPrecondition REFUND_STATE: refunds/R: it is QUEUED
    refund = refunds/R
    state = QUEUED
    ");
}

async fn a_repetition_gets_the_stored_answer(api: Api) {
    let refund = api.pending().await;
    let first = reject(&api, request(&refund)).await.unwrap();
    let again = reject(&api, request(&refund)).await.unwrap();
    assert_eq!(again, first, "though it could not be done twice");
    assert_eq!(api.refund(&refund.name).await.etag, first.etag, "and was not");
}

async fn a_request_id_belongs_to_one_body(api: Api) {
    let refund = api.pending().await;
    reject(&api, request(&refund)).await.unwrap();
    let other = pb::RejectRefundRequest { reason: "another".to_owned(), ..request(&refund) };
    let refused = told_of(reject(&api, other).await, &refund.name);
    assert!(refused.starts_with("InvalidArgument REQUEST_ID_REUSED"), "{refused}");
}

async fn a_stale_etag_is_refused(api: Api) {
    let refund = api.pending().await;
    let stale = pb::RejectRefundRequest { etag: "stale".to_owned(), ..request(&refund) };
    snapshot!(told_of(reject(&api, stale).await, &refund.name), @r"
    Aborted ETAG_MISMATCH: refunds/R has changed since its etag was read: read it again
    name = refunds/R
    ");
    assert_eq!(api.refund(&refund.name).await.etag, refund.etag, "nothing changed");
}

async fn a_missing_refund_and_another_tenants_look_the_same(api: Api) {
    let refund = api.pending().await;
    let theirs = api.refunds("other").reject_refund(request(&refund)).await.unwrap_err();
    let theirs = told(&theirs).replace(&refund.name, "refunds/R");
    snapshot!(theirs, @r"
    NotFound RESOURCE_NOT_FOUND: refunds/R not found
    name = refunds/R
    ");
    let missing = pb::RejectRefundRequest { name: "refunds/none".to_owned(), ..request(&refund) };
    assert_eq!(told_of(reject(&api, missing).await, "refunds/none"), theirs);
}

async fn a_reason_is_required(api: Api) {
    let pending = api.pending().await;
    let silent = pb::RejectRefundRequest { reason: String::new(), ..request(&pending) };
    snapshot!(told_of(reject(&api, silent).await, &pending.name), @r"
    InvalidArgument INVALID_FIELD: reason: value length must be at least 1 characters
    reason: value length must be at least 1 characters
    ");
}
