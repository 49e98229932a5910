//! `RefundService.ListRefundDeadlines`.

use std::time::Duration;

use redress_api::time;
use redress_proto::refunds::v1 as pb;
use redress_testkit::clock::START;

use super::support::{Api, euros, open_stocked, policy, told};

redress_testkit::conformance! {
    open = open_stocked;
    an_open_refund_is_listed_with_its_clock_and_what_is_left,
    a_refund_is_missed_when_its_clock_has_run_out,
    a_refund_that_was_paid_is_not_listed,
    pages_follow_each_other,
    a_token_of_other_arguments_is_refused,
}

const DAY: Duration = Duration::from_hours(24);

async fn list(
    api: &Api,
    request: pb::ListRefundDeadlinesRequest,
) -> pb::ListRefundDeadlinesResponse {
    api.refunds("arena").list_refund_deadlines(request).await.unwrap().into_inner()
}

async fn an_open_refund_is_listed_with_its_clock_and_what_is_left(api: Api) {
    let refund = api.accept(&api.quote(&["t1"]).await).await;
    let expected = pb::RefundDeadline {
        refund: refund.name.clone(),
        order: "orders/A1".to_owned(),
        customer: refund.customer.clone(),
        disruption: String::new(),
        state: "QUEUED".to_owned(),
        requested: refund.requested.clone(),
        issued: euros(0),
        outstanding: refund.requested.clone(),
        legal_clock: Some(pb::LegalClock {
            start_time: Some(time::to_proto(START)),
            due_time: Some(time::to_proto(START.plus(DAY * 14))),
            time_zone: "Europe/Berlin".to_owned(),
            law: policy().citation,
            earliest: false,
        }),
        missed: false,
    };
    assert_eq!(refund.legal_clock, expected.legal_clock);
    let listed = list(&api, pb::ListRefundDeadlinesRequest::default()).await;
    assert_eq!(listed.deadlines, [expected]);
    let everything = pb::ListRefundDeadlinesRequest::default();
    let theirs = api.refunds("other").list_refund_deadlines(everything).await;
    assert_eq!(theirs.unwrap().into_inner(), pb::ListRefundDeadlinesResponse::default());
}

async fn a_refund_is_missed_when_its_clock_has_run_out(api: Api) {
    api.accept(&api.quote(&["t1"]).await).await;
    let count = async |within: Option<Duration>, missed_only| {
        let due_before = within.map(|within| time::to_proto(START.plus(within)));
        let request =
            pb::ListRefundDeadlinesRequest { due_before, missed_only, ..Default::default() };
        list(&api, request).await.deadlines.len()
    };
    assert_eq!(count(Some(DAY * 14), false).await, 0, "the time itself is not before it");
    assert_eq!(count(Some(DAY * 15), false).await, 1);
    assert_eq!(count(None, true).await, 0);
    api.clock.advance(DAY * 14);
    assert_eq!(count(None, true).await, 0, "the last instant is in time");
    api.clock.advance(Duration::from_secs(1));
    assert_eq!((count(None, true).await, count(Some(DAY), true).await), (1, 0));
    let listed = list(&api, pb::ListRefundDeadlinesRequest::default()).await;
    assert!(listed.deadlines[0].missed);
}

async fn a_refund_that_was_paid_is_not_listed(api: Api) {
    api.accept(&api.quote(&[]).await).await;
    api.pay_all().await;
    let listed = list(&api, pb::ListRefundDeadlinesRequest::default()).await;
    assert_eq!(listed, pb::ListRefundDeadlinesResponse::default());
}

/// Refunds of two tickets, the second a day later.
async fn two(api: &Api) -> [String; 2] {
    let first = api.accept(&api.quote(&["t1"]).await).await.name;
    api.clock.advance(DAY);
    [first, api.accept(&api.quote(&["t2"]).await).await.name]
}

async fn pages_follow_each_other(api: Api) {
    let names = two(&api).await;
    let mut request = pb::ListRefundDeadlinesRequest { page_size: 1, ..Default::default() };
    let first = list(&api, request.clone()).await;
    assert_eq!(first.deadlines[0].refund, names[0]);
    request.page_token = first.next_page_token;
    let second = list(&api, request).await;
    assert_eq!(second.deadlines[0].refund, names[1]);
    assert_eq!(second.next_page_token, "");
}

async fn a_token_of_other_arguments_is_refused(api: Api) {
    two(&api).await;
    let request = pb::ListRefundDeadlinesRequest { page_size: 1, ..Default::default() };
    let page_token = list(&api, request.clone()).await.next_page_token;
    let other = pb::ListRefundDeadlinesRequest { page_token, missed_only: true, ..request };
    let refused = api.refunds("arena").list_refund_deadlines(other).await.unwrap_err();
    snapshot!(told(&refused), @r"
    InvalidArgument INVALID_PAGE_TOKEN: page_token: belongs to a list with other arguments; keep them, or start with an empty token
    page_token: belongs to a list with other arguments; keep them, or start with an empty token
    ");
}
