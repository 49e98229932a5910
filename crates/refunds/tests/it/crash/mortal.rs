//! A process that ends at a chosen step, and its connection to a provider.
//!
//! Invariant: from its end on nothing that the process asks for is begun, and nothing that is under
//! way is answered: its futures never resolve, and the test drops them, as the system does with a
//! killed process.

use std::any::Any;
use std::future::pending;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::http::HeaderMap;
use redress_core::clock::Timestamp;
use redress_core::money::{Currency, Money};
use redress_refunds::domain::attempt::Attempt;
use redress_refunds::provider::{
    BalanceError, LookUp, LookUpOutcome, Provider, ProviderTerms, ReadOutcome, RefundOrder,
    SendOutcome, SharedProvider, WebhookError, WebhookNotice,
};
use redress_refunds::store::Taken;
use redress_store::StoreError;
use tokio_util::sync::CancellationToken;

/// What workers ask again and again, whether there is something to do or not: no step of anything.
const IDLE_QUESTIONS: [&str; 7] = [
    "next_due",
    "work",
    "start_items",
    "lapse_choices",
    "abort_items",
    "complete_disruptions",
    "announce_deadlines",
];

/// On which side of a step a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The step before it is done and known of, and this one is not begun.
    Before,
    /// It is done, and nobody has learned of it.
    After,
}

/// Where a process ends: at its step with this number, from 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Death {
    pub(crate) step: usize,
    pub(crate) moment: Moment,
}

impl Death {
    /// Both ends of each step, first to last, for as long as the caller asks.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let both = |step| [Moment::Before, Moment::After].map(|moment| Self { step, moment });
        (0..).flat_map(both)
    }
}

/// A process: its calls to the database and to the provider are its steps.
#[derive(Debug)]
pub(crate) struct Mortal {
    death: Death,
    done: Mutex<Vec<&'static str>>,
    dead: CancellationToken,
}

impl Mortal {
    pub(crate) fn until(death: Death) -> Arc<Self> {
        Arc::new(Self { death, done: Mutex::default(), dead: CancellationToken::new() })
    }

    /// Waits for its end.
    pub(crate) async fn died(&self) {
        self.dead.cancelled().await;
    }

    /// The steps that were done, first to last.
    pub(crate) fn done(&self) -> Vec<&'static str> {
        self.done.lock().unwrap().clone()
    }

    /// Does a step, unless the process ends before it; answers, unless the process has ended.
    pub(crate) async fn step<T: Any>(
        &self,
        name: &'static str,
        call: impl Future<Output = T>,
    ) -> T {
        if self.ends_before_this_step() {
            return pending().await;
        }
        let answer = call.await;
        if !IDLE_QUESTIONS.contains(&name) && !is_empty_claim(&answer) {
            self.record(name);
        }
        if self.dead.is_cancelled() { pending().await } else { answer }
    }

    fn ends_before_this_step(&self) -> bool {
        let done = self.done.lock().unwrap();
        if self.death.moment == Moment::Before && done.len() >= self.death.step {
            self.dead.cancel();
        }
        self.dead.is_cancelled()
    }

    /// A step that another one's end overtook had its effect, but nobody lived to know.
    fn record(&self, name: &'static str) {
        let mut done = self.done.lock().unwrap();
        if self.dead.is_cancelled() {
            return;
        }
        done.push(name);
        if self.death.moment == Moment::After && done.len() > self.death.step {
            self.dead.cancel();
        }
    }
}

/// Whether a claim found nothing: how often that happens is a matter of chance.
fn is_empty_claim(answer: &dyn Any) -> bool {
    let claimed = answer.downcast_ref::<Result<Vec<Attempt>, StoreError>>();
    let taken = answer.downcast_ref::<Result<Taken, StoreError>>();
    claimed.is_some_and(|claimed| claimed.as_ref().is_ok_and(Vec::is_empty))
        || taken.is_some_and(|taken| taken.as_ref().is_ok_and(|taken| taken.attempts.is_empty()))
}

/// A provider as `process` reaches it.
#[derive(Debug)]
pub(crate) struct MortalProvider {
    pub(crate) process: Arc<Mortal>,
    pub(crate) provider: SharedProvider,
}

#[async_trait]
impl Provider for MortalProvider {
    fn name(&self) -> &str {
        self.provider.name()
    }

    fn terms(&self) -> ProviderTerms {
        self.provider.terms()
    }

    fn step(&self, currency: Currency) -> Option<i64> {
        self.provider.step(currency)
    }

    async fn send(&self, order: &RefundOrder) -> SendOutcome {
        self.process.step("send", self.provider.send(order)).await
    }

    async fn look_up(&self, query: &LookUp) -> LookUpOutcome {
        self.process.step("look_up", self.provider.look_up(query)).await
    }

    async fn read_refund(&self, provider_refund: &str) -> ReadOutcome {
        self.provider.read_refund(provider_refund).await
    }

    async fn balance(&self) -> Result<Vec<Money>, BalanceError> {
        self.provider.balance().await
    }

    fn read_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<WebhookNotice>, WebhookError> {
        self.provider.read_webhook(headers, body, now)
    }
}
