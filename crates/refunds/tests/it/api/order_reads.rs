//! `OrderService.GetOrder`, `ListOrders` and `BatchGetOrderContacts`.

use redress_proto::refunds::v1 as pb;

use super::support::{Api, open_empty, order, told};

redress_testkit::conformance! {
    open = open_with_orders;
    a_missing_order_and_another_tenants_look_the_same,
    a_name_of_another_collection_is_refused,
    pages_follow_each_other_and_the_first_counts,
    filters_narrow_the_list_and_the_count,
    a_filter_that_is_not_understood_is_refused,
    a_token_of_another_list_is_refused,
    another_tenant_sees_no_orders,
    contacts_come_with_the_first_title_and_without_strangers,
    contacts_are_asked_for_by_well_formed_names,
    travellers_stand_in_the_order_and_in_no_contact,
}

/// Three orders: `A2` is for another event, `A3` was cancelled at the shop.
async fn open_with_orders(url: String) -> Api {
    let api = open_empty(url).await;
    let mut elsewhere = order("A2");
    for line in &mut elsewhere.lines {
        line.event = "events/final".to_owned();
    }
    let cancelled = pb::Order { state: pb::order::State::Cancelled.into(), ..order("A3") };
    api.import(vec![order("A1"), elsewhere, cancelled]).await;
    api
}

async fn list(api: &Api, request: pb::ListOrdersRequest) -> pb::ListOrdersResponse {
    api.orders("arena").list_orders(request).await.unwrap().into_inner()
}

fn filtered(filter: &str) -> pb::ListOrdersRequest {
    pb::ListOrdersRequest { filter: filter.to_owned(), ..Default::default() }
}

fn names(response: &pb::ListOrdersResponse) -> Vec<&str> {
    response.orders.iter().map(|order| order.name.as_str()).collect()
}

