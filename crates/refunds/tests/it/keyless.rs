//! A provider without idempotency keys, whose refunds cannot be found by our reference: what the
//! sandbox is to a connector that sends neither.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::HeaderMap;
use redress_core::clock::Timestamp;
use redress_core::money::{Currency, Money};
use redress_refunds::domain::attempt::{AttemptState, Reason};
use redress_refunds::domain::refund::RefundState;
use redress_refunds::provider::{
    BalanceError, LookUp, LookUpOutcome, Provider, ProviderRefund, ProviderStatus, ProviderTerms,
    ReadOutcome, RefundOrder, SendOutcome, WebhookError, WebhookNotice,
};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::sandbox::{Bench, KEY, eventually, terms};
use crate::shop::{Shop, open};
use crate::worker::{at_rest, hire_for, workshop};

const INCONCLUSIVE: LookUpOutcome = LookUpOutcome::Inconclusive { retry_after: None };

/// What a search without the provider's id says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Search {
    /// The truth: nothing can be known that way.
    Inconclusive,
    /// What a careless connector would say.
    Absent,
}

/// A small connector of its own. Its shop's payments name it `stripe`, as all in these tests.
#[derive(Debug)]
pub(crate) struct Keyless {
    client: Client,
    base_url: String,
    search: Search,
}

impl Keyless {
    pub(crate) fn new(bench: &Bench, search: Search) -> Arc<Self> {
        let client = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Arc::new(Self { client, base_url: bench.base_url(), search })
    }

    async fn call(request: RequestBuilder) -> Result<Value, reqwest::Error> {
        request.bearer_auth(KEY).send().await?.error_for_status()?.json().await
    }
}

fn refund(object: &Value) -> Option<ProviderRefund> {
    let status = match object["status"].as_str()? {
        "pending" => ProviderStatus::Pending,
        "succeeded" => ProviderStatus::Succeeded,
        _ => ProviderStatus::Failed(Reason::ProviderRefused),
    };
    Some(ProviderRefund { id: object["id"].as_str()?.to_owned(), status })
}

#[async_trait]
impl Provider for Keyless {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn terms(&self) -> ProviderTerms {
        ProviderTerms { replay_window: None, finds_by_reference: false, ..terms() }
    }

    fn step(&self, currency: Currency) -> Option<i64> {
        (currency.exponent() == 2).then_some(1)
    }

    async fn send(&self, order: &RefundOrder) -> SendOutcome {
        let form = [
            ("payment_intent", order.payment_reference.clone()),
            ("amount", order.amount.to_string()),
        ];
        let request = self.client.post(format!("{}/v1/refunds", self.base_url)).form(&form);
        match Self::call(request).await {
            Ok(object) => refund(&object).map_or(SendOutcome::Unknown, SendOutcome::Answered),
            Err(error) if error.is_connect() => SendOutcome::NotSent { retry_after: None },
            Err(_) => SendOutcome::Unknown,
        }
    }

    async fn look_up(&self, query: &LookUp) -> LookUpOutcome {
        if query.provider_refund.is_empty() {
            return match self.search {
                Search::Inconclusive => INCONCLUSIVE,
                Search::Absent => LookUpOutcome::Absent,
            };
        }
        let url = format!("{}/v1/refunds/{}", self.base_url, query.provider_refund);
        let object = Self::call(self.client.get(url)).await.ok();
        object.as_ref().and_then(refund).map_or(INCONCLUSIVE, LookUpOutcome::Found)
    }

    async fn read_refund(&self, _: &str) -> ReadOutcome {
        ReadOutcome::Inconclusive
    }

    async fn balance(&self) -> Result<Vec<Money>, BalanceError> {
        Err(BalanceError::NotOffered)
    }

    fn read_webhook(
        &self,
        _: &HeaderMap,
        _: &[u8],
        _: Timestamp,
    ) -> Result<Option<WebhookNotice>, WebhookError> {
        Err(WebhookError::NotExpected)
    }
}

/// The answer is lost, and for 25 hours everything is tried that the worker would try.
async fn lose_an_answer(shop: Shop, search: Search) {
    let bench = Bench::start().await;
    bench.seed("pi_A1", 1_250, "EUR").await;
    bench.inject("pi_A1", json!(["lost_answer"])).await;
    let id = shop.refund("A1").await;
    let crew = hire_for(workshop(&shop), Keyless::new(&bench, search));
    eventually(async || (shop.attempt(&id).await.state == AttemptState::Unknown).then_some(()))
        .await;
    for _ in 0..25 {
        let before = shop.attempt(&id).await.delays;
        shop.clock.advance(Duration::from_hours(1));
        eventually(async || (shop.attempt(&id).await.delays > before).then_some(())).await;
    }
    crew.dismiss().await;
    let attempt = shop.attempt(&id).await;
    assert!(attempt.state.is_open(), "{:?} without proof", attempt.state);
    assert_eq!(attempt.absences, 0);
    let totals = bench.totals().await;
    assert_eq!((&totals["refund_requests_total"], &totals["refunds_made"]), (&json!(1), &json!(1)));
    assert_eq!(totals["refunds_without_attempt"], 1);
    let sums = shop.store.ledger_sums(&shop.tenant).await.unwrap().remove(0);
    assert_eq!((sums.differences(), sums.reserved, sums.paid), (Vec::new(), 1_250, 0));
}

async fn a_provider_without_keys_loses_the_answer_and_checks_stay_inconclusive(shop: Shop) {
    lose_an_answer(shop, Search::Inconclusive).await;
}

async fn not_found_proves_nothing_where_nothing_can_be_found(shop: Shop) {
    lose_an_answer(shop, Search::Absent).await;
}

async fn a_provider_without_keys_pays_and_is_looked_up_by_its_own_id(shop: Shop) {
    let bench = Bench::start().await;
    let slow = json!([{ "kind": "card_closed", "delay_ms": 50 }]);
    let mut refunds = Vec::new();
    for order in ["A1", "A2"] {
        bench.seed(&format!("pi_{order}"), 1_250, "EUR").await;
        refunds.push(shop.refund(order).await);
    }
    bench.inject("pi_A2", slow).await;
    let crew = hire_for(workshop(&shop), Keyless::new(&bench, Search::Inconclusive));
    at_rest(&shop, &refunds).await;
    crew.dismiss().await;
    assert_eq!(shop.stored(&refunds[0]).await.state, RefundState::Succeeded);
    assert_eq!(shop.stored(&refunds[1]).await.state, RefundState::Attention);
    assert_eq!(bench.totals().await["refund_requests_total"], 2);
}

redress_testkit::conformance! {
    open = open;
    a_provider_without_keys_loses_the_answer_and_checks_stay_inconclusive,
    not_found_proves_nothing_where_nothing_can_be_found,
    a_provider_without_keys_pays_and_is_looked_up_by_its_own_id,
}
