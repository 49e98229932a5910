//! One database with a service, its workers and a sandbox, all in one time that the test moves.

use std::sync::Arc;
use std::time::Duration;

use redress_core::clock::Timestamp;
use redress_core::id::TenantId;
use redress_proto::common::v1::Money;
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::refund::State;
use redress_refunds::app::{Batches, Connections, Refunds};
use redress_refunds::provider::SharedProvider;
use redress_refunds::webhook::{WebhookCounts, WebhookDeps, WebhookServer, WebhookSettings};
use redress_refunds::worker::WorkSignals;
use redress_store::Tenants;
use redress_testkit::clock::START;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::api::support::{Api, line, open_empty, order, payment};
use crate::sandbox::{Bench, WEBHOOK_SECRET, connector, eventually, terms};
use crate::shop::Shop;
use crate::webhook::sign;
use crate::worker::{Crew, hire, in_one_time};

pub(super) const DAY: Duration = Duration::from_hours(24);

/// The service without workers until they are hired, and what it sends money through.
pub(super) struct Stage {
    pub(super) api: Api,
    pub(super) bench: Bench,
    /// What workers work with: the same database, clock and ids.
    pub(super) shop: Shop,
}

/// Tenant `arena` with the policy `standard`, and nothing sold.
pub(super) async fn open(url: String) -> Stage {
    let api = open_empty(url).await;
    let shop = Shop {
        database: api.database.clone(),
        store: Arc::clone(&api.store),
        clock: Arc::clone(&api.clock),
        ids: Arc::clone(&api.ids),
        tenant: TenantId::new("arena").unwrap(),
    };
    let bench = in_one_time(&shop).await;
    let stage = Stage { api, bench, shop };
    stage.api.apply_tenant("arena").await;
    stage.apply("standard", "", "").await;
    stage
}

/// A policy: everything back up to 14 days before the start, half up to 48 hours, then nothing.
pub(super) fn policy(id: &str, keys: &str, tables: &str) -> String {
    format!(
        r#"id = "{id}"
display_name = "Terms of sale"
effective = 2026-01-01T00:00:00Z
pay_within_days = 14
{keys}

[citation]
title = "General terms of sale, section 7"

[[tiers]]
rule = "fourteen-days"
notice_hours = 336
refund_basis_points = 10000

[[tiers]]
rule = "two-days"
notice_hours = 48
refund_basis_points = 5000
{tables}"#
    )
}

/// An amount in the minor units of `code`.
#[expect(clippy::unnecessary_wraps, reason = "the shape of a message's field")]
pub(super) fn money(code: &str, minor_units: i64) -> Option<Money> {
    Some(Money { currency_code: code.to_owned(), minor_units })
}

pub(super) fn units(money: Option<&Money>) -> i64 {
    money.unwrap().minor_units
}

/// A ticket in euros for something that starts so long after the test does.
pub(super) fn ticket(id: &str, gross: i64, starts: Duration) -> pb::OrderLine {
    pb::OrderLine {
        event_start_time: Some(redress_api::time::to_proto(START.plus(starts))),
        ..line(id, pb::order_line::Kind::Ticket, gross)
    }
}

/// Those lines, paid by card as the payment `pi_` and the order's id.
pub(super) fn booking(id: &str, lines: Vec<pb::OrderLine>) -> pb::Order {
    let code = lines[0].gross.as_ref().unwrap().currency_code.clone();
    let total = lines.iter().map(|line| units(line.gross.as_ref())).sum();
    let paid = pb::Payment {
        provider_reference: format!("pi_{id}"),
        captured: money(&code, total),
        refunded_elsewhere: money(&code, 0),
        ..payment("p1", "stripe", pb::payment::Tender::Card, 0)
    };
    pb::Order { lines, payments: vec![paid], total: money(&code, total), ..order(id) }
}

