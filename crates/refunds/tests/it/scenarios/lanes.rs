//! Scenario 24, and what else a provider's lane does for all processes on one database. The
//! sandbox, which counts, runs in the time of the machine; that of the workers stands still unless
//! a test moves it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderMap;
use redress_core::clock::{Clock as _, Timestamp};
use redress_core::id::RefundId;
use redress_core::money::{Currency, Money};
use redress_refunds::domain::attempt::{AttemptState, Reason};
use redress_refunds::domain::lane::{Breaker, Lane};
use redress_refunds::domain::refund::RefundState;
use redress_refunds::provider::stripe::StripeConnector;
use redress_refunds::provider::{
    BalanceError, LookUp, LookUpOutcome, Provider, ProviderTerms, ReadOutcome, RefundOrder,
    SendOutcome, SharedProvider, WebhookError, WebhookNotice,
};
use redress_refunds::store::LaneState;
use serde_json::{Value, json};

use crate::sandbox::{Bench, connector, eventually, terms};
use crate::shop::{Shop, open, payment_of};
use crate::worker::{at_rest, hire_all, hire_for, workshop};

redress_testkit::conformance! {
    open = open;
    scenario_24_four_workers_keep_to_25_a_second_and_slow_no_other_lane,
    a_provider_that_fails_is_tried_again_by_one_attempt,
    a_lane_waits_until_the_balance_covers_it,
    a_refund_that_is_refused_for_want_of_funds_is_paid_once_there_are_some,
}

/// What Stripe takes.
const LIMIT: u32 = 25;

/// The sandbox under another name: a lane of its own.
#[derive(Debug)]
struct Other(StripeConnector);

#[async_trait]
impl Provider for Other {
    fn name(&self) -> &'static str {
        "other"
    }

    fn terms(&self) -> ProviderTerms {
        self.0.terms()
    }

    fn step(&self, currency: Currency) -> Option<i64> {
        self.0.step(currency)
    }

    async fn send(&self, order: &RefundOrder) -> SendOutcome {
        self.0.send(order).await
    }

    async fn look_up(&self, query: &LookUp) -> LookUpOutcome {
        self.0.look_up(query).await
    }

    async fn read_refund(&self, provider_refund: &str) -> ReadOutcome {
        self.0.read_refund(provider_refund).await
    }

    async fn balance(&self) -> Result<Vec<Money>, BalanceError> {
        self.0.balance().await
    }

    fn read_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<WebhookNotice>, WebhookError> {
        self.0.read_webhook(headers, body, now)
    }
}

/// Refunds of 12.50 EUR each, captured at the sandbox.
async fn sell(shop: &Shop, bench: &Bench, provider: &str, orders: &[String]) -> Vec<RefundId> {
    let mut refunds = Vec::new();
    for order in orders {
        bench.seed(&payment_of(order), 1_250, "EUR").await;
        refunds.push(shop.refund_on(order, provider).await);
    }
    refunds
}

fn orders(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}{number}")).collect()
}

/// The lane of stripe; one that has never rested and has nothing armed is in no table.
async fn lane(shop: &Shop) -> LaneState {
    let states = shop.store.lane_states().await.unwrap();
    let found = states.into_iter().find(|state| state.provider == "stripe");
    found.unwrap_or_else(|| LaneState {
        provider: "stripe".to_owned(),
        lane: Lane::default(),
        armed: 0,
        funds: Vec::new(),
    })
}

async fn scenario_24_four_workers_keep_to_25_a_second_and_slow_no_other_lane(shop: Shop) {
    let (bench, unlimited) = (Bench::with_rate(LIMIT).await, Bench::start().await);
    let limited = sell(&shop, &bench, "stripe", &orders("A", 150)).await;
    let others = sell(&shop, &unlimited, "other", &orders("B", 150)).await;
    let crews: Vec<_> = (0..4)
        .map(|_| {
            let stripe = ProviderTerms { sends_per_second: Some(LIMIT), ..terms() };
            let stripe: SharedProvider = Arc::new(connector(&bench.base_url(), stripe));
            let other = Arc::new(Other(connector(&unlimited.base_url(), terms())));
            hire_all(workshop(&shop), vec![stripe, other])
        })
        .collect();
    let paid = async |bench: &Bench| bench.totals().await["refunds_made"].as_u64().unwrap();
    let ahead = eventually(async || {
        let (others, limited) = (paid(&unlimited).await, paid(&bench).await);
        (others == 150).then_some(limited)
    })
    .await;
    assert!(ahead < 150, "the other lane was done when {ahead} of the limited one were paid");
    eventually(async || (paid(&bench).await == 150).then_some(())).await;
    eventually(async || (lane(&shop).await.armed == 0).then_some(())).await;
    for crew in crews {
        crew.dismiss().await;
    }
    for refund in limited.iter().chain(&others) {
        assert_eq!(shop.stored(refund).await.state, RefundState::Succeeded);
    }
    let totals = bench.totals().await;
    assert_eq!(totals["rate_limited_total"], 0, "{totals}");
    assert_eq!(totals["refund_requests_total"], 150, "{totals}");
    assert!(totals["peak_refund_requests_per_s"].as_u64().unwrap() <= LIMIT.into(), "{totals}");
    // How much of the budget is used over time is measured by `redress bench` and, without a clock,
    // beside the slots; a machine that is busy with other things starves any single second.
    let best = whole_seconds(&totals).into_iter().max().unwrap();
    assert!(
        10 * best >= 9 * u64::from(LIMIT),
        "no second used nine tenths of its budget: {totals}"
    );
}