async fn a_missing_order_and_another_tenants_look_the_same(api: Api) {
    let refused = async |tenant, name: &str| {
        let request = pb::GetOrderRequest { name: name.to_owned() };
        told(&api.orders(tenant).get_order(request).await.unwrap_err())
    };
    snapshot!(refused("other", "orders/A1").await, @r"
    NotFound RESOURCE_NOT_FOUND: orders/A1 not found
    name = orders/A1
    ");
    let missing = refused("arena", "orders/A9").await;
    assert_eq!(refused("other", "orders/A1").await, missing.replace("A9", "A1"));
}

async fn a_name_of_another_collection_is_refused(api: Api) {
    let request = pb::GetOrderRequest { name: "refunds/A1".to_owned() };
    let refused = api.orders("arena").get_order(request).await.unwrap_err();
    snapshot!(told(&refused), @r"
    InvalidArgument INVALID_FIELD: name: does not match regex pattern `^orders/[A-Za-z0-9._~-]{1,64}$`
    name: does not match regex pattern `^orders/[A-Za-z0-9._~-]{1,64}$`
    ");
}

async fn pages_follow_each_other_and_the_first_counts(api: Api) {
    let request = pb::ListOrdersRequest { page_size: 2, ..Default::default() };
    let first = list(&api, request.clone()).await;
    assert_eq!((names(&first), first.total_size), (vec!["orders/A1", "orders/A2"], 3));
    let request = pb::ListOrdersRequest { page_token: first.next_page_token, ..request };
    let second = list(&api, request).await;
    assert_eq!((names(&second), second.total_size), (vec!["orders/A3"], 0));
    assert_eq!(second.next_page_token, "");
}

async fn filters_narrow_the_list_and_the_count(api: Api) {
    for (filter, expected) in [
        (r#"event = "events/final""#, vec!["orders/A2"]),
        ("event = events/derby", vec!["orders/A1", "orders/A3"]),
        ("event = events/derby AND state = PLACED", vec!["orders/A1"]),
        ("customer = customers/buyer-of-A3", vec!["orders/A3"]),
        ("event = events/nobody-goes", vec![]),
    ] {
        let listed = list(&api, filtered(filter)).await;
        assert_eq!(names(&listed), expected, "{filter}");
        assert_eq!(usize::try_from(listed.total_size), Ok(expected.len()), "{filter}");
    }
}

async fn a_filter_that_is_not_understood_is_refused(api: Api) {
    let refused =
        async |filter| told(&api.orders("arena").list_orders(filtered(filter)).await.unwrap_err());
    snapshot!(refused("state = PAID").await, @r"
    InvalidArgument INVALID_FILTER: filter: state: expected one of PLACED, CANCELLED, WAITING_LIST
    filter: state: expected one of PLACED, CANCELLED, WAITING_LIST
    ");
    snapshot!(refused("event = derby").await, @r"
    InvalidArgument INVALID_FILTER: filter: event: expected a name like events/example
    filter: event: expected a name like events/example
    ");
    snapshot!(refused("email = a").await, @r#"
    InvalidArgument INVALID_FILTER: filter: unknown field at character 1; expected field = "value", joined by AND, with fields: event, customer, state
    filter: unknown field at character 1; expected field = "value", joined by AND, with fields: event, customer, state
    "#);
}

async fn a_token_of_another_list_is_refused(api: Api) {
    let first = list(&api, pb::ListOrdersRequest { page_size: 1, ..Default::default() }).await;
    let token = first.next_page_token;
    let refused =
        async |tenant, request| told(&api.orders(tenant).list_orders(request).await.unwrap_err());
    let with_filter =
        pb::ListOrdersRequest { page_token: token.clone(), ..filtered("state = PLACED") };
    snapshot!(refused("arena", with_filter).await, @r"
    InvalidArgument INVALID_PAGE_TOKEN: page_token: belongs to a list with other arguments; keep them, or start with an empty token
    page_token: belongs to a list with other arguments; keep them, or start with an empty token
    ");
    let theirs = pb::ListOrdersRequest { page_token: token, ..filtered("") };
    assert!(refused("other", theirs).await.contains("INVALID_PAGE_TOKEN"));
    let garbage = pb::ListOrdersRequest { page_token: "?".to_owned(), ..filtered("") };
    snapshot!(refused("arena", garbage).await, @r"
    InvalidArgument INVALID_PAGE_TOKEN: page_token: not a token that this method returned; start with an empty one
    page_token: not a token that this method returned; start with an empty one
    ");
}

async fn another_tenant_sees_no_orders(api: Api) {
    let listed = api.orders("other").list_orders(filtered("")).await.unwrap().into_inner();
    assert_eq!(listed, pb::ListOrdersResponse::default());
}

fn contacts_of(names: &[&str]) -> pb::BatchGetOrderContactsRequest {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    pb::BatchGetOrderContactsRequest { names }
}

async fn contacts_come_with_the_first_title_and_without_strangers(api: Api) {
    let request = contacts_of(&["orders/A1", "orders/A9"]);
    let answer = api.orders("arena").batch_get_order_contacts(request.clone()).await.unwrap();
    let expected = pb::OrderContact {
        order: "orders/A1".to_owned(),
        contact: order("A1").contact,
        title: "Main stand".to_owned(),
    };
    assert_eq!(answer.into_inner().contacts, [expected]);
    let theirs = api.orders("other").batch_get_order_contacts(request).await.unwrap();
    assert_eq!(theirs.into_inner().contacts, []);
}

async fn contacts_are_asked_for_by_well_formed_names(api: Api) {
    let request = contacts_of(&["orders/A1", "A2"]);
    let refused = api.orders("arena").batch_get_order_contacts(request).await.unwrap_err();
    snapshot!(told(&refused), @r"
    InvalidArgument INVALID_FIELD: names[1]: does not match regex pattern `^orders/[A-Za-z0-9._~-]{1,64}$`
    names[1]: does not match regex pattern `^orders/[A-Za-z0-9._~-]{1,64}$`
    ");
}

async fn travellers_stand_in_the_order_and_in_no_contact(api: Api) {
    let mut sent = order("A4");
    sent.travellers =
        vec![pb::Traveller { traveller_id: "a1".to_owned(), display_name: "T. Rider".to_owned() }];
    sent.lines[0].traveller_ids = vec!["a1".to_owned()];
    api.import(vec![sent.clone()]).await;
    let request = pb::GetOrderRequest { name: "orders/A4".to_owned() };
    let read = api.orders("arena").get_order(request).await.unwrap().into_inner();
    assert_eq!(read, sent);
    let request = pb::BatchGetOrderContactsRequest { names: vec!["orders/A4".to_owned()] };
    let contacts = api.orders("arena").batch_get_order_contacts(request).await.unwrap();
    let contacts = contacts.into_inner();
    assert_eq!(contacts.contacts.len(), 1);
    assert!(!format!("{contacts:?}").contains("Rider"));
}