/// What to quote: those lines of an order, or everything that is left of its tickets.
pub(super) fn wanted(order: &str, line_ids: &[&str]) -> pb::QuoteRefundRequest {
    pb::QuoteRefundRequest {
        order: format!("orders/{order}"),
        line_ids: line_ids.iter().map(|id| (*id).to_owned()).collect(),
        ..pb::QuoteRefundRequest::default()
    }
}

/// The one attempt of a refund.
pub(super) fn only(refund: &pb::Refund) -> &pb::RefundAttempt {
    let [attempt] = refund.attempts.as_slice() else { panic!("{refund:?}") };
    attempt
}

impl Stage {
    /// Applies a policy made by [`policy`]; returns its version.
    pub(super) async fn apply(&self, id: &str, keys: &str, tables: &str) -> i64 {
        let source = policy(id, keys, tables);
        let name = format!("policies/{id}");
        self.api.apply_policy(pb::Policy { name, source, ..Default::default() }).await.version
    }

    /// Imports an order whose card payments are captured at the sandbox.
    pub(super) async fn sell(&self, order: pb::Order) {
        for payment in order.payments.iter().filter(|payment| payment.provider == "stripe") {
            let Money { currency_code, minor_units } = payment.captured.clone().unwrap();
            self.bench.seed(&payment.provider_reference, minor_units, &currency_code).await;
        }
        self.import(order).await;
    }

    pub(super) async fn import(&self, order: pb::Order) {
        let answer = self.api.import(vec![order]).await;
        assert_eq!((answer.created + answer.updated, answer.rejections), (1, vec![]));
    }

    pub(super) async fn order(&self, id: &str) -> pb::Order {
        let request = pb::GetOrderRequest { name: format!("orders/{id}") };
        self.api.orders("arena").get_order(request).await.unwrap().into_inner()
    }

    /// Asks under a fresh request id.
    pub(super) async fn ask(&self, request: pb::QuoteRefundRequest) -> Result<pb::Quote, Status> {
        let request = pb::QuoteRefundRequest { request_id: self.api.request_id(), ..request };
        self.api.refunds("arena").quote_refund(request).await.map(tonic::Response::into_inner)
    }

    pub(super) async fn quote(&self, order: &str, line_ids: &[&str]) -> pb::Quote {
        self.ask(wanted(order, line_ids)).await.unwrap()
    }

    /// Quotes and accepts.
    pub(super) async fn refund(&self, order: &str, line_ids: &[&str]) -> pb::Refund {
        self.api.accept(&self.quote(order, line_ids).await).await
    }

    pub(super) async fn get(&self, refund: &pb::Refund) -> pb::Refund {
        let request = pb::GetRefundRequest { name: refund.name.clone() };
        self.api.refunds("arena").get_refund(request).await.unwrap().into_inner()
    }

    /// The refunds of an order.
    pub(super) async fn refunds_of(&self, order: &str) -> Vec<pb::Refund> {
        let filter = format!("order = \"orders/{order}\"");
        let request = pb::ListRefundsRequest { page_size: 1000, filter, ..Default::default() };
        self.api.refunds("arena").list_refunds(request).await.unwrap().into_inner().refunds
    }

    /// The workers, who send through the sandbox.
    pub(super) fn hire(&self) -> Crew {
        hire(&self.shop, &self.bench.base_url())
    }

    /// Moves the clock on until nothing more happens to a refund by itself.
    pub(super) async fn at_rest(&self, refund: &pb::Refund) -> pb::Refund {
        eventually(async || {
            self.api.clock.advance(Duration::from_millis(100));
            let now = self.get(refund).await;
            let waits = matches!(now.state(), State::Queued | State::Processing);
            (!waits).then_some(now)
        })
        .await
    }

    /// Waits, in a time that stands still, for a state of a refund's only attempt.
    pub(super) async fn attempt_is(&self, refund: &pb::Refund, state: pb::refund_attempt::State) {
        let is_there = async || (only(&self.get(refund).await).state() == state).then_some(());
        eventually(is_there).await;
    }

