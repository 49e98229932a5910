//! The calls that change a refund, as the service's handlers serve them, each on an order of its
//! own, and what has to be true of them afterwards.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use prost::Message as _;
use redress_core::caller::{Caller, Role};
use redress_core::clock::Clock as _;
use redress_core::id::{OrderId, RefundId, TenantId};
use redress_proto::common::v1::{self as common, ApplyTenantRequest};
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::refund_service_server::RefundService as _;
use redress_refunds::app::{Batches, Connections, Refunds};
use redress_refunds::domain::attempt::Reason;
use redress_refunds::domain::refund::{Refund, RefundState};
use redress_refunds::domain::settle::{AttemptFinding, Finding};
use redress_refunds::grpc::RefundGrpc;
use redress_refunds::provider::SharedProvider;
use redress_refunds::store::{Claim, Page, RefundFilter, SharedStore};
use redress_refunds::worker::WorkSignals;
use redress_store::Tenants;
use tonic::{Request, Status};

use crate::api::support::{
    Api, acceptance, euros, open_empty, order, payment, policy, settings_of,
};
use crate::sandbox::{Bench, connector, terms};
use crate::shop::{Shop, payment_of};
use crate::worker::{at_rest, hire_for, workshop};

/// What a quote for an order offers: 50.00 of tickets less a tenth, in minor units.
const OFFERED: i64 = 4_500;

/// A call that can be sent again and again, and a refund that it is about.
type Call = Box<dyn Fn(RefundGrpc) -> BoxFuture<'static, Result<Vec<u8>, Status>> + Send + Sync>;

/// Which call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Quote,
    Create,
    Approve,
    Cancel,
    Retry,
    Resolve,
}

/// A call that is about to be made.
pub(super) struct Scene {
    kind: Kind,
    order: OrderId,
    call: Call,
    /// Money that refunds of all orders held before it, in minor units.
    reserved: i64,
    decisions: usize,
}

/// A tenant's service, its workers' provider, and everything they have.
pub(super) struct Desk {
    api: Api,
    shop: Shop,
    bench: Bench,
    provider: SharedProvider,
    orders: usize,
    to_be_paid: i64,
}

/// A service in the database at `url`, of a tenant whose agents refund nothing alone.
pub(super) async fn open_desk(url: String) -> Desk {
    let api = open_empty(url).await;
    let limit = common::ApprovalLimit { role: common::Role::Agent.into(), limit: euros(0) };
    let tenant = common::Tenant { approval_limits: vec![limit], ..settings_of("arena") };
    let request = ApplyTenantRequest { tenant: Some(tenant) };
    api.tenants("arena").apply_tenant(request).await.unwrap();
    api.apply_policy(policy()).await;
    let bench = Bench::start().await;
    let provider = Arc::new(connector(&bench.base_url(), terms()));
    let shop = Shop {
        database: api.database.clone(),
        store: Arc::clone(&api.store),
        clock: Arc::clone(&api.clock),
        ids: Arc::clone(&api.ids),
        tenant: TenantId::new("arena").unwrap(),
    };
    Desk { api, shop, bench, provider, orders: 0, to_be_paid: 0 }
}

/// `message` as `subject` sends it.
fn by<T>(subject: &str, role: Role, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Caller {
        tenant: TenantId::new("arena").unwrap(),
        subject: subject.to_owned(),
        issuer: "tests".to_owned(),
        roles: vec![role],
    });
    request
}

/// A call of `$method` with `$message` by a supervisor, or by `$role`.
macro_rules! call {
    ($method:ident, $message:expr) => {
        call!($method, $message, Role::Supervisor)
    };
    ($method:ident, $message:expr, $role:expr) => {{
        let message = $message;
        let call: Call = Box::new(move |service| {
            let request = by(&format!("{:?}", $role), $role, message.clone());
            async move { Ok(service.$method(request).await?.into_inner().encode_to_vec()) }.boxed()
        });
        call
    }};
}

impl Desk {
    /// The service over `store`, in a process of its own.
    pub(super) fn service(&self, store: &SharedStore) -> RefundGrpc {
        let Shop { database, clock, ids, .. } = &self.shop;
        RefundGrpc::new(Refunds {
            batches: Batches::new(Arc::clone(store), Arc::clone(ids)),
            store: Arc::clone(store),
            tenants: Arc::new(Tenants::new(database.clone(), clock.clone())),
            connections: Arc::new(Connections::of(&[Arc::clone(&self.provider)])),
            clock: clock.clone(),
            ids: Arc::clone(ids),
            signals: WorkSignals::default(),
            quote_validity: Duration::from_mins(30),
            pay_within: Duration::from_hours(24 * 14),
        })
    }

