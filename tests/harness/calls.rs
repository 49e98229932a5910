//! The calls that a cancellation is made of, as a platform makes them.
//!
//! Invariant: every command has a request id of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prost_types::Timestamp;
use redress::cli::ServiceName;
use redress::connect::Connections;
use redress::import::{self, ImportReport};
use redress_client::TenantChannel;
use redress_proto::common::v1::tenant_service_client::TenantServiceClient;
use redress_proto::common::v1::{ApplyTenantRequest, Tenant};
use redress_proto::refunds::v1::disruption_service_client::DisruptionServiceClient;
use redress_proto::refunds::v1::order_service_client::OrderServiceClient;
use redress_proto::refunds::v1::policy_service_client::PolicyServiceClient;
use redress_proto::refunds::v1::refund_service_client::RefundServiceClient;
use redress_proto::refunds::v1::{
    ApplyPolicyRequest, ApproveDisruptionRequest, CheckLedgerRequest, Citation,
    CreateDisruptionRequest, Disruption, DisruptionPreview, GetDisruptionRequest, GetOrderRequest,
    LedgerReport, ListOrdersRequest, Order, Policy, PolicyTier, PreviewDisruptionRequest,
    StartDisruptionRequest, disruption,
};
use tonic::{Code, Status};

use super::eventually;

/// A UUID that no other command of this test process has.
pub(crate) fn request_id() -> String {
    static MADE: AtomicU64 = AtomicU64::new(1);
    format!("00000000-0000-4000-8000-{:012x}", MADE.fetch_add(1, Ordering::Relaxed))
}

fn refunds(connections: &Connections) -> TenantChannel {
    connections.unary(ServiceName::Refunds).unwrap()
}

/// A tenant's settings; its brand and addresses tell it apart from every other.
pub(crate) fn tenant(id: &str, brand: &str) -> Tenant {
    Tenant {
        name: format!("tenants/{id}"),
        display_name: brand.to_owned(),
        locales: ["en", "de", "ru", "zh"].map(str::to_owned).to_vec(),
        time_zone: "Europe/Berlin".to_owned(),
        sender_email: format!("tickets@{id}.example"),
        support_url: format!("https://{id}.example/help"),
        default_policy: "policies/standard".to_owned(),
        ..Tenant::default()
    }
}

/// A policy that keeps `fee_basis_points` of each ticket.
pub(crate) fn policy(fee_basis_points: i32) -> Policy {
    Policy {
        name: "policies/standard".to_owned(),
        version: 0,
        display_name: "Standard terms".to_owned(),
        // 2026-01-01T00:00:00Z
        effective_time: Some(Timestamp { seconds: 1_767_225_600, nanos: 0 }),
        tiers: vec![PolicyTier { rule: "always".to_owned(), notice_hours: 0, fee_basis_points }],
        refunds_fees: false,
        citation: Some(Citation { title: "Terms of sale, 7".to_owned(), uri: String::new() }),
        pay_within_days: 14,
        ..Policy::default()
    }
}

/// Applies a tenant's settings to all four services.
pub(crate) async fn apply_tenant(connections: &Connections, brand: &str) {
    for service in ServiceName::ALL {
        apply_tenant_to(service, connections, brand).await;
    }
}

/// Applies a tenant's settings to one service.
pub(crate) async fn apply_tenant_to(service: ServiceName, connections: &Connections, brand: &str) {
    let tenant = tenant(connections.tenant().as_str(), brand);
    let request = ApplyTenantRequest { tenant: Some(tenant) };
    let channel = connections.unary(service).unwrap();
    TenantServiceClient::new(channel).apply_tenant(request).await.unwrap();
}

pub(crate) async fn apply_policy(connections: &Connections, policy: Policy) -> Policy {
    let request = ApplyPolicyRequest { policy: Some(policy) };
    let applied = PolicyServiceClient::new(refunds(connections)).apply_policy(request).await;
    applied.unwrap().into_inner()
}

/// Imports orders that are all new and sound.
pub(crate) async fn import(connections: &Connections, orders: &[Order]) {
    let records = (1..).zip(orders.to_vec());
    let records = records.map(|(n, order)| Ok((import::Origin::order("test", n, None), order)));
    let peer = connections.peer(ServiceName::Refunds).unwrap();
    let tenant = connections.tenant().clone();
    let report = import::run(peer, tenant, records, |_| {}).await.unwrap();
    let created = orders.len() as u64;
    assert_eq!(report, ImportReport { created, ..ImportReport::default() });
}

