//! What a store of refunds must do, on both databases.
//!
//! Invariant: every method of the trait is hit by at least one case here, and whatever a case does
//! to money, [`Fixture::assert_books`] has nothing to say afterwards.

mod accepting;
mod acting;
mod adjusting;
mod audit;
mod courses;
mod deadlines;
mod disruptions;
mod external;
mod importing;
mod isolation;
mod items;
mod lanes;
mod ledger;
mod looking_up;
mod pinning;
mod policies;
mod reading;
mod reconcile;
mod sending;
mod tampering;
mod tenders;
mod walk;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures::future::BoxFuture;
use redress_core::clock::Timestamp;
use redress_core::id::{
    AuditRecordId, Ids, OrderId, PaymentId, PolicyId, QuoteId, RefundId, TenantId,
};
use redress_core::money::Currency;
use redress_policy::{Citation, LegalClock};
use redress_store::{Database, DatabaseSettings, StoreError, migrate};
use redress_testkit::clock::START;
use redress_testkit::ids;

use super::{
    ActOutcome, Claim, CreateOutcome, Decision, DisruptionFilter, ImportOutcome, ImportedOrder,
    NewRefund, Offer, OrderFilter, Page, RefundFilter, RequestRecord, SCHEMA, SharedStore,
    StoredQuote, open,
};
use crate::domain::act::Action;
use crate::domain::attempt::{Attempt, AttemptState, Reason};
use crate::domain::audit::{AuditAction, AuditEntry};
use crate::domain::fact::Fact;
use crate::domain::order::{Order, Payment, Tender, tests};
use crate::domain::price::{Price, QuoteLine, TenderShare};
use crate::domain::quote::Quote;
use crate::domain::refund::{Refund, RefundTerms};
use crate::domain::settle::{AttemptFinding, Finding};
use crate::events;

/// How long a claim is held in these cases.
const LEASE: Duration = Duration::from_mins(1);

/// The provider that Redress sends to in these cases.
const STRIPE: &str = "stripe";

/// A migrated store.
struct Fixture {
    database: Database,
    store: SharedStore,
    ids: Ids,
}

async fn open_fixture(url: String) -> Fixture {
    let database = Database::connect(&DatabaseSettings::new(url)).await.unwrap();
    for _ in 0..2 {
        migrate(&database, &SCHEMA).await.unwrap();
    }
    Fixture { store: open(database.clone()), database, ids: ids::counting() }
}

/// So many seconds after the start.
fn at(seconds: i64) -> Timestamp {
    Timestamp(START.0 + seconds * 1_000_000)
}

fn arena() -> TenantId {
    TenantId::new("arena").unwrap()
}

fn other() -> TenantId {
    TenantId::new("other").unwrap()
}

fn euro() -> Currency {
    "EUR".parse().unwrap()
}

/// An order of 53.90 EUR, paid by card: tickets p1 (30.00) and p2 (20.00) and a fee f1 (3.90).
fn order(id: &str) -> Order {
    Order { id: OrderId::new(id).unwrap(), ..tests::order() }
}

/// The same order, paid with 40.00 EUR by card and the rest as given.
fn split_order(id: &str, second: (&str, Tender)) -> Order {
    let (provider, tender) = second;
    let payments = vec![
        tests::payment("p1", STRIPE, Tender::Card, 4000),
        tests::payment("p2", provider, tender, 1390),
    ];
    Order { payments, ..order(id) }
}

/// The order with a digest that tells its content from any other.
fn imported(order: Order) -> ImportedOrder {
    let mut digest = [0; 32];
    for (at, byte) in serde_json::to_vec(&order).unwrap().into_iter().enumerate() {
        let slot: &mut u8 = &mut digest[at % 32];
        *slot = slot.wrapping_mul(31).wrapping_add(byte);
    }
    ImportedOrder { order, digest }
}

/// What a refund takes up of lines, without a fee, and pays on payments of providers. Gift cards
/// are not connected.
fn price(lines: &[(&str, i64)], shares: &[(&str, &str, i64)]) -> Price {
    let line = |&(id, amount): &(&str, i64)| QuoteLine {
        line_id: id.to_owned(),
        // These cases take lines apart by amount, not by unit.
        units: 0,
        gross: amount,
        fee: 0,
        refund: amount,
        tax: 0,
        clawback: 0,
        rule: "early".to_owned(),
        citation: None,
        compensation: None,
        path: Vec::new(),
        explanation: Vec::new(),
    };
    let share = |&(payment, provider, amount): &(&str, &str, i64)| TenderShare {
        payment: PaymentId::new(payment).unwrap(),
        provider: provider.to_owned(),
        payment_reference: format!("ref-{payment}"),
        amount,
        by_hand: (provider == "giftcard").then_some(Reason::NoConnector),
    };
    Price {
        currency: euro(),
        total: shares.iter().map(|(_, _, amount)| amount).sum(),
        lines: lines.iter().map(line).collect(),
        shares: shares.iter().map(share).collect(),
        repriced: Vec::new(),
    }
}

