//! `CaseService.ListCases`.

use redress_api::page::Page;
use redress_core::id::TenantId;
use redress_proto::cases::v1::{ListCasesRequest, ListCasesResponse};

use crate::support::{Api, attention, open_api, told};

redress_testkit::conformance! {
    open = open_api;
    pages_follow_each_other_and_the_first_counts,
    filters_narrow_the_list_and_the_count,
    another_tenant_sees_nothing,
    a_filter_that_is_not_understood_is_refused,
    a_token_of_another_list_is_refused,
    a_token_that_was_made_up_is_refused,
}

async fn list(api: &Api, request: ListCasesRequest) -> ListCasesResponse {
    api.cases("arena").list_cases(request).await.unwrap().into_inner()
}

fn filtered(filter: &str) -> ListCasesRequest {
    ListCasesRequest { filter: filter.to_owned(), ..Default::default() }
}

fn orders(response: &ListCasesResponse) -> Vec<&str> {
    response.cases.iter().map(|case| case.order.as_str()).collect()
}

async fn pages_follow_each_other_and_the_first_counts(api: Api) {
    api.settle(["o3", "o1", "o2"].map(attention).into()).await;
    let first = list(&api, ListCasesRequest { page_size: 2, ..Default::default() }).await;
    assert_eq!(orders(&first), ["orders/o3", "orders/o1"], "oldest first");
    assert_eq!(first.total_size, 3);
    let request =
        ListCasesRequest { page_size: 2, page_token: first.next_page_token, ..Default::default() };
    let second = list(&api, request).await;
    assert_eq!(orders(&second), ["orders/o2"]);
    assert_eq!((second.next_page_token.as_str(), second.total_size), ("", 0));
}

async fn filters_narrow_the_list_and_the_count(api: Api) {
    api.settle(["o1", "o2"].map(attention).into()).await;
    for (filter, expected) in [
        (r#"state = "OPEN""#, 2),
        ("state = RESOLVED", 0),
        (r#"order = "orders/o2""#, 1),
        (r#"disruption = "disruptions/d1" AND reason_code = "NO_CONNECTOR""#, 2),
        (r#"reason_code = "CARD_CLOSED""#, 0),
    ] {
        let listed = list(&api, filtered(filter)).await;
        assert_eq!(listed.cases.len(), expected, "{filter}");
        assert_eq!(listed.total_size, i64::try_from(expected).unwrap(), "{filter}");
    }
}

async fn another_tenant_sees_nothing(api: Api) {
    api.settle(vec![attention("o1")]).await;
    let listed = api.cases("other").list_cases(filtered("")).await.unwrap().into_inner();
    assert_eq!(listed, ListCasesResponse::default());
}

async fn a_filter_that_is_not_understood_is_refused(api: Api) {
    let refused =
        async |filter| told(&api.cases("arena").list_cases(filtered(filter)).await.unwrap_err());
    assert_eq!(
        refused("state = CLOSED").await,
        "InvalidArgument INVALID_FILTER: filter: state: expected OPEN or RESOLVED\n\
         filter: state: expected OPEN or RESOLVED"
    );
    assert_eq!(
        refused("order = o1").await,
        "InvalidArgument INVALID_FILTER: filter: order: expected orders/{order}\n\
         filter: order: expected orders/{order}"
    );
    assert_eq!(
        refused("reason_code = no_connector").await,
        "InvalidArgument INVALID_FILTER: filter: reason_code: expected UPPER_SNAKE\n\
         filter: reason_code: expected UPPER_SNAKE"
    );
    assert_eq!(
        refused("customer = c1").await,
        "InvalidArgument INVALID_FILTER: filter: unknown field at character 1; expected field \
         = \"value\", joined by AND, with fields: state, reason_code, order, disruption\n\
         filter: unknown field at character 1; expected field = \"value\", joined by AND, with \
         fields: state, reason_code, order, disruption"
    );
}

async fn a_token_of_another_list_is_refused(api: Api) {
    api.settle(["o1", "o2"].map(attention).into()).await;
    let first = list(&api, ListCasesRequest { page_size: 1, ..Default::default() }).await;
    let request =
        ListCasesRequest { page_token: first.next_page_token, ..filtered("state = OPEN") };
    let refused = api.cases("arena").list_cases(request).await.unwrap_err();
    assert_eq!(
        told(&refused),
        "InvalidArgument INVALID_PAGE_TOKEN: page_token: belongs to a list with other \
         arguments; keep them, or start with an empty token\n\
         page_token: belongs to a list with other arguments; keep them, or start with an empty \
         token"
    );
}

async fn a_token_that_was_made_up_is_refused(api: Api) {
    const METHOD: &str = "redress.cases.v1.CaseService/ListCases";
    let tenant = TenantId::new("arena").unwrap();
    let page_token =
        Page::read(&tenant, METHOD, &[""], 0, "").unwrap().token_after(&["not an id\0"]);
    let request = ListCasesRequest { page_token, ..Default::default() };
    let refused = api.cases("arena").list_cases(request).await.unwrap_err();
    assert_eq!(
        told(&refused),
        "InvalidArgument INVALID_PAGE_TOKEN: page_token: not a token that this method \
         returned; start with an empty one\n\
         page_token: not a token that this method returned; start with an empty one"
    );
}
