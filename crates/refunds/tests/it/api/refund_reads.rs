//! `RefundService.GetRefund` and `ListRefunds`.

use redress_proto::refunds::v1 as pb;

use super::support::{Api, euros, open_stocked, order, told};

redress_testkit::conformance! {
    open = open_stocked;
    a_paid_refund_says_what_was_issued,
    a_missing_refund_and_another_tenants_look_the_same,
    pages_follow_each_other_and_the_first_counts,
    filters_narrow_the_list_and_the_count,
    a_filter_that_is_not_understood_is_refused,
    a_token_of_another_list_is_refused,
}

async fn get(api: &Api, name: &str) -> pb::Refund {
    let request = pb::GetRefundRequest { name: name.to_owned() };
    api.refunds("arena").get_refund(request).await.unwrap().into_inner()
}

async fn list(api: &Api, request: pb::ListRefundsRequest) -> pb::ListRefundsResponse {
    api.refunds("arena").list_refunds(request).await.unwrap().into_inner()
}

fn filtered(filter: &str) -> pb::ListRefundsRequest {
    pb::ListRefundsRequest { filter: filter.to_owned(), ..Default::default() }
}

/// Two refunds of order `A1`, the older one first.
async fn two_refunds(api: &Api) -> [pb::Refund; 2] {
    let (first, second) = (api.quote(&["t1"]).await, api.quote(&["t2"]).await);
    [api.accept(&first).await, api.accept(&second).await]
}

async fn a_paid_refund_says_what_was_issued(api: Api) {
    let quote = api.quote(&[]).await;
    let queued = api.accept(&quote).await;
    api.pay_all().await;
    let paid = get(&api, &queued.name).await;
    assert_eq!(paid.state(), pb::refund::State::Succeeded);
    assert_eq!((paid.requested, paid.issued), (euros(4500), euros(4500)));
    assert_eq!(paid.attempts[0].state(), pb::refund_attempt::State::Succeeded);
    assert!(paid.attempts[0].provider_reference.starts_with("re_"));
    assert_ne!(paid.etag, queued.etag);
}

async fn a_missing_refund_and_another_tenants_look_the_same(api: Api) {
    let quote = api.quote(&[]).await;
    let refund = api.accept(&quote).await;
    let missing = async |tenant, name: &str| {
        let request = pb::GetRefundRequest { name: name.to_owned() };
        let told = told(&api.refunds(tenant).get_refund(request).await.unwrap_err());
        told.replace(name, "refunds/R")
    };
    let theirs = missing("other", &refund.name).await;
    snapshot!(theirs, @r"
    NotFound RESOURCE_NOT_FOUND: refunds/R not found
    name = refunds/R
    ");
    assert_eq!(missing("arena", "refunds/none").await, theirs);
    let listed = api.refunds("other").list_refunds(filtered("")).await.unwrap().into_inner();
    assert_eq!(listed, pb::ListRefundsResponse::default());
}

async fn pages_follow_each_other_and_the_first_counts(api: Api) {
    let [older, newer] = two_refunds(&api).await;
    let request = pb::ListRefundsRequest { page_size: 1, ..Default::default() };
    let first = list(&api, request.clone()).await;
    assert_eq!((first.refunds, first.total_size), (vec![older], 2));
    let request = pb::ListRefundsRequest { page_token: first.next_page_token, ..request };
    let second = list(&api, request).await;
    assert_eq!((second.refunds, second.total_size), (vec![newer], 0));
    assert_eq!(second.next_page_token, "");
}

async fn filters_narrow_the_list_and_the_count(api: Api) {
    api.import(vec![order("A2")]).await;
    two_refunds(&api).await;
    api.pay_all().await;
    for (filter, expected) in [
        ("order = orders/A1", 2),
        ("order = orders/A2", 0),
        (r#"order = "orders/A1" AND state = "SUCCEEDED""#, 2),
        ("state = QUEUED", 0),
        ("disruption = disruptions/none", 0),
    ] {
        let listed = list(&api, filtered(filter)).await;
        assert_eq!(listed.refunds.len(), expected, "{filter}");
        assert_eq!(usize::try_from(listed.total_size), Ok(expected), "{filter}");
    }
}

async fn a_filter_that_is_not_understood_is_refused(api: Api) {
    let refused = async |filter| {
        told(&api.refunds("arena").list_refunds(filtered(filter)).await.unwrap_err())
    };
    snapshot!(refused("state = PAID").await, @r"
    InvalidArgument INVALID_FILTER: filter: state: expected one of QUEUED, PROCESSING, SUCCEEDED, ATTENTION, PENDING_APPROVAL, FAILED, REJECTED, CANCELLED
    filter: state: expected one of QUEUED, PROCESSING, SUCCEEDED, ATTENTION, PENDING_APPROVAL, FAILED, REJECTED, CANCELLED
    ");
    snapshot!(refused("order = A1").await, @r"
    InvalidArgument INVALID_FILTER: filter: order: expected a name like orders/example
    filter: order: expected a name like orders/example
    ");
    snapshot!(refused("policy = policies/p").await, @r#"
    InvalidArgument INVALID_FILTER: filter: unknown field at character 1; expected field = "value", joined by AND, with fields: order, customer, disruption, state
    filter: unknown field at character 1; expected field = "value", joined by AND, with fields: order, customer, disruption, state
    "#);
}

async fn a_token_of_another_list_is_refused(api: Api) {
    two_refunds(&api).await;
    let request = pb::ListRefundsRequest { page_size: 1, ..Default::default() };
    let token = list(&api, request).await.next_page_token;
    let other = pb::ListRefundsRequest { page_token: token, ..filtered("state = QUEUED") };
    let refused = api.refunds("arena").list_refunds(other).await.unwrap_err();
    snapshot!(told(&refused), @r"
    InvalidArgument INVALID_PAGE_TOKEN: page_token: belongs to a list with other arguments; keep them, or start with an empty token
    page_token: belongs to a list with other arguments; keep them, or start with an empty token
    ");
}
