//! `RefundService.CreateRefund`.

use std::time::Duration;

use futures::future::join_all;
use redress_api::time;
use redress_proto::refunds::v1 as pb;
use redress_testkit::clock::START;
use tonic::Status;

use super::support::{Api, acceptance, euros, mixed, open_stocked, told};

redress_testkit::conformance! {
    open = open_stocked;
    an_accepted_quote_becomes_a_queued_refund,
    a_tender_without_connector_goes_to_a_person,
    a_repetition_gets_the_stored_refund,
    a_request_id_belongs_to_one_body,
    a_hundred_sendings_of_one_request_make_one_refund,
    a_hundred_requests_for_one_quote_make_one_refund,
    an_expired_quote_is_refused,
    a_used_quote_is_refused,
    an_entitlement_that_is_not_void_is_refused,
    money_that_is_no_longer_there_is_not_promised_twice,
    a_quote_of_nothing_is_refused,
    a_check_tells_what_would_happen_and_changes_nothing,
    a_check_refuses_like_the_real_call,
    a_check_under_the_id_of_a_real_call_tells_its_answer,
    a_missing_quote_and_another_tenants_look_the_same,
    a_malformed_request_is_refused,
}

const REQUEST_ID: &str = "6b2ac7f6-0c53-4f4e-9a35-3f9a0a6f6b01";
const OTHER_ID: &str = "6b2ac7f6-0c53-4f4e-9a35-3f9a0a6f6b02";

async fn create(api: &Api, request: pb::CreateRefundRequest) -> Result<pb::Refund, Status> {
    api.refunds("arena").create_refund(request).await.map(tonic::Response::into_inner)
}

async fn refused(api: &Api, request: pb::CreateRefundRequest) -> String {
    let quote = request.quote.clone();
    told(&create(api, request).await.unwrap_err()).replace(&quote, "quotes/Q")
}

async fn count(api: &Api) -> i64 {
    let listed = api.refunds("arena").list_refunds(pb::ListRefundsRequest::default()).await;
    listed.unwrap().into_inner().total_size
}

async fn an_accepted_quote_becomes_a_queued_refund(api: Api) {
    let quote = api.quote(&[]).await;
    api.clock.advance(Duration::from_mins(29));
    let refund = create(&api, acceptance(&quote, REQUEST_ID)).await.unwrap();
    let now = START.plus(Duration::from_mins(29));
    let expected = pb::Refund {
        name: refund.name.clone(),
        order: "orders/A1".to_owned(),
        customer: "customers/buyer-of-A1".to_owned(),
        disruption: String::new(),
        state: pb::refund::State::Queued.into(),
        requested: euros(4500),
        issued: euros(0),
        lines: quote.lines.iter().map(without_explanation).collect(),
        attempts: vec![pb::RefundAttempt {
            attempt_id: refund.attempts[0].attempt_id.clone(),
            payment_id: "p1".to_owned(),
            provider: "stripe".to_owned(),
            state: pb::refund_attempt::State::Armed.into(),
            amount: euros(4500),
            provider_reference: String::new(),
            reason_code: String::new(),
            update_time: Some(time::to_proto(now)),
        }],
        legal_deadline_time: quote.legal_deadline_time,
        expected_arrival_time: Some(time::to_proto(now.plus(Duration::from_hours(14 * 24)))),
        reason_code: String::new(),
        next_action: String::new(),
        requester: "agent-1".to_owned(),
        create_time: Some(time::to_proto(now)),
        update_time: Some(time::to_proto(now)),
        etag: refund.etag.clone(),
        origin: pb::refund::Origin::Requested.into(),
        approver: String::new(),
        override_code: 0,
        credit_notes: Vec::new(),
        decisions: Vec::new(),
        legal_clock: quote.legal_clock.clone(),
    };
    assert_eq!(refund, expected);
    let request = pb::GetRefundRequest { name: refund.name.clone() };
    let mut read = api.refunds("arena").get_refund(request).await.unwrap().into_inner();
    let decisions = std::mem::take(&mut read.decisions);
    assert_eq!(read, refund);
    let [created] = decisions.as_slice() else { panic!("{decisions:?}") };
    assert_eq!((created.action.as_str(), created.actor.as_str()), ("REFUND_CREATED", "agent-1"));
    assert_eq!(created.details["quote"], quote.name);
}

