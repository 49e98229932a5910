//! `RefundService.QuoteRefund`.

use std::time::Duration;

use redress_api::time;
use redress_proto::refunds::v1 as pb;
use redress_testkit::clock::START;
use tonic::Status;

use super::support::{
    Api, euros, line, mixed, open_empty, open_stocked, order, policy, told, unpaid,
};

redress_testkit::conformance! {
    open = open_stocked;
    every_ticket_is_priced_by_its_tier,
    a_line_that_is_asked_for_is_priced_alone,
    the_version_in_force_at_purchase_decides,
    an_orders_own_policy_comes_before_the_default,
    tenders_that_redress_can_send_on_come_first,
    too_late_a_request_is_quoted_at_nothing,
    a_repetition_gets_the_stored_quote,
    a_request_id_belongs_to_one_body,
    a_line_that_is_not_there_or_asked_for_twice_is_refused,
    a_line_that_was_refunded_is_refused,
    an_order_without_money_is_refused,
    an_order_bought_before_the_policy_is_refused,
    a_missing_order_and_another_tenants_look_the_same,
    a_malformed_request_is_refused,
}

mod without_tenant {
    use super::{a_tenant_that_was_never_applied_has_no_default, open_empty};

    redress_testkit::conformance! {
        open = open_empty;
        a_tenant_that_was_never_applied_has_no_default,
    }
}

const REQUEST_ID: &str = "5b2ac7f6-0c53-4f4e-9a35-3f9a0a6f6b01";

fn request(order: &str, line_ids: &[&str]) -> pb::QuoteRefundRequest {
    pb::QuoteRefundRequest {
        order: format!("orders/{order}"),
        line_ids: line_ids.iter().map(|id| (*id).to_owned()).collect(),
        request_id: REQUEST_ID.to_owned(),
        ..pb::QuoteRefundRequest::default()
    }
}

async fn quote(api: &Api, request: pb::QuoteRefundRequest) -> Result<pb::Quote, Status> {
    api.refunds("arena").quote_refund(request).await.map(tonic::Response::into_inner)
}

async fn refused(api: &Api, request: pb::QuoteRefundRequest) -> String {
    told(&quote(api, request).await.unwrap_err())
}

fn priced(line_id: &str, gross: i64, fee: i64, rule: &str) -> pb::QuoteLine {
    pb::QuoteLine {
        line_id: line_id.to_owned(),
        gross: euros(gross),
        fee: euros(fee),
        refund: euros(gross - fee),
        rule: rule.to_owned(),
        tax: euros(0),
        quantity: 1,
        discount_clawback: None,
        citation: policy().citation,
        explanation: Vec::new(),
        compensation: None,
    }
}

/// The figures of a quote, without the sentences that explain them.
fn without_explanations(mut quote: pb::Quote) -> pb::Quote {
    quote.lines.iter_mut().for_each(|line| line.explanation.clear());
    quote
}

async fn every_ticket_is_priced_by_its_tier(api: Api) {
    let quote = quote(&api, request("A1", &[])).await.unwrap();
    let after = |span| Some(time::to_proto(START.plus(span)));
    let expected = pb::Quote {
        name: quote.name.clone(),
        order: "orders/A1".to_owned(),
        lines: vec![priced("t1", 3000, 300, "early"), priced("t2", 2000, 200, "early")],
        tenders: vec![pb::QuoteTender {
            payment_id: "p1".to_owned(),
            provider: "stripe".to_owned(),
            amount: euros(4500),
        }],
        total: euros(4500),
        policy: "policies/standard".to_owned(),
        policy_version: 1,
        citation: policy().citation,
        legal_deadline_time: after(Duration::from_hours(14 * 24)),
        expected_arrival_time: after(Duration::from_hours(14 * 24)),
        expire_time: after(Duration::from_mins(30)),
        override_code: 0,
        evidence: Vec::new(),
        repriced_lines: Vec::new(),
        uncertainties: Vec::new(),
        legal_clock: Some(pb::LegalClock {
            start_time: after(Duration::ZERO),
            due_time: after(Duration::from_hours(14 * 24)),
            time_zone: "Europe/Berlin".to_owned(),
            law: policy().citation,
            earliest: false,
        }),
    };
    assert!(quote.lines.iter().all(|line| !line.explanation.is_empty()));
    assert_eq!(without_explanations(quote), expected);
}

async fn a_line_that_is_asked_for_is_priced_alone(api: Api) {
    let quote = quote(&api, request("A1", &["f1", "t2"])).await.unwrap();
    let expected = [priced("f1", 390, 390, "fee-kept"), priced("t2", 2000, 200, "early")];
    assert_eq!(quote.total, euros(1800));
    assert_eq!(without_explanations(quote).lines, expected);
}

async fn the_version_in_force_at_purchase_decides(api: Api) {
    let mut stricter = policy();
    stricter.tiers[0].fee_basis_points = 4000;
    stricter.effective_time = Some(time::to_proto(START));
    assert_eq!(api.apply_policy(stricter).await.version, 2);
    let quote = quote(&api, request("A1", &["t1"])).await.unwrap();
    assert_eq!((quote.policy_version, quote.total), (1, euros(2700)));
}

async fn an_orders_own_policy_comes_before_the_default(api: Api) {
    let mut generous = pb::Policy { name: "policies/generous".to_owned(), ..policy() };
    generous.tiers[0].fee_basis_points = 0;
    api.apply_policy(generous).await;
    let own = pb::Order { policy: "policies/generous".to_owned(), ..order("A2") };
    api.import(vec![own]).await;
    let quote = quote(&api, request("A2", &[])).await.unwrap();
    assert_eq!((quote.policy.as_str(), quote.total), ("policies/generous", euros(5000)));
}

