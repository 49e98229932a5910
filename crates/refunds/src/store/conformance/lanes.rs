//! A lane's limit, rests and funds hold for every process that shares the database.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use redress_core::clock::Timestamp;
use redress_core::money::Currency;

use super::{Fixture, LEASE, STRIPE, at, by_card, found, open_fixture, order, patiently};
use crate::domain::lane::{ArmedSum, Breaker, FundsWait, HORIZON, Lane, LaneNews, RestReason};
use crate::domain::order::Order;
use crate::domain::price::Price;
use crate::domain::settle::Finding;
use crate::store::{Again, Claim, Taken};

redress_testkit::conformance! {
    open = open_fixture;
    a_lane_without_a_limit_has_no_slots,
    competing_workers_share_the_slots,
    slots_go_only_with_attempts,
    a_slot_that_passed_is_exchanged,
    a_rest_holds_for_everybody_and_ends,
    a_lane_that_failed_lets_one_go_first,
    of_racing_workers_one_goes_first,
    whoever_went_first_and_vanished_is_followed_by_another,
    another_lane_is_not_touched,
    a_currency_that_waits_for_funds_holds_up_no_other,
    one_process_at_a_time_looks_at_the_balance,
    what_is_armed_is_summed_by_currency,
    want_of_funds_waits_until_the_balance_is_looked_at,
    lanes_are_shown_as_they_stand,
}

/// What Stripe takes.
const LIMIT: Option<u32> = Some(25);
const MINUTE: Duration = Duration::from_mins(1);

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

impl Fixture {
    /// So many refunds of 0.10, ready to be sent.
    async fn arm(&self, count: usize) {
        self.import([order("A1")]).await;
        for _ in 0..count {
            self.refund("A1", by_card(10)).await;
        }
    }

    async fn claim(&self, name: &str, limit: i64, now: Timestamp, rate: Option<u32>) -> Taken {
        let claim = Claim { provider: STRIPE, claim: name, limit, now, lease: LEASE };
        patiently(|| self.store.claim_to_send(&claim, rate)).await.unwrap()
    }

    async fn tell(&self, news: LaneNews, now: Timestamp) -> Lane {
        self.store.tell_lane(STRIPE, news, now).await.unwrap().1
    }

    async fn turn(&self, now: Timestamp) -> Option<Vec<FundsWait>> {
        let until = now.plus(Duration::from_secs(20));
        self.store.take_funds_turn(STRIPE, now, until).await.unwrap()
    }
}

async fn a_lane_without_a_limit_has_no_slots(fixture: Fixture) {
    fixture.arm(3).await;
    let taken = fixture.claim("w1", 2, at(0), None).await;
    assert_eq!((taken.attempts.len(), taken.slots.len()), (2, 0));
    assert_eq!((taken.lane, taken.again), (None, None));
    let rest = fixture.claim("w2", 9, at(0), None).await;
    assert_eq!((rest.attempts.len(), rest.lane, rest.again), (1, None, None));
    assert_eq!(fixture.claim("w3", 9, at(0), None).await.again, None, "nothing is there");
    assert_eq!(fixture.store.lane_states().await.unwrap(), []);
}

async fn competing_workers_share_the_slots(fixture: Fixture) {
    fixture.arm(60).await;
    let fixture = Arc::new(fixture);
    let worker = |number: usize| {
        let fixture = Arc::clone(&fixture);
        tokio::spawn(async move {
            let mut taken = Vec::new();
            for turn in 0..6 {
                let name = format!("w{number}-{turn}");
                taken.push(fixture.claim(&name, 4, at(0), LIMIT).await);
            }
            taken
        })
    };
    let workers = (0..4).map(worker).collect::<Vec<_>>();
    let (mut slots, mut attempts) = (Vec::new(), HashSet::new());
    for taken in join_all(workers).await.into_iter().flat_map(Result::unwrap) {
        assert_eq!(taken.attempts.len(), taken.slots.len(), "each has its slot");
        assert!(taken.attempts.len() == 4 || taken.again.is_some(), "{taken:?}");
        attempts.extend(taken.attempts.into_iter().map(|attempt| attempt.id));
        slots.extend(taken.slots.into_iter().map(|slot| slot.at));
    }
    slots.sort_unstable();
    assert_eq!(attempts.len(), slots.len(), "nobody has an attempt that another one has");
    assert!(slots.len() >= 12, "a whole horizon is given out: {}", slots.len());
    let apart = |pair: &[Timestamp]| pair[1].since(pair[0]) >= Duration::from_millis(32);
    assert!(slots.windows(2).all(apart), "{slots:?}");
    let second = Duration::from_secs(1);
    assert!(slots.windows(26).all(|slots| slots[25].since(slots[0]) > second), "{slots:?}");
}

