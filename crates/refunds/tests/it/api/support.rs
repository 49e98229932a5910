//! A service over memory, what a shop would send it, and callers of any tenant.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use redress_api::time;
use redress_core::caller::{Caller, Role};
use redress_core::clock::{Clock as _, ManualClock};
use redress_core::id::{Ids, TenantId};
use redress_proto::common::v1::tenant_service_client::TenantServiceClient;
use redress_proto::common::v1::{ApplyTenantRequest, Money, Tenant};
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::disruption_service_client::DisruptionServiceClient;
use redress_proto::refunds::v1::ledger_service_client::LedgerServiceClient;
use redress_proto::refunds::v1::order_service_client::OrderServiceClient;
use redress_proto::refunds::v1::policy_service_client::PolicyServiceClient;
use redress_proto::refunds::v1::refund_service_client::RefundServiceClient;
use redress_refunds::config::{ProvidersConfig, RefundsConfig, StripeConfig};
use redress_refunds::domain::attempt::Reason;
use redress_refunds::domain::settle::{AttemptFinding, Finding};
use redress_refunds::store::{self, CHAIN_LEASE, Claim, ItemTerms, SharedStore, Take};
use redress_refunds::{Deps, build};
use redress_store::{Database, DatabaseSettings, lease, migrate};
use redress_testkit::clock::{self, START};
use redress_testkit::{duplex, ids};
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::{InterceptedService, InterceptorLayer};
use tonic::transport::{Channel, Server};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

/// Names the caller's tenant on the way to the test server; a verified token does it elsewhere.
const TENANT: &str = "x-test-tenant";
/// Names the caller's subject likewise.
const SUBJECT: &str = "x-test-subject";
/// Names the caller's roles likewise, one value each.
const ROLE: &str = "x-test-role";

const DAY: Duration = Duration::from_hours(24);

/// A running service, without its workers: what they would do, a test does step by step.
pub(crate) struct Api {
    channel: Channel,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: SharedStore,
    pub(crate) ids: Ids,
    pub(crate) database: Database,
}

/// A channel that speaks for one tenant.
pub(crate) type As = InterceptedService<Channel, Speaker>;

/// Puts the caller on each call: `agent-1` with every role unless it says otherwise.
#[derive(Clone)]
pub(crate) struct Speaker {
    tenant: &'static str,
    subject: &'static str,
    roles: &'static [Role],
}

impl Speaker {
    fn of(tenant: &'static str) -> Self {
        Self { tenant, subject: "agent-1", roles: &Role::ALL }
    }
}

impl tonic::service::Interceptor for Speaker {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        metadata.insert(TENANT, MetadataValue::from_static(self.tenant));
        metadata.insert(SUBJECT, MetadataValue::from_static(self.subject));
        for role in self.roles {
            metadata.append(ROLE, MetadataValue::from_static(role.as_str()));
        }
        Ok(request)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of an interceptor")]
fn caller(mut request: Request<()>) -> Result<Request<()>, Status> {
    let metadata = request.metadata();
    if let Some(tenant) = metadata.get(TENANT) {
        let tenant = TenantId::new(tenant.to_str().unwrap()).unwrap();
        let roles = metadata.get_all(ROLE).iter();
        let caller = Caller {
            tenant,
            subject: metadata.get(SUBJECT).unwrap().to_str().unwrap().to_owned(),
            issuer: "tests".to_owned(),
            roles: roles.map(|role| role.to_str().unwrap().parse().unwrap()).collect(),
        };
        request.extensions_mut().insert(caller);
    }
    Ok(request)
}

/// The service in the database at `url`, which holds nothing.
pub(crate) async fn open_empty(url: String) -> Api {
    let database = Database::connect(&DatabaseSettings::new(url)).await.unwrap();
    migrate(&database, &store::SCHEMA).await.unwrap();
    let (clock, ids) = (clock::manual(), ids::counting());
    let deps = Deps {
        database: database.clone(),
        clock: clock.clone(),
        ids: Arc::clone(&ids),
        subscribers: Vec::new(),
    };
    let service = build(&config(), deps).await.unwrap();
    let (incoming, channel) = duplex::pair();
    let server = Server::builder()
        .layer(InterceptorLayer::new(caller))
        .add_routes(service.into_routes())
        .serve_with_incoming(incoming);
    tokio::spawn(server);
    Api { channel, clock, store: store::open(database.clone()), ids, database }
}

/// Stripe is connected and never called, because no worker runs.
fn config() -> RefundsConfig {
    let stripe = StripeConfig {
        base_url: "http://127.0.0.1:9".to_owned(),
        secret_key: Some("sk_test_1".into()),
        ..StripeConfig::default()
    };
    RefundsConfig {
        providers: ProvidersConfig { stripe: Some(stripe) },
        ..RefundsConfig::default()
    }
}

/// The service with tenant `arena`, its policy and the order `A1`.
pub(crate) async fn open_stocked(url: String) -> Api {
    let api = open_empty(url).await;
    api.apply_tenant("arena").await;
    api.apply_policy(policy()).await;
    api.import(vec![order("A1")]).await;
    api
}

impl Api {
    pub(crate) fn orders(&self, tenant: &'static str) -> OrderServiceClient<As> {
        OrderServiceClient::with_interceptor(self.channel.clone(), Speaker::of(tenant))
    }