/// How many refunds were asked for in each second of the run, without the first and the last one,
/// which the run did not fill.
fn whole_seconds(totals: &Value) -> Vec<u64> {
    let seconds = totals["refund_requests_by_second"].as_array().unwrap();
    let counts = seconds.iter().map(|entry| entry[1].as_u64().unwrap());
    counts.skip(1).take(seconds.len().saturating_sub(2)).collect()
}

async fn a_provider_that_fails_is_tried_again_by_one_attempt(shop: Shop) {
    let bench = Bench::start().await;
    bench.control("faults", json!({ "plan": { "error_before": 1000 } })).await;
    let refunds = sell(&shop, &bench, "stripe", &orders("A", 40)).await;
    let provider = || Arc::new(connector(&bench.base_url(), terms()));
    let crews = [hire_for(workshop(&shop), provider()), hire_for(workshop(&shop), provider())];
    // Time stands still: the lane opens and stays so.
    eventually(async || {
        let shut = lane(&shop).await.lane.breaker == Breaker::Open;
        let under_way = sent(&shop, &refunds).await;
        (shut && under_way == 0).then_some(())
    })
    .await;
    let tried = bench.totals().await["refund_requests_total"].as_u64().unwrap();
    assert!((5..40).contains(&tried), "{tried} were tried before the lane opened");
    shop.clock.advance(Duration::from_millis(500));
    eventually(async || {
        let now = lane(&shop).await.lane;
        (now.breaker == Breaker::Open && now.trips == 2).then_some(())
    })
    .await;
    let probed = bench.totals().await["refund_requests_total"].as_u64().unwrap();
    assert_eq!(probed, tried + 1, "one attempt finds out");
    bench.control("faults", json!({ "plan": {} })).await;
    at_rest(&shop, &refunds).await;
    for crew in crews {
        crew.dismiss().await;
    }
    assert_eq!(lane(&shop).await.lane.breaker, Breaker::Closed);
    assert_eq!(bench.totals().await["max_refunds_per_payment_intent"], 1);
    assert_eq!(bench.totals().await["refunds_made"], 40);
}

/// How many attempts are sent and without an answer.
async fn sent(shop: &Shop, refunds: &[RefundId]) -> usize {
    let mut count = 0;
    for refund in refunds {
        let states = shop.attempt_states(refund).await;
        count += states.into_iter().filter(|state| *state == AttemptState::Sent).count();
    }
    count
}

async fn a_lane_waits_until_the_balance_covers_it(shop: Shop) {
    let bench = Bench::start().await;
    let refunds = sell(&shop, &bench, "stripe", &orders("A", 3)).await;
    bench.control("balance", json!({ "currency": "EUR", "amount": 3_000 })).await;
    // Nothing is sent before the first look.
    shop.store.await_funds("stripe", "EUR".parse().unwrap(), 1, shop.clock.now()).await.unwrap();
    let gated = ProviderTerms { balance_gate: true, ..terms() };
    let crew = hire_for(workshop(&shop), Arc::new(connector(&bench.base_url(), gated)));
    let waits = eventually(async || {
        let funds = lane(&shop).await.funds;
        funds.first().is_some_and(|wait| wait.available.is_some()).then_some(funds)
    })
    .await;
    let [wait] = waits.as_slice() else { panic!("{waits:?}") };
    assert_eq!((wait.needed, wait.available), (3_750, Some(3_000)));
    assert_eq!(bench.totals().await["refund_requests_total"], 0);
    for refund in &refunds {
        assert_eq!(shop.attempt_states(refund).await, [AttemptState::Armed]);
        assert_ne!(shop.stored(refund).await.state, RefundState::Attention);
    }
    bench.control("balance", json!({ "currency": "EUR", "top_up": 750 })).await;
    at_rest(&shop, &refunds).await;
    crew.dismiss().await;
    assert_eq!(bench.totals().await["refunds_by_status"]["succeeded"], 3);
    assert_eq!(lane(&shop).await.funds, []);
}

async fn a_refund_that_is_refused_for_want_of_funds_is_paid_once_there_are_some(shop: Shop) {
    let bench = Bench::start().await;
    let refunds = sell(&shop, &bench, "stripe", &orders("A", 1)).await;
    bench.inject("pi_A0", json!(["balance_refused"])).await;
    let gated = ProviderTerms { balance_gate: true, ..terms() };
    let crew = hire_for(workshop(&shop), Arc::new(connector(&bench.base_url(), gated)));
    at_rest(&shop, &refunds).await;
    crew.dismiss().await;
    let states = shop.attempt_states(&refunds[0]).await;
    assert_eq!(states, [AttemptState::Failed, AttemptState::Succeeded]);
    let stored = shop.stored(&refunds[0]).await;
    let refused = stored.attempts.iter().find(|attempt| attempt.ordinal == 1).unwrap();
    assert_eq!(refused.reason, Some(Reason::InsufficientBalance));
    assert_eq!(stored.state, RefundState::Succeeded);
    assert_eq!(bench.totals().await["refunds_made"], 1);
}
