//! `DisruptionService.GetDisruption`, `ListDisruptions` and `ListDisruptionItems`.

use redress_proto::refunds::v1 as pb;

use super::support::{Api, open_empty, order, told};

redress_testkit::conformance! {
    open = open_with_disruptions;
    a_missing_disruption_and_another_tenants_look_the_same,
    disruptions_are_listed_page_after_page,
    disruptions_are_filtered,
    items_are_listed_page_after_page,
    a_filter_that_is_not_understood_is_refused,
    a_token_of_another_list_is_refused,
}

/// Drafts for the derby (two orders) and for the final (one order); the derby's is approved.
async fn open_with_disruptions(url: String) -> Api {
    let api = open_empty(url).await;
    let mut elsewhere = order("A3");
    for line in &mut elsewhere.lines {
        line.event = "events/final".to_owned();
    }
    api.import(vec![order("A1"), order("A2"), elsewhere]).await;
    let mut names = Vec::new();
    for event in ["events/derby", "events/final"] {
        let request = pb::CreateDisruptionRequest {
            event: event.to_owned(),
            kind: pb::disruption::Kind::Cancelled.into(),
            request_id: api.request_id(),
            ..Default::default()
        };
        let draft = api.disruptions("arena").create_disruption(request).await.unwrap();
        names.push(draft.into_inner().name);
    }
    let request = pb::ApproveDisruptionRequest {
        name: names.remove(0),
        expected_orders: 2,
        etag: String::new(),
        request_id: api.request_id(),
        ..Default::default()
    };
    api.disruptions("arena").approve_disruption(request).await.unwrap();
    api
}

async fn list(api: &Api, request: pb::ListDisruptionsRequest) -> pb::ListDisruptionsResponse {
    api.disruptions("arena").list_disruptions(request).await.unwrap().into_inner()
}

fn filtered(filter: &str) -> pb::ListDisruptionsRequest {
    pb::ListDisruptionsRequest { filter: filter.to_owned(), ..Default::default() }
}

fn events(response: &pb::ListDisruptionsResponse) -> Vec<&str> {
    response.disruptions.iter().map(|disruption| disruption.event.as_str()).collect()
}

async fn derby(api: &Api) -> String {
    list(api, filtered("event = events/derby")).await.disruptions.remove(0).name
}