async fn slots_go_only_with_attempts(fixture: Fixture) {
    fixture.arm(2).await;
    let taken = fixture.claim("w1", 9, at(0), LIMIT).await;
    assert_eq!((taken.attempts.len(), taken.slots.len(), taken.again), (2, 2, None));
    assert_eq!(taken.slots[1].at.since(taken.slots[0].at), Duration::from_millis(32));
    for turn in 0..30 {
        let none = fixture.claim(&format!("idle-{turn}"), 9, at(0), LIMIT).await;
        assert_eq!((none.slots.len(), none.again), (0, None));
    }
    let later =
        taken.attempts.iter().map(|attempt| found(attempt, Finding::NotSent { retry: at(0) }));
    fixture.settle(&later.collect::<Vec<_>>(), at(0)).await;
    let again = fixture.claim("w2", 9, at(0), LIMIT).await;
    let waited = again.slots[0].at.since(taken.slots[1].at);
    assert_eq!(again.attempts.len(), 2, "who found nothing has used no slot up");
    assert!(waited >= Duration::from_millis(32), "{waited:?}");
}

async fn a_slot_that_passed_is_exchanged(fixture: Fixture) {
    fixture.arm(1).await;
    let passed = fixture.claim("w1", 9, at(0), Some(1)).await.slots[0];
    // The one request of this second is not made: another may be, instead of it.
    let renewed = fixture.store.renew_slot(STRIPE, 1, passed).await.unwrap().unwrap();
    assert!(renewed.at >= passed.at, "{renewed:?} {passed:?}");
    // And no third one.
    fixture.arm(1).await;
    let next = fixture.claim("w2", 9, at(0), Some(1)).await;
    for slot in &next.slots {
        assert!(slot.at.since(renewed.at) > Duration::from_secs(1), "{slot:?} {renewed:?}");
    }
    assert_eq!(next.attempts.len(), next.slots.len());
}

async fn a_rest_holds_for_everybody_and_ends(fixture: Fixture) {
    fixture.arm(4).await;
    let told = fixture.tell(LaneNews::Asks(MINUTE), at(0)).await;
    assert_eq!((told.rests_until, told.breaker), (at(60), Breaker::Closed));
    for (name, rate) in [("w1", None), ("w2", LIMIT)] {
        let taken = fixture.claim(name, 9, at(59), rate).await;
        assert_eq!((taken.attempts, taken.again), (vec![], Some(Again::At(at(60)))));
        assert_eq!(taken.lane, Some(told.clone()));
    }
    let taken = fixture.claim("w3", 2, at(60), None).await;
    assert_eq!((taken.attempts.len(), taken.lane), (2, None));
    assert_eq!(fixture.claim("w4", 2, at(60), LIMIT).await.attempts.len(), 2);
}

