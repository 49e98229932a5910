//! The worker's process ends at every step of a refund's life, and another one takes over.

use std::sync::Arc;
use std::time::Duration;

use redress_core::clock::Clock as _;
use redress_core::id::RefundId;
use redress_refunds::domain::act::{Action, Outcome};
use redress_refunds::domain::attempt::{AttemptState, Reason};
use redress_refunds::domain::refund::RefundState;
use redress_refunds::provider::SharedProvider;
use redress_refunds::store::{ActOutcome, Decision};
use serde_json::{Value, json};

use super::mortal::{Death, Moment, Mortal, MortalProvider};
use super::mortal_store::MortalStore;
use crate::keyless::{Keyless, Search};
use crate::sandbox::{Bench, connector, eventually, terms};
use crate::shop::{Shop, open, payment_of};
use crate::worker::{Crew, hire_for, workshop};

/// Longer than any lease on an attempt: what a dead process holds is free then.
const PAST_LEASES: Duration = Duration::from_mins(1);

redress_testkit::conformance! {
    open = open;
    scenario_12_a_refund_survives_the_end_of_its_worker_at_every_step,
    a_refund_whose_answer_was_lost_survives_it_at_every_step,
    a_refund_that_was_never_made_survives_it_at_every_step,
    a_refund_that_fails_later_survives_it_at_every_step,
    scenario_12_a_provider_without_keys_pays_at_most_once_until_a_person_decides,
}

async fn scenario_12_a_refund_survives_the_end_of_its_worker_at_every_step(shop: Shop) {
    let done = Stage::set(shop).await.sweep(json!([]), RefundState::Succeeded).await;
    assert_eq!(done, ["claim_to_send", "send", "settle"]);
}

async fn a_refund_whose_answer_was_lost_survives_it_at_every_step(shop: Shop) {
    let faults = json!(["lost_answer"]);
    let done = Stage::set(shop).await.sweep(faults, RefundState::Succeeded).await;
    let lost = ["claim_to_send", "send", "settle"];
    assert_eq!(done, [&lost[..], &["claim_to_look_up", "look_up", "settle"]].concat());
}

async fn a_refund_that_was_never_made_survives_it_at_every_step(shop: Shop) {
    let faults = json!(["error_before"]);
    let done = Stage::set(shop).await.sweep(faults, RefundState::Succeeded).await;
    let (try_one, rest) = done.split_at(3);
    let (proof, try_two) = rest.split_at(rest.len() - 3);
    assert_eq!((try_one, try_two), (&["claim_to_send", "send", "settle"][..], try_one));
    let look_ups = proof.chunks(3).collect::<Vec<_>>();
    assert!(look_ups.len() >= 3, "absence proven by {proof:?}");
    assert!(look_ups.iter().all(|look| **look == ["claim_to_look_up", "look_up", "settle"]));
}

async fn a_refund_that_fails_later_survives_it_at_every_step(shop: Shop) {
    let faults = json!([{ "kind": "card_closed", "delay_ms": 0 }]);
    let done = Stage::set(shop).await.sweep(faults, RefundState::Attention).await;
    let (sent, rest) = done.split_at(3);
    assert_eq!(sent, ["claim_to_send", "send", "settle"]);
    assert!(rest.ends_with(&["claim_to_look_up", "look_up", "settle"]), "{rest:?}");
}

/// What the lives of one test share.
struct Stage {
    shop: Shop,
    bench: Bench,
    provider: SharedProvider,
    /// Refunds so far.
    refunds: i64,
}

impl Stage {
    async fn set(shop: Shop) -> Self {
        let bench = Bench::start().await;
        let provider = Arc::new(connector(&bench.base_url(), terms()));
        Self { shop, bench, provider, refunds: 0 }
    }

    /// A refund of a new order, about which the provider does `faults`.
    async fn refund(&mut self, faults: &Value) -> RefundId {
        self.refunds += 1;
        let order = format!("A{}", self.refunds);
        self.bench.seed(&payment_of(&order), 1_250, "EUR").await;
        self.bench.inject(&payment_of(&order), faults.clone()).await;
        self.shop.refund(&order).await
    }

