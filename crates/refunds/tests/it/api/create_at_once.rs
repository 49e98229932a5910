//! `RefundService.CreateRefund` without a quote beforehand, and its guards.

use redress_proto::refunds::v1 as pb;
use tonic::Status;

use super::deeds::{AGENT, REQUEST_ID, SUPERVISOR};
use super::support::{Api, acceptance, euros, open_stocked, told};

redress_testkit::conformance! {
    open = open_stocked;
    one_call_prices_and_accepts,
    one_call_is_repeated_safely,
    what_cannot_be_quoted_cannot_be_created,
    a_quote_and_an_order_together_or_neither_are_refused,
    what_the_caller_expects_to_be_left_is_a_guard,
    a_guard_in_another_currency_never_fits,
    an_amount_up_to_the_limit_needs_nobody_else,
}

fn at_once(line_ids: &[&str]) -> pb::CreateRefundRequest {
    pb::CreateRefundRequest {
        request_id: REQUEST_ID.to_owned(),
        entitlement_voided: true,
        order_refund: Some(pb::OrderRefund {
            order: "orders/A1".to_owned(),
            line_ids: line_ids.iter().map(|id| (*id).to_owned()).collect(),
            ..pb::OrderRefund::default()
        }),
        reason: "asked for by mail".to_owned(),
        ..pb::CreateRefundRequest::default()
    }
}

async fn create(api: &Api, request: pb::CreateRefundRequest) -> Result<pb::Refund, Status> {
    api.refunds("arena").create_refund(request).await.map(tonic::Response::into_inner)
}

async fn refused(api: &Api, request: pb::CreateRefundRequest) -> String {
    told(&create(api, request).await.unwrap_err())
}

async fn one_call_prices_and_accepts(api: Api) {
    let refund = create(&api, at_once(&["t1"])).await.unwrap();
    assert_eq!((refund.state(), &refund.requested), (pb::refund::State::Queued, &euros(2700)));
    let stored = api.refund(&refund.name).await;
    let [created] = stored.decisions.as_slice() else { panic!("{:?}", stored.decisions) };
    assert_eq!((&*created.action, &*created.reason), ("REFUND_CREATED", "asked for by mail"));
    assert!(created.details["quote"].starts_with("quotes/"), "what was priced is kept");
}

async fn one_call_is_repeated_safely(api: Api) {
    let first = create(&api, at_once(&["t1"])).await.unwrap();
    api.clock.advance(std::time::Duration::from_hours(9 * 24));
    assert_eq!(create(&api, at_once(&["t1"])).await.unwrap(), first, "though it is dearer by now");
    let other = refused(&api, at_once(&["t2"])).await;
    assert!(other.starts_with("InvalidArgument REQUEST_ID_REUSED"), "{other}");
}

async fn what_cannot_be_quoted_cannot_be_created(api: Api) {
    let unknown = refused(&api, at_once(&["t9"])).await;
    assert!(unknown.starts_with("InvalidArgument INVALID_FIELD"), "{unknown}");
    create(&api, at_once(&["t1"])).await.unwrap();
    let again = pb::CreateRefundRequest { request_id: api.request_id(), ..at_once(&["t1"]) };
    snapshot!(refused(&api, again).await, @r"
    FailedPrecondition LINE_NOT_REFUNDABLE: orders/A1: nothing is left to refund on the lines asked for
    order = orders/A1
    ");
    let theirs = api.refunds("other").create_refund(at_once(&["t2"])).await.unwrap_err();
    snapshot!(told(&theirs), @r"
    NotFound RESOURCE_NOT_FOUND: orders/A1 not found
    name = orders/A1
    ");
}

async fn a_quote_and_an_order_together_or_neither_are_refused(api: Api) {
    let quote = api.quote(&[]).await;
    let both = pb::CreateRefundRequest { quote: quote.name.clone(), ..at_once(&[]) };
    let neither = pb::CreateRefundRequest { order_refund: None, ..at_once(&[]) };
    for bad in [both, neither] {
        snapshot!(refused(&api, bad).await, @r"
        InvalidArgument INVALID_FIELD: quote: give either a quote or an order_refund
        quote: give either a quote or an order_refund
        ");
    }
}

async fn what_the_caller_expects_to_be_left_is_a_guard(api: Api) {
    let guarded = |minor_units, request_id: &str| pb::CreateRefundRequest {
        expected_refundable: euros(minor_units),
        request_id: request_id.to_owned(),
        ..at_once(&["t1"])
    };
    let wrong = guarded(5000, &api.request_id());
    snapshot!(refused(&api, wrong.clone()).await, @r"
    FailedPrecondition REFUNDABLE_CHANGED: orders/A1 has EUR 53.90 left to refund, which is not what was expected
    currency_code = EUR
    order = orders/A1
    refundable = 5390
    ");
    let checked = pb::CreateRefundRequest { validate_only: true, ..wrong };
    assert!(refused(&api, checked).await.contains("REFUNDABLE_CHANGED"), "a check says so too");
    create(&api, guarded(5390, &api.request_id())).await.unwrap();
    let again = refused(&api, guarded(5390, &api.request_id())).await;
    assert!(again.starts_with("FailedPrecondition LINE_NOT_REFUNDABLE"), "{again}");
    let rest = pb::CreateRefundRequest {
        expected_refundable: euros(5390),
        request_id: api.request_id(),
        ..at_once(&["t2"])
    };
    let second_click = refused(&api, rest).await;
    assert!(second_click.ends_with("refundable = 2690"), "{second_click}");
}

async fn a_guard_in_another_currency_never_fits(api: Api) {
    let mut guarded = at_once(&["t1"]);
    guarded.expected_refundable = euros(5390);
    guarded.expected_refundable.as_mut().unwrap().currency_code = "JPY".to_owned();
    let refused = refused(&api, guarded).await;
    assert!(refused.starts_with("FailedPrecondition REFUNDABLE_CHANGED"), "{refused}");
}

async fn an_amount_up_to_the_limit_needs_nobody_else(api: Api) {
    let pending = api.pending().await;
    let cancel = pb::CancelRefundRequest {
        name: pending.name,
        request_id: api.request_id(),
        reason: "another way".to_owned(),
        ..pb::CancelRefundRequest::default()
    };
    api.refunds("arena").cancel_refund(cancel).await.unwrap();
    let quote = api.quote(&["t1"]).await;
    let mut agent = api.refunds_as("agent-1", AGENT);
    let check = pb::CreateRefundRequest { validate_only: true, ..acceptance(&quote, REQUEST_ID) };
    let checked = agent.create_refund(check).await.unwrap().into_inner();
    assert_eq!(checked.state(), pb::refund::State::PendingApproval, "27.00 is above 10.00");
    let mut boss = api.refunds_as("boss", SUPERVISOR);
    let made = boss.create_refund(acceptance(&quote, REQUEST_ID)).await.unwrap().into_inner();
    assert_eq!(made.state(), pb::refund::State::Queued, "a role without a limit");
}
