//! A refunds database with paid orders, and a clock that the test moves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use redress_core::caller::Role;
use redress_core::clock::{Clock as _, ManualClock, Timestamp};
use redress_core::id::{
    AuditRecordId, CustomerId, DisruptionId, EventId, Ids, OrderId, PaymentId, PolicyId, QuoteId,
    RefundId, TenantId,
};
use redress_core::money::{Currency, Money};
use redress_policy::{Citation, LegalClock, LineKind};
use redress_refunds::domain::attempt::{Attempt, AttemptState, Reason};
use redress_refunds::domain::audit::{AuditAction, AuditEntry};
use redress_refunds::domain::disruption::{
    Change, Disruption, DisruptionEvent, DisruptionState, ItemPlan, Scope, Terms, plan_item,
};
use redress_refunds::domain::order::{
    Contact, Order, OrderLine, OrderState, Payment, PaymentCounters, Tender,
};
use redress_refunds::domain::price::{Price, QuoteLine, Routing, TenderShare};
use redress_refunds::domain::quote::Quote;
use redress_refunds::domain::refund::{Refund, RefundTerms};
use redress_refunds::store::{
    self, Advanced, CreateOutcome, ImportOutcome, ImportedOrder, NewRefund, Offer, RequestRecord,
    Selection, SharedStore, Step,
};
use redress_store::{Database, DatabaseSettings, migrate};
use redress_testkit::clock::START;
use redress_testkit::{clock, ids};

const DAY: Duration = Duration::from_hours(24);

/// What a test of workers and webhooks works with.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) database: Database,
    pub(crate) store: SharedStore,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) ids: Ids,
    pub(crate) tenant: TenantId,
}

/// An empty, migrated database.
pub(crate) async fn open(url: String) -> Shop {
    let database = Database::connect(&DatabaseSettings::new(url)).await.unwrap();
    migrate(&database, &store::SCHEMA).await.unwrap();
    Shop {
        store: store::open(database.clone()),
        database,
        clock: clock::manual(),
        ids: ids::counting(),
        tenant: TenantId::new("arena").unwrap(),
    }
}

/// The provider's id of an order's payment.
pub(crate) fn payment_of(order: &str) -> String {
    format!("pi_{order}")
}

/// One ticket of 12.50 EUR for the derby, paid by card through `provider`.
fn order_on(id: &str, provider: &str) -> Order {
    let ticket = OrderLine {
        id: "t1".to_owned(),
        kind: LineKind::Ticket,
        event: EventId::new("derby").unwrap(),
        title: "Main stand".to_owned(),
        event_start: START.plus(DAY * 10),
        event_end: None,
        event_time_zone: "Europe/Berlin".to_owned(),
        place: String::new(),
        section: String::new(),
        carrier: String::new(),
        trip: None,
        units: 1,
        gross: 1_250,
        tax: 0,
        discount: 0,
        discount_id: None,
        traveller_ids: Vec::new(),
        committed: 0,
        committed_units: 0,
        refunding: 0,
        repriced: 0,
        over_refunded: false,
    };
    let payment = Payment {
        id: PaymentId::new("p1").unwrap(),
        tender: Tender::Card,
        provider: provider.to_owned(),
        provider_reference: payment_of(id),
        captured: 1_250,
        points: 0,
        elsewhere_reported: 0,
        refunded_elsewhere: 0,
        capture_time: START,
        counters: PaymentCounters::default(),
    };
    Order {
        id: OrderId::new(id).unwrap(),
        source_version: 1,
        customer: CustomerId::new("c-1").unwrap(),
        contact: Contact::default(),
        purchase_time: START,
        state: OrderState::Placed,
        policy: None,
        policy_version: None,
        sales_channel: String::new(),
        place_of_sale: String::new(),
        travellers: Vec::new(),
        discounts: Vec::new(),
        currency: "EUR".parse().unwrap(),
        total: 1_250,
        lines: vec![ticket],
        payments: vec![payment],
    }
}

fn order(id: &str) -> Order {
    order_on(id, "stripe")
}

impl Shop {
    /// Imports orders of 12.50 EUR each.
    pub(crate) async fn import(&self, orders: &[String]) {
        self.import_all(orders.iter().map(|id| order(id)).collect()).await;
    }

