//! `NotificationService.ListNotifications`

use redress_proto::events::v1::DisruptionItemSettled;
use redress_proto::notifications::v1 as pb;
use tonic::Code;

use crate::support::{World, ask, open_world, refusal, settled, tenant_id};

redress_testkit::conformance! {
    open = open_world;
    pages_cover_everything_once_and_count_on_the_first,
    filters_narrow_the_list,
    a_token_opens_only_for_its_own_list,
    what_cannot_be_understood_is_refused,
    another_tenants_are_not_listed,
}

fn page(size: i32, token: &str, filter: &str) -> pb::ListNotificationsRequest {
    let (page_token, filter) = (token.to_owned(), filter.to_owned());
    pb::ListNotificationsRequest { page_size: size, page_token, filter }
}

async fn list(
    world: &World,
    request: pb::ListNotificationsRequest,
) -> Result<pb::ListNotificationsResponse, tonic::Status> {
    let request = ask(&tenant_id("arena"), request);
    world.notifications().list_notifications(request).await.map(tonic::Response::into_inner)
}

async fn pages_cover_everything_once_and_count_on_the_first(world: World) {
    let facts = (0..5).map(|n| settled(&format!("o{n}"))).collect();
    world.deliver("arena", 1, facts).await.unwrap();
    let mut token = String::new();
    let mut orders = Vec::new();
    let mut totals = Vec::new();
    loop {
        let answer = list(&world, page(2, &token, "")).await.unwrap();
        totals.push(answer.total_size);
        orders.extend(answer.notifications.into_iter().map(|n| n.order));
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(orders, ["orders/o0", "orders/o1", "orders/o2", "orders/o3", "orders/o4"]);
    assert_eq!(totals, [5, 0, 0]);
}

async fn filters_narrow_the_list(world: World) {
    let other = DisruptionItemSettled {
        disruption: "disruptions/d2".to_owned(),
        outcome: "NOTHING_DUE".to_owned(),
        ..settled("o2")
    };
    world.deliver("arena", 1, vec![settled("o1"), other]).await.unwrap();
    for (filter, expected) in [
        (r#"state = "PENDING""#, 2),
        (r#"state = "SENT""#, 0),
        (r#"order = "orders/o1""#, 1),
        (r#"disruption = "disruptions/d2" AND state = "PENDING""#, 1),
        (r#"template = "templates/event-cancelled""#, 1),
    ] {
        let answer = list(&world, page(0, "", filter)).await.unwrap();
        let found = (answer.notifications.len(), answer.total_size);
        assert_eq!(found, (usize::try_from(expected).unwrap(), expected), "{filter}");
    }
}

async fn a_token_opens_only_for_its_own_list(world: World) {
    world.deliver("arena", 1, vec![settled("o1"), settled("o2")]).await.unwrap();
    let token = list(&world, page(1, "", "")).await.unwrap().next_page_token;
    let (code, reason, _) = refusal(list(&world, page(1, &token, "state = PENDING")).await);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "INVALID_PAGE_TOKEN"));
    let theirs = ask(&tenant_id("opera"), page(1, &token, ""));
    let (code, reason, _) = refusal(world.notifications().list_notifications(theirs).await);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "INVALID_PAGE_TOKEN"));
}

async fn what_cannot_be_understood_is_refused(world: World) {
    for (request, reason) in [
        (page(-1, "", ""), "INVALID_FIELD"),
        (page(0, "garbage", ""), "INVALID_PAGE_TOKEN"),
        (page(0, "", "colour = red"), "INVALID_FILTER"),
        (page(0, "", "state = LOST"), "INVALID_FIELD"),
    ] {
        let (code, found, _) = refusal(list(&world, request).await);
        assert_eq!((code, found.as_str()), (Code::InvalidArgument, reason));
    }
}

async fn another_tenants_are_not_listed(world: World) {
    world.deliver("opera", 1, vec![settled("o1")]).await.unwrap();
    let answer = list(&world, page(0, "", r#"order = "orders/o1""#)).await.unwrap();
    assert_eq!((answer.notifications.len(), answer.total_size), (0, 0));
}