    pub(crate) fn policies(&self, tenant: &'static str) -> PolicyServiceClient<As> {
        PolicyServiceClient::with_interceptor(self.channel.clone(), Speaker::of(tenant))
    }

    pub(crate) fn refunds(&self, tenant: &'static str) -> RefundServiceClient<As> {
        RefundServiceClient::with_interceptor(self.channel.clone(), Speaker::of(tenant))
    }

    /// The refunds of tenant `arena`, as somebody in particular.
    pub(crate) fn refunds_as(
        &self,
        subject: &'static str,
        roles: &'static [Role],
    ) -> RefundServiceClient<As> {
        let speaker = Speaker { tenant: "arena", subject, roles };
        RefundServiceClient::with_interceptor(self.channel.clone(), speaker)
    }

    /// The disruptions of tenant `arena`, as somebody in particular.
    pub(crate) fn disruptions_of(
        &self,
        subject: &'static str,
        roles: &'static [Role],
    ) -> DisruptionServiceClient<As> {
        let speaker = Speaker { tenant: "arena", subject, roles };
        DisruptionServiceClient::with_interceptor(self.channel.clone(), speaker)
    }

    pub(crate) fn disruptions(&self, tenant: &'static str) -> DisruptionServiceClient<As> {
        DisruptionServiceClient::with_interceptor(self.channel.clone(), Speaker::of(tenant))
    }

    pub(crate) fn ledger(&self, tenant: &'static str) -> LedgerServiceClient<As> {
        LedgerServiceClient::with_interceptor(self.channel.clone(), Speaker::of(tenant))
    }

    pub(crate) fn tenants(&self, tenant: &'static str) -> TenantServiceClient<As> {
        TenantServiceClient::with_interceptor(self.channel.clone(), Speaker::of(tenant))
    }

    pub(crate) async fn apply_tenant(&self, tenant: &'static str) {
        let request = ApplyTenantRequest { tenant: Some(settings_of(tenant)) };
        self.tenants(tenant).apply_tenant(request).await.unwrap();
    }

    /// Applies a policy of tenant `arena`.
    pub(crate) async fn apply_policy(&self, policy: pb::Policy) -> pb::Policy {
        let request = pb::ApplyPolicyRequest { policy: Some(policy) };
        self.policies("arena").apply_policy(request).await.unwrap().into_inner()
    }

    /// Imports one chunk for tenant `arena`.
    pub(crate) async fn import(&self, orders: Vec<pb::Order>) -> pb::ImportOrdersResponse {
        let chunks = stream::iter([pb::ImportOrdersRequest { orders }]);
        let answers = self.orders("arena").import_orders(chunks).await.unwrap().into_inner();
        let mut answers: Vec<_> = answers.collect().await;
        assert_eq!(answers.len(), 1);
        answers.remove(0).unwrap()
    }

    /// Quotes lines of order `A1`, or all its tickets.
    pub(crate) async fn quote(&self, line_ids: &[&str]) -> pb::Quote {
        let request = pb::QuoteRefundRequest {
            order: "orders/A1".to_owned(),
            line_ids: line_ids.iter().map(|id| (*id).to_owned()).collect(),
            request_id: self.request_id(),
            ..pb::QuoteRefundRequest::default()
        };
        self.refunds("arena").quote_refund(request).await.unwrap().into_inner()
    }

    /// Accepts a quote.
    pub(crate) async fn accept(&self, quote: &pb::Quote) -> pb::Refund {
        let request = acceptance(quote, &self.request_id());
        self.refunds("arena").create_refund(request).await.unwrap().into_inner()
    }

    /// Does what a worker does when the provider pays: claims what is armed, and settles it.
    pub(crate) async fn pay_all(&self) {
        self.pay(1000).await;
    }

    /// The same for so many attempts at most.
    pub(crate) async fn pay(&self, limit: i64) {
        let claim =
            Claim { provider: "stripe", claim: "test", limit, now: self.clock.now(), lease: DAY };
        let attempts = self.store.claim_to_send(&claim, None).await.unwrap().attempts;
        assert!(!attempts.is_empty(), "nothing was armed");
        let finding = |attempt: redress_refunds::domain::attempt::Attempt| AttemptFinding {
            tenant: attempt.tenant,
            finding: Finding::Succeeded { provider_refund: format!("re_{}", attempt.id) },
            attempt: attempt.id,
            claim: attempt.claim,
        };
        let findings: Vec<_> = attempts.into_iter().map(finding).collect();
        let settled = self.store.settle(&findings, &*self.ids, self.clock.now()).await.unwrap();
        assert_eq!(settled, findings.len());
    }

