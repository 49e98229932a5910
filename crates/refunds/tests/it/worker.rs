//! The workers against a real sandbox over HTTP, on both databases.
//!
//! The clock is moved on by the loop that waits for a condition, so that backoffs and windows pass
//! quickly; what the sandbox has paid is read from the sandbox.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use redress_core::clock::Clock as _;
use redress_core::id::RefundId;
use redress_refunds::domain::attempt::{AttemptState, Reason};
use redress_refunds::domain::disruption::DisruptionState;
use redress_refunds::domain::refund::RefundState;
use redress_refunds::provider::{ProviderTerms, SharedProvider};
use redress_refunds::store::ItemTerms;
use redress_refunds::webhook::{WebhookDeps, WebhookServer, WebhookSettings};
use redress_refunds::worker::{self, WorkSignals, WorkerSettings, Workshop};
use redress_sandbox::{SandboxConfig, SecretKey, WebhookConfig, WebhookEndpoint};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::sandbox::{Bench, WEBHOOK_SECRET, connector, eventually, terms};
use crate::shop::{Shop, open, payment_of};
use crate::webhook::Records;

/// Running workers.
pub(crate) struct Crew {
    signals: WorkSignals,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

pub(crate) fn workshop(shop: &Shop) -> Workshop {
    Workshop {
        store: Arc::clone(&shop.store),
        clock: shop.clock.clone(),
        ids: Arc::clone(&shop.ids),
        signals: WorkSignals::default(),
        settings: WorkerSettings {
            poll: Duration::from_millis(20),
            drain: Duration::from_secs(10),
            look_up_first: Duration::from_secs(1),
            look_up_cap: Duration::from_mins(1),
            check_first: Duration::from_secs(5),
            ask_person_after: Duration::from_mins(15),
            deadline_warning: Duration::from_hours(48),
            item_terms: ItemTerms { pay_within: Duration::from_hours(24), arrival: None },
        },
    }
}

fn stripe(base_url: &str) -> SharedProvider {
    Arc::new(connector(base_url, terms()))
}

pub(crate) fn hire_for(workshop: Workshop, provider: SharedProvider) -> Crew {
    hire_all(workshop, vec![provider])
}

/// Workers who send through several providers.
pub(crate) fn hire_all(workshop: Workshop, providers: Vec<SharedProvider>) -> Crew {
    let (signals, stop) = (workshop.signals.clone(), CancellationToken::new());
    let ends = stop.clone();
    let running = tokio::spawn(async move {
        worker::run(workshop, &providers, ends).await;
    });
    Crew { signals, stop, running }
}

pub(crate) fn hire(shop: &Shop, base_url: &str) -> Crew {
    hire_for(workshop(shop), stripe(base_url))
}

impl Crew {
    /// Ends it as if its process had been killed.
    pub(crate) async fn kill(self) {
        self.running.abort();
        assert!(self.running.await.unwrap_err().is_cancelled());
    }