/// How many orders the caller's tenant has.
pub(crate) async fn count_orders(connections: &Connections) -> i64 {
    let request = ListOrdersRequest { page_size: 1, ..Default::default() };
    let listed = OrderServiceClient::new(refunds(connections)).list_orders(request).await;
    listed.unwrap().into_inner().total_size
}

/// Whether the caller's tenant has an order of this name; one that is no name is nobody's.
pub(crate) async fn has_order(connections: &Connections, name: &str) -> bool {
    let request = GetOrderRequest { name: name.to_owned() };
    match OrderServiceClient::new(refunds(connections)).get_order(request).await {
        Ok(_) => true,
        Err(status) => {
            let absent = [Code::NotFound, Code::InvalidArgument].contains(&status.code());
            assert!(absent, "{status}");
            false
        }
    }
}

pub(crate) async fn preview(connections: &Connections, event: &str) -> DisruptionPreview {
    let request = PreviewDisruptionRequest { event: event.to_owned(), ..Default::default() };
    let mut client = DisruptionServiceClient::new(refunds(connections));
    client.preview_disruption(request).await.unwrap().into_inner()
}

/// Cancels `event` up to the start of the payments; returns the disruption's name.
pub(crate) async fn cancel(connections: &Connections, event: &str) -> String {
    let name = prepare(connections, event).await;
    start(connections, &name).await;
    name
}

/// The same with what `request` says; it gets an id of its own.
pub(crate) async fn cancel_as(
    connections: &Connections,
    request: CreateDisruptionRequest,
) -> String {
    let draft = create(connections, request).await;
    let name = approve(connections, draft).await;
    start(connections, &name).await;
    name
}

async fn start(connections: &Connections, name: &str) {
    let request = StartDisruptionRequest {
        name: name.to_owned(),
        etag: String::new(),
        request_id: request_id(),
        ..Default::default()
    };
    let mut client = DisruptionServiceClient::new(refunds(connections));
    client.start_disruption(request).await.unwrap();
}

/// A disruption of `event` that is approved and not started; returns its name.
pub(crate) async fn prepare(connections: &Connections, event: &str) -> String {
    let request = CreateDisruptionRequest {
        event: event.to_owned(),
        kind: disruption::Kind::Cancelled.into(),
        ..Default::default()
    };
    let draft = create(connections, request).await;
    approve(connections, draft).await
}

async fn approve(connections: &Connections, draft: Disruption) -> String {
    let request = ApproveDisruptionRequest {
        name: draft.name.clone(),
        expected_orders: draft.counts.unwrap().orders_in_scope,
        etag: draft.etag,
        request_id: request_id(),
        ..Default::default()
    };
    let mut client = DisruptionServiceClient::new(refunds(connections));
    client.approve_disruption(request).await.unwrap();
    draft.name
}

async fn create(connections: &Connections, request: CreateDisruptionRequest) -> Disruption {
    let request = CreateDisruptionRequest { request_id: request_id(), ..request };
    let mut client = DisruptionServiceClient::new(refunds(connections));
    client.create_disruption(request).await.unwrap().into_inner()
}

pub(crate) async fn disruption(
    connections: &Connections,
    name: &str,
) -> Result<Disruption, Status> {
    let request = GetDisruptionRequest { name: name.to_owned() };
    let mut client = DisruptionServiceClient::new(refunds(connections));
    Ok(client.get_disruption(request).await?.into_inner())
}

pub(crate) async fn ledger(connections: &Connections) -> Result<LedgerReport, Status> {
    let mut client = RefundServiceClient::new(refunds(connections));
    Ok(client.check_ledger(CheckLedgerRequest {}).await?.into_inner())
}

/// Waits until every movement of the books has its place in their chain.
pub(crate) async fn chained(connections: &Connections) {
    eventually("the chain of the books", Duration::from_secs(30), async || {
        let report = ledger(connections).await.map_err(|status| status.to_string())?;
        if report.unchained == 0 { Ok(()) } else { Err(format!("{} wait", report.unchained)) }
    })
    .await;
}
