//! Who gets in, as seen over the wire.

use std::sync::atomic::Ordering;
use std::time::Duration;

use redress_core::caller::Role;
use redress_proto::common::v1::{ApplyTenantRequest, GetTenantRequest};
use redress_proto::refunds::v1::GetOrderRequest;
use redress_proto::refunds::v1::order_service_client::OrderServiceClient;
use tonic::{Code, Request, Status};

use crate::support::{World, authorize, reason, soon};

async fn get_with(world: &World, authorization: &[&str]) -> Result<(), Status> {
    let mut request = Request::new(GetTenantRequest { name: "tenants/arena".to_owned() });
    for value in authorization {
        request.metadata_mut().append("authorization", value.parse().unwrap());
    }
    soon(world.client().await.get_tenant(request)).await.map(drop)
}

#[tokio::test]
async fn a_good_token_gets_in_and_bad_ones_tell_why() {
    let world = World::start(|_| {}).await;
    let good = format!("Bearer {}", world.token(Role::Platform, Duration::ZERO));
    let expired = format!("Bearer {}", world.token(Role::Platform, Duration::from_hours(1)));
    let stranger = World::start(|_| {}).await.token(Role::Platform, Duration::ZERO);
    let stranger = format!("Bearer {stranger}");
    get_with(&world, &[&good]).await.unwrap();
    get_with(&world, &[&good.replace("Bearer", "bearer")]).await.unwrap();
    for (headers, expected) in [
        (&[][..], "TOKEN_MISSING"),
        (&["Basic c2hvcDpzaG9w"][..], "TOKEN_MISSING"),
        (&["Bearer"][..], "TOKEN_MISSING"),
        (&["Bearer nonsense"][..], "TOKEN_INVALID"),
        (&[expired.as_str()][..], "TOKEN_EXPIRED"),
        (&[stranger.as_str()][..], "TOKEN_INVALID"),
        (&[good.as_str(), good.as_str()][..], "TOKEN_INVALID"),
    ] {
        let status = get_with(&world, headers).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{expected}");
        assert_eq!(reason(&status), expected);
    }
    assert_eq!(world.directory.calls(), 2);
}

#[tokio::test]
async fn a_role_that_the_method_does_not_list_is_denied() {
    let world = World::start(|_| {}).await;
    let mut request = Request::new(ApplyTenantRequest::default());
    authorize(&mut request, &world.token(Role::Auditor, Duration::ZERO));
    let status = soon(world.client().await.apply_tenant(request)).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "permission comes before validation");
    assert_eq!(reason(&status), "ROLE_NOT_ALLOWED");
    assert!(status.message().ends_with("roles: platform"), "{}", status.message());
}

#[tokio::test]
async fn a_service_that_is_not_served_here_is_unimplemented() {
    let world = World::start(|_| {}).await;
    let mut orders = OrderServiceClient::new(world.channel().await);
    let mut request = Request::new(GetOrderRequest { name: "orders/1".to_owned() });
    authorize(&mut request, &world.token(Role::Platform, Duration::ZERO));
    let status = soon(orders.get_order(request)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(reason(&status), "METHOD_NOT_FOUND");
}

#[tokio::test]
async fn a_panic_in_a_handler_is_an_internal_error_and_nothing_else() {
    let world = World::start(|_| {}).await;
    world.directory.panics.store(true, Ordering::SeqCst);
    let status = world.call().await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert_eq!(reason(&status), "INTERNAL");
    assert!(!status.message().contains("panic"), "{}", status.message());
    world.directory.panics.store(false, Ordering::SeqCst);
    world.call().await.unwrap();
}
