//! Seeded faults: what goes wrong with which refund attempt.
//!
//! A fault is a pure function of (seed, payment intent, ordinal of the attempt on that payment), so
//! that a run can be repeated whatever the timing and order of requests across payments. Only
//! attempts that would have been paid count: replays, refusals and 429s do not move the ordinal.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use aws_lc_rs::digest::{self, SHA256};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What can go wrong with one refund attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// Nothing: the attempt is left alone. Useful in a list for one payment.
    None,
    /// The refund is made, then the connection is closed without an answer.
    LostAnswer,
    /// HTTP 500, nothing was done. Stored under the idempotency key, as Stripe does.
    ErrorBefore,
    /// The refund is made, then HTTP 500. Stored under the idempotency key.
    ErrorAfter,
    /// The refund is made and answered after a pause.
    SlowAnswer,
    /// The refund is pending and later fails with `expired_or_canceled_card`.
    CardClosed,
    /// The refund succeeds and later fails with `declined`: the bank sent the money back.
    Returned,
    /// The refund is pending with `pending_reason` `insufficient_funds` until the balance is
    /// topped up, or fails with `insufficient_funds` when the plan sets a time for it.
    BalancePending,
    /// HTTP 400 `balance_insufficient`, nothing was done.
    BalanceRefused,
}

/// One fault to be consumed by the next attempt on a payment, with an optional pause of its own.
///
/// In JSON either the kind alone (`"lost_answer"`) or an object
/// (`{"kind": "slow_answer", "delay_ms": 500}`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "FaultSpec")]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Milliseconds until the answer (`slow_answer`) or the failure (`card_closed`, `returned`,
    /// `balance_pending`), instead of the plan's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Self { kind, delay_ms: None }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FaultSpec {
    Kind(FaultKind),
    Full(FullFault),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FullFault {
    kind: FaultKind,
    delay_ms: Option<u64>,
}

impl From<FaultSpec> for Fault {
    fn from(spec: FaultSpec) -> Self {
        match spec {
            FaultSpec::Kind(kind) => kind.into(),
            FaultSpec::Full(FullFault { kind, delay_ms }) => Self { kind, delay_ms },
        }
    }
}

/// How often each fault happens, per thousand attempts, and how long the slow ones take.
///
/// The rates add up to at most 1,000; an attempt meets one fault or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultPlan {
    /// Chooses which attempts are hit. Equal seeds hit equal attempts.
    pub seed: u64,
    /// Per thousand: see [`FaultKind::LostAnswer`].
    pub lost_answer: u16,
    /// Per thousand: see [`FaultKind::ErrorBefore`].
    pub error_before: u16,
    /// Per thousand: see [`FaultKind::ErrorAfter`].
    pub error_after: u16,
    /// Per thousand: see [`FaultKind::SlowAnswer`].
    pub slow_answer: u16,
    /// Per thousand: see [`FaultKind::CardClosed`].
    pub card_closed: u16,
    /// Per thousand: see [`FaultKind::Returned`].
    pub returned: u16,
    /// Per thousand: see [`FaultKind::BalancePending`].
    pub balance_pending: u16,
    /// Per thousand: see [`FaultKind::BalanceRefused`].
    pub balance_refused: u16,
    /// Milliseconds a slow answer waits.
    pub slow_answer_ms: u64,
    /// Milliseconds until a refund to a closed card fails.
    pub card_closed_ms: u64,
    /// Milliseconds until a returned refund fails.
    pub returned_ms: u64,
    /// Milliseconds until a refund that waits for funds fails; `null` waits without end (Stripe:
    /// 45 days). Holds for every refund that the balance does not cover.
    pub balance_pending_fails_ms: Option<u64>,
}

impl Default for FaultPlan {
    fn default() -> Self {
        Self {
            seed: 0,
            lost_answer: 0,
            error_before: 0,
            error_after: 0,
            slow_answer: 0,
            card_closed: 0,
            returned: 0,
            balance_pending: 0,
            balance_refused: 0,
            slow_answer_ms: 2_000,
            card_closed_ms: 500,
            returned_ms: 500,
            balance_pending_fails_ms: None,
        }
    }
}

impl FaultPlan {
    /// The rates in the fixed order that makes a seed mean the same in every version.
    fn rates(&self) -> [(FaultKind, u16); 8] {
        [
            (FaultKind::LostAnswer, self.lost_answer),
            (FaultKind::ErrorBefore, self.error_before),
            (FaultKind::ErrorAfter, self.error_after),
            (FaultKind::SlowAnswer, self.slow_answer),
            (FaultKind::CardClosed, self.card_closed),
            (FaultKind::Returned, self.returned),
            (FaultKind::BalancePending, self.balance_pending),
            (FaultKind::BalanceRefused, self.balance_refused),
        ]
    }

    /// Refuses rates that add up to more than every attempt.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let sum: u32 = self.rates().iter().map(|(_, rate)| u32::from(*rate)).sum();
        if sum > 1_000 {
            let reason =
                format!("the rates add up to {sum} per thousand; at most 1000 is possible");
            return Err(Error::Config { field: "faults", reason });
        }
        Ok(())
    }

    /// The fault that attempt number `ordinal` (from 0) on `payment_intent` meets.
    pub(crate) fn decide(&self, payment_intent: &str, ordinal: u32) -> FaultKind {
        let mut context = digest::Context::new(&SHA256);
        context.update(&self.seed.to_be_bytes());
        context.update(&ordinal.to_be_bytes());
        context.update(payment_intent.as_bytes());
        let mut head = [0; 8];
        head.copy_from_slice(&context.finish().as_ref()[..8]);
        let roll = u64::from_be_bytes(head) % 1_000;
        let mut threshold = 0;
        for (kind, rate) in self.rates() {
            threshold += u64::from(rate);
            if roll < threshold {
                return kind;
            }
        }
        FaultKind::None
    }
}