    pub(super) const fn store(&self) -> &SharedStore {
        &self.shop.store
    }

    fn living(&self) -> RefundGrpc {
        self.service(&self.shop.store)
    }

    /// A further order in the state in which `kind` is called about it.
    pub(super) async fn scene(&mut self, kind: Kind) -> Scene {
        self.orders += 1;
        let id = format!("A{}", self.orders);
        self.import(&id, if kind == Kind::Resolve { "giftcard" } else { "stripe" }).await;
        let call = self.prepare(kind, &id).await;
        let order = OrderId::new(&*id).unwrap();
        let reserved = self.reserved().await;
        let decisions = self.decisions(&order).await;
        Scene { kind, order, call, reserved, decisions }
    }

    async fn import(&self, id: &str, provider: &str) {
        let mut paid = payment("p1", provider, pb::payment::Tender::Card, 5_390);
        paid.provider_reference = payment_of(id);
        self.bench.seed(&paid.provider_reference, 5_390, "EUR").await;
        let order = pb::Order { payments: vec![paid], ..order(id) };
        assert_eq!(self.api.import(vec![order]).await.created, 1);
    }

    async fn prepare(&self, kind: Kind, order: &str) -> Call {
        if kind == Kind::Retry {
            // What earlier retries armed must not be taken for what is refused below.
            self.assert_paid_once(kind).await;
        }
        let quote = pb::QuoteRefundRequest {
            order: format!("orders/{order}"),
            request_id: self.api.request_id(),
            ..Default::default()
        };
        let call = call!(quote_refund, quote);
        if kind == Kind::Quote {
            return call;
        }
        let quote = pb::Quote::decode(&*call(self.living()).await.unwrap()).unwrap();
        let role = if kind == Kind::Approve { Role::Agent } else { Role::Supervisor };
        let call = call!(create_refund, acceptance(&quote, &self.api.request_id()), role);
        if kind == Kind::Create {
            return call;
        }
        let refund = pb::Refund::decode(&*call(self.living()).await.unwrap()).unwrap();
        let (name, request_id) = (refund.name.clone(), self.api.request_id());
        let (reason, etag) = ("a reason".to_owned(), String::new());
        match kind {
            Kind::Approve => {
                assert_eq!(refund.state(), pb::refund::State::PendingApproval);
                call!(approve_refund, pb::ApproveRefundRequest { name, request_id, etag, reason })
            }
            Kind::Cancel => {
                call!(cancel_refund, pb::CancelRefundRequest { name, request_id, etag, reason })
            }
            Kind::Retry => {
                self.refuse_what_is_armed().await;
                call!(retry_refund, pb::RetryRefundRequest { name, request_id, etag, reason })
            }
            Kind::Quote | Kind::Create | Kind::Resolve => {
                let resolve = pb::ResolveAttemptRequest {
                    name,
                    attempt_id: refund.attempts[0].attempt_id.clone(),
                    outcome: pb::resolve_attempt_request::Outcome::Paid.into(),
                    provider_reference: "transfer 17".to_owned(),
                    reason,
                    request_id,
                    etag,
                };
                call!(resolve_attempt, resolve)
            }
        }
    }

    /// Does what a worker does when the provider's account is empty.
    async fn refuse_what_is_armed(&self) {
        let now = self.shop.clock.now();
        let lease = Duration::from_mins(1);
        let claim = Claim { provider: "stripe", claim: "refuser", limit: 1, now, lease };
        let attempts = self.shop.store.claim_to_send(&claim, None).await.unwrap().attempts;
        let reason = Reason::InsufficientBalance;
        let refused = |attempt: redress_refunds::domain::attempt::Attempt| AttemptFinding {
            tenant: attempt.tenant,
            attempt: attempt.id,
            claim: attempt.claim,
            finding: Finding::Refused { reason, provider_refund: String::new() },
        };
        let findings: Vec<_> = attempts.into_iter().map(refused).collect();
        let ids = &*self.shop.ids;
        assert_eq!(self.shop.store.settle(&findings, ids, now).await.unwrap(), 1);
    }

    /// What refunds hold, in minor units, when the books balance at this instant.
    async fn reserved(&self) -> i64 {
        let sums = self.shop.store.ledger_sums(&self.shop.tenant).await.unwrap();
        assert!(sums.len() <= 1, "{sums:?}");
        for sums in &sums {
            assert_eq!(sums.differences(), Vec::<String>::new());
        }
        sums.first().map_or(0, |sums| sums.reserved)
    }