async fn tenders_that_redress_can_send_on_come_first(api: Api) {
    let mut order = mixed("A2");
    order.lines.push(line("t3", pb::order_line::Kind::Ticket, 1000));
    order.total = euros(6390);
    order.payments[0].captured = euros(1390);
    api.import(vec![order]).await;
    let quote = quote(&api, request("A2", &[])).await.unwrap();
    let shares: Vec<_> =
        quote.tenders.iter().map(|t| (t.provider.as_str(), t.amount.clone())).collect();
    assert_eq!(shares, [("stripe", euros(5000)), ("giftcard", euros(400))]);
}

async fn too_late_a_request_is_quoted_at_nothing(api: Api) {
    api.clock.advance(Duration::from_hours(9 * 24 + 1));
    let quote = without_explanations(quote(&api, request("A1", &["t1"])).await.unwrap());
    assert_eq!(quote.lines, [priced("t1", 3000, 3000, "too-late")]);
    assert_eq!((quote.total, quote.tenders.len()), (euros(0), 0));
}

async fn a_repetition_gets_the_stored_quote(api: Api) {
    let first = quote(&api, request("A1", &[])).await.unwrap();
    api.clock.advance(Duration::from_hours(9 * 24));
    let mut again = request("A1", &[]);
    again.request_id = REQUEST_ID.to_ascii_uppercase();
    assert_eq!(quote(&api, again).await.unwrap(), first, "though the price is another by now");
}

async fn a_request_id_belongs_to_one_body(api: Api) {
    quote(&api, request("A1", &[])).await.unwrap();
    snapshot!(refused(&api, request("A1", &["t1"])).await, @r"
    InvalidArgument REQUEST_ID_REUSED: request_id: was used for a request with another body; repeat that body or draw a new id
    request_id: was used for a request with another body; repeat that body or draw a new id
    ");
}

async fn a_line_that_is_not_there_or_asked_for_twice_is_refused(api: Api) {
    snapshot!(refused(&api, request("A1", &["t9"])).await, @r"
    InvalidArgument INVALID_FIELD: line_ids: orders/A1 has no line t9
    line_ids: orders/A1 has no line t9
    ");
    snapshot!(refused(&api, request("A1", &["t1", "t2", "t1"])).await, @r"
    InvalidArgument INVALID_FIELD: line_ids[2]: stands in the list before
    line_ids[2]: stands in the list before
    ");
}

async fn a_line_that_was_refunded_is_refused(api: Api) {
    let first = api.quote(&["t1"]).await;
    api.accept(&first).await;
    snapshot!(refused(&api, request("A1", &["t1"])).await, @r"
    FailedPrecondition LINE_NOT_REFUNDABLE: orders/A1: nothing is left to refund on the lines asked for
    order = orders/A1
    ");
    let rest = without_explanations(quote(&api, request("A1", &[])).await.unwrap());
    assert_eq!(rest.lines, [priced("t2", 2000, 200, "early")], "what is left is quoted");
}

async fn an_order_without_money_is_refused(api: Api) {
    api.import(vec![unpaid("A2")]).await;
    snapshot!(refused(&api, request("A2", &[])).await, @r"
    FailedPrecondition NOTHING_CAPTURED: orders/A2: no captured payment of the order holds money to give back
    order = orders/A2
    ");
}

async fn an_order_bought_before_the_policy_is_refused(api: Api) {
    let mut early = order("A2");
    early.purchase_time.as_mut().unwrap().seconds -= 40 * 86_400;
    api.import(vec![early]).await;
    snapshot!(refused(&api, request("A2", &[])).await, @r"
    FailedPrecondition NO_POLICY_IN_FORCE: no version of policies/standard was in force when the order was bought
    policy = policies/standard
    purchase_time = 2025-12-22T09:00:00Z
    ");
}

async fn a_missing_order_and_another_tenants_look_the_same(api: Api) {
    let theirs = api.refunds("other").quote_refund(request("A1", &[])).await.unwrap_err();
    snapshot!(told(&theirs), @r"
    NotFound RESOURCE_NOT_FOUND: orders/A1 not found
    name = orders/A1
    ");
    let missing = refused(&api, request("A9", &[])).await;
    assert_eq!(told(&theirs), missing.replace("A9", "A1"));
}

async fn a_malformed_request_is_refused(api: Api) {
    let bad = pb::QuoteRefundRequest {
        order: "A1".to_owned(),
        line_ids: vec!["t 1".to_owned()],
        request_id: "1".to_owned(),
        ..pb::QuoteRefundRequest::default()
    };
    snapshot!(refused(&api, bad).await, @r"
    InvalidArgument INVALID_FIELD: order: does not match regex pattern `^orders/[A-Za-z0-9._~-]{1,64}$` (and 2 more)
    order: does not match regex pattern `^orders/[A-Za-z0-9._~-]{1,64}$`
    line_ids[0]: does not match regex pattern `^[A-Za-z0-9._~-]{1,64}$`
    request_id: breaks the rule string.uuid
    ");
}

async fn a_tenant_that_was_never_applied_has_no_default(api: Api) {
    api.apply_policy(policy()).await;
    let own = pb::Order { policy: "policies/standard".to_owned(), ..order("A2") };
    api.import(vec![order("A1"), own]).await;
    snapshot!(refused(&api, request("A1", &[])).await, @r"
    FailedPrecondition TENANT_NOT_APPLIED: tenants/arena names no default policy yet: apply the tenant's settings first
    tenant = tenants/arena
    ");
    assert!(quote(&api, request("A2", &[])).await.is_ok(), "this order names its policy");
}