    async fn import_all(&self, orders: Vec<Order>) {
        let imported: Vec<_> =
            orders.into_iter().map(|order| ImportedOrder { order, digest: [7; 32] }).collect();
        for chunk in imported.chunks(100) {
            let now = self.clock.now();
            let outcomes =
                self.store.import_orders(&self.tenant, chunk, None, &*self.ids, now).await;
            assert!(outcomes.unwrap().iter().all(|outcome| *outcome == ImportOutcome::Created));
        }
    }

    /// Imports an order and stores a refund of all of it, ready to be sent.
    pub(crate) async fn refund(&self, order_id: &str) -> RefundId {
        self.refund_on(order_id, "stripe").await
    }

    /// The same for an order that was paid through `provider`.
    pub(crate) async fn refund_on(&self, order_id: &str, provider: &str) -> RefundId {
        let new = self.new_refund_of(order_on(order_id, provider)).await;
        let outcomes = self.store.create_refunds(std::slice::from_ref(&new), &*self.ids).await;
        assert_eq!(outcomes.unwrap(), [CreateOutcome::Created]);
        new.refund.id
    }

    /// Imports an order and makes a refund of all of it, which is not stored yet.
    pub(crate) async fn new_refund(&self, order_id: &str) -> NewRefund {
        self.new_refund_of(order(order_id)).await
    }

    async fn new_refund_of(&self, order: Order) -> NewRefund {
        self.import_all(vec![order.clone()]).await;
        let now = self.clock.now();
        let quote = self.quote(&order);
        let record = self.record("QuoteRefund");
        self.store.create_quote(&self.tenant, &quote, &record, now).await.unwrap();
        let terms = RefundTerms {
            tenant: self.tenant.clone(),
            order: order.id,
            customer: order.customer,
            disruption: None,
            override_code: None,
            needs_approval: false,
            legal_clock: quote.legal_clock.clone(),
            expected_arrival: None,
            requester: "agent".to_owned(),
            traceparent: None,
        };
        let refund = Refund::new(terms, &quote.price, &*self.ids, now);
        NewRefund {
            offer: Offer::Stored(quote.id),
            expected_refundable: None,
            once_for: Vec::new(),
            audit: self.audit(&refund),
            request: self.record("CreateRefund"),
            refund,
        }
    }

    pub(crate) fn audit(&self, refund: &Refund) -> AuditEntry {
        AuditEntry {
            tenant: refund.tenant.clone(),
            id: AuditRecordId::fresh(&*self.ids),
            actor: refund.requester.clone(),
            roles: Vec::new(),
            action: AuditAction::REFUND_CREATED,
            resource: refund.id.resource_name(),
            reason: String::new(),
            details: BTreeMap::new(),
            at: refund.created,
        }
    }

    fn quote(&self, order: &Order) -> Quote {
        let line = QuoteLine {
            line_id: "t1".to_owned(),
            units: 1,
            gross: 1_250,
            fee: 0,
            refund: 1_250,
            tax: 0,
            clawback: 0,
            rule: "full".to_owned(),
            citation: None,
            compensation: None,
            path: Vec::new(),
            explanation: Vec::new(),
        };
        let share = TenderShare {
            payment: order.payments[0].id.clone(),
            provider: order.payments[0].provider.clone(),
            payment_reference: payment_of(order.id.as_str()),
            amount: 1_250,
            by_hand: None,
        };
        let now = self.clock.now();
        Quote {
            id: QuoteId::fresh(&*self.ids),
            order: order.id.clone(),
            price: Price {
                currency: order.currency,
                total: 1_250,
                lines: vec![line],
                shares: vec![share],
                repriced: Vec::new(),
            },
            policy: PolicyId::new("standard").unwrap(),
            policy_version: 1,
            citation: Citation { title: "Terms".to_owned(), uri: String::new() },
            legal_clock: LegalClock {
                start: now,
                due: now.plus(DAY * 14),
                time_zone: "UTC".to_owned(),
                law: Citation { title: "Terms".to_owned(), uri: String::new() },
                uncertainty: None,
            },
            expected_arrival: None,
            expires: now.plus(DAY),
            override_code: None,
            evidence: Vec::new(),
            uncertainties: Vec::new(),
            once_for: Vec::new(),
            needs_approval: false,
        }
    }

