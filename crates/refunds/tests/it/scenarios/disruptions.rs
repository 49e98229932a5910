//! Disruptions as a whole: real workers, and money through the sandbox.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use redress_api::time;
use redress_core::clock::Timestamp;
use redress_core::id::{AuditRecordId, DisruptionId, EventId, OrderId};
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::disruption::{Kind, State};
use redress_proto::refunds::v1::disruption_item::State as ItemState;
use redress_refunds::app::{
    Batches, Connections, Previewed, Proposal, Refunds, preview_disruption,
};
use redress_refunds::domain::attempt::Reason;
use redress_refunds::domain::audit::{AuditAction, AuditEntry};
use redress_refunds::domain::disruption::{
    Change, Disruption, DisruptionEvent, Due, Scope, Terms, plan_item,
};
use redress_refunds::domain::order::Tender;
use redress_refunds::provider::{ProviderTerms, SharedProvider};
use redress_refunds::store::{Advanced, RequestRecord, Step};
use redress_refunds::worker::WorkSignals;
use redress_store::Tenants;
use redress_testkit::clock::START;
use serde_json::json;

use super::stage::{DAY, Stage, booking, money, open, ticket, units};
use crate::sandbox::{connector, eventually, terms};

redress_testkit::conformance! {
    open = open;
    scenario_22_a_postponed_event_asks_its_buyers_and_locks_afterwards,
    scenario_23_a_preview_shows_what_approving_would_do_and_writes_nothing,
    scenario_25_what_fails_is_named_and_retried_and_a_broken_item_stops_nobody,
    scenario_26_pause_crash_resume_and_abort_pay_nobody_twice_and_lose_nobody,
    scenario_27_of_two_events_only_the_cancelled_one_is_refunded,
    scenario_28_what_is_kept_by_rule_is_kept_of_each_order,
}

/// A ticket of 10.00 EUR for an event.
fn seat(id: &str, event: &str) -> pb::OrderLine {
    pb::OrderLine { event: format!("events/{event}"), ..ticket(id, 1_000, DAY * 30) }
}

fn cancellation() -> pb::CreateDisruptionRequest {
    pb::CreateDisruptionRequest {
        event: "events/derby".to_owned(),
        kind: Kind::Cancelled.into(),
        ..Default::default()
    }
}

impl Stage {
    async fn disrupt(&self, request: pb::CreateDisruptionRequest, orders: i64) -> String {
        let mut client = self.api.disruptions("arena");
        let request = pb::CreateDisruptionRequest { request_id: self.api.request_id(), ..request };
        let name = client.create_disruption(request).await.unwrap().into_inner().name;
        let request = pb::ApproveDisruptionRequest {
            name: name.clone(),
            expected_orders: orders,
            request_id: self.api.request_id(),
            ..Default::default()
        };
        client.approve_disruption(request).await.unwrap();
        self.step(&name, State::Running).await;
        name
    }

    /// Brings a disruption into a state, from whatever state it is in.
    async fn step(&self, name: &str, to: State) {
        let mut client = self.api.disruptions("arena");
        let (name, request_id) = (name.to_owned(), self.api.request_id());
        let now = self.disruption(&name).await.state();
        match (now, to) {
            (State::Approved, State::Running) => {
                let request = pb::StartDisruptionRequest { name, request_id, ..Default::default() };
                client.start_disruption(request).await.unwrap();
            }
            (_, State::Running) => {
                let request =
                    pb::ResumeDisruptionRequest { name, request_id, ..Default::default() };
                client.resume_disruption(request).await.unwrap();
            }
            (_, State::Paused) => {
                let request = pb::PauseDisruptionRequest { name, request_id, ..Default::default() };
                client.pause_disruption(request).await.unwrap();
            }
            (_, State::Aborting) => {
                let request = pb::AbortDisruptionRequest { name, request_id, ..Default::default() };
                client.abort_disruption(request).await.unwrap();
            }
            other => panic!("no step leads from {other:?}"),
        }
    }