    /// Does what a worker does when the provider refuses a refund of an order, in a way that can
    /// change: claims all that is armed, settles that one and gives the others back.
    pub(crate) async fn refuse_one(&self, order: &str) {
        let now = self.clock.now();
        let claim = Claim { provider: "stripe", claim: "no", limit: 1000, now, lease: DAY };
        let attempts = self.store.claim_to_send(&claim, None).await.unwrap().attempts;
        let finding = |attempt: redress_refunds::domain::attempt::Attempt| AttemptFinding {
            tenant: attempt.tenant,
            finding: if attempt.order.as_str() == order {
                let provider_refund = String::new();
                Finding::Refused { reason: Reason::ProviderRefused, provider_refund }
            } else {
                Finding::NotSent { retry: now }
            },
            attempt: attempt.id,
            claim: attempt.claim,
        };
        let findings: Vec<_> = attempts.into_iter().map(finding).collect();
        let settled = self.store.settle(&findings, &*self.ids, now).await.unwrap();
        assert_eq!(settled, findings.len());
    }

    /// Does what the chainer does: gives every movement its place.
    pub(crate) async fn chain(&self) {
        let (now, ttl) = (self.clock.now(), Duration::from_secs(1));
        let lease = lease::acquire(&self.database, CHAIN_LEASE, "test", now, ttl).await.unwrap();
        let lease = lease.unwrap();
        while self.store.chain(&lease).await.unwrap() > 0 {}
        lease::release(&self.database, &lease).await.unwrap();
    }

    /// Does what the item worker does: takes on every pending item.
    pub(crate) async fn start_items(&self) {
        let terms = ItemTerms { pay_within: DAY * 14, arrival: Some(DAY * 10) };
        let now = self.clock.now();
        for work in self.store.work().await.unwrap() {
            let all = i64::MAX;
            self.store
                .start_items(&work, &Take::Next(all), all, &terms, &*self.ids, now)
                .await
                .unwrap();
        }
    }

    /// Opens a cancellation of the derby.
    pub(crate) async fn draft(&self) -> pb::Disruption {
        let request = pb::CreateDisruptionRequest {
            event: "events/derby".to_owned(),
            kind: pb::disruption::Kind::Cancelled.into(),
            request_id: self.request_id(),
            ..Default::default()
        };
        self.disruptions("arena").create_disruption(request).await.unwrap().into_inner()
    }

    /// Approves and starts the one disruption, of so many orders; returns its name.
    pub(crate) async fn start_draft(&self, expected_orders: i64) -> String {
        let name = self.disruption().await.name;
        let mut client = self.disruptions("arena");
        let request = pb::ApproveDisruptionRequest {
            name: name.clone(),
            expected_orders,
            request_id: self.request_id(),
            ..Default::default()
        };
        client.approve_disruption(request).await.unwrap();
        let request = pb::StartDisruptionRequest {
            name: name.clone(),
            request_id: self.request_id(),
            ..Default::default()
        };
        client.start_disruption(request).await.unwrap();
        name
    }

    /// Does what the item worker does last: completes what has come to rest.
    pub(crate) async fn complete(&self) {
        let now = self.clock.now();
        let completed = self.store.complete_disruptions(&*self.ids, now).await.unwrap();
        assert_eq!(completed, 1);
    }

    /// The one disruption of tenant `arena`.
    pub(crate) async fn disruption(&self) -> pb::Disruption {
        let mut client = self.disruptions("arena");
        let listed = client.list_disruptions(pb::ListDisruptionsRequest::default()).await.unwrap();
        let [only] = listed.into_inner().disruptions.try_into().unwrap();
        only
    }

