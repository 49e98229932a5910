//! `RefundService.ResolveAttempt`.

use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::resolve_attempt_request::Outcome;
use tonic::Status;

use super::deeds::{REQUEST_ID, SUPERVISOR, told_of};
use super::support::{Api, euros, mixed, open_stocked, told};

redress_testkit::conformance! {
    open = open_stocked;
    a_lost_answer_turns_out_to_have_paid,
    a_lost_answer_turns_out_not_to_have_paid,
    what_a_person_paid_by_hand_is_booked,
    an_attempt_that_is_settled_is_refused,
    an_attempt_of_another_refund_is_missing,
    a_repetition_gets_the_stored_answer,
    a_request_id_belongs_to_one_body,
    a_stale_etag_is_refused,
    a_missing_refund_and_another_tenants_look_the_same,
    a_malformed_request_is_refused,
}

fn request(refund: &pb::Refund) -> pb::ResolveAttemptRequest {
    pb::ResolveAttemptRequest {
        name: refund.name.clone(),
        attempt_id: refund.attempts[0].attempt_id.clone(),
        outcome: Outcome::Paid.into(),
        provider_reference: "re_seen".to_owned(),
        reason: "the dashboard shows it".to_owned(),
        request_id: REQUEST_ID.to_owned(),
        etag: String::new(),
    }
}

async fn resolve(api: &Api, request: pb::ResolveAttemptRequest) -> Result<pb::Refund, Status> {
    let mut boss = api.refunds_as("boss", SUPERVISOR);
    boss.resolve_attempt(request).await.map(tonic::Response::into_inner)
}

async fn a_lost_answer_turns_out_to_have_paid(api: Api) {
    let unclear = api.unclear().await;
    assert_eq!(
        (&*unclear.reason_code, &*unclear.next_action),
        ("OUTCOME_UNKNOWN", "RESOLVE_ATTEMPT")
    );
    let resolved = resolve(&api, request(&unclear)).await.unwrap();
    assert_eq!((resolved.state(), &resolved.issued), (pb::refund::State::Succeeded, &euros(4500)));
    assert_eq!(resolved.attempts[0].provider_reference, "re_seen");
    let decisions = api.refund(&unclear.name).await.decisions;
    let last = decisions.last().unwrap();
    assert_eq!((&*last.action, &*last.reason), ("ATTEMPT_RESOLVED", "the dashboard shows it"));
    let told = (&*last.details["outcome"], &*last.details["provider_reference"]);
    assert_eq!(told, ("PAID", "re_seen"));
}

async fn a_lost_answer_turns_out_not_to_have_paid(api: Api) {
    let unclear = api.unclear().await;
    let (outcome, provider_reference) = (Outcome::NotPaid.into(), String::new());
    let ask = pb::ResolveAttemptRequest { outcome, provider_reference, ..request(&unclear) };
    let resolved = resolve(&api, ask).await.unwrap();
    assert_eq!(resolved.state(), pb::refund::State::Attention);
    assert_eq!(
        (&*resolved.reason_code, &*resolved.next_action),
        ("CONFIRMED_NOT_PAID", "RETRY_OR_CANCEL")
    );
    assert_eq!(resolved.attempts[0].state(), pb::refund_attempt::State::Failed);
}

async fn what_a_person_paid_by_hand_is_booked(api: Api) {
    let mut order = mixed("A2");
    order.payments.remove(1);
    order.payments[0].captured = euros(5390);
    api.import(vec![order]).await;
    let quote = pb::QuoteRefundRequest {
        order: "orders/A2".to_owned(),
        request_id: api.request_id(),
        ..pb::QuoteRefundRequest::default()
    };
    let quote = api.refunds("arena").quote_refund(quote).await.unwrap().into_inner();
    let by_hand = api.accept(&quote).await;
    assert_eq!(by_hand.attempts[0].state(), pb::refund_attempt::State::Manual);
    let resolved = resolve(&api, request(&by_hand)).await.unwrap();
    assert_eq!((resolved.state(), resolved.issued), (pb::refund::State::Succeeded, euros(4500)));
    let books = api.refunds("arena").check_ledger(pb::CheckLedgerRequest {}).await.unwrap();
    let books = books.into_inner();
    assert_eq!((books.balanced, books.differences), (true, Vec::new()));
}