/// So much of ticket p1, on the card.
fn by_card(amount: i64) -> Price {
    price(&[("p1", amount)], &[("p1", STRIPE, amount)])
}

fn request(id: &str) -> RequestRecord {
    RequestRecord {
        method: "RefundService/CreateRefund",
        request_id: id.to_owned(),
        fingerprint: [7; 32],
        response: id.as_bytes().to_vec(),
    }
}

/// An entry of the audit log about a refund.
fn audit(action: AuditAction, refund: &Refund, id: &str) -> AuditEntry {
    AuditEntry {
        tenant: refund.tenant.clone(),
        id: AuditRecordId::new(id).unwrap(),
        actor: refund.requester.clone(),
        roles: Vec::new(),
        action,
        resource: refund.id.resource_name(),
        reason: String::new(),
        details: BTreeMap::new(),
        at: START,
    }
}

fn first_page() -> Page {
    Page { size: 1000, after: None, count: true }
}

/// What was found out about an attempt by whoever holds it.
fn found(attempt: &Attempt, finding: Finding) -> AttemptFinding {
    AttemptFinding {
        tenant: attempt.tenant.clone(),
        attempt: attempt.id.clone(),
        claim: attempt.claim.clone(),
        finding,
    }
}

fn paid(attempt: &Attempt) -> AttemptFinding {
    found(attempt, Finding::Succeeded { provider_refund: format!("re_{}", attempt.id) })
}

/// What the outbox holds when it has announced `facts`: type and payload.
fn announced(facts: &[Fact]) -> Vec<(String, Vec<u8>)> {
    events::encode_all(facts, &*ids::counting(), START)
        .into_iter()
        .map(|event| (event.event_type.to_owned(), event.payload))
        .collect()
}

/// Makes a call again while the pool has no connection left, which says nothing about the store.
/// Any other trouble, a deadlock above all, is the caller's.
async fn patiently<'a, T>(
    call: impl Fn() -> BoxFuture<'a, Result<T, StoreError>>,
) -> Result<T, StoreError> {
    loop {
        match call().await {
            Err(StoreError::Unavailable(cause))
                if matches!(cause.downcast_ref(), Some(sqlx::Error::PoolTimedOut)) => {}
            outcome => return outcome,
        }
    }
}

/// A clock that ends at `due`.
fn clock(due: Timestamp) -> LegalClock {
    LegalClock {
        start: START,
        due,
        time_zone: "Europe/Berlin".to_owned(),
        law: Citation { title: "Terms".to_owned(), uri: String::new() },
        uncertainty: None,
    }
}

/// What a refund that accepts a quote is made of.
fn terms(quote: &Quote) -> RefundTerms {
    RefundTerms {
        tenant: arena(),
        order: quote.order.clone(),
        customer: tests::order().customer,
        disruption: None,
        override_code: None,
        needs_approval: quote.needs_approval,
        legal_clock: quote.legal_clock.clone(),
        expected_arrival: Some(at(30)),
        requester: "agent-1".to_owned(),
        traceparent: None,
    }
}

impl Fixture {
    async fn import(&self, orders: impl IntoIterator<Item = Order>) -> Vec<ImportOutcome> {
        let orders: Vec<_> = orders.into_iter().map(imported).collect();
        self.store.import_orders(&arena(), &orders, None, &*self.ids, START).await.unwrap()
    }

    async fn order(&self, id: &str) -> Order {
        let ids = [OrderId::new(id).unwrap()];
        self.store.orders(&arena(), &ids).await.unwrap().pop().unwrap()
    }

    async fn payment(&self, order: &str, payment: &str) -> Payment {
        let payments = self.order(order).await.payments;
        payments.into_iter().find(|found| found.id.as_str() == payment).unwrap()
    }

    /// A quote as it is stored.
    async fn quote(&self, id: &QuoteId) -> Option<StoredQuote> {
        self.store.quotes(&[(arena(), id.clone())]).await.unwrap().remove(0)
    }