    async fn refunds(&self, order: &OrderId) -> Vec<Refund> {
        let filter = RefundFilter { order: Some(order.as_str().to_owned()), ..Default::default() };
        let page = Page { size: 10, after: None, count: false };
        self.shop.store.list_refunds(&self.shop.tenant, &filter, &page).await.unwrap().rows
    }

    /// How much was decided about the refunds of an order.
    async fn decisions(&self, order: &OrderId) -> usize {
        let mut count = 0;
        for refund in self.refunds(order).await {
            let name = refund.id.resource_name();
            let audited = self.shop.store.audit_of(&self.shop.tenant, &name).await.unwrap();
            count += audited.len();
        }
        count
    }

    /// Makes the call.
    pub(super) fn make(&self, scene: &Scene, store: &SharedStore) -> BoxFuture<'static, Answer> {
        (scene.call)(self.service(store))
    }

    /// What `scene`'s call does is done whole or not at all, and its repetition does it once:
    /// `answer` is what the caller was told, if it was told.
    pub(super) async fn assert_once(&mut self, scene: Scene, answer: Option<Vec<u8>>, cut: &str) {
        let (kind, change) = (scene.kind, scene.kind.reserves());
        let reserved = self.reserved().await - scene.reserved;
        assert!(reserved == 0 || reserved == change, "{kind:?} {cut}: {reserved} is reserved");
        let repeated = (scene.call)(self.living()).await.unwrap();
        let again = (scene.call)(self.living()).await.unwrap();
        assert_eq!(repeated, again, "{kind:?} {cut}");
        assert!(answer.is_none_or(|told| told == again), "{kind:?} {cut}: told something else");
        let reserved = self.reserved().await - scene.reserved;
        assert_eq!(reserved, change, "{kind:?} {cut}");
        let decisions = self.decisions(&scene.order).await - scene.decisions;
        assert_eq!(decisions, usize::from(kind != Kind::Quote), "{kind:?} {cut}");
        let refunds = self.refunds(&scene.order).await;
        assert_eq!(refunds.len(), usize::from(kind != Kind::Quote), "{kind:?} {cut}");
        if let [refund] = refunds.as_slice() {
            assert_eq!(refund.state, kind.leads_to(), "{kind:?} {cut}");
        }
        let is_sent = matches!(kind, Kind::Create | Kind::Approve | Kind::Retry);
        self.to_be_paid += i64::from(is_sent);
    }

    /// Lets the workers pay all that there is to pay: each refund once, by the provider's count.
    pub(super) async fn assert_paid_once(&self, kind: Kind) {
        let mut ids: Vec<RefundId> = Vec::new();
        for order in 1..=self.orders {
            let order = OrderId::new(format!("A{order}")).unwrap();
            ids.extend(self.refunds(&order).await.into_iter().map(|refund| refund.id));
        }
        let crew = hire_for(workshop(&self.shop), Arc::clone(&self.provider));
        at_rest(&self.shop, &ids).await;
        crew.dismiss().await;
        let totals = self.bench.totals().await;
        assert_eq!(totals["refunds_made"], self.to_be_paid, "{kind:?}: {totals}");
        if self.to_be_paid > 0 {
            let paid = &totals["refunded_minor_units_by_currency"]["EUR"];
            assert_eq!(*paid, OFFERED * self.to_be_paid, "{kind:?}: {totals}");
            assert_eq!(totals["max_refunds_per_payment_intent"], 1, "{kind:?}: {totals}");
        }
        assert_eq!(self.reserved().await, 0, "{kind:?}");
        let recount = self.shop.store.recount(&self.shop.tenant).await.unwrap();
        assert_eq!(recount.differences(), Vec::<String>::new(), "{kind:?}");
    }
}

/// What a call came to: an encoded message, or a refusal.
type Answer = Result<Vec<u8>, Status>;

impl Kind {
    /// By how much the call changes what refunds hold, in minor units.
    const fn reserves(self) -> i64 {
        match self {
            Self::Quote | Self::Approve => 0,
            Self::Create | Self::Retry => OFFERED,
            Self::Cancel | Self::Resolve => -OFFERED,
        }
    }

    /// Where the refund stands after the call.
    const fn leads_to(self) -> RefundState {
        match self {
            Self::Quote | Self::Create | Self::Approve => RefundState::Queued,
            Self::Cancel => RefundState::Cancelled,
            Self::Retry => RefundState::Processing,
            Self::Resolve => RefundState::Succeeded,
        }
    }
}
