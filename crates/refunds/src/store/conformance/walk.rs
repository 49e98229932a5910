//! Random walks: whatever findings come, in whatever order, caps and books hold after every step.

use std::collections::{HashMap, HashSet};

use super::{Fixture, LEASE, arena, at, found, open_fixture, price, split_order};
use crate::domain::attempt::{Attempt, Reason};
use crate::domain::order::Tender;
use crate::domain::settle::Finding;
use crate::store::{Claim, CreateOutcome, OrderFilter, RefundFilter};

redress_testkit::conformance! {
    open = open_fixture;
    a_walk_from_seed_1_pays_what_providers_paid,
    a_walk_from_seed_2_pays_what_providers_paid,
    a_walk_from_seed_3_pays_what_providers_paid,
    a_walk_from_seed_4_pays_what_providers_paid,
}

const ORDERS: [&str; 3] = ["A1", "A2", "A3"];
const PROVIDERS: [&str; 2] = ["stripe", "adyen"];
const STEPS: usize = 120;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.roll(of.len() as u64)).unwrap()]
    }

    fn amount(&mut self, most: u64) -> i64 {
        i64::try_from(1 + self.roll(most)).unwrap()
    }
}

struct Walk {
    fixture: Fixture,
    dice: Dice,
    /// Seconds after the start.
    now: i64,
    /// Every attempt that was ever handed out, as it was then: most of these claims are stale.
    held: Vec<Attempt>,
    /// What providers have paid, by order and payment.
    truth: HashMap<(String, String), i64>,
    claims: u32,
}

async fn a_walk_from_seed_1_pays_what_providers_paid(fixture: Fixture) {
    walk(fixture, 1).await;
}

async fn a_walk_from_seed_2_pays_what_providers_paid(fixture: Fixture) {
    walk(fixture, 2).await;
}

async fn a_walk_from_seed_3_pays_what_providers_paid(fixture: Fixture) {
    walk(fixture, 3).await;
}

async fn a_walk_from_seed_4_pays_what_providers_paid(fixture: Fixture) {
    walk(fixture, 4).await;
}

async fn walk(fixture: Fixture, seed: u64) {
    fixture.import(ORDERS.map(|id| split_order(id, ("adyen", Tender::Wallet)))).await;
    let mut walk = Walk {
        fixture,
        dice: Dice(seed),
        now: 0,
        held: Vec::new(),
        truth: HashMap::new(),
        claims: 0,
    };
    for step in 0..STEPS {
        println!("seed {seed}, step {step}");
        walk.step().await;
        walk.fixture.assert_books().await;
    }
    walk.finish().await;
}

impl Walk {
    async fn step(&mut self) {
        match self.dice.roll(10) {
            0..=2 => self.refund().await,
            3 => self.now += i64::try_from(self.dice.roll(100)).unwrap(),
            4 => self.claim(true).await,
            5 => self.claim(false).await,
            6 => self.hint().await,
            _ => self.settle().await,
        }
    }

    /// Asks for some of a line on one tender or both, which may be more than is left.
    async fn refund(&mut self) {
        let order = self.dice.pick(&ORDERS);
        let line = self.dice.pick(&["p1", "p2"]);
        let shares = match self.dice.roll(3) {
            0 => vec![("p1", "stripe", self.dice.amount(900))],
            1 => vec![("p2", "adyen", self.dice.amount(900))],
            _ => vec![
                ("p1", "stripe", self.dice.amount(700)),
                ("p2", "adyen", self.dice.amount(300)),
            ],
        };
        let total = shares.iter().map(|(_, _, amount)| amount).sum();
        let quote = self.fixture.offer(order, price(&[(line, total)], &shares)).await;
        let refund = self.fixture.acceptance(&quote);
        let outcome = self.fixture.create(&refund, &quote, refund.id.as_str()).await.unwrap();
        assert!(!matches!(outcome, CreateOutcome::QuoteUsed));
    }

    async fn claim(&mut self, to_send: bool) {
        self.claims += 1;
        let token = format!("c{}", self.claims);
        let claim = Claim {
            provider: self.dice.pick(&PROVIDERS),
            claim: &token,
            limit: self.dice.amount(4),
            now: at(self.now),
            lease: LEASE,
        };
        let store = &self.fixture.store;
        let claimed = if to_send {
            store.claim_to_send(&claim, None).await.unwrap().attempts
        } else {
            store.claim_to_look_up(&claim).await.unwrap()
        };
        assert!(claimed.iter().all(|attempt| attempt.claim == token));
        self.held.extend(claimed);
    }

