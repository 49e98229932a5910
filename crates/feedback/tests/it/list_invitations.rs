//! `SurveyService.ListInvitations`.

use redress_api::page::Page;
use redress_core::id::TenantId;
use redress_proto::feedback::v1::{ListInvitationsRequest, ListInvitationsResponse};

use crate::support::{Api, open_api, paid, settled, told};

redress_testkit::conformance! {
    open = open_api;
    pages_follow_each_other_and_the_first_counts,
    filters_narrow_the_list_and_the_count,
    another_tenant_sees_nothing,
    a_filter_that_is_not_understood_is_refused,
    a_token_of_another_list_is_refused,
    a_token_that_was_made_up_is_refused,
}

async fn list(api: &Api, request: ListInvitationsRequest) -> ListInvitationsResponse {
    api.surveys("arena").list_invitations(request).await.unwrap().into_inner()
}

fn filtered(filter: &str) -> ListInvitationsRequest {
    ListInvitationsRequest { filter: filter.to_owned(), ..Default::default() }
}

fn customers(response: &ListInvitationsResponse) -> Vec<&str> {
    response.invitations.iter().map(|invitation| invitation.customer.as_str()).collect()
}

async fn pages_follow_each_other_and_the_first_counts(api: Api) {
    api.settle(["c", "a", "b"].map(paid).into()).await;
    let first = list(&api, ListInvitationsRequest { page_size: 2, ..Default::default() }).await;
    assert_eq!(customers(&first), ["customers/c", "customers/a"], "oldest first");
    assert_eq!(first.total_size, 3);
    let request = ListInvitationsRequest {
        page_size: 2,
        page_token: first.next_page_token,
        ..Default::default()
    };
    let second = list(&api, request).await;
    assert_eq!(customers(&second), ["customers/b"]);
    assert_eq!((second.next_page_token.as_str(), second.total_size), ("", 0));
}

async fn filters_narrow_the_list_and_the_count(api: Api) {
    api.settle(vec![paid("a"), paid("b"), settled("c", "ATTENTION")]).await;
    for (filter, expected) in [
        (r#"state = "INVITED" AND event = "events/derby""#, 2),
        ("state = ANSWERED", 0),
        (r#"disruption = "disruptions/d1""#, 3),
        ("event = events/gala", 0),
        ("reason_code = REFUND_UNRESOLVED", 1),
    ] {
        let listed = list(&api, filtered(filter)).await;
        assert_eq!(listed.invitations.len(), expected, "{filter}");
        assert_eq!(listed.total_size, i64::try_from(expected).unwrap(), "{filter}");
    }
}

async fn another_tenant_sees_nothing(api: Api) {
    api.settle(vec![paid("a")]).await;
    let listed = api.surveys("other").list_invitations(filtered("")).await.unwrap().into_inner();
    assert_eq!(listed, ListInvitationsResponse::default());
}

async fn a_filter_that_is_not_understood_is_refused(api: Api) {
    let refused = async |filter| {
        told(&api.surveys("arena").list_invitations(filtered(filter)).await.unwrap_err())
    };
    assert_eq!(
        refused("state = SENT").await,
        "InvalidArgument INVALID_FILTER: filter: state: expected INVITED, SUPPRESSED or ANSWERED\n\
         filter: state: expected INVITED, SUPPRESSED or ANSWERED"
    );
    assert_eq!(
        refused("event = derby").await,
        "InvalidArgument INVALID_FILTER: filter: event: expected events/{event}\n\
         filter: event: expected events/{event}"
    );
    assert_eq!(
        refused("reason_code = BORED").await,
        "InvalidArgument INVALID_FILTER: filter: reason_code: expected NOTHING_REFUNDED, \
         REFUND_UNRESOLVED or RECENTLY_ASKED\n\
         filter: reason_code: expected NOTHING_REFUNDED, REFUND_UNRESOLVED or RECENTLY_ASKED"
    );
    assert_eq!(
        refused("customer = a").await,
        "InvalidArgument INVALID_FILTER: filter: unknown field at character 1; expected field \
         = \"value\", joined by AND, with fields: state, event, disruption, reason_code\n\
         filter: unknown field at character 1; expected field = \"value\", joined by AND, with \
         fields: state, event, disruption, reason_code"
    );
}

async fn a_token_of_another_list_is_refused(api: Api) {
    api.settle(["a", "b"].map(paid).into()).await;
    let first = list(&api, ListInvitationsRequest { page_size: 1, ..Default::default() }).await;
    let request =
        ListInvitationsRequest { page_token: first.next_page_token, ..filtered("state = INVITED") };
    let refused = api.surveys("arena").list_invitations(request).await.unwrap_err();
    assert_eq!(
        told(&refused),
        "InvalidArgument INVALID_PAGE_TOKEN: page_token: belongs to a list with other \
         arguments; keep them, or start with an empty token\n\
         page_token: belongs to a list with other arguments; keep them, or start with an empty \
         token"
    );
}

async fn a_token_that_was_made_up_is_refused(api: Api) {
    const METHOD: &str = "redress.feedback.v1.SurveyService/ListInvitations";
    let tenant = TenantId::new("arena").unwrap();
    let page_token =
        Page::read(&tenant, METHOD, &[""], 0, "").unwrap().token_after(&["not an id\0"]);
    let request = ListInvitationsRequest { page_token, ..Default::default() };
    let refused = api.surveys("arena").list_invitations(request).await.unwrap_err();
    assert_eq!(
        told(&refused),
        "InvalidArgument INVALID_PAGE_TOKEN: page_token: not a token that this method \
         returned; start with an empty one\n\
         page_token: not a token that this method returned; start with an empty one"
    );
}
