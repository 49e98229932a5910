//! Scenarios 13, 14 and 16: what the provider tells by itself, and what it does not tell.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use prost::Message as _;
use redress_api::ports::{EventSink, SinkError};
use redress_core::clock::Clock as _;
use redress_core::event::{Event, EventBatch};
use redress_proto::events::v1::ProviderRefundAmbiguous;
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::refund::{Origin, State};
use redress_proto::refunds::v1::refund_attempt::State as AttemptState;
use redress_refunds::provider::ProviderTerms;
use redress_refunds::webhook::WebhookOutcome;
use redress_sandbox::{SandboxConfig, SecretKey, WebhookConfig, WebhookEndpoint};
use redress_store::pump::EventPump;
use redress_store::relay::RelaySettings;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::stage::{DAY, Stage, booking, only, open, ticket};
use crate::api::support::{acceptance, euros, told};
use crate::sandbox::{Bench, WEBHOOK_SECRET, connector, eventually, terms};
use crate::webhook::{event, with};
use crate::worker::{free_port, hire_for, workshop};

redress_testkit::conformance! {
    open = open;
    scenario_13_a_webhook_before_our_commit_twice_and_out_of_order_leaves_one_right_refund,
    scenario_14_without_webhooks_polling_settles_within_the_read_budget,
    scenario_16_a_refund_from_the_dashboard_is_recorded_and_an_ambiguous_one_asks_a_person,
}

async fn scenario_13_a_webhook_before_our_commit_twice_and_out_of_order_leaves_one_right_refund(
    stage: Stage,
) {
    stage.sell(booking("A1", vec![ticket("t1", 1250, DAY * 20)])).await;
    // The sandbox tells of the refund at once, and answers the call that made it much later.
    let slow = json!([{ "kind": "slow_answer", "delay_ms": 1500 }]);
    stage.bench.inject("pi_A1", slow).await;
    let ingress = stage.take_webhooks().await;
    let refund = stage.refund("A1", &[]).await;
    let crew = stage.hire();
    let hinted = async || (ingress.counts.of(WebhookOutcome::Hinted) > 0).then_some(());
    eventually(hinted).await;
    let before = only(&stage.get(&refund).await).clone();
    assert_eq!((before.state(), &*before.provider_reference), (AttemptState::Sent, ""));

    let settled = stage.at_rest(&refund).await;
    assert_eq!((settled.state(), &settled.issued), (State::Succeeded, &euros(1250)));
    // Each event once more, and the oldest last.
    let attempt = only(&settled);
    let told = |kind, status: &str| {
        let event = event(kind, &attempt.provider_reference, &attempt.attempt_id);
        with(event, "status", json!(status))
    };
    for late in [
        told("refund.updated", "succeeded"),
        told("refund.updated", "succeeded"),
        told("refund.updated", "pending"),
        told("refund.created", "pending"),
        told("refund.created", "pending"),
    ] {
        assert_eq!(ingress.post(&late, stage.api.clock.now()).await, "known", "{late}");
    }
    assert_eq!(stage.get(&refund).await, settled);
    assert_eq!(stage.refunds_of("A1").await.len(), 1);
    crew.dismiss().await;
    ingress.close().await;
    assert_eq!((stage.sent().await, stage.paid().await), ((1, 1), json!({ "EUR": 1250 })));
    stage.assert_books_balance().await;
}

async fn scenario_14_without_webhooks_polling_settles_within_the_read_budget(mut stage: Stage) {
    const READS_PER_SECOND: u32 = 15;
    // Nobody listens where the events go; the sandbox counts its reads by the machine's seconds.
    let url = format!("http://{}/webhooks/stripe", free_port().await);
    let endpoint = WebhookEndpoint { url, secret: SecretKey::new(WEBHOOK_SECRET) };
    let webhooks =
        WebhookConfig { endpoint: Some(endpoint), max_attempts: 1, ..WebhookConfig::default() };
    let config = SandboxConfig { requests_per_s: 0, webhooks, ..SandboxConfig::default() };
    stage.bench = Bench::with(config).await;
    stage.bench.control("faults", json!({ "plan": { "balance_pending": 1000 } })).await;
    let mut refunds = Vec::new();
    for number in 0..30 {
        let id = format!("A{number}");
        stage.sell(booking(&id, vec![ticket("t1", 1250, DAY * 20)])).await;
        refunds.push(stage.refund(&id, &[]).await);
    }
    let terms = ProviderTerms { reads_per_second: READS_PER_SECOND, concurrency: 32, ..terms() };
    let provider = connector(&stage.bench.base_url(), terms);
    let crew = hire_for(workshop(&stage.shop), Arc::new(provider));
    for refund in &refunds {
        stage.attempt_is(refund, AttemptState::Accepted).await;
    }
    stage.bench.control("balance", json!({ "currency": "EUR", "top_up": 1 })).await;
    for refund in &refunds {
        assert_eq!(stage.at_rest(refund).await.state(), State::Succeeded);
    }
    crew.dismiss().await;
    let totals = stage.bench.totals().await;
    let count = |field: &str| totals[field].as_u64().unwrap();
    assert_eq!(totals["webhooks"]["delivered"], 0, "{totals}");
    assert!(totals["webhooks"]["given_up"].as_u64().unwrap() > 0, "{totals}");
    assert!(count("reads_total") >= 30, "{totals}");
    assert!(count("peak_reads_per_s") <= READS_PER_SECOND.into(), "{totals}");
    assert_eq!((stage.sent().await, stage.paid().await), ((30, 30), json!({ "EUR": 37_500 })));
    stage.assert_books_balance().await;
}

