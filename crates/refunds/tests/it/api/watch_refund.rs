//! `RefundService.WatchRefund`.

use futures::StreamExt as _;
use redress_proto::refunds::v1 as pb;
use redress_refunds::domain::attempt::Reason;
use tonic::{Status, Streaming};

use super::support::{Api, open_stocked, told};

redress_testkit::conformance! {
    open = open_stocked;
    a_watcher_sees_every_state_until_rest,
    a_refund_at_rest_is_told_once,
    a_missing_refund_and_another_tenants_look_the_same,
}

async fn watch(
    api: &Api,
    tenant: &'static str,
    name: &str,
) -> Result<Streaming<pb::Refund>, Status> {
    let request = pb::WatchRefundRequest { name: name.to_owned() };
    api.refunds(tenant).watch_refund(request).await.map(tonic::Response::into_inner)
}

async fn a_watcher_sees_every_state_until_rest(api: Api) {
    let pending = api.pending().await;
    let mut versions = watch(&api, "arena", &pending.name).await.unwrap();
    let first = versions.next().await.unwrap().unwrap();
    assert_eq!(first, pending, "the present state comes at once");

    let approve = pb::ApproveRefundRequest {
        name: pending.name.clone(),
        request_id: api.request_id(),
        ..pb::ApproveRefundRequest::default()
    };
    let mut boss = api.refunds_as("boss", super::deeds::SUPERVISOR);
    let approved = boss.approve_refund(approve).await.unwrap().into_inner();
    assert_eq!(versions.next().await.unwrap().unwrap(), approved);

    api.pay_all().await;
    let mut states = Vec::new();
    while let Some(version) = versions.next().await {
        states.push(version.unwrap().state());
    }
    assert_eq!(states.last(), Some(&pb::refund::State::Succeeded), "and then it ends");
}

async fn a_refund_at_rest_is_told_once(api: Api) {
    let failed = api.refused(Reason::AccountClosed).await;
    let versions = watch(&api, "arena", &failed.name).await.unwrap();
    let told: Vec<_> = versions.map(Result::unwrap).collect().await;
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].state(), &told[0].etag), (pb::refund::State::Attention, &failed.etag));
}

async fn a_missing_refund_and_another_tenants_look_the_same(api: Api) {
    let refund = api.queued().await;
    let missing = async |tenant, name: &str| {
        told(&watch(&api, tenant, name).await.unwrap_err()).replace(name, "refunds/R")
    };
    let theirs = missing("other", &refund.name).await;
    snapshot!(theirs, @r"
    NotFound RESOURCE_NOT_FOUND: refunds/R not found
    name = refunds/R
    ");
    assert_eq!(theirs, missing("arena", "refunds/none").await);
}