    async fn disruption(&self, name: &str) -> pb::Disruption {
        let request = pb::GetDisruptionRequest { name: name.to_owned() };
        self.api.disruptions("arena").get_disruption(request).await.unwrap().into_inner()
    }

    async fn items(&self, name: &str) -> Vec<pb::DisruptionItem> {
        let request = pb::ListDisruptionItemsRequest {
            parent: name.to_owned(),
            page_size: 1000,
            ..Default::default()
        };
        let listed = self.api.disruptions("arena").list_disruption_items(request).await.unwrap();
        listed.into_inner().items
    }

    /// Moves the clock on until the disruption is in a state.
    async fn until(&self, name: &str, state: State) -> pb::Disruption {
        eventually(async || {
            self.api.clock.advance(Duration::from_millis(100));
            let now = self.disruption(name).await;
            (now.state() == state).then_some(now)
        })
        .await
    }

    async fn choose(&self, name: &str, order: &str, remedy: pb::Remedy) -> bool {
        let request = pb::ChooseRemedyRequest {
            name: name.to_owned(),
            order: format!("orders/{order}"),
            remedy: remedy.into(),
            request_id: self.api.request_id(),
        };
        self.api.disruptions("arena").choose_remedy(request).await.is_ok()
    }
}

async fn scenario_22_a_postponed_event_asks_its_buyers_and_locks_afterwards(stage: Stage) {
    for id in ["A1", "A2", "A3"] {
        stage.sell(booking(id, vec![seat("t1", "derby")])).await;
    }
    let crew = stage.hire();
    let request = pb::CreateDisruptionRequest {
        event: "events/derby".to_owned(),
        kind: Kind::Postponed.into(),
        terms: Some(pb::DisruptionTerms {
            remedies: vec![pb::Remedy::Keep.into(), pb::Remedy::Refund.into()],
            choose_until: Some(time::to_proto(START.plus(DAY * 7))),
            default_remedy: pb::Remedy::Keep.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let name = stage.disrupt(request, 3).await;
    assert!(stage.choose(&name, "A1", pb::Remedy::Keep).await);
    assert!(stage.choose(&name, "A2", pb::Remedy::Refund).await);
    eventually(async || {
        stage.api.clock.advance(Duration::from_millis(100));
        (stage.disruption(&name).await.counts.unwrap().succeeded == 1).then_some(())
    })
    .await;
    assert_eq!(stage.disruption(&name).await.counts.unwrap().offered, 1, "A3 has time");
    stage.api.clock.advance(DAY * 7);
    let done = stage.until(&name, State::Completed).await;
    let counts = done.counts.unwrap();
    assert_eq!((counts.succeeded, counts.kept), (1, 2), "silence keeps");
    assert!(!stage.choose(&name, "A3", pb::Remedy::Refund).await, "it is locked");
    assert_eq!(stage.paid().await, json!({ "EUR": 1_000 }));
    crew.dismiss().await;
    stage.assert_books_balance().await;
}

async fn scenario_23_a_preview_shows_what_approving_would_do_and_writes_nothing(stage: Stage) {
    let mut orders = Vec::new();
    for number in 0..1_200 {
        orders.push(booking(&format!("B{number:04}"), vec![seat("t1", "derby")]));
    }
    let yen = |id: &str| {
        let mut order = booking(id, vec![seat("t1", "derby")]);
        let paid = money("JPY", 1_000);
        order.lines[0].gross.clone_from(&paid);
        order.lines[0].tax = money("JPY", 0);
        order.lines[0].discount = None;
        order.payments[0].captured.clone_from(&paid);
        order.payments[0].refunded_elsewhere = money("JPY", 0);
        order.total = paid;
        order
    };
    orders.push(yen("Y1"));
    let mut old = booking("O1", vec![seat("t1", "derby")]);
    old.payments[0].capture_time = Some(time::to_proto(long_ago()));
    old.purchase_time = old.payments[0].capture_time;
    orders.push(old);
    let mut by_card_of_ours = booking("G1", vec![seat("t1", "derby")]);
    "giftcard".clone_into(&mut by_card_of_ours.payments[0].provider);
    by_card_of_ours.payments[0].tender = pb::payment::Tender::GiftCard.into();
    orders.push(by_card_of_ours);
    for chunk in orders.chunks(500) {
        assert_eq!(stage.api.import(chunk.to_vec()).await.rejections, []);
    }
    let before = stage.api.store.ledger_sums(&stage.shop.tenant).await.unwrap();
    let preview = preview_disruption(
        &app(
            &stage,
            ProviderTerms { sends_per_second: Some(25), refund_window: Some(DAY * 180), ..terms() },
        ),
        &stage.shop.tenant,
        Previewed::New(Box::new(Proposal {
            scope: Scope::of_event(EventId::new("derby").unwrap()),
            change: Change::Cancelled,
            terms: Terms::default(),
        })),
    )
    .await
    .unwrap();
    assert_eq!((preview.orders_in_scope, preview.refundable), (1_203, 1_201));
    assert_eq!((preview.attention, preview.out_of_window_payments), (2, 1));
    let totals: Vec<_> = preview
        .totals
        .iter()
        .map(|total| {
            let code = total.amount.currency.code();
            (code, &*total.provider, total.tender, total.amount.minor_units, total.by_hand)
        })
        .collect();
    assert_eq!(
        totals,
        [
            ("EUR", "giftcard", Some(Tender::GiftCard), 1_000, Some(Reason::NoConnector)),
            ("EUR", "stripe", Some(Tender::Card), 1_200_000, None),
            ("EUR", "stripe", Some(Tender::Card), 1_000, Some(Reason::OutOfRefundWindow)),
            ("JPY", "stripe", Some(Tender::Card), 1_000, None),
        ]
    );
    let [lane] = preview.lanes.as_slice() else { panic!("{:?}", preview.lanes) };
    assert_eq!((lane.refunds, lane.per_second), (1_201, Some(25)));
    assert_eq!(lane.estimate, Some(Duration::from_secs(49)), "1201 at 25 a second");
    let available = lane.available.as_ref().unwrap();
    assert_eq!(available.len(), 2, "the provider told of both currencies: {available:?}");
    let clock = preview.legal_clock.unwrap();
    assert_eq!((clock.start, clock.due), (START, START.plus(DAY * 14)));
    // Nothing was frozen, reserved, announced or sent.
    assert_eq!(stage.api.store.ledger_sums(&stage.shop.tenant).await.unwrap(), before);
    let listed = pb::ListDisruptionsRequest::default();
    let listed = stage.api.disruptions("arena").list_disruptions(listed).await.unwrap();
    assert_eq!(listed.into_inner().disruptions, []);
    assert_eq!(stage.sent().await, (0, 0));
}

/// Four hundred days before the start.
fn long_ago() -> Timestamp {
    Timestamp(START.0 - 400 * 24 * 3_600 * 1_000_000)
}

/// The use cases over the sandbox.
fn app(stage: &Stage, terms: ProviderTerms) -> Refunds {
    let provider: SharedProvider = Arc::new(connector(&stage.bench.base_url(), terms));
    let (store, ids) = (&stage.shop.store, &stage.shop.ids);
    Refunds {
        store: Arc::clone(store),
        batches: Batches::new(Arc::clone(store), Arc::clone(ids)),
        tenants: Arc::new(Tenants::new(stage.shop.database.clone(), stage.shop.clock.clone())),
        connections: Arc::new(Connections::of(&[provider])),
        clock: stage.shop.clock.clone(),
        ids: Arc::clone(ids),
        signals: WorkSignals::default(),
        quote_validity: Duration::from_mins(30),
        pay_within: DAY * 14,
    }
}

/// Three in a hundred are refused by the provider, and one item cannot be written at all.
async fn scenario_25_what_fails_is_named_and_retried_and_a_broken_item_stops_nobody(stage: Stage) {
    for id in (0..66).filter(|number| *number != 33).map(|number| format!("A{number:03}")) {
        stage.sell(booking(&id, vec![seat("t1", "derby")])).await;
    }
    for id in ["A010", "A040"] {
        let payment = format!("pi_{id}");
        stage.bench.inject(&payment, json!(["balance_refused"])).await;
    }
    let name = stage.disrupt(cancellation(), 65).await;
    stage.sell(booking("A033", vec![seat("t1", "derby")])).await;
    add_broken_item(&stage, &name, "A033").await;
    let mut client = stage.api.disruptions("arena");
    let crew = stage.hire();
    let done = stage.until(&name, State::Completed).await;
    let named: Vec<_> = stage
        .items(&name)
        .await
        .into_iter()
        .filter(|item| item.state() == ItemState::Attention)
        .map(|item| (item.order, item.reason_code, item.next_action))
        .collect();
    let counts = done.counts.unwrap();
    assert_eq!((counts.succeeded, counts.attention), (63, 3), "{named:?}");
    let orders: Vec<_> = named.iter().map(|(order, ..)| order.as_str()).collect();
    assert_eq!(orders, ["orders/A010", "orders/A033", "orders/A040"]);
    assert!(named.iter().all(|(_, reason, action)| !reason.is_empty() && !action.is_empty()));
    assert_eq!(named[1].1, "ITEM_BROKEN");
    let request = pb::RetryDisruptionRequest {
        name: name.clone(),
        request_id: stage.api.request_id(),
        ..Default::default()
    };
    let retried = client.retry_disruption(request).await.unwrap().into_inner();
    assert_eq!(retried.counts.unwrap().pending, 3, "what is broken may have been mended");
    let done = stage.until(&name, State::Completed).await;
    let counts = done.counts.unwrap();
    assert_eq!((counts.succeeded, counts.attention), (65, 1));
    assert_eq!(units(done.issued.first()), 65 * 1_000);
    assert_eq!(stage.paid().await, json!({ "EUR": 65_000 }));
    assert_eq!(stage.sent().await.1, 65, "one refund each");
    crew.dismiss().await;
    stage.assert_books_balance().await;
}

/// Adds an order with a plan that no database takes: a share of nothing.
async fn add_broken_item(stage: &Stage, name: &str, order: &str) {
    let (tenant, store) = (&stage.shop.tenant, &stage.api.store);
    let id = DisruptionId::from_resource_name(name).unwrap();
    let stored = store.disruption(tenant, &id).await.unwrap().unwrap();
    let found = store.orders(tenant, &[OrderId::new(order).unwrap()]).await.unwrap();
    let connected = app(stage, terms()).connections;
    let mut plan = plan_item(&found[0], stored.rules(), &*connected, START).unwrap();
    let Due::Pay(price) = &mut plan.due else { panic!("nothing is due") };
    price.shares[0].amount = 0;
    store.freeze_items(&stored, &[plan]).await.unwrap();
    let after = Disruption { version: stored.version + 1, ..stored };
    let audit = AuditEntry {
        tenant: tenant.clone(),
        id: AuditRecordId::fresh(&*stage.shop.ids),
        actor: "agent-1".to_owned(),
        roles: Vec::new(),
        action: AuditAction::DISRUPTION_EXTENDED,
        resource: name.to_owned(),
        reason: String::new(),
        details: BTreeMap::new(),
        at: START,
    };
    let record = |_| RequestRecord {
        method: "test/Extend",
        request_id: "broken".to_owned(),
        fingerprint: [0; 32],
        response: Vec::new(),
    };
    let step = Step {
        event: DisruptionEvent::Extend,
        agreed: None,
        orders: &[],
        audit: &audit,
        record: &record,
    };
    let added = store.advance_disruption(&after, &step, &*stage.shop.ids).await.unwrap();
    assert_eq!(added, Advanced::Done(1));
}

async fn scenario_26_pause_crash_resume_and_abort_pay_nobody_twice_and_lose_nobody(stage: Stage) {
    let ids: Vec<String> = (0..60).map(|number| format!("A{number:03}")).collect();
    for id in &ids {
        stage.sell(booking(id, vec![seat("t1", "derby")])).await;
    }
    let crew = stage.hire();
    let name = stage.disrupt(cancellation(), 60).await;
    stage.step(&name, State::Paused).await;
    crew.kill().await;
    stage.step(&name, State::Running).await;
    let crew = stage.hire();
    eventually(async || {
        stage.api.clock.advance(Duration::from_millis(100));
        (stage.disruption(&name).await.counts.unwrap().succeeded > 0).then_some(())
    })
    .await;
    // Whatever was taken on by now ends; whatever was not stays as it was.
    stage.step(&name, State::Aborting).await;
    let done = stage.until(&name, State::Aborted).await;
    let counts = done.counts.unwrap();
    assert_eq!(counts.succeeded + counts.aborted, 60, "{counts:?}");
    assert_eq!(stage.sent().await.1, counts.succeeded, "one refund each");
    assert_eq!(units(done.issued.first()), counts.succeeded * 1_000);
    for item in stage.items(&name).await {
        let order = item.order.strip_prefix("orders/").unwrap();
        let refunds = stage.refunds_of(order).await.len();
        assert_eq!(refunds, usize::from(item.state() == ItemState::Succeeded), "{order}");
    }
    crew.dismiss().await;
    stage.assert_books_balance().await;
}

async fn scenario_27_of_two_events_only_the_cancelled_one_is_refunded(stage: Stage) {
    let mut fee = seat("f1", "derby");
    fee.kind = pb::order_line::Kind::Fee.into();
    fee.gross = money("EUR", 90);
    let lines = vec![seat("t1", "derby"), seat("t2", "gala"), fee];
    stage.sell(booking("A1", lines.clone())).await;
    stage.sell(booking("A2", lines)).await;
    let crew = stage.hire();
    let name = stage.disrupt(cancellation(), 2).await;
    let done = stage.until(&name, State::Completed).await;
    assert_eq!(units(done.issued.first()), 2 * 1_090, "the derby with its own fee");
    for id in ["A1", "A2"] {
        let [refund] = stage.refunds_of(id).await.try_into().unwrap();
        let lines: Vec<_> = refund.lines.iter().map(|line| line.line_id.as_str()).collect();
        assert_eq!(lines, ["t1", "f1"]);
    }
    assert_eq!(stage.paid().await, json!({ "EUR": 2_180 }));
    crew.dismiss().await;
    stage.assert_books_balance().await;
}

async fn scenario_28_what_is_kept_by_rule_is_kept_of_each_order(stage: Stage) {
    let mut fee = seat("f1", "derby");
    fee.kind = pb::order_line::Kind::Fee.into();
    fee.gross = money("EUR", 90);
    stage.sell(booking("A1", vec![seat("t1", "derby"), seat("t2", "derby"), fee])).await;
    let crew = stage.hire();
    let fees = pb::DisruptionFees {
        per_order: vec![money("EUR", 50).unwrap()],
        per_unit: vec![money("EUR", 25).unwrap()],
        basis_points: 1_000,
        kept_kinds: vec![pb::order_line::Kind::Fee.into()],
    };
    let request = pb::CreateDisruptionRequest {
        terms: Some(pb::DisruptionTerms { fees: Some(fees), ..Default::default() }),
        ..cancellation()
    };
    let name = stage.disrupt(request, 1).await;
    let done = stage.until(&name, State::Completed).await;
    // Of each ticket 10 % and 25; of the order 50; the fee whole.
    let issued = 2 * (1_000 - 100 - 25) - 50;
    assert_eq!(units(done.issued.first()), issued);
    let [refund] = stage.refunds_of("A1").await.try_into().unwrap();
    let told: i64 = refund.lines.iter().map(|line| units(line.refund.as_ref())).sum();
    assert_eq!((told, units(refund.issued.as_ref())), (issued, issued));
    assert_eq!(stage.paid().await, json!({ "EUR": issued }));
    crew.dismiss().await;
    stage.assert_books_balance().await;
}