/// A line as a refund shows it: the explanation stays with the quote.
fn without_explanation(line: &pb::QuoteLine) -> pb::QuoteLine {
    pb::QuoteLine { explanation: Vec::new(), ..line.clone() }
}

async fn a_tender_without_connector_goes_to_a_person(api: Api) {
    let mut order = mixed("A2");
    order.payments.remove(1);
    order.payments[0].captured = euros(5390);
    api.import(vec![order]).await;
    let request = pb::QuoteRefundRequest {
        order: "orders/A2".to_owned(),
        line_ids: Vec::new(),
        request_id: api.request_id(),
        ..pb::QuoteRefundRequest::default()
    };
    let quote = api.refunds("arena").quote_refund(request).await.unwrap().into_inner();
    assert_eq!(quote.expected_arrival_time, None);
    let refund = create(&api, acceptance(&quote, REQUEST_ID)).await.unwrap();
    assert_eq!(refund.state(), pb::refund::State::Attention);
    assert_eq!(refund.attempts[0].state(), pb::refund_attempt::State::Manual);
    let codes = (refund.reason_code.as_str(), refund.next_action.as_str());
    assert_eq!(codes, ("NO_CONNECTOR", "PAY_BY_OTHER_MEANS"));
}

async fn a_repetition_gets_the_stored_refund(api: Api) {
    let quote = api.quote(&[]).await;
    let first = create(&api, acceptance(&quote, REQUEST_ID)).await.unwrap();
    api.pay_all().await;
    api.clock.advance(Duration::from_hours(1));
    let again = create(&api, acceptance(&quote, &REQUEST_ID.to_ascii_uppercase())).await.unwrap();
    assert_eq!(again, first, "though it is paid and the quote has expired by now");
    assert_eq!(count(&api).await, 1);
}

async fn a_request_id_belongs_to_one_body(api: Api) {
    let (quote, other) = (api.quote(&["t1"]).await, api.quote(&["t2"]).await);
    create(&api, acceptance(&quote, REQUEST_ID)).await.unwrap();
    snapshot!(refused(&api, acceptance(&other, REQUEST_ID)).await, @r"
    InvalidArgument REQUEST_ID_REUSED: request_id: was used for a request with another body; repeat that body or draw a new id
    request_id: was used for a request with another body; repeat that body or draw a new id
    ");
    assert_eq!(count(&api).await, 1);
}

async fn a_hundred_sendings_of_one_request_make_one_refund(api: Api) {
    let quote = api.quote(&[]).await;
    let sendings = (0..100).map(|_| create(&api, acceptance(&quote, REQUEST_ID)));
    let answers = join_all(sendings).await;
    let first = answers[0].as_ref().unwrap();
    for answer in &answers {
        assert_eq!(answer.as_ref().unwrap(), first);
    }
    assert_eq!(count(&api).await, 1);
}

async fn a_hundred_requests_for_one_quote_make_one_refund(api: Api) {
    let quote = api.quote(&[]).await;
    let requests = (0..100).map(|_| create(&api, acceptance(&quote, &api.request_id())));
    let answers = join_all(requests).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), count(&api).await), (1, 1));
    for answer in refused {
        assert!(told(&answer.unwrap_err()).starts_with("FailedPrecondition QUOTE_USED"));
    }
}

