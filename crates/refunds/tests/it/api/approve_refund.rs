//! `RefundService.ApproveRefund`.

use redress_proto::refunds::v1 as pb;
use tonic::Status;

use super::deeds::{OTHER_ID, REQUEST_ID, SUPERVISOR, told_of};
use super::support::{Api, euros, open_stocked, told};

redress_testkit::conformance! {
    open = open_stocked;
    a_second_person_queues_it,
    nobody_approves_their_own,
    a_refund_that_does_not_wait_is_refused,
    a_repetition_gets_the_stored_answer,
    a_request_id_belongs_to_one_body,
    a_stale_etag_is_refused,
    a_missing_refund_and_another_tenants_look_the_same,
    a_malformed_request_is_refused,
}

fn request(refund: &pb::Refund) -> pb::ApproveRefundRequest {
    pb::ApproveRefundRequest {
        name: refund.name.clone(),
        request_id: REQUEST_ID.to_owned(),
        etag: String::new(),
        reason: "called the buyer".to_owned(),
    }
}

async fn approve(api: &Api, request: pb::ApproveRefundRequest) -> Result<pb::Refund, Status> {
    let mut boss = api.refunds_as("boss", SUPERVISOR);
    boss.approve_refund(request).await.map(tonic::Response::into_inner)
}

async fn a_second_person_queues_it(api: Api) {
    let pending = api.pending().await;
    assert_eq!(pending.attempts[0].state(), pb::refund_attempt::State::Held);
    let etag = pending.etag.clone();
    let ask = pb::ApproveRefundRequest { etag, ..request(&pending) };
    let approved = approve(&api, ask).await.unwrap();
    assert_eq!(approved.state(), pb::refund::State::Queued);
    assert_eq!(approved.attempts[0].state(), pb::refund_attempt::State::Armed);
    assert_eq!((&*approved.requester, &*approved.approver), ("agent-1", "boss"));
    assert_ne!(approved.etag, pending.etag);
    let decisions = api.refund(&pending.name).await.decisions;
    let told: Vec<_> = decisions.iter().map(|d| (&*d.action, &*d.actor, &*d.reason)).collect();
    let expected =
        [("REFUND_CREATED", "agent-1", ""), ("REFUND_APPROVED", "boss", "called the buyer")];
    assert_eq!(told, expected);
    api.pay_all().await;
    assert_eq!(api.refund(&pending.name).await.issued, euros(4500), "it is sent then");
}

async fn nobody_approves_their_own(api: Api) {
    let pending = api.pending().await;
    let mut same = api.refunds_as("agent-1", SUPERVISOR);
    let refused = same.approve_refund(request(&pending)).await;
    snapshot!(told_of(refused.map(tonic::Response::into_inner), &pending.name), @r"
    FailedPrecondition OWN_REFUND: refunds/R: it was asked for by the same person, somebody else has to decide
    refund = refunds/R
    ");
    let stored = api.refund(&pending.name).await;
    assert_eq!((stored.state(), stored.etag), (pb::refund::State::PendingApproval, pending.etag));
}

async fn a_refund_that_does_not_wait_is_refused(api: Api) {
    let queued = api.queued().await;
    snapshot!(told_of(approve(&api, request(&queued)).await, &queued.name), @r"
    FailedPrecondition REFUND_STATE: refunds/R: it is QUEUED
    refund = refunds/R
    state = QUEUED
    ");
}

async fn a_repetition_gets_the_stored_answer(api: Api) {
    let pending = api.pending().await;
    let first = approve(&api, request(&pending)).await.unwrap();
    api.pay_all().await;
    assert_eq!(approve(&api, request(&pending)).await.unwrap(), first, "though it is paid by now");
}

async fn a_request_id_belongs_to_one_body(api: Api) {
    let pending = api.pending().await;
    approve(&api, request(&pending)).await.unwrap();
    let other = pb::ApproveRefundRequest { reason: "no".to_owned(), ..request(&pending) };
    let refused = told_of(approve(&api, other).await, &pending.name);
    assert!(refused.starts_with("InvalidArgument REQUEST_ID_REUSED"), "{refused}");
}

async fn a_stale_etag_is_refused(api: Api) {
    let pending = api.pending().await;
    let stale = pb::ApproveRefundRequest { etag: "stale".to_owned(), ..request(&pending) };
    snapshot!(told_of(approve(&api, stale).await, &pending.name), @r"
    Aborted ETAG_MISMATCH: refunds/R has changed since its etag was read: read it again
    name = refunds/R
    ");
    assert!(approve(&api, request(&pending)).await.is_ok(), "a refused request leaves its id free");
}

async fn a_missing_refund_and_another_tenants_look_the_same(api: Api) {
    let pending = api.pending().await;
    let theirs = api.refunds("other").approve_refund(request(&pending)).await.unwrap_err();
    let theirs = told(&theirs).replace(&pending.name, "refunds/R");
    snapshot!(theirs, @r"
    NotFound RESOURCE_NOT_FOUND: refunds/R not found
    name = refunds/R
    ");
    let name = "refunds/none".to_owned();
    let request_id = OTHER_ID.to_owned();
    let missing = pb::ApproveRefundRequest { name, request_id, ..request(&pending) };
    assert_eq!(told_of(approve(&api, missing).await, "refunds/none"), theirs);
}

async fn a_malformed_request_is_refused(api: Api) {
    let bad = pb::ApproveRefundRequest { name: "A1".to_owned(), ..Default::default() };
    snapshot!(told(&approve(&api, bad).await.unwrap_err()), @r"
    InvalidArgument INVALID_FIELD: name: does not match regex pattern `^refunds/[A-Za-z0-9._~-]{1,64}$` (and 1 more)
    name: does not match regex pattern `^refunds/[A-Za-z0-9._~-]{1,64}$`
    request_id: breaks the rule string.uuid_empty
    ");
}