    /// A fresh request id.
    pub(crate) fn request_id(&self) -> String {
        format!("9b2ac7f6-0c53-4f4e-9a35-{:0>12}", self.ids.next_id())
    }
}

pub(crate) fn acceptance(quote: &pb::Quote, request_id: &str) -> pb::CreateRefundRequest {
    pb::CreateRefundRequest {
        quote: quote.name.clone(),
        request_id: request_id.to_owned(),
        entitlement_voided: true,
        ..pb::CreateRefundRequest::default()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of a message's field")]
pub(crate) fn euros(minor_units: i64) -> Option<Money> {
    Some(Money { currency_code: "EUR".to_owned(), minor_units })
}

/// The settings of a tenant whose default policy is `standard`.
pub(crate) fn settings_of(tenant: &str) -> Tenant {
    Tenant {
        name: format!("tenants/{tenant}"),
        display_name: "Arena".to_owned(),
        locales: vec!["en".to_owned()],
        time_zone: "Europe/Berlin".to_owned(),
        sender_email: "tickets@arena.example".to_owned(),
        support_url: "https://arena.example/help".to_owned(),
        default_policy: "policies/standard".to_owned(),
        approval_limits: Vec::new(),
        policies: Vec::new(),
        version: 0,
    }
}

/// 10 % up to three days before the start, half up to one day, nothing later; in force two months
/// before now.
pub(crate) fn policy() -> pb::Policy {
    let tier = |rule: &str, notice_hours, fee_basis_points| pb::PolicyTier {
        rule: rule.to_owned(),
        notice_hours,
        fee_basis_points,
    };
    pb::Policy {
        name: "policies/standard".to_owned(),
        version: 0,
        display_name: "Standard".to_owned(),
        effective_time: Some(time::to_proto(before(DAY * 60))),
        tiers: vec![tier("early", 72, 1000), tier("late", 24, 5000)],
        refunds_fees: false,
        citation: Some(pb::Citation {
            title: "General terms of sale, section 7".to_owned(),
            uri: String::new(),
        }),
        pay_within_days: 14,
        source: String::new(),
    }
}

/// Two tickets of 30.00 and 20.00 and a fee of 3.90 for the derby in ten days, bought a month ago
/// and paid by card.
pub(crate) fn order(id: &str) -> pb::Order {
    pb::Order {
        name: format!("orders/{id}"),
        source_version: 1,
        customer: format!("customers/buyer-of-{id}"),
        contact: Some(pb::Contact {
            email: "buyer@mail.example".to_owned(),
            display_name: "A. Buyer".to_owned(),
            locale: "de-AT".to_owned(),
        }),
        purchase_time: Some(time::to_proto(before(DAY * 30))),
        state: pb::order::State::Placed.into(),
        policy: String::new(),
        lines: vec![
            line("t1", pb::order_line::Kind::Ticket, 3000),
            line("t2", pb::order_line::Kind::Ticket, 2000),
            line("f1", pb::order_line::Kind::Fee, 390),
        ],
        payments: vec![payment("p1", "stripe", pb::payment::Tender::Card, 5390)],
        total: euros(5390),
        ..pb::Order::default()
    }
}

pub(crate) fn line(id: &str, kind: pb::order_line::Kind, gross: i64) -> pb::OrderLine {
    pb::OrderLine {
        line_id: id.to_owned(),
        kind: kind.into(),
        event: "events/derby".to_owned(),
        title: "Main stand".to_owned(),
        event_start_time: Some(time::to_proto(START.plus(DAY * 10))),
        event_time_zone: "Europe/Berlin".to_owned(),
        gross: euros(gross),
        tax: euros(0),
        quantity: 1,
        discount: euros(0),
        ..pb::OrderLine::default()
    }
}

pub(crate) fn payment(
    id: &str,
    provider: &str,
    tender: pb::payment::Tender,
    captured: i64,
) -> pb::Payment {
    pb::Payment {
        payment_id: id.to_owned(),
        tender: tender.into(),
        provider: provider.to_owned(),
        provider_reference: format!("pi_{id}"),
        captured: euros(captured),
        refunded_elsewhere: euros(0),
        capture_time: Some(time::to_proto(before(DAY * 30))),
        overdrawn: false,
        points: 0,
    }
}

/// An order that was never paid.
pub(crate) fn unpaid(id: &str) -> pb::Order {
    pb::Order { payments: Vec::new(), ..order(id) }
}

/// An order that was paid in part with a gift card, which has no connector.
pub(crate) fn mixed(id: &str) -> pb::Order {
    let payments = vec![
        payment("p1", "giftcard", pb::payment::Tender::GiftCard, 390),
        payment("p2", "stripe", pb::payment::Tender::Card, 5000),
    ];
    pb::Order { payments, ..order(id) }
}

fn before(span: Duration) -> clock::Timestamp {
    clock::Timestamp(START.0 - i64::try_from(span.as_micros()).unwrap())
}

/// A refusal as a caller sees it: code, reason, message, then its details in a fixed order.
pub(crate) fn told(status: &Status) -> String {
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    let mut text = format!("{:?} {}: {}", status.code(), info.reason, status.message());
    let mut metadata: Vec<_> = info.metadata.iter().collect();
    metadata.sort();
    for (key, value) in metadata {
        write!(text, "\n{key} = {value}").unwrap();
    }
    for violation in details.bad_request().iter().flat_map(|bad| &bad.field_violations) {
        write!(text, "\n{}: {}", violation.field, violation.description).unwrap();
    }
    text
}