/// Keeps what the service announces.
#[derive(Default)]
struct Heard(Mutex<Vec<Event>>);

#[async_trait]
impl EventSink for Heard {
    async fn deliver(&self, batch: &EventBatch) -> Result<i64, SinkError> {
        self.0.lock().unwrap().extend(batch.events.iter().cloned());
        Ok(batch.events.last().unwrap().position)
    }
}

async fn scenario_16_a_refund_from_the_dashboard_is_recorded_and_an_ambiguous_one_asks_a_person(
    stage: Stage,
) {
    let lines = || vec![ticket("t1", 3000, DAY * 20), ticket("t2", 2000, DAY * 20)];
    stage.sell(booking("A1", lines())).await;
    let before = stage.order("A1").await;
    let ingress = stage.take_webhooks().await;
    let provider_id = stage.bench.refund_in_dashboard("pi_A1", 700).await;
    let found = eventually(async || stage.refunds_of("A1").await.pop()).await;
    assert_eq!((found.origin(), found.state()), (Origin::Provider, State::Succeeded));
    assert_eq!((&found.requested, &found.issued), (&euros(700), &euros(700)));
    assert_eq!((found.lines.len(), &only(&found).provider_reference), (0, &provider_id));

    // The tickets are what they were; only the money is less.
    assert_eq!(stage.order("A1").await.lines, before.lines);
    let quote = stage.quote("A1", &[]).await;
    let gross: Vec<_> = quote.lines.iter().map(|line| line.gross.clone()).collect();
    assert_eq!((gross, &quote.total), (vec![euros(3000), euros(2000)], &euros(4300)));
    let mut guarded = acceptance(&quote, &stage.api.request_id());
    guarded.expected_refundable = euros(5000);
    let refused = stage.api.refunds("arena").create_refund(guarded).await.unwrap_err();
    let text = told(&refused);
    assert!(text.starts_with("FailedPrecondition REFUNDABLE_CHANGED"), "{text}");
    stage.assert_books_balance().await;
    ambiguous(&stage, lines()).await;
    assert_eq!(ingress.counts.of(WebhookOutcome::Recorded), 1);
    assert_eq!(ingress.counts.of(WebhookOutcome::Ambiguous), 1);
    ingress.close().await;
    stage.assert_books_balance().await;
}

/// Two orders name the payment that somebody refunds.
async fn ambiguous(stage: &Stage, lines: Vec<pb::OrderLine>) {
    let orders = ["B1", "B2"];
    stage.sell(booking("B1", lines.clone())).await;
    let mut second = booking("B2", lines);
    "pi_B1".clone_into(&mut second.payments[0].provider_reference);
    stage.import(second).await;
    let mut before = Vec::new();
    for order in orders {
        before.push((stage.order(order).await, stage.quote(order, &[]).await.total));
    }
    let heard = Arc::new(Heard::default());
    let sink: Arc<dyn EventSink> = heard.clone();
    let pump = EventPump {
        database: stage.shop.database.clone(),
        source: "refunds".to_owned(),
        subscribers: vec![("test".to_owned(), sink)],
        clock: stage.shop.clock.clone(),
        settings: RelaySettings {
            safety_poll: Duration::from_millis(20),
            ..RelaySettings::new("test")
        },
        retention: DAY,
    };
    let ends = CancellationToken::new();
    let running = tokio::spawn(pump.run(ends.clone()));
    let provider_id = stage.bench.refund_in_dashboard("pi_B1", 500).await;
    let told = eventually(async || {
        let heard = heard.0.lock().unwrap();
        let kind = "redress.events.v1.ProviderRefundAmbiguous";
        heard.iter().find(|event| event.event_type == kind).cloned()
    })
    .await;
    ends.cancel();
    running.await.unwrap();
    let told = ProviderRefundAmbiguous::decode(told.payload.as_slice()).unwrap();
    assert_eq!((&*told.order, &told.provider_refund), ("orders/B1", &provider_id));
    assert_eq!((&*told.provider, told.amount), ("stripe", euros(500)));
    for (order, before) in orders.into_iter().zip(before) {
        assert_eq!(stage.refunds_of(order).await, []);
        let after = (stage.order(order).await, stage.quote(order, &[]).await.total);
        assert_eq!(after, before);
    }
}