async fn a_lane_that_failed_lets_one_go_first(fixture: Fixture) {
    fixture.arm(5).await;
    for (start, rate) in [(0, None), (10, LIMIT)] {
        let shut = fixture.tell(LaneNews::Fails, at(start)).await;
        assert_eq!((shut.breaker, shut.reason), (Breaker::Open, Some(RestReason::CallsFail)));
        assert_eq!(fixture.claim("w1", 9, at(start), rate).await.attempts, []);
        let now = at(start + 1);
        let first = fixture.claim("w2", 9, now, rate).await;
        assert_eq!(first.attempts.len(), 1);
        assert_eq!(first.lane.map(|lane| lane.breaker), Some(Breaker::HalfOpen));
        let second = fixture.claim("w3", 9, now, rate).await;
        assert_eq!((second.attempts, second.again), (vec![], Some(Again::At(now.plus(LEASE)))));
        let open = fixture.tell(LaneNews::Answers, at(start + 2)).await;
        assert_eq!((open.breaker, open.since), (Breaker::Closed, at(start + 2)));
        assert_eq!(fixture.claim("w4", 1, at(start + 2), rate).await.attempts.len(), 1);
    }
}

async fn of_racing_workers_one_goes_first(fixture: Fixture) {
    fixture.arm(20).await;
    fixture.tell(LaneNews::Fails, at(0)).await;
    let claims = (0..4).map(|number| {
        let fixture = &fixture;
        async move { fixture.claim(&format!("w{number}"), 9, at(1), None).await.attempts.len() }
    });
    assert_eq!(join_all(claims).await.into_iter().sum::<usize>(), 1);
}

async fn whoever_went_first_and_vanished_is_followed_by_another(fixture: Fixture) {
    fixture.tell(LaneNews::Fails, at(0)).await;
    let nothing = fixture.claim("w0", 9, at(1), None).await;
    assert_eq!(nothing.lane.map(|lane| lane.breaker), Some(Breaker::Open), "nothing can go first");
    fixture.arm(5).await;
    assert_eq!(fixture.claim("w1", 9, at(1), None).await.attempts.len(), 1);
    assert_eq!(fixture.claim("w2", 9, at(60), None).await.attempts.len(), 0);
    assert_eq!(fixture.claim("w3", 9, at(61), None).await.attempts.len(), 1);
    let shut = fixture.tell(LaneNews::Fails, at(62)).await;
    assert_eq!((shut.breaker, shut.trips, shut.rests_until), (Breaker::Open, 2, at(63)));
}

async fn another_lane_is_not_touched(fixture: Fixture) {
    fixture.arm(3).await;
    fixture.store.tell_lane("adyen", LaneNews::Asks(MINUTE), at(0)).await.unwrap();
    fixture.store.await_funds("adyen", currency("EUR"), 1, at(0)).await.unwrap();
    let claim = Claim { provider: "adyen", claim: "w0", limit: 9, now: at(0), lease: LEASE };
    assert!(fixture.store.claim_to_send(&claim, LIMIT).await.unwrap().again.is_some());
    assert_eq!(fixture.claim("w1", 2, at(0), LIMIT).await.attempts.len(), 2);
    assert_eq!(fixture.claim("w2", 2, at(0), None).await.attempts.len(), 1);
}

/// An order in dollars, and one in euros, with a refund each.
async fn two_currencies(fixture: &Fixture) {
    let dollars = Order { currency: currency("USD"), ..order("A2") };
    fixture.import([order("A1"), dollars]).await;
    for amount in [100, 50, 30] {
        fixture.refund("A1", by_card(amount)).await;
    }
    fixture.refund("A2", Price { currency: currency("USD"), ..by_card(70) }).await;
}

fn wait(code: &str, needed: i64, available: Option<i64>, checks: i32) -> FundsWait {
    FundsWait { currency: currency(code), needed, available, since: at(1), checks }
}

async fn a_currency_that_waits_for_funds_holds_up_no_other(fixture: Fixture) {
    two_currencies(&fixture).await;
    let waits = [wait("EUR", 180, Some(-5), 1)];
    fixture.store.put_funds(STRIPE, &waits, at(5)).await.unwrap();
    for (name, rate) in [("w1", LIMIT), ("w2", None)] {
        let taken = fixture.claim(name, 9, at(2), rate).await.attempts;
        let currencies: Vec<&str> = taken.iter().map(|attempt| attempt.currency.code()).collect();
        assert_eq!(currencies, if rate.is_some() { vec!["USD"] } else { vec![] });
    }
    fixture.store.put_funds(STRIPE, &[], at(7)).await.unwrap();
    assert_eq!(fixture.claim("w3", 9, at(2), None).await.attempts.len(), 3);
    fixture.assert_books().await;
}

