//! The money: payment intents, refunds and balances, under one short lock.
//!
//! Invariants: for each payment intent, earlier refunds plus refunds that have not failed never
//! exceed its amount; a refund is never removed and its history only grows; totals are kept with
//! each change and equal what a walk over all refunds would count.

mod balance;
mod payment_intent;
mod refund;
mod totals;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

pub(crate) use balance::Account;
pub(crate) use payment_intent::{PaymentIntent, SeedError, SeedOutcome, Seeded};
pub(crate) use refund::{FailureReason, PendingReason, Refund, Status, status_attributes};
pub(crate) use totals::RefundTotals;

use crate::currency::Currency;
use crate::error::ApiError;
use crate::faults::{Decided, FaultKind, Faults};
use crate::ids::IdGenerator;
use crate::refunds::RefundRequest;
use crate::webhooks::{Change, EventType};

/// Where a refund stands in the ledger; never changes.
pub(crate) type RefundIndex = usize;

/// Everything that is money, and the faults that are decided together with it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) faults: Faults,
    payment_intents: HashMap<Arc<str>, PaymentIntent>,
    refunds: Vec<Refund>,
    refunds_by_id: HashMap<Arc<str>, RefundIndex>,
    accounts: BTreeMap<Currency, Account>,
    totals: RefundTotals,
}

/// What the ledger did with a valid refund request.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) fault: Decided,
    /// `None` when the fault prevented the refund.
    pub(crate) refund: Option<RefundIndex>,
    /// The failure that must be scheduled, with its delay.
    pub(crate) fails_later: Option<(Duration, FailureReason)>,
}

impl Ledger {
    pub(crate) fn new(faults: Faults) -> Self {
        Self { faults, ..Self::default() }
    }

    /// Makes a refund, or lets the decided fault prevent it. `now` is in Unix seconds.
    pub(crate) fn refund(
        &mut self,
        request: &RefundRequest,
        ids: &IdGenerator,
        now: i64,
    ) -> Result<Attempt, ApiError> {
        let id = request.payment_intent.as_str();
        let missing = || ApiError::no_such("payment_intent", id, "payment_intent");
        let intent = self.payment_intents.get_mut(id).ok_or_else(missing)?;
        let amount = intent.refundable(request.amount)?;
        let fault = self.faults.next(id, intent.attempts);
        intent.attempts += 1;
        if matches!(fault.kind, FaultKind::ErrorBefore | FaultKind::BalanceRefused) {
            return Ok(Attempt { fault, refund: None, fails_later: None });
        }
        let index = self.refunds.len();
        let account = self.accounts.entry(intent.currency).or_default();
        let covered = fault.kind != FaultKind::BalancePending && account.debit(amount);
        let status = match fault.kind {
            _ if !covered => Status::Pending(PendingReason::InsufficientFunds),
            FaultKind::CardClosed => Status::Pending(PendingReason::Processing),
            _ => Status::Succeeded,
        };
        if !covered {
            account.waiting.push_back(index);
        }
        let refund = Refund::new(ids.next("re_").into(), request, intent, amount, status, now);
        intent.refunded += amount;
        intent.refunds.push(index);
        self.totals.created(&refund, intent.refunds.len());
        self.refunds_by_id.insert(Arc::clone(&refund.id), index);
        self.refunds.push(refund);
        Ok(Attempt { fault, refund: Some(index), fails_later: self.failure(fault, covered) })
    }

    fn failure(&self, fault: Decided, covered: bool) -> Option<(Duration, FailureReason)> {
        let reason = match fault.kind {
            FaultKind::CardClosed if covered => FailureReason::ExpiredOrCanceledCard,
            FaultKind::Returned if covered => FailureReason::Declined,
            FaultKind::BalancePending => FailureReason::InsufficientFunds,
            _ if !covered => {
                let wait = self.faults.plan.balance_pending_fails_ms?;
                return Some((Duration::from_millis(wait), FailureReason::InsufficientFunds));
            }
            _ => return None,
        };
        Some((fault.pause?, reason))
    }