async fn a_missing_disruption_and_another_tenants_look_the_same(api: Api) {
    let derby = derby(&api).await;
    let get = async |tenant, name: &str| {
        let request = pb::GetDisruptionRequest { name: name.to_owned() };
        let refused = api.disruptions(tenant).get_disruption(request).await.unwrap_err();
        told(&refused).replace(name, "disruptions/D")
    };
    let items = async |tenant, parent: &str| {
        let request =
            pb::ListDisruptionItemsRequest { parent: parent.to_owned(), ..Default::default() };
        let refused = api.disruptions(tenant).list_disruption_items(request).await.unwrap_err();
        told(&refused).replace(parent, "disruptions/D")
    };
    let theirs = get("other", &derby).await;
    snapshot!(theirs, @r"
    NotFound RESOURCE_NOT_FOUND: disruptions/D not found
    name = disruptions/D
    ");
    assert_eq!(get("arena", "disruptions/none").await, theirs);
    assert_eq!(items("other", &derby).await, theirs);
    assert_eq!(items("arena", "disruptions/none").await, theirs);
    let listed = api.disruptions("other").list_disruptions(filtered("")).await.unwrap();
    assert_eq!(listed.into_inner(), pb::ListDisruptionsResponse::default());
}

async fn disruptions_are_listed_page_after_page(api: Api) {
    let request = pb::ListDisruptionsRequest { page_size: 1, ..Default::default() };
    let first = list(&api, request.clone()).await;
    assert_eq!(events(&first), ["events/derby"]);
    assert_eq!(first.disruptions[0].counts.unwrap().pending, 2);
    let request = pb::ListDisruptionsRequest { page_token: first.next_page_token, ..request };
    let second = list(&api, request).await;
    assert_eq!(events(&second), ["events/final"]);
    assert_eq!(second.disruptions[0].counts.unwrap().orders_in_scope, 1);
    assert_eq!(second.next_page_token, "");
}

async fn disruptions_are_filtered(api: Api) {
    for (filter, expected) in [
        ("state = DRAFT", vec!["events/final"]),
        ("state = APPROVED AND event = events/derby", vec!["events/derby"]),
        ("state = RUNNING", vec![]),
    ] {
        assert_eq!(events(&list(&api, filtered(filter)).await), expected, "{filter}");
    }
}

async fn items_are_listed_page_after_page(api: Api) {
    let mut request = pb::ListDisruptionItemsRequest {
        parent: derby(&api).await,
        page_size: 1,
        ..Default::default()
    };
    let page = async |request| {
        let listed = api.disruptions("arena").list_disruption_items(request).await.unwrap();
        let pb::ListDisruptionItemsResponse { items, next_page_token } = listed.into_inner();
        (items.into_iter().map(|item| item.order).collect::<Vec<_>>(), next_page_token)
    };
    let (orders, token) = page(request.clone()).await;
    assert_eq!(orders, ["orders/A1"]);
    request.page_token = token;
    let (orders, token) = page(request).await;
    assert_eq!((orders, token), (vec!["orders/A2".to_owned()], String::new()));
}

async fn a_filter_that_is_not_understood_is_refused(api: Api) {
    let list = async |filter| {
        told(&api.disruptions("arena").list_disruptions(filtered(filter)).await.unwrap_err())
    };
    snapshot!(list("state = PENDING").await, @r"
    InvalidArgument INVALID_FILTER: filter: state: expected one of DRAFT, APPROVED, RUNNING, PAUSED, COMPLETED, ABORTING, ABORTED
    filter: state: expected one of DRAFT, APPROVED, RUNNING, PAUSED, COMPLETED, ABORTING, ABORTED
    ");
    let parent = derby(&api).await;
    let items = async |filter: &str| {
        let (parent, filter) = (parent.clone(), filter.to_owned());
        let request = pb::ListDisruptionItemsRequest { parent, filter, ..Default::default() };
        told(&api.disruptions("arena").list_disruption_items(request).await.unwrap_err())
    };
    snapshot!(items("state = DRAFT").await, @r"
    InvalidArgument INVALID_FILTER: filter: state: expected one of OFFERED, PENDING, PROCESSING, SUCCEEDED, ATTENTION, NOTHING_DUE, KEPT, ABORTED
    filter: state: expected one of OFFERED, PENDING, PROCESSING, SUCCEEDED, ATTENTION, NOTHING_DUE, KEPT, ABORTED
    ");
    snapshot!(items("order = orders/A1").await, @r#"
    InvalidArgument INVALID_FILTER: filter: unknown field at character 1; expected field = "value", joined by AND, with fields: state, lane, reason_code
    filter: unknown field at character 1; expected field = "value", joined by AND, with fields: state, lane, reason_code
    "#);
}

async fn a_token_of_another_list_is_refused(api: Api) {
    let parent = derby(&api).await;
    let request = pb::ListDisruptionItemsRequest { parent, page_size: 1, ..Default::default() };
    let listed = api.disruptions("arena").list_disruption_items(request.clone()).await.unwrap();
    let page_token = listed.into_inner().next_page_token;
    let other = list(&api, filtered("event = events/final")).await.disruptions.remove(0).name;
    let request = pb::ListDisruptionItemsRequest { parent: other, page_token, ..request };
    let refused = api.disruptions("arena").list_disruption_items(request).await.unwrap_err();
    snapshot!(told(&refused), @r"
    InvalidArgument INVALID_PAGE_TOKEN: page_token: belongs to a list with other arguments; keep them, or start with an empty token
    page_token: belongs to a list with other arguments; keep them, or start with an empty token
    ");
}