    async fn hint(&mut self) {
        let Some(attempt) = self.pick_held() else { return };
        let hint = self.fixture.store.hint(
            &attempt.provider,
            "re_unheard_of",
            Some(attempt.id.as_str()),
            at(self.now),
        );
        hint.await.unwrap();
    }

    fn pick_held(&mut self) -> Option<Attempt> {
        let at = self.dice.roll(self.held.len().max(1) as u64);
        self.held.get(usize::try_from(at).unwrap()).cloned()
    }

    /// Reports findings about up to three attempts, under claims that may be stale.
    async fn settle(&mut self) {
        let mut findings = Vec::new();
        let mut about = HashSet::new();
        for _ in 0..self.dice.amount(3) {
            let Some(attempt) = self.pick_held() else { return };
            if about.insert(attempt.id.clone()) {
                let finding = self.any_finding();
                findings.push((attempt, finding));
            }
        }
        self.apply(findings).await;
    }

    fn any_finding(&mut self) -> Finding {
        let check = at(self.now + i64::try_from(self.dice.roll(50)).unwrap());
        let provider_refund = format!("re_{}", self.dice.roll(1_000_000));
        match self.dice.roll(9) {
            0 => Finding::NotSent { retry: check },
            1 => Finding::Accepted { provider_refund, check },
            2 | 3 => Finding::Succeeded { provider_refund },
            4 => {
                let reason = self.dice.pick(&[Reason::AccountClosed, Reason::ProviderRefused]);
                Finding::Refused { reason, provider_refund }
            }
            5 => Finding::AnswerLost { check },
            6 => Finding::Absent { past_window: true, check },
            7 => Finding::Absent { past_window: false, check },
            _ => Finding::Inconclusive { check, to_person: false },
        }
    }

    /// Settles together; what is applied is found out by asking for one at a time where it matters.
    async fn apply(&mut self, findings: Vec<(Attempt, Finding)>) {
        let mut expected = 0;
        for (attempt, finding) in &findings {
            let refund = self.fixture.read(&attempt.refund).await;
            let stored = refund.attempts.iter().find(|stored| stored.id == attempt.id).unwrap();
            let mut copy = refund.clone();
            let found = found(attempt, finding.clone());
            let ids = &*self.fixture.ids;
            if crate::domain::settle::settle(&mut copy, &found, ids, at(self.now)).is_none() {
                continue;
            }
            expected += 1;
            assert_eq!(stored.claim, attempt.claim);
            if matches!(finding, Finding::Succeeded { .. }) {
                let key = (attempt.order.to_string(), attempt.payment.to_string());
                *self.truth.entry(key).or_default() += attempt.amount;
            }
        }
        let findings: Vec<_> =
            findings.iter().map(|(attempt, finding)| found(attempt, finding.clone())).collect();
        assert_eq!(self.fixture.settle(&findings, at(self.now)).await, expected);
    }

    /// Lets everything come to rest and compares what providers paid with what is counted.
    async fn finish(&mut self) {
        for turn in 0.. {
            assert!(turn < 2_000, "refunds do not come to rest");
            let mut open = false;
            for provider in PROVIDERS {
                let Some(due) = self.fixture.store.next_due(provider).await.unwrap() else {
                    continue;
                };
                open = true;
                self.now = self.now.max((due.0 - at(0).0) / 1_000_000);
            }
            if !open {
                break;
            }
            self.held.clear();
            let to_send = self.dice.roll(2) == 0;
            self.claim(to_send).await;
            for attempt in std::mem::take(&mut self.held) {
                let finding = self.any_finding();
                self.apply(vec![(attempt, finding)]).await;
            }
        }
        self.fixture.assert_books().await;
        let (page, filter) = (super::first_page(), RefundFilter::default());
        let refunds = self.fixture.store.list_refunds(&arena(), &filter, &page).await.unwrap();
        assert!(refunds.rows.len() > 10, "the walk made refunds");
        assert!(refunds.rows.iter().all(|refund| refund.state.is_at_rest()));
        let filter = OrderFilter::default();
        let orders = self.fixture.store.list_orders(&arena(), &filter, &page).await.unwrap();
        for order in orders.rows {
            for payment in order.payments {
                let key = (order.id.to_string(), payment.id.to_string());
                let paid = self.truth.remove(&key).unwrap_or_default();
                assert_eq!((payment.counters.reserved, payment.counters.refunded), (0, paid));
            }
        }
        assert!(self.truth.is_empty(), "{:?}", self.truth);
    }
}