    pub(crate) fn record(&self, method: &'static str) -> RequestRecord {
        RequestRecord {
            method,
            request_id: self.ids.next_id(),
            fingerprint: [0; 32],
            response: Vec::new(),
        }
    }

    /// A refund with its attempts, as stored.
    pub(crate) async fn stored(&self, id: &RefundId) -> Refund {
        self.store.refund(&self.tenant, id).await.unwrap().unwrap()
    }

    /// The only attempt of a refund.
    pub(crate) async fn attempt(&self, id: &RefundId) -> Attempt {
        let mut attempts = self.stored(id).await.attempts;
        assert_eq!(attempts.len(), 1);
        attempts.remove(0)
    }

    /// The states of a refund's attempts, first to last.
    pub(crate) async fn attempt_states(&self, id: &RefundId) -> Vec<AttemptState> {
        let mut attempts = self.stored(id).await.attempts;
        attempts.sort_by_key(|attempt| attempt.ordinal);
        attempts.into_iter().map(|attempt| attempt.state).collect()
    }

    /// Cancels the derby for `orders` and starts its refunds.
    pub(crate) async fn cancel_derby(&self, orders: &[String]) -> DisruptionId {
        let now = self.clock.now();
        let draft = Disruption {
            tenant: self.tenant.clone(),
            id: DisruptionId::fresh(&*self.ids),
            scope: Scope::of_event(EventId::new("derby").unwrap()),
            change: Change::Cancelled,
            terms: Terms::default(),
            state: DisruptionState::Draft,
            scope_orders: i64::try_from(orders.len()).unwrap(),
            requester: "agent".to_owned(),
            approver: None,
            traceparent: None,
            version: 1,
            created: now,
            updated: now,
        };
        let record = self.record("CreateDisruption");
        let audit = self.audit_of(&draft);
        self.store.create_disruption(&draft, &audit, &record, &*self.ids).await.unwrap();
        let plan = |id: &String| plan_item(&order(id), draft.rules(), &OnStripe, now).unwrap();
        let plans: Vec<ItemPlan> = orders.iter().map(plan).collect();
        self.store.freeze_items(&draft, &plans).await.unwrap();
        let count = Some(i64::try_from(plans.len()).unwrap());
        let approved = self.advance(&draft, DisruptionEvent::Approve, count).await;
        self.advance(&approved, DisruptionEvent::Start, None).await;
        draft.id
    }

    async fn advance(
        &self,
        disruption: &Disruption,
        event: DisruptionEvent,
        items: Option<i64>,
    ) -> Disruption {
        let record = self.record("AdvanceDisruption");
        let state = disruption.state.next(event).unwrap();
        let next = Disruption { state, version: disruption.version + 1, ..disruption.clone() };
        let audit = self.audit_of(&next);
        let euros = "EUR".parse().unwrap();
        let agreed = items.map(|orders| Selection {
            orders,
            sums: vec![Money { currency: euros, minor_units: 1_250 * orders }],
        });
        let step = Step {
            event,
            agreed: agreed.as_ref(),
            orders: &[],
            audit: &audit,
            record: &|_| record.clone(),
        };
        let advanced = self.store.advance_disruption(&next, &step, &*self.ids).await.unwrap();
        assert!(matches!(advanced, Advanced::Done(_)), "{advanced:?}");
        next
    }

    fn audit_of(&self, disruption: &Disruption) -> AuditEntry {
        AuditEntry {
            tenant: self.tenant.clone(),
            id: AuditRecordId::fresh(&*self.ids),
            actor: "agent".to_owned(),
            roles: vec![Role::Supervisor],
            action: AuditAction::DISRUPTION_CREATED,
            resource: disruption.id.resource_name(),
            reason: String::new(),
            details: BTreeMap::new(),
            at: disruption.updated,
        }
    }
}

/// Everything is sent on Stripe, in single units.
struct OnStripe;

impl Routing for OnStripe {
    fn step(&self, _: &str, _: Timestamp, _: Currency, _: Timestamp) -> Result<i64, Reason> {
        Ok(1)
    }
}