async fn an_attempt_that_is_settled_is_refused(api: Api) {
    let queued = api.queued().await;
    let attempt = &queued.attempts[0].attempt_id;
    api.claim_armed().await;
    let refused = told_of(resolve(&api, request(&queued)).await, &queued.name);
    snapshot!(refused.replace(attempt, "A"), @r"
    FailedPrecondition ATTEMPT_NOT_RESOLVABLE: refunds/R: attempt A is SENT
    attempt_id = A
    refund = refunds/R
    state = SENT
    ");
}

async fn an_attempt_of_another_refund_is_missing(api: Api) {
    let refund = api.unclear().await;
    let ask = pb::ResolveAttemptRequest { attempt_id: "none".to_owned(), ..request(&refund) };
    snapshot!(told_of(resolve(&api, ask).await, &refund.name), @r"
    NotFound RESOURCE_NOT_FOUND: refunds/R/attempts/none not found
    name = refunds/R/attempts/none
    ");
}

async fn a_repetition_gets_the_stored_answer(api: Api) {
    let refund = api.unclear().await;
    let first = resolve(&api, request(&refund)).await.unwrap();
    let again = resolve(&api, request(&refund)).await.unwrap();
    assert_eq!(again, first, "though it could not be done twice");
    assert_eq!(api.refund(&refund.name).await.etag, first.etag, "and was not");
}

async fn a_request_id_belongs_to_one_body(api: Api) {
    let refund = api.unclear().await;
    resolve(&api, request(&refund)).await.unwrap();
    let other = pb::ResolveAttemptRequest { reason: "another".to_owned(), ..request(&refund) };
    let refused = told_of(resolve(&api, other).await, &refund.name);
    assert!(refused.starts_with("InvalidArgument REQUEST_ID_REUSED"), "{refused}");
}

async fn a_stale_etag_is_refused(api: Api) {
    let refund = api.unclear().await;
    let stale = pb::ResolveAttemptRequest { etag: "stale".to_owned(), ..request(&refund) };
    snapshot!(told_of(resolve(&api, stale).await, &refund.name), @r"
    Aborted ETAG_MISMATCH: refunds/R has changed since its etag was read: read it again
    name = refunds/R
    ");
    assert_eq!(api.refund(&refund.name).await.etag, refund.etag, "nothing changed");
}

async fn a_missing_refund_and_another_tenants_look_the_same(api: Api) {
    let refund = api.unclear().await;
    let theirs = api.refunds("other").resolve_attempt(request(&refund)).await.unwrap_err();
    let theirs = told(&theirs).replace(&refund.name, "refunds/R");
    snapshot!(theirs, @r"
    NotFound RESOURCE_NOT_FOUND: refunds/R not found
    name = refunds/R
    ");
    let missing = pb::ResolveAttemptRequest { name: "refunds/none".to_owned(), ..request(&refund) };
    assert_eq!(told_of(resolve(&api, missing).await, "refunds/none"), theirs);
}

async fn a_malformed_request_is_refused(api: Api) {
    let unclear = api.unclear().await;
    let good = request(&unclear);
    let with_reference =
        pb::ResolveAttemptRequest { outcome: Outcome::NotPaid.into(), ..good.clone() };
    snapshot!(told(&resolve(&api, with_reference).await.unwrap_err()), @r"
    InvalidArgument INVALID_FIELD: provider_reference: belongs to the outcome PAID: leave it empty
    provider_reference: belongs to the outcome PAID: leave it empty
    ");
    let bad = pb::ResolveAttemptRequest { outcome: 0, reason: String::new(), ..good };
    snapshot!(told(&resolve(&api, bad).await.unwrap_err()), @r"
    InvalidArgument INVALID_FIELD: outcome: must not be in list [0] (and 1 more)
    outcome: must not be in list [0]
    reason: value length must be at least 1 characters
    ");
}