    /// A worker whose process ends at `death`.
    fn hire_mortal(&self, death: Death) -> (Arc<Mortal>, Crew) {
        let process = Mortal::until(death);
        let mut workshop = workshop(&self.shop);
        workshop.store = MortalStore::shared(&process, &self.shop.store);
        let provider = Arc::clone(&self.provider);
        let provider = MortalProvider { process: Arc::clone(&process), provider };
        let crew = hire_for(workshop, Arc::new(provider));
        (process, crew)
    }

    /// Refunds order after order under `faults`, each time with a worker that ends a little later,
    /// until one lives to the end. What that one did.
    async fn sweep(mut self, faults: Value, ends_as: RefundState) -> Vec<&'static str> {
        for death in Death::all() {
            let refund = self.refund(&faults).await;
            let (process, crew) = self.hire_mortal(death);
            let died = tokio::select! {
                biased;
                () = process.died() => true,
                () = at_rest(&self.shop, &refund) => false,
            };
            // The store shows a settlement a moment before whoever made it knows of it.
            let died = died || !has_settled(&process).await;
            crew.kill().await;
            if died {
                let done = death.step + usize::from(death.moment == Moment::After);
                assert_eq!(process.done().len(), done, "{death:?}: {:?}", process.done());
                self.shop.clock.advance(PAST_LEASES);
                let crew = hire_for(workshop(&self.shop), Arc::clone(&self.provider));
                at_rest(&self.shop, &refund).await;
                crew.dismiss().await;
            }
            self.assert_sound(&refund, ends_as, death).await;
            if !died {
                return process.done();
            }
        }
        unreachable!("there is always another step to end at")
    }

    /// All refunds so far ended as `ends_as`, this one just now.
    async fn assert_sound(&self, refund: &RefundId, ends_as: RefundState, death: Death) {
        let refund = self.shop.stored(refund).await;
        assert_eq!(refund.state, ends_as, "{death:?}: {refund:?}");
        let is_paid = ends_as == RefundState::Succeeded;
        let paid = refund.attempts.iter().filter(|one| one.state == AttemptState::Succeeded);
        assert_eq!(paid.count(), usize::from(is_paid), "{death:?}: {refund:?}");
        let totals = self.bench.totals().await;
        assert_eq!(totals["refunds_made"], self.refunds, "{death:?}: {totals}");
        assert_eq!(totals["max_refunds_per_attempt"], 1, "{death:?}: {totals}");
        assert_eq!(totals["max_refunds_per_payment_intent"], 1, "{death:?}: {totals}");
        let expected = if is_paid { self.refunds * 1_250 } else { 0 };
        let by_provider = &totals["refunded_minor_units_by_currency"]["EUR"];
        assert_eq!(by_provider.as_i64().unwrap_or(0), expected, "{death:?}: {totals}");
        self.assert_books(expected, death).await;
    }

    /// The books balance, agree with counters and attempts, and say that `paid` was paid.
    async fn assert_books(&self, paid: i64, death: Death) {
        let sums = self.shop.store.ledger_sums(&self.shop.tenant).await.unwrap().remove(0);
        assert_eq!(sums.differences(), Vec::<String>::new(), "{death:?}");
        assert_eq!((sums.paid, sums.reserved), (paid, 0), "{death:?}");
        let recount = self.shop.store.recount(&self.shop.tenant).await.unwrap();
        assert_eq!(recount.differences(), Vec::<String>::new(), "{death:?}");
    }
}

/// Waits until the process knows that it settled, or until its end: whether it lived to know.
async fn has_settled(process: &Mortal) -> bool {
    let settled = eventually(async || (process.done().last() == Some(&"settle")).then_some(()));
    tokio::select! {
        biased;
        () = process.died() => false,
        () = settled => true,
    }
}

/// Moves time on until the refund has come to rest.
async fn at_rest(shop: &Shop, refund: &RefundId) {
    moved_on_until(shop, refund, async |shop| shop.stored(refund).await.state.is_at_rest()).await;
}