    /// Records what a person says of the attempt that is at `at` in its refund.
    pub(super) async fn resolve(
        &self,
        refund: &pb::Refund,
        at: usize,
        outcome: pb::resolve_attempt_request::Outcome,
    ) -> pb::Refund {
        let is_paid = outcome == pb::resolve_attempt_request::Outcome::Paid;
        let request = pb::ResolveAttemptRequest {
            name: refund.name.clone(),
            attempt_id: refund.attempts[at].attempt_id.clone(),
            outcome: outcome.into(),
            provider_reference: if is_paid { "by hand 7".to_owned() } else { String::new() },
            reason: "asked on the telephone".to_owned(),
            request_id: self.api.request_id(),
            etag: String::new(),
        };
        self.api.refunds("arena").resolve_attempt(request).await.unwrap().into_inner()
    }

    /// How often the sandbox was asked to refund, and how many refunds it has made.
    pub(super) async fn sent(&self) -> (i64, i64) {
        let totals = self.bench.totals().await;
        let count = |field: &str| totals[field].as_i64().unwrap();
        (count("refund_requests_total"), count("refunds_made"))
    }

    /// What the sandbox has paid back, by currency, in its units.
    pub(super) async fn paid(&self) -> Value {
        self.bench.totals().await["refunded_minor_units_by_currency"].clone()
    }

    /// Recomputes the books.
    pub(super) async fn assert_books_balance(&self) {
        let request = pb::CheckLedgerRequest {};
        let report = self.api.refunds("arena").check_ledger(request).await.unwrap().into_inner();
        assert!(report.balanced, "{:?}", report.differences);
    }

    /// The port for webhooks, to which the sandbox sends its events from now on.
    pub(super) async fn take_webhooks(&self) -> Ingress {
        let provider: SharedProvider = Arc::new(connector(&self.bench.base_url(), terms()));
        let providers = vec![provider];
        let signals = WorkSignals::default();
        let (store, ids) = (&self.shop.store, &self.shop.ids);
        let app = Refunds {
            store: Arc::clone(store),
            batches: Batches::new(Arc::clone(store), Arc::clone(ids)),
            tenants: Arc::new(Tenants::new(self.shop.database.clone(), self.shop.clock.clone())),
            connections: Arc::new(Connections::of(&providers)),
            clock: self.shop.clock.clone(),
            ids: Arc::clone(ids),
            signals: signals.clone(),
            quote_validity: Duration::from_mins(30),
            pay_within: Duration::from_hours(24 * 14),
        };
        let (store, clock) = (Arc::clone(store), self.shop.clock.clone());
        let deps = WebhookDeps { providers, foreign: Arc::new(app), store, signals, clock };
        let settings = WebhookSettings { listen: "127.0.0.1:0".parse().unwrap() };
        let server = WebhookServer::bind(&settings, deps).await.unwrap();
        let url = format!("http://{}/webhooks/stripe", server.local_addr());
        let endpoint = json!({ "url": url, "secret": WEBHOOK_SECRET });
        self.bench.control("webhook_endpoint", endpoint).await;
        let (counts, ends) = (server.counts(), CancellationToken::new());
        let running = tokio::spawn(server.run(ends.clone()));
        let client = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Ingress { url, counts, client, ends, running }
    }
}

/// A serving port for webhooks.
pub(super) struct Ingress {
    url: String,
    pub(super) counts: Arc<WebhookCounts>,
    client: Client,
    ends: CancellationToken,
    running: JoinHandle<()>,
}

impl Ingress {
    /// Posts an event that was signed at `at`; returns the answer.
    pub(super) async fn post(&self, event: &Value, at: Timestamp) -> String {
        let body = event.to_string();
        let request = self.client.post(&self.url).header("stripe-signature", sign(&body, at));
        let answer = request.body(body).send().await.unwrap();
        answer.error_for_status().unwrap().text().await.unwrap()
    }

    pub(super) async fn close(self) {
        self.ends.cancel();
        self.running.await.unwrap();
    }
}
