//! `RefundService.RetryRefund`.

use redress_proto::refunds::v1 as pb;
use redress_refunds::domain::attempt::Reason;
use tonic::Status;

use super::deeds::{AGENT, REQUEST_ID, told_of};
use super::support::{Api, euros, open_stocked, told};

redress_testkit::conformance! {
    open = open_stocked;
    a_further_attempt_is_made_under_a_new_id,
    a_closed_account_stays_closed,
    money_that_went_elsewhere_is_not_promised_again,
    a_refund_that_needs_nobody_is_refused,
    a_repetition_gets_the_stored_answer,
    a_request_id_belongs_to_one_body,
    a_stale_etag_is_refused,
    a_missing_refund_and_another_tenants_look_the_same,
}

fn request(refund: &pb::Refund) -> pb::RetryRefundRequest {
    pb::RetryRefundRequest {
        name: refund.name.clone(),
        request_id: REQUEST_ID.to_owned(),
        etag: String::new(),
        reason: "the balance was topped up".to_owned(),
    }
}

async fn retry(api: &Api, request: pb::RetryRefundRequest) -> Result<pb::Refund, Status> {
    let mut agent = api.refunds_as("agent-2", AGENT);
    agent.retry_refund(request).await.map(tonic::Response::into_inner)
}

async fn a_further_attempt_is_made_under_a_new_id(api: Api) {
    let failed = api.refused(Reason::InsufficientBalance).await;
    let retried = retry(&api, request(&failed)).await.unwrap();
    assert_eq!(retried.state(), pb::refund::State::Processing);
    let [first, second] = retried.attempts.as_slice() else { panic!("{:?}", retried.attempts) };
    assert_eq!(first.state(), pb::refund_attempt::State::Failed);
    assert_eq!(second.state(), pb::refund_attempt::State::Armed);
    assert_ne!(first.attempt_id, second.attempt_id);
    let decisions = api.refund(&failed.name).await.decisions;
    let last = decisions.last().unwrap();
    let told = (&*last.action, &*last.actor, &*last.reason);
    assert_eq!(told, ("REFUND_RETRIED", "agent-2", "the balance was topped up"));
    api.pay_all().await;
    let paid = api.refund(&failed.name).await;
    assert_eq!((paid.state(), paid.issued), (pb::refund::State::Succeeded, euros(4500)));
}

async fn a_closed_account_stays_closed(api: Api) {
    let failed = api.refused(Reason::AccountClosed).await;
    snapshot!(told_of(retry(&api, request(&failed)).await, &failed.name), @r"
    FailedPrecondition NOTHING_TO_RETRY: refunds/R: no tender of it can be tried again
    refund = refunds/R
    ");
}

async fn money_that_went_elsewhere_is_not_promised_again(api: Api) {
    let failed = api.refused(Reason::ProviderRefused).await;
    let mut order = super::support::order("A1");
    order.source_version = 2;
    order.payments[0].refunded_elsewhere = euros(2000);
    api.import(vec![order]).await;
    snapshot!(told_of(retry(&api, request(&failed)).await, &failed.name), @r"
    FailedPrecondition OVER_REFUND: refunds/R: payment p1 holds 3390 minor units to refund, 4500 are asked for
    payment_id = p1
    refund = refunds/R
    refundable = 3390
    wanted = 4500
    ");
}

async fn a_refund_that_needs_nobody_is_refused(api: Api) {
    let queued = api.queued().await;
    snapshot!(told_of(retry(&api, request(&queued)).await, &queued.name), @r"
    FailedPrecondition REFUND_STATE: refunds/R: it is QUEUED
    refund = refunds/R
    state = QUEUED
    ");
}

async fn a_repetition_gets_the_stored_answer(api: Api) {
    let refund = api.refused(Reason::ProviderRefused).await;
    let first = retry(&api, request(&refund)).await.unwrap();
    let again = retry(&api, request(&refund)).await.unwrap();
    assert_eq!(again, first, "though it could not be done twice");
    assert_eq!(api.refund(&refund.name).await.etag, first.etag, "and was not");
}

async fn a_request_id_belongs_to_one_body(api: Api) {
    let refund = api.refused(Reason::ProviderRefused).await;
    retry(&api, request(&refund)).await.unwrap();
    let other = pb::RetryRefundRequest { reason: "another".to_owned(), ..request(&refund) };
    let refused = told_of(retry(&api, other).await, &refund.name);
    assert!(refused.starts_with("InvalidArgument REQUEST_ID_REUSED"), "{refused}");
}

async fn a_stale_etag_is_refused(api: Api) {
    let refund = api.refused(Reason::ProviderRefused).await;
    let stale = pb::RetryRefundRequest { etag: "stale".to_owned(), ..request(&refund) };
    snapshot!(told_of(retry(&api, stale).await, &refund.name), @r"
    Aborted ETAG_MISMATCH: refunds/R has changed since its etag was read: read it again
    name = refunds/R
    ");
    assert_eq!(api.refund(&refund.name).await.etag, refund.etag, "nothing changed");
}

async fn a_missing_refund_and_another_tenants_look_the_same(api: Api) {
    let refund = api.refused(Reason::ProviderRefused).await;
    let theirs = api.refunds("other").retry_refund(request(&refund)).await.unwrap_err();
    let theirs = told(&theirs).replace(&refund.name, "refunds/R");
    snapshot!(theirs, @r"
    NotFound RESOURCE_NOT_FOUND: refunds/R not found
    name = refunds/R
    ");
    let missing = pb::RetryRefundRequest { name: "refunds/none".to_owned(), ..request(&refund) };
    assert_eq!(told_of(retry(&api, missing).await, "refunds/none"), theirs);
}