/// Moves time to whatever comes next, unless somebody is at work on the refund, until `is_met`.
async fn moved_on_until(shop: &Shop, refund: &RefundId, is_met: impl AsyncFn(&Shop) -> bool) {
    eventually(async || {
        if is_met(shop).await {
            return Some(());
        }
        // A claim between these reads would change what is due.
        let due = shop.store.next_due("stripe").await.unwrap();
        let idle = shop.stored(refund).await.attempts.iter().all(|one| one.claim.is_empty());
        let still = shop.store.next_due("stripe").await.unwrap();
        if let Some(due) = due.filter(|_| idle && still == due) {
            shop.clock.advance(due.since(shop.clock.now()));
        }
        None
    })
    .await;
}

/// Without keys nobody can know whether a call that was cut off has paid: a person looks at the
/// provider's own list and tells.
async fn scenario_12_a_provider_without_keys_pays_at_most_once_until_a_person_decides(shop: Shop) {
    let mut stage = Stage::set(shop).await;
    stage.provider = Keyless::new(&stage.bench, Search::Inconclusive);
    let mut asked = 0;
    for death in Death::all() {
        let refund = stage.refund(&json!([])).await;
        let made = stage.bench.totals().await["refunds_made"].as_i64().unwrap();
        let (process, crew) = stage.hire_mortal(death);
        let died = tokio::select! {
            biased;
            () = process.died() => true,
            () = at_rest(&stage.shop, &refund) => false,
        };
        crew.kill().await;
        stage.shop.clock.advance(PAST_LEASES);
        let crew = hire_for(workshop(&stage.shop), Arc::clone(&stage.provider));
        moved_on_until(&stage.shop, &refund, async |shop| {
            let stored = shop.stored(&refund).await;
            stored.state.is_at_rest() || needs_a_person(&stored.attempts)
        })
        .await;
        let paid = stage.bench.totals().await["refunds_made"].as_i64().unwrap() - made;
        assert!((0..=1).contains(&paid), "{death:?}: paid {paid} times before anybody decided");
        if needs_a_person(&stage.shop.stored(&refund).await.attempts) {
            asked += 1;
            tell_what_happened(&stage.shop, &refund, paid == 1).await;
            at_rest(&stage.shop, &refund).await;
        }
        crew.dismiss().await;
        stage.assert_paid_without_keys(&refund, death).await;
        if !died {
            break;
        }
    }
    assert!(asked >= 3, "a person was asked {asked} times only");
}

fn needs_a_person(attempts: &[redress_refunds::domain::attempt::Attempt]) -> bool {
    attempts.iter().any(|one| one.state == AttemptState::Unknown && one.delays > 0)
}

/// A person records what the provider's list says, and tries again what was not paid.
async fn tell_what_happened(shop: &Shop, refund: &RefundId, is_paid: bool) {
    let attempt = shop.attempt(refund).await.id;
    let outcome = if is_paid {
        Outcome::Paid { reference: format!("re_{attempt}") }
    } else {
        Outcome::NotPaid
    };
    decide(shop, refund, &Action::Resolve { attempt, outcome }).await;
    if !is_paid {
        assert_eq!(shop.stored(refund).await.reason, Some(Reason::ConfirmedNotPaid));
        decide(shop, refund, &Action::Retry).await;
    }
}

async fn decide(shop: &Shop, refund: &RefundId, action: &Action) {
    let decision = Decision {
        action,
        actor: "supervisor",
        expected_version: None,
        audit: &|refund| shop.audit(refund),
        record: &|_| shop.record("Act"),
    };
    // Whoever looks the attempt up at this moment may be a transaction ahead.
    eventually(async || {
        let now = shop.clock.now();
        let acted = shop.store.act(&shop.tenant, refund, &decision, &*shop.ids, now).await;
        matches!(acted.unwrap(), ActOutcome::Done(_)).then_some(())
    })
    .await;
}

impl Stage {
    async fn assert_paid_without_keys(&self, refund: &RefundId, death: Death) {
        let state = self.shop.stored(refund).await.state;
        assert_eq!(state, RefundState::Succeeded, "{death:?}");
        let totals = self.bench.totals().await;
        assert_eq!(totals["refunds_made"], self.refunds, "{death:?}: {totals}");
        assert_eq!(totals["max_refunds_per_payment_intent"], 1, "{death:?}: {totals}");
        self.assert_books(self.refunds * 1_250, death).await;
    }
}