    pub(crate) async fn dismiss(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

/// Moves the clock on until every refund has come to rest.
pub(crate) async fn at_rest(shop: &Shop, refunds: &[RefundId]) {
    eventually(async || {
        shop.clock.advance(Duration::from_millis(100));
        for refund in refunds {
            if !shop.stored(refund).await.state.is_at_rest() {
                return None;
            }
        }
        Some(())
    })
    .await;
}

/// A refund of one order, after the worker and `faults` have done what they do.
async fn after(shop: &Shop, faults: serde_json::Value) -> (Bench, RefundId) {
    let bench = Bench::start().await;
    bench.seed("pi_A1", 1_250, "EUR").await;
    bench.inject("pi_A1", faults).await;
    let refund = shop.refund("A1").await;
    let crew = hire(shop, &bench.base_url());
    at_rest(shop, std::slice::from_ref(&refund)).await;
    crew.dismiss().await;
    (bench, refund)
}

async fn assert_books_balance(shop: &Shop, paid: i64) {
    let sums = shop.store.ledger_sums(&shop.tenant).await.unwrap();
    assert_eq!(sums.len(), 1);
    assert_eq!(sums[0].differences(), Vec::<String>::new());
    assert_eq!((sums[0].paid, sums[0].reserved), (paid, 0));
}

async fn every_refund_is_paid_once(shop: Shop) {
    let bench = Bench::start().await;
    let mut refunds = Vec::new();
    for number in 0..100 {
        let order = format!("A{number}");
        bench.seed(&payment_of(&order), 1_250, "EUR").await;
        refunds.push(shop.refund(&order).await);
    }
    let crew = hire(&shop, &bench.base_url());
    crew.signals.attempts_armed();
    at_rest(&shop, &refunds).await;
    crew.dismiss().await;
    for refund in &refunds {
        assert_eq!(shop.stored(refund).await.state, RefundState::Succeeded);
    }
    let totals = bench.totals().await;
    assert_eq!(totals["refunded_minor_units_by_currency"], json!({ "EUR": 125_000 }));
    assert_eq!(totals["max_refunds_per_attempt"], 1);
    assert_eq!(totals["refund_requests_total"], 100);
    assert_books_balance(&shop, 125_000).await;
}

async fn a_lost_answer_is_found_and_paid_once(shop: Shop) {
    let (bench, refund) = after(&shop, json!(["lost_answer"])).await;
    assert_eq!(shop.stored(&refund).await.state, RefundState::Succeeded);
    assert_eq!(shop.attempt_states(&refund).await, [AttemptState::Succeeded]);
    assert_eq!(bench.totals().await["refunds_made"], 1);
    assert_books_balance(&shop, 1_250).await;
}

async fn an_error_before_anything_is_proven_absent_and_sent_anew(shop: Shop) {
    let (bench, refund) = after(&shop, json!(["error_before"])).await;
    assert_eq!(shop.stored(&refund).await.state, RefundState::Succeeded);
    let states = shop.attempt_states(&refund).await;
    assert_eq!(states, [AttemptState::Failed, AttemptState::Succeeded]);
    let attempts = shop.stored(&refund).await.attempts;
    let failed = attempts.iter().find(|attempt| attempt.ordinal == 1).unwrap();
    assert_eq!(failed.reason, Some(Reason::NotExecuted));
    let proven_after = failed.updated.since(failed.sent);
    assert!(proven_after >= Duration::from_secs(10), "absence proven after {proven_after:?}");
    assert_eq!(bench.totals().await["refunds_made"], 1);
    assert_books_balance(&shop, 1_250).await;
}

async fn a_refund_that_fails_later_needs_a_person(shop: Shop) {
    let (_bench, refund) = after(&shop, json!([{ "kind": "card_closed", "delay_ms": 50 }])).await;
    let refund = shop.stored(&refund).await;
    assert_eq!(
        (refund.state, refund.reason),
        (RefundState::Attention, Some(Reason::AccountClosed))
    );
    assert_books_balance(&shop, 0).await;
}

async fn a_refusal_needs_a_person(shop: Shop) {
    let (bench, refund) = after(&shop, json!(["balance_refused"])).await;
    let refund = shop.stored(&refund).await;
    assert_eq!(refund.reason, Some(Reason::InsufficientBalance));
    assert_eq!(bench.totals().await["refunds_made"], 0);
    assert_books_balance(&shop, 0).await;
}

async fn a_rate_limit_delays_and_fails_nothing(shop: Shop) {
    let bench = Bench::with_rate(10).await;
    let mut refunds = Vec::new();
    for number in 0..30 {
        let order = format!("A{number}");
        bench.seed(&payment_of(&order), 1_250, "EUR").await;
        refunds.push(shop.refund(&order).await);
    }
    let crew = hire(&shop, &bench.base_url());
    at_rest(&shop, &refunds).await;
    crew.dismiss().await;
    let totals = bench.totals().await;
    assert_eq!(totals["refunds_made"], 30);
    assert_eq!(totals["attempts_with_several_refunds"], 0);
    assert!(totals["rate_limited_total"].as_i64().unwrap() > 0, "{totals}");
    for refund in &refunds {
        assert_eq!(shop.attempt_states(refund).await, [AttemptState::Succeeded]);
    }
}

async fn a_provider_that_cannot_be_reached_gets_everything_later(shop: Shop) {
    let address = free_port().await;
    let refund = shop.refund("A1").await;
    let crew = hire(&shop, &format!("http://{address}"));
    eventually(async || {
        shop.clock.advance(Duration::from_millis(100));
        let attempt = shop.attempt(&refund).await;
        let waits = attempt.state == AttemptState::Armed && attempt.due > shop.clock.now();
        (waits && attempt.delays >= 2).then_some(())
    })
    .await;
    let bench = Bench::at(address).await;
    bench.seed("pi_A1", 1_250, "EUR").await;
    at_rest(&shop, std::slice::from_ref(&refund)).await;
    crew.dismiss().await;
    assert_eq!(shop.attempt_states(&refund).await, [AttemptState::Succeeded]);
    assert_eq!(bench.totals().await["refunds_made"], 1);
}

pub(crate) async fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

async fn stopping_waits_for_calls_and_stores_what_they_found(shop: Shop) {
    let bench = Bench::start().await;
    let slow = json!({ "plan": { "slow_answer": 1000, "slow_answer_ms": 300 } });
    bench.control("faults", slow).await;
    let mut refunds = Vec::new();
    for number in 0..40 {
        let order = format!("A{number}");
        bench.seed(&payment_of(&order), 1_250, "EUR").await;
        refunds.push(shop.refund(&order).await);
    }
    let crew = hire(&shop, &bench.base_url());
    eventually(async || {
        let totals = bench.totals().await;
        (totals["refunds_made"].as_i64().unwrap() > 0).then_some(())
    })
    .await;
    crew.dismiss().await;
    let mut succeeded = 0;
    for refund in &refunds {
        match *shop.attempt_states(refund).await {
            [AttemptState::Succeeded] => succeeded += 1,
            [AttemptState::Armed] => {}
            ref other => panic!("left behind: {other:?}"),
        }
    }
    let paid = bench.totals().await["refunds_made"].as_i64().unwrap();
    assert_eq!(paid, succeeded);
    assert!((1..=16).contains(&paid), "{paid} were paid although the worker was told to stop");
}

async fn attempts_of_a_worker_that_vanished_are_looked_up(shop: Shop) {
    let bench = Bench::start().await;
    bench
        .control("faults", json!({ "plan": { "slow_answer": 1000, "slow_answer_ms": 60_000 } }))
        .await;
    bench.seed("pi_A1", 1_250, "EUR").await;
    let refund = shop.refund("A1").await;
    let crew = hire(&shop, &bench.base_url());
    eventually(async || {
        let totals = bench.totals().await;
        (totals["refunds_made"] == 1).then_some(())
    })
    .await;
    // As if its process had been killed in the middle of the call.
    crew.kill().await;
    assert_eq!(shop.attempt_states(&refund).await, [AttemptState::Sent]);

    let crew = hire(&shop, &bench.base_url());
    at_rest(&shop, std::slice::from_ref(&refund)).await;
    crew.dismiss().await;
    assert_eq!(shop.attempt_states(&refund).await, [AttemptState::Succeeded]);
    assert_eq!(bench.totals().await["refunds_made"], 1);
}

async fn two_crews_share_the_work(shop: Shop) {
    let bench = Bench::start().await;
    let mut refunds = Vec::new();
    for number in 0..60 {
        let order = format!("A{number}");
        bench.seed(&payment_of(&order), 1_250, "EUR").await;
        refunds.push(shop.refund(&order).await);
    }
    let crews = [hire(&shop, &bench.base_url()), hire(&shop, &bench.base_url())];
    at_rest(&shop, &refunds).await;
    for crew in crews {
        crew.dismiss().await;
    }
    let totals = bench.totals().await;
    assert_eq!(totals["refunds_made"], 60);
    assert_eq!(totals["refund_requests_total"], 60);
    assert_books_balance(&shop, 75_000).await;
}

async fn a_cancelled_event_is_refunded_and_completed(shop: Shop) {
    let bench = Bench::start().await;
    let orders: Vec<String> = (0..250).map(|number| format!("A{number}")).collect();
    shop.import(&orders).await;
    for order in &orders {
        bench.seed(&payment_of(order), 1_250, "EUR").await;
    }
    let plan = json!({ "seed": 7, "lost_answer": 50, "error_before": 50, "error_after": 50 });
    bench.control("faults", json!({ "plan": plan })).await;
    let crew = hire(&shop, &bench.base_url());
    let disruption = shop.cancel_derby(&orders).await;
    crew.signals.items_released();
    eventually(async || {
        shop.clock.advance(Duration::from_millis(100));
        let found = shop.store.disruption(&shop.tenant, &disruption).await.unwrap().unwrap();
        (found.state == DisruptionState::Completed).then_some(())
    })
    .await;
    crew.dismiss().await;
    let totals = bench.totals().await;
    assert_eq!(totals["refunded_minor_units_by_currency"], json!({ "EUR": 250 * 1_250 }));
    assert_eq!(totals["max_refunds_per_payment_intent"], 1);
    assert_books_balance(&shop, 250 * 1_250).await;
}

async fn a_webhook_brings_the_look_up_forward(shop: Shop) {
    // Time stands still: nothing but the webhook makes the look-up due.
    let bench = in_one_time(&shop).await;
    bench.seed("pi_A1", 1_250, "EUR").await;
    bench.inject("pi_A1", json!([{ "kind": "card_closed", "delay_ms": 100 }])).await;
    let refund = shop.refund("A1").await;
    let workshop = workshop(&shop);
    let provider = stripe(&bench.base_url());
    let settings = WebhookSettings { listen: "127.0.0.1:0".parse().unwrap() };
    let deps = WebhookDeps {
        providers: vec![Arc::clone(&provider)],
        foreign: Arc::new(Records::default()),
        store: Arc::clone(&shop.store),
        signals: workshop.signals.clone(),
        clock: shop.clock.clone(),
    };
    let server = WebhookServer::bind(&settings, deps).await.unwrap();
    let url = format!("http://{}/webhooks/stripe", server.local_addr());
    let endpoint = json!({ "url": url, "secret": WEBHOOK_SECRET });
    bench.control("webhook_endpoint", endpoint).await;
    let ends = CancellationToken::new();
    let running = tokio::spawn(server.run(ends.clone()));
    let crew = hire_for(workshop, provider);
    let reason = eventually(async || shop.stored(&refund).await.reason).await;
    assert_eq!(reason, Reason::AccountClosed);
    crew.dismiss().await;
    ends.cancel();
    running.await.unwrap();
}

/// A connector and a sandbox in one time, which stands still until the test moves it.
pub(crate) async fn in_one_time(shop: &Shop) -> Bench {
    let time = shop.clock.clone();
    let clock = redress_sandbox::Clock::from_fn(move || time.now().0);
    Bench::with(SandboxConfig { requests_per_s: 0, clock, ..SandboxConfig::default() }).await
}

/// The answer is lost and nobody looks for a day, in which the provider forgets the key: a second
/// send would be a second refund.
async fn a_lost_answer_is_settled_after_25_hours_without_a_second_send(shop: Shop) {
    let bench = in_one_time(&shop).await;
    bench.seed("pi_A1", 5_000, "EUR").await;
    bench.inject("pi_A1", json!(["lost_answer"])).await;
    let refund = shop.refund("A1").await;
    let crew = hire(&shop, &bench.base_url());
    let lost = async || (shop.attempt(&refund).await.state == AttemptState::Unknown).then_some(());
    eventually(lost).await;
    crew.dismiss().await;
    shop.clock.advance(Duration::from_hours(25));
    let crew = hire(&shop, &bench.base_url());
    at_rest(&shop, std::slice::from_ref(&refund)).await;
    crew.dismiss().await;
    assert_eq!(shop.attempt_states(&refund).await, [AttemptState::Succeeded]);
    let totals = bench.totals().await;
    assert_eq!((&totals["refund_requests_total"], &totals["refunds_made"]), (&json!(1), &json!(1)));
    assert_books_balance(&shop, 1_250).await;
}

/// Nothing but asking tells of these refunds, and there is more to ask than the budget allows.
async fn all_webhooks_are_dropped_and_polling_settles_within_the_read_budget(shop: Shop) {
    const READS_PER_SECOND: u32 = 15;
    let url = format!("http://{}/webhooks/stripe", free_port().await);
    let endpoint = WebhookEndpoint { url, secret: SecretKey::new(WEBHOOK_SECRET) };
    let webhooks =
        WebhookConfig { endpoint: Some(endpoint), max_attempts: 1, ..WebhookConfig::default() };
    let bench =
        Bench::with(SandboxConfig { requests_per_s: 0, webhooks, ..Default::default() }).await;
    bench.control("faults", json!({ "plan": { "balance_pending": 1000 } })).await;
    let mut refunds = Vec::new();
    for number in 0..30 {
        let order = format!("A{number}");
        bench.seed(&payment_of(&order), 1_250, "EUR").await;
        refunds.push(shop.refund(&order).await);
    }
    let terms = ProviderTerms { reads_per_second: READS_PER_SECOND, concurrency: 32, ..terms() };
    let crew = hire_for(workshop(&shop), Arc::new(connector(&bench.base_url(), terms)));
    eventually(async || {
        for refund in &refunds {
            if shop.attempt(refund).await.state != AttemptState::Accepted {
                return None;
            }
        }
        Some(())
    })
    .await;
    bench.control("balance", json!({ "currency": "EUR", "top_up": 1 })).await;
    at_rest(&shop, &refunds).await;
    crew.dismiss().await;
    let totals = bench.totals().await;
    assert_eq!(totals["refunds_by_status"]["succeeded"], 30, "{totals}");
    assert_eq!(totals["webhooks"]["delivered"], 0, "{totals}");
    assert!(totals["webhooks"]["given_up"].as_u64().unwrap() > 0, "{totals}");
    assert!(totals["reads_total"].as_u64().unwrap() >= 30, "{totals}");
    assert!(totals["peak_reads_per_s"].as_u64().unwrap() <= READS_PER_SECOND.into(), "{totals}");
    assert_books_balance(&shop, 30 * 1_250).await;
}

redress_testkit::conformance! {
    open = open;
    every_refund_is_paid_once,
    a_lost_answer_is_found_and_paid_once,
    an_error_before_anything_is_proven_absent_and_sent_anew,
    a_refund_that_fails_later_needs_a_person,
    a_refusal_needs_a_person,
    a_rate_limit_delays_and_fails_nothing,
    a_provider_that_cannot_be_reached_gets_everything_later,
    stopping_waits_for_calls_and_stores_what_they_found,
    attempts_of_a_worker_that_vanished_are_looked_up,
    two_crews_share_the_work,
    a_cancelled_event_is_refunded_and_completed,
    a_webhook_brings_the_look_up_forward,
    a_lost_answer_is_settled_after_25_hours_without_a_second_send,
    all_webhooks_are_dropped_and_polling_settles_within_the_read_budget,
}