    /// Stores a quote for an order.
    async fn offer(&self, order: &str, price: Price) -> Quote {
        let quote = Quote {
            id: QuoteId::fresh(&*self.ids),
            order: OrderId::new(order).unwrap(),
            price,
            policy: PolicyId::new("standard").unwrap(),
            policy_version: 1,
            citation: Citation { title: "Terms".to_owned(), uri: String::new() },
            legal_clock: clock(at(9)),
            expected_arrival: None,
            expires: at(5),
            override_code: None,
            evidence: Vec::new(),
            uncertainties: Vec::new(),
            once_for: Vec::new(),
            needs_approval: false,
        };
        let request =
            RequestRecord { method: "RefundService/QuoteRefund", ..request(quote.id.as_str()) };
        let tenant = arena();
        patiently(|| self.store.create_quote(&tenant, &quote, &request, START)).await.unwrap();
        quote
    }

    /// The refund that accepts a quote; not stored.
    fn acceptance(&self, quote: &Quote) -> Refund {
        Refund::new(terms(quote), &quote.price, &*self.ids, START)
    }

    /// Accepts a quote under a request id.
    async fn create(
        &self,
        refund: &Refund,
        quote: &Quote,
        id: &str,
    ) -> Result<CreateOutcome, StoreError> {
        let new = [self.to_create(refund, quote, id)];
        let outcomes = patiently(|| self.store.create_refunds(&new, &*self.ids)).await?;
        let [outcome] = outcomes.try_into().unwrap();
        Ok(outcome)
    }

    /// A refund that accepts a stored quote, to be created.
    fn to_create(&self, refund: &Refund, quote: &Quote, request_id: &str) -> NewRefund {
        NewRefund {
            refund: refund.clone(),
            offer: Offer::Stored(quote.id.clone()),
            expected_refundable: None,
            once_for: quote.once_for.clone(),
            audit: audit(AuditAction::REFUND_CREATED, refund, &self.ids.next_id()),
            request: request(request_id),
        }
    }

    /// Quotes and accepts.
    async fn refund(&self, order: &str, price: Price) -> Refund {
        let quote = self.offer(order, price).await;
        let refund = self.acceptance(&quote);
        let outcome = self.create(&refund, &quote, refund.id.as_str()).await.unwrap();
        assert_eq!(outcome, CreateOutcome::Created);
        refund
    }

    /// Runs a statement past the store.
    async fn execute(&self, sql: &'static str) -> Result<(), StoreError> {
        match &self.database {
            Database::Sqlite(sqlite) => {
                let mut tx = sqlite.begin().await?;
                sqlx::query(sql).execute(&mut *tx).await?;
                sqlite.commit(tx).await
            }
            Database::Postgres(postgres) => {
                sqlx::query(sql).execute(&postgres.pool).await?;
                Ok(())
            }
        }
    }

    /// Carries a decision about a refund out, which must be allowed.
    async fn decide(&self, id: &RefundId, action: &Action, actor: &str) -> Refund {
        match self.try_deciding(id, action, actor, None).await {
            Ok(ActOutcome::Done(refund)) => *refund,
            outcome => panic!("{action:?} by {actor}: {outcome:?}"),
        }
    }

    /// Tries a decision about a refund, under a request id of its own.
    async fn try_deciding(
        &self,
        id: &RefundId,
        action: &Action,
        actor: &str,
        expected_version: Option<i64>,
    ) -> Result<ActOutcome, StoreError> {
        let (audit_id, request_id) = (self.ids.next_id(), self.ids.next_id());
        let decision = Decision {
            action,
            actor,
            expected_version,
            audit: &|refund| AuditEntry {
                actor: actor.to_owned(),
                ..audit(action.audit_action(), refund, &audit_id)
            },
            record: &|refund| RequestRecord {
                response: refund.state.as_str().as_bytes().to_vec(),
                ..request(&request_id)
            },
        };
        let tenant = arena();
        patiently(|| Box::pin(self.store.act(&tenant, id, &decision, &*self.ids, START))).await
    }

    async fn read(&self, id: &RefundId) -> Refund {
        self.store.refund(&arena(), id).await.unwrap().unwrap()
    }

    async fn send(&self, claim: &str, limit: i64, now: Timestamp) -> Vec<Attempt> {
        let claim = Claim { provider: STRIPE, claim, limit, now, lease: LEASE };
        patiently(|| self.store.claim_to_send(&claim, None)).await.unwrap().attempts
    }