/// A decided fault with its pause filled in from the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) kind: FaultKind,
    /// `None` only for [`FaultKind::BalancePending`] without a set time, and kinds without one.
    pub(crate) pause: Option<Duration>,
}

/// The plan, the faults queued for single payments, and the counts of what was injected.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) plan: FaultPlan,
    queued: HashMap<String, VecDeque<Fault>>,
    injected: BTreeMap<FaultKind, u64>,
    /// How many more answers about paid refunds are cut, whatever the plan says.
    pub(crate) cut_next_answers: u64,
    /// Every request is refused with 503.
    pub(crate) down: bool,
    /// Payments about which nothing readable is said, and for which nothing is done.
    pub(crate) garbled: BTreeSet<String>,
}

impl Faults {
    pub(crate) fn new(plan: FaultPlan) -> Self {
        Self { plan, ..Self::default() }
    }

    /// Appends faults that the next attempts on this payment consume in order, before the plan.
    pub(crate) fn queue(&mut self, payment_intent: String, faults: Vec<Fault>) {
        self.queued.entry(payment_intent).or_default().extend(faults);
    }

    /// How many queued faults no attempt has consumed yet.
    pub(crate) fn queued_count(&self) -> usize {
        self.queued.values().map(VecDeque::len).sum()
    }

    /// Decides for one attempt that is about to be paid, and counts it.
    pub(crate) fn next(&mut self, payment_intent: &str, ordinal: u32) -> Decided {
        let fault = self
            .take_queued(payment_intent)
            .unwrap_or_else(|| Fault::from(self.plan.decide(payment_intent, ordinal)));
        if fault.kind != FaultKind::None {
            *self.injected.entry(fault.kind).or_default() += 1;
        }
        let of_plan = match fault.kind {
            FaultKind::SlowAnswer => Some(self.plan.slow_answer_ms),
            FaultKind::CardClosed => Some(self.plan.card_closed_ms),
            FaultKind::Returned => Some(self.plan.returned_ms),
            _ => self.plan.balance_pending_fails_ms,
        };
        Decided { kind: fault.kind, pause: fault.delay_ms.or(of_plan).map(Duration::from_millis) }
    }

    fn take_queued(&mut self, payment_intent: &str) -> Option<Fault> {
        let queue = self.queued.get_mut(payment_intent)?;
        let fault = queue.pop_front();
        if queue.is_empty() {
            self.queued.remove(payment_intent);
        }
        fault
    }

    /// Whether this answer about a paid refund falls under the switch "cut the next N".
    pub(crate) fn cut_answer(&mut self) -> bool {
        if self.cut_next_answers == 0 {
            return false;
        }
        self.cut_next_answers -= 1;
        *self.injected.entry(FaultKind::LostAnswer).or_default() += 1;
        true
    }

    /// How often each kind was injected since the start.
    pub(crate) fn injected(&self) -> &BTreeMap<FaultKind, u64> {
        &self.injected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_depends_on_seed_payment_and_ordinal_only() {
        let plan =
            FaultPlan { seed: 7, lost_answer: 300, error_after: 300, ..FaultPlan::default() };
        let run = |plan: &FaultPlan| -> Vec<FaultKind> {
            (0..200).map(|n| plan.decide(&format!("pi_{}", n / 2), n % 2)).collect()
        };
        assert_eq!(run(&plan), run(&plan));
        assert_ne!(run(&plan), run(&FaultPlan { seed: 8, ..plan }));
    }

    #[test]
    fn rates_are_met_per_thousand() {
        let plan = FaultPlan { seed: 1, lost_answer: 100, card_closed: 50, ..FaultPlan::default() };
        let count =
            |kind| (0..10_000).filter(|n| plan.decide(&format!("pi_{n}"), 0) == kind).count();
        assert!((900..1_100).contains(&count(FaultKind::LostAnswer)));
        assert!((420..580).contains(&count(FaultKind::CardClosed)));
        assert_eq!(count(FaultKind::ErrorBefore), 0);
    }

    #[test]
    fn rates_above_every_attempt_are_refused() {
        let plan = FaultPlan { lost_answer: 600, error_after: 401, ..FaultPlan::default() };
        assert!(plan.validate().unwrap_err().to_string().contains("1001 per thousand"));
    }

    #[test]
    fn queued_faults_come_first_and_in_order() {
        let mut faults = Faults::new(FaultPlan { error_before: 1_000, ..FaultPlan::default() });
        let slow = Fault { kind: FaultKind::SlowAnswer, delay_ms: Some(9) };
        faults.queue("pi_1".into(), vec![slow, FaultKind::None.into()]);
        assert_eq!(faults.next("pi_1", 0).pause, Some(Duration::from_millis(9)));
        assert_eq!(faults.next("pi_1", 1).kind, FaultKind::None);
        assert_eq!(faults.next("pi_1", 2).kind, FaultKind::ErrorBefore);
        assert_eq!(faults.injected()[&FaultKind::ErrorBefore], 1);
    }

    #[test]
    fn faults_are_written_short_or_in_full() {
        let short: Fault = serde_json::from_str("\"lost_answer\"").unwrap();
        assert_eq!(short, FaultKind::LostAnswer.into());
        let text = r#"{"kind":"slow_answer","delay_ms":5}"#;
        let full: Fault = serde_json::from_str(text).unwrap();
        assert_eq!(full.delay_ms, Some(5));
        assert!(serde_json::from_str::<Fault>("\"lost\"").is_err());
    }
}
