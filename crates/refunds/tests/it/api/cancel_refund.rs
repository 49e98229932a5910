//! `RefundService.CancelRefund`.

use redress_proto::refunds::v1 as pb;
use redress_refunds::domain::attempt::Reason;
use tonic::Status;

use super::deeds::{AGENT, REQUEST_ID, told_of};
use super::support::{Api, euros, open_stocked, told};

redress_testkit::conformance! {
    open = open_stocked;
    what_was_never_sent_is_taken_back,
    what_waits_for_approval_is_taken_back_by_whoever_asked,
    what_failed_is_given_up,
    what_is_with_the_provider_is_not_taken_back,
    what_may_have_paid_is_not_given_up,
    what_is_paid_is_refused,
    a_repetition_gets_the_stored_answer,
    a_request_id_belongs_to_one_body,
    a_stale_etag_is_refused,
    a_missing_refund_and_another_tenants_look_the_same,
    a_reason_is_required,
}

fn request(refund: &pb::Refund) -> pb::CancelRefundRequest {
    pb::CancelRefundRequest {
        name: refund.name.clone(),
        request_id: REQUEST_ID.to_owned(),
        etag: String::new(),
        reason: "the buyer changed their mind".to_owned(),
    }
}

async fn cancel(api: &Api, request: pb::CancelRefundRequest) -> Result<pb::Refund, Status> {
    let mut agent = api.refunds_as("agent-1", AGENT);
    agent.cancel_refund(request).await.map(tonic::Response::into_inner)
}

async fn what_was_never_sent_is_taken_back(api: Api) {
    let queued = api.queued().await;
    let cancelled = cancel(&api, request(&queued)).await.unwrap();
    assert_eq!(cancelled.state(), pb::refund::State::Cancelled);
    assert_eq!(cancelled.attempts[0].state(), pb::refund_attempt::State::Cancelled);
    let decisions = api.refund(&queued.name).await.decisions;
    let last = decisions.last().unwrap();
    let told = (&*last.action, &*last.actor, &*last.reason);
    assert_eq!(told, ("REFUND_CANCELLED", "agent-1", "the buyer changed their mind"));
    assert_eq!(api.quote(&[]).await.total, euros(4500), "all of it can be asked for again");
}

async fn what_waits_for_approval_is_taken_back_by_whoever_asked(api: Api) {
    let pending = api.pending().await;
    let cancelled = cancel(&api, request(&pending)).await.unwrap();
    assert_eq!(cancelled.state(), pb::refund::State::Cancelled);
    assert_eq!(cancelled.approver, "");
}

async fn what_failed_is_given_up(api: Api) {
    let failed = api.refused(Reason::AccountClosed).await;
    assert_eq!(failed.state(), pb::refund::State::Attention);
    let given_up = cancel(&api, request(&failed)).await.unwrap();
    assert_eq!(given_up.state(), pb::refund::State::Failed);
    assert_eq!((&*given_up.reason_code, &*given_up.next_action), ("", ""));
    assert_eq!(api.quote(&[]).await.total, euros(4500), "all of it can be asked for again");
}

async fn what_is_with_the_provider_is_not_taken_back(api: Api) {
    let refund = api.queued().await;
    api.claim_armed().await;
    snapshot!(told_of(cancel(&api, request(&refund)).await, &refund.name), @r"
    FailedPrecondition REFUND_STATE: refunds/R: it is PROCESSING
    refund = refunds/R
    state = PROCESSING
    ");
}

async fn what_may_have_paid_is_not_given_up(api: Api) {
    let refund = api.unclear().await;
    let attempt = &refund.attempts[0].attempt_id;
    let refused = told_of(cancel(&api, request(&refund)).await, &refund.name);
    snapshot!(refused.replace(attempt, "A"), @r"
    FailedPrecondition ATTEMPT_UNRESOLVED: refunds/R: attempt A is UNKNOWN, and may have paid
    attempt_id = A
    refund = refunds/R
    state = UNKNOWN
    ");
}

async fn what_is_paid_is_refused(api: Api) {
    let refund = api.queued().await;
    api.pay_all().await;
    let refused = told_of(cancel(&api, request(&refund)).await, &refund.name);
    assert!(refused.ends_with("state = SUCCEEDED"), "{refused}");
}

async fn a_repetition_gets_the_stored_answer(api: Api) {
    let refund = api.queued().await;
    let first = cancel(&api, request(&refund)).await.unwrap();
    let again = cancel(&api, request(&refund)).await.unwrap();
    assert_eq!(again, first, "though it could not be done twice");
    assert_eq!(api.refund(&refund.name).await.etag, first.etag, "and was not");
}

async fn a_request_id_belongs_to_one_body(api: Api) {
    let refund = api.queued().await;
    cancel(&api, request(&refund)).await.unwrap();
    let other = pb::CancelRefundRequest { reason: "another".to_owned(), ..request(&refund) };
    let refused = told_of(cancel(&api, other).await, &refund.name);
    assert!(refused.starts_with("InvalidArgument REQUEST_ID_REUSED"), "{refused}");
}

async fn a_stale_etag_is_refused(api: Api) {
    let refund = api.queued().await;
    let stale = pb::CancelRefundRequest { etag: "stale".to_owned(), ..request(&refund) };
    snapshot!(told_of(cancel(&api, stale).await, &refund.name), @r"
    Aborted ETAG_MISMATCH: refunds/R has changed since its etag was read: read it again
    name = refunds/R
    ");
    assert_eq!(api.refund(&refund.name).await.etag, refund.etag, "nothing changed");
}

async fn a_missing_refund_and_another_tenants_look_the_same(api: Api) {
    let refund = api.queued().await;
    let theirs = api.refunds("other").cancel_refund(request(&refund)).await.unwrap_err();
    let theirs = told(&theirs).replace(&refund.name, "refunds/R");
    snapshot!(theirs, @r"
    NotFound RESOURCE_NOT_FOUND: refunds/R not found
    name = refunds/R
    ");
    let missing = pb::CancelRefundRequest { name: "refunds/none".to_owned(), ..request(&refund) };
    assert_eq!(told_of(cancel(&api, missing).await, "refunds/none"), theirs);
}

async fn a_reason_is_required(api: Api) {
    let queued = api.queued().await;
    let silent = pb::CancelRefundRequest { reason: String::new(), ..request(&queued) };
    snapshot!(told_of(cancel(&api, silent).await, &queued.name), @r"
    InvalidArgument INVALID_FIELD: reason: value length must be at least 1 characters
    reason: value length must be at least 1 characters
    ");
}