    async fn look_up(&self, claim: &str, limit: i64, now: Timestamp) -> Vec<Attempt> {
        let claim = Claim { provider: STRIPE, claim, limit, now, lease: LEASE };
        patiently(|| self.store.claim_to_look_up(&claim)).await.unwrap()
    }

    /// Settles, and returns how many findings were applied.
    async fn settle(&self, findings: &[AttemptFinding], now: Timestamp) -> usize {
        patiently(|| self.store.settle(findings, &*self.ids, now)).await.unwrap()
    }

    /// Settles one finding, which must be applied, and checks the books.
    async fn learn(&self, attempt: &Attempt, finding: Finding, now: Timestamp) {
        assert_eq!(self.settle(&[found(attempt, finding)], now).await, 1);
        self.assert_books().await;
    }

    /// The events about a subject, type and payload, in their order.
    async fn events(&self, subject: &str) -> Vec<(String, Vec<u8>)> {
        const LOG: &str =
            "SELECT type, payload FROM event_log WHERE subject = $1 ORDER BY position";
        const OUTBOX: &str = "SELECT type, payload FROM outbox WHERE subject = $1 ORDER BY seq";
        match &self.database {
            Database::Sqlite(sqlite) => {
                sqlx::query_as(LOG).bind(subject).fetch_all(&sqlite.read).await.unwrap()
            }
            Database::Postgres(postgres) => {
                sqlx::query_as(OUTBOX).bind(subject).fetch_all(&postgres.pool).await.unwrap()
            }
        }
    }

    /// Fails unless the books agree with the counters, every payment's counters with its attempts,
    /// every refund with its attempts, and every cap holds.
    async fn assert_books(&self) {
        for sums in self.store.ledger_sums(&arena()).await.unwrap() {
            assert_eq!(sums.differences(), [] as [String; 0]);
        }
        let filter = RefundFilter::default();
        let refunds = self.store.list_refunds(&arena(), &filter, &first_page()).await.unwrap();
        assert!(!refunds.more, "more refunds than this check reads");
        let mut counted: HashMap<(OrderId, PaymentId), (i64, i64)> = HashMap::new();
        for refund in refunds.rows {
            let mut derived = refund.clone();
            derived.derive_state();
            assert_eq!(derived, refund);
            for attempt in refund.attempts {
                let (reserved, refunded) =
                    counted.entry((attempt.order, attempt.payment)).or_default();
                *reserved += if attempt.state.is_open() { attempt.amount } else { 0 };
                *refunded +=
                    if attempt.state == AttemptState::Succeeded { attempt.amount } else { 0 };
            }
        }
        let filter = OrderFilter::default();
        let orders = self.store.list_orders(&arena(), &filter, &first_page()).await.unwrap();
        assert!(!orders.more, "more orders than this check reads");
        for order in orders.rows {
            for payment in &order.payments {
                let key = (order.id.clone(), payment.id.clone());
                let counters = (payment.counters.reserved, payment.counters.refunded);
                assert_eq!(counters, counted.remove(&key).unwrap_or_default(), "{key:?}");
                assert_eq!(payment.is_overdrawn(), payment.counters.overdrawn, "{key:?}");
            }
            for line in &order.lines {
                assert!(line.committed >= 0 && line.committed_units >= 0, "{line:?}");
                assert!((0..=line.committed).contains(&line.refunding), "{line:?}");
                assert_eq!(line.excess().is_some(), line.over_refunded, "{line:?}");
            }
        }
        assert_eq!(counted, HashMap::new(), "attempts draw on payments that are not there");
        self.assert_tallies().await;
    }

    /// What is counted as items change is what a count of them gives.
    async fn assert_tallies(&self) {
        let (all, tenant) = (DisruptionFilter::default(), arena());
        let found = self.store.list_disruptions(&tenant, &all, &first_page()).await.unwrap();
        for disruption in found.rows {
            let totals =
                self.store.item_totals(&tenant, std::slice::from_ref(&disruption.id)).await;
            let mut counted: BTreeMap<_, [i64; 3]> = BTreeMap::new();
            for item in self.items(disruption.id.as_str()).await {
                let key = (item.state.as_str(), item.lane, item.currency);
                let sums = counted.entry(key).or_default();
                for (sum, more) in sums.iter_mut().zip([1, item.requested, item.issued]) {
                    *sum += more;
                }
            }
            let told = totals.unwrap().into_iter().map(|total| {
                let key = (total.state.as_str(), total.lane, total.currency);
                (key, [total.count, total.requested, total.issued])
            });
            assert_eq!(told.collect::<BTreeMap<_, _>>(), counted, "{}", disruption.id.as_str());
        }
    }
}