    /// Lets a refund fail and gives the money back. A refund that waited for funds fails only when
    /// it still waits. Returns what changed, in order.
    pub(crate) fn fail(
        &mut self,
        index: RefundIndex,
        reason: FailureReason,
        now: i64,
    ) -> Vec<Change> {
        let refund = &mut self.refunds[index];
        let waiting = refund.status() == Status::Pending(PendingReason::InsufficientFunds);
        let due = waiting == (reason == FailureReason::InsufficientFunds);
        if !due || matches!(refund.status(), Status::Failed(_)) {
            return Vec::new();
        }
        let before = refund.status();
        refund.push(Status::Failed(reason), now);
        self.totals.moved(refund, before);
        let (amount, currency) = (refund.amount, refund.currency);
        if let Some(intent) = self.payment_intents.get_mut(&refund.payment_intent) {
            intent.refunded -= amount;
        }
        let account = self.accounts.entry(currency).or_default();
        let mut changes = vec![
            Change { kind: EventType::Updated, refund: index, before: Some(before) },
            Change { kind: EventType::Failed, refund: index, before: None },
        ];
        if waiting {
            account.waiting.retain(|waiting| *waiting != index);
        } else {
            account.available += amount;
            changes.extend(self.settle(currency, now));
        }
        changes
    }

    /// Sets (`add` false) or raises the available balance and pays what waits for it, in order.
    pub(crate) fn fund(
        &mut self,
        currency: Currency,
        amount: i64,
        add: bool,
        now: i64,
    ) -> Vec<Change> {
        let account = self.accounts.entry(currency).or_default();
        account.available = if add { account.available.saturating_add(amount) } else { amount };
        self.settle(currency, now)
    }

    fn settle(&mut self, currency: Currency, now: i64) -> Vec<Change> {
        let account = self.accounts.entry(currency).or_default();
        let mut changes = Vec::new();
        while let Some(index) = account.waiting.front().copied() {
            let refund = &mut self.refunds[index];
            if !account.debit(refund.amount) {
                break;
            }
            account.waiting.pop_front();
            let before = refund.status();
            refund.push(Status::Succeeded, now);
            self.totals.moved(refund, before);
            changes.push(Change { kind: EventType::Updated, refund: index, before: Some(before) });
        }
        changes
    }

    /// Adds or updates a payment intent. Its captured money joins the balance.
    pub(crate) fn put_payment_intent(&mut self, seeded: Seeded) -> Result<SeedOutcome, SeedError> {
        let account = self.accounts.entry(seeded.currency).or_default();
        let Some(known) = self.payment_intents.get_mut(seeded.id.as_str()) else {
            let intent = PaymentIntent::new(seeded);
            account.capture(intent.captured())?;
            self.payment_intents.insert(Arc::clone(&intent.id), intent);
            return Ok(SeedOutcome::Created);
        };
        known.accepts(&seeded)?;
        account.capture(seeded.captured() - known.captured())?;
        Ok(known.update(seeded))
    }

    pub(crate) fn payment_intent(&self, id: &str) -> Option<&PaymentIntent> {
        self.payment_intents.get(id)
    }

    pub(crate) fn refund_at(&self, index: RefundIndex) -> &Refund {
        &self.refunds[index]
    }

    pub(crate) fn refund_by_id(&self, id: &str) -> Option<(RefundIndex, &Refund)> {
        let index = *self.refunds_by_id.get(id)?;
        Some((index, &self.refunds[index]))
    }

    /// All refunds from `start` on, oldest first.
    pub(crate) fn refunds_from(&self, start: RefundIndex) -> &[Refund] {
        self.refunds.get(start..).unwrap_or_default()
    }

    /// Available and waiting amounts by currency.
    pub(crate) fn balances(&self) -> impl Iterator<Item = (Currency, i64, i64)> {
        self.accounts.iter().map(|(currency, account)| {
            let waiting = account.waiting.iter().map(|index| self.refunds[*index].amount).sum();
            (*currency, account.available, waiting)
        })
    }

    /// The ledger's part of the totals.
    pub(crate) fn totals(&self) -> Value {
        let mut totals = self.totals.to_json();
        if let Value::Object(fields) = &mut totals {
            fields.insert("payment_intents".into(), json!(self.payment_intents.len()));
            fields.insert("faults_injected".into(), json!(self.faults.injected()));
        }
        totals
    }
}

#[cfg(test)]
mod tests;