async fn one_process_at_a_time_looks_at_the_balance(fixture: Fixture) {
    assert_eq!(fixture.turn(at(0)).await, None, "nothing is armed");
    two_currencies(&fixture).await;
    let turns = join_all([fixture.turn(at(1)), fixture.turn(at(1))]).await;
    assert_eq!(turns.into_iter().flatten().collect::<Vec<_>>(), [vec![]]);
    assert_eq!(fixture.turn(at(20)).await, None, "whoever has the turn may take its time");
    let waits = [wait("EUR", 180, Some(10), 1), wait("USD", 70, Some(0), 1)];
    fixture.store.put_funds(STRIPE, &waits, at(25)).await.unwrap();
    assert_eq!(fixture.turn(at(24)).await, None);
    assert_eq!(fixture.turn(at(25)).await, Some(waits.to_vec()));
    let fewer = [FundsWait { since: at(40), ..wait("USD", 75, Some(3), 2) }];
    fixture.store.put_funds(STRIPE, &fewer, at(45)).await.unwrap();
    let waiting = fixture.turn(at(45)).await.unwrap();
    assert_eq!(waiting, [wait("USD", 75, Some(3), 2)], "it waits since it began to");
}

async fn what_is_armed_is_summed_by_currency(fixture: Fixture) {
    assert_eq!(fixture.store.armed_sums(STRIPE, 2).await.unwrap(), []);
    two_currencies(&fixture).await;
    let sum = |code, armed, next| ArmedSum { currency: currency(code), armed, next };
    let armed = fixture.store.armed_sums(STRIPE, 2).await.unwrap();
    assert_eq!(armed, [sum("EUR", 180, 150), sum("USD", 70, 70)]);
    assert_eq!(fixture.claim("w1", 9, at(1), None).await.attempts.len(), 4);
    assert_eq!(fixture.store.armed_sums(STRIPE, 2).await.unwrap(), [], "they are on their way");
}

async fn want_of_funds_waits_until_the_balance_is_looked_at(fixture: Fixture) {
    two_currencies(&fixture).await;
    assert!(fixture.turn(at(0)).await.is_some());
    for needed in [100, 999] {
        fixture.store.await_funds(STRIPE, currency("EUR"), needed, at(1)).await.unwrap();
    }
    assert_eq!(fixture.claim("w1", 9, at(1), None).await.attempts.len(), 1, "only the dollars");
    assert_eq!(fixture.turn(at(1)).await.unwrap(), [wait("EUR", 100, None, 0)]);
}

async fn lanes_are_shown_as_they_stand(fixture: Fixture) {
    two_currencies(&fixture).await;
    fixture.store.await_funds(STRIPE, currency("USD"), 70, at(1)).await.unwrap();
    fixture.store.await_funds(STRIPE, currency("EUR"), 100, at(1)).await.unwrap();
    let adyen = fixture.store.tell_lane("adyen", LaneNews::Fails, at(3)).await.unwrap();
    assert_eq!(adyen.0, Lane::default());
    let [other, stripe] = fixture.store.lane_states().await.unwrap().try_into().unwrap();
    assert_eq!((&*other.provider, other.lane, other.armed), ("adyen", adyen.1, 0));
    assert_eq!((&*stripe.provider, stripe.lane, stripe.armed), (STRIPE, Lane::default(), 4));
    assert_eq!(stripe.funds, [wait("EUR", 100, None, 0), wait("USD", 70, None, 0)]);
    assert!(HORIZON < Duration::from_secs(1), "who comes next waits for a moment only");
}