async fn an_expired_quote_is_refused(api: Api) {
    let quote = api.quote(&[]).await;
    api.clock.advance(Duration::from_mins(30));
    snapshot!(refused(&api, acceptance(&quote, REQUEST_ID)).await, @r"
    FailedPrecondition QUOTE_EXPIRED: quotes/Q has expired: ask for a new quote
    expire_time = 2026-03-02T09:30:00Z
    quote = quotes/Q
    ");
    assert_eq!(count(&api).await, 0);
}

async fn a_used_quote_is_refused(api: Api) {
    let quote = api.quote(&[]).await;
    create(&api, acceptance(&quote, REQUEST_ID)).await.unwrap();
    snapshot!(refused(&api, acceptance(&quote, OTHER_ID)).await, @r"
    FailedPrecondition QUOTE_USED: quotes/Q was accepted before: ask for a new quote
    quote = quotes/Q
    ");
    assert_eq!(count(&api).await, 1);
}

async fn an_entitlement_that_is_not_void_is_refused(api: Api) {
    let quote = api.quote(&[]).await;
    let mut request = acceptance(&quote, REQUEST_ID);
    request.entitlement_voided = false;
    snapshot!(refused(&api, request.clone()).await, @"FailedPrecondition ENTITLEMENT_NOT_VOIDED: the entitlement is not void: void it, then set entitlement_voided");
    request.entitlement_voided = true;
    assert!(create(&api, request).await.is_ok(), "a refused request leaves its id free");
}

async fn money_that_is_no_longer_there_is_not_promised_twice(api: Api) {
    let (first, second) = (api.quote(&["t1"]).await, api.quote(&["t1", "t2"]).await);
    create(&api, acceptance(&first, REQUEST_ID)).await.unwrap();
    snapshot!(refused(&api, acceptance(&second, OTHER_ID)).await, @r"
    FailedPrecondition OVER_REFUND: line t1 has 0 minor units left, 3000 are asked for: ask for a new quote
    line_id = t1
    refundable = 0
    wanted = 3000
    ");
    assert_eq!(count(&api).await, 1);
}

async fn a_quote_of_nothing_is_refused(api: Api) {
    let quote = api.quote(&["f1"]).await;
    snapshot!(refused(&api, acceptance(&quote, REQUEST_ID)).await, @r"
    FailedPrecondition LINE_NOT_REFUNDABLE: quotes/Q pays nothing, so there is nothing to refund
    quote = quotes/Q
    ");
}

async fn a_check_tells_what_would_happen_and_changes_nothing(api: Api) {
    let quote = api.quote(&[]).await;
    let check = pb::CreateRefundRequest { validate_only: true, ..acceptance(&quote, REQUEST_ID) };
    let checked = create(&api, check.clone()).await.unwrap();
    assert_eq!((checked.name.as_str(), checked.etag.as_str()), ("", ""));
    assert_eq!(checked.attempts[0].attempt_id, "");
    assert_eq!(create(&api, check).await.unwrap(), checked, "as often as one likes");
    assert_eq!(count(&api).await, 0);
    let real = create(&api, acceptance(&quote, REQUEST_ID)).await.unwrap();
    let mut nameless = real.clone();
    nameless.name.clear();
    nameless.etag.clear();
    nameless.attempts[0].attempt_id.clear();
    assert_eq!(checked, nameless);
}

async fn a_check_refuses_like_the_real_call(api: Api) {
    let (first, second) = (api.quote(&["t1"]).await, api.quote(&["t1", "t2"]).await);
    create(&api, acceptance(&first, REQUEST_ID)).await.unwrap();
    let real = acceptance(&second, OTHER_ID);
    let check = pb::CreateRefundRequest { validate_only: true, ..real.clone() };
    let told_by_check = refused(&api, check).await;
    assert!(told_by_check.starts_with("FailedPrecondition OVER_REFUND"), "{told_by_check}");
    assert_eq!(told_by_check, refused(&api, real).await);
}

async fn a_check_under_the_id_of_a_real_call_tells_its_answer(api: Api) {
    let quote = api.quote(&[]).await;
    let real = acceptance(&quote, REQUEST_ID);
    let made = create(&api, real.clone()).await.unwrap();
    let check = pb::CreateRefundRequest { validate_only: true, ..real };
    assert_eq!(create(&api, check).await.unwrap(), made);
}

async fn a_missing_quote_and_another_tenants_look_the_same(api: Api) {
    let quote = api.quote(&[]).await;
    let request = acceptance(&quote, REQUEST_ID);
    let theirs = api.refunds("other").create_refund(request.clone()).await.unwrap_err();
    let theirs = told(&theirs).replace(&quote.name, "quotes/Q");
    snapshot!(theirs, @r"
    NotFound RESOURCE_NOT_FOUND: quotes/Q not found
    name = quotes/Q
    ");
    let missing = pb::CreateRefundRequest { quote: "quotes/none".to_owned(), ..request };
    assert_eq!(refused(&api, missing).await, theirs);
}

async fn a_malformed_request_is_refused(api: Api) {
    let bad = pb::CreateRefundRequest {
        quote: "refunds/1".to_owned(),
        request_id: String::new(),
        ..Default::default()
    };
    snapshot!(told(&create(&api, bad).await.unwrap_err()), @r"
    InvalidArgument INVALID_FIELD: quote: does not match regex pattern `^quotes/[A-Za-z0-9._~-]{1,64}$` (and 1 more)
    quote: does not match regex pattern `^quotes/[A-Za-z0-9._~-]{1,64}$`
    request_id: breaks the rule string.uuid_empty
    ");
}
