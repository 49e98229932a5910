//! `NotificationService.GetNotification`

use redress_core::clock::Clock as _;
use redress_proto::notifications::v1 as pb;
use tonic::Code;

use crate::support::{World, ask, open_world, refusal, settled, tenant_id};

redress_testkit::conformance! {
    open = open_world;
    returns_the_callers_notification,
    another_tenants_looks_like_a_missing_one,
    a_malformed_name_is_refused,
    nobody_is_nobody,
}

fn named(name: &str) -> pb::GetNotificationRequest {
    pb::GetNotificationRequest { name: name.to_owned() }
}

async fn returns_the_callers_notification(world: World) {
    world.deliver("arena", 1, vec![settled("o1")]).await.unwrap();
    let listed = world.only("arena").await;
    let request = ask(&tenant_id("arena"), named(&listed.name));
    let got = world.notifications().get_notification(request).await.unwrap().into_inner();
    assert_eq!(got, listed);
    let expected = pb::Notification {
        name: "notifications/00000001".to_owned(),
        state: pb::notification::State::Pending.into(),
        template: "templates/refund-issued".to_owned(),
        locale: String::new(),
        order: "orders/o1".to_owned(),
        customer: "customers/of-o1".to_owned(),
        disruption: "disruptions/d1".to_owned(),
        reason_code: String::new(),
        create_time: Some(redress_api::time::to_proto(world.clock.now())),
        send_time: None,
    };
    assert_eq!(got, expected);
}

async fn another_tenants_looks_like_a_missing_one(world: World) {
    world.deliver("arena", 1, vec![settled("o1")]).await.unwrap();
    let name = world.only("arena").await.name;
    let theirs = ask(&tenant_id("opera"), named(&name));
    let theirs = refusal(world.notifications().get_notification(theirs).await);
    let nobodys = ask(&tenant_id("opera"), named("notifications/none"));
    let nobodys = refusal(world.notifications().get_notification(nobodys).await);
    let not_found =
        |name: &str| (Code::NotFound, "RESOURCE_NOT_FOUND".to_owned(), format!("{name} not found"));
    assert_eq!(theirs, not_found(&name));
    assert_eq!(nobodys, not_found("notifications/none"));
}

async fn a_malformed_name_is_refused(world: World) {
    for name in ["", "notifications/", "orders/o1", "notifications/a b", "notifications/a/b"] {
        let request = ask(&tenant_id("arena"), named(name));
        let (code, reason, _) = refusal(world.notifications().get_notification(request).await);
        assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "INVALID_FIELD"), "{name:?}");
    }
}

async fn nobody_is_nobody(world: World) {
    let request = tonic::Request::new(named("notifications/00000001"));
    let (code, reason, _) = refusal(world.notifications().get_notification(request).await);
    assert_eq!((code, reason.as_str()), (Code::Unauthenticated, "TOKEN_MISSING"));
}
