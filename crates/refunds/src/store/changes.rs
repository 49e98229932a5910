//! What one transaction changes about refunds, collected before it is written.
//!
//! Invariant: decided by the domain on rows that the transaction holds, and written set by set;
//! both databases write the same sets, so a rule exists once.

use std::collections::{HashMap, HashSet};

use redress_core::clock::Timestamp;
use redress_core::id::{DisruptionId, IdSource, OrderId, PaymentId, RefundId, TenantId};

use super::rows::KnownOrderRow;
use super::{ImportOutcome, ImportedOrder, ItemTerms};
use crate::domain::attempt::{Attempt, AttemptState};
use crate::domain::disruption::{Due, ItemPlan, ItemState};
use crate::domain::fact::{Fact, FactKind, Needs, item_state};
use crate::domain::ledger::Posting;
use crate::domain::order::Order;
use crate::domain::refund::{DisruptionRef, Refund, RefundState, RefundTerms};
use crate::domain::reserve::{self, Shortage};
use crate::domain::settle::{AttemptFinding, CounterChange, Finding, settle};

/// Sets of rows to write.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// To insert, with all their attempts.
    pub new_refunds: Vec<Refund>,
    /// To insert beside the attempts that their refund has.
    pub new_attempts: Vec<Attempt>,
    /// To update: state, issued, reason, version, updated.
    pub refunds: Vec<Refund>,
    /// To update: state, reason, provider's id, claim, due, counts.
    pub attempts: Vec<Attempt>,
    /// To add to payments' counters.
    pub counters: Vec<CounterRow>,
    /// To add to lines' `committed`.
    pub lines: Vec<LineCommit>,
    /// To insert.
    pub postings: Vec<Posting>,
    /// To update.
    pub items: Vec<ItemChange>,
    /// To append to the outbox.
    pub facts: Vec<Fact>,
}

/// A change of one payment's counters.
#[derive(Debug)]
pub(super) struct CounterRow {
    pub tenant: TenantId,
    pub order: OrderId,
    pub payment: PaymentId,
    pub change: CounterChange,
}

/// What a refund takes up of one line.
#[derive(Debug)]
pub(super) struct LineCommit {
    pub tenant: TenantId,
    pub order: OrderId,
    pub line: String,
    pub amount: i64,
}

/// Where an item stands now.
#[derive(Debug)]
pub(super) struct ItemChange {
    pub tenant: TenantId,
    pub disruption: DisruptionId,
    pub order: OrderId,
    pub state: ItemState,
    pub refund: Option<RefundId>,
    pub issued: i64,
    pub needs: Needs,
}

impl Changes {
    /// Reserves `refund` on the counters of `order`, which the transaction holds.
    pub(super) fn reserve(&mut self, order: &Order, refund: Refund) -> Result<(), Shortage> {
        reserve::check(order, &refund)?;
        self.postings.extend(reserve::postings(&refund));
        let armed = refund.attempts.iter().filter(|a| a.state == AttemptState::Armed);
        self.counters.extend(armed.map(|attempt| CounterRow {
            tenant: attempt.tenant.clone(),
            order: attempt.order.clone(),
            payment: attempt.payment.clone(),
            change: CounterChange { reserved: attempt.amount, refunded: 0 },
        }));
        self.lines.extend(refund.lines.iter().map(|line| LineCommit {
            tenant: refund.tenant.clone(),
            order: refund.order.clone(),
            line: line.line_id.clone(),
            amount: line.gross,
        }));
        self.facts.push(Fact::refund_state(&refund));
        self.push_item_of(&refund);
        self.new_refunds.push(refund);
        Ok(())
    }

    /// Takes a pending item on: a refund, an item for a person, or nothing due.
    pub(super) fn start_item(
        &mut self,
        item: PendingItem,
        order: Option<&Order>,
        terms: &ItemTerms,
        ids: &dyn IdSource,
        now: Timestamp,
    ) {
        let PendingItem { tenant, disruption, requester, traceparent, plan } = item;
        if let (Due::Pay(price), Some(order)) = (&plan.due, order) {
            let refund_terms = RefundTerms {
                tenant: tenant.clone(),
                order: plan.order.clone(),
                customer: plan.customer.clone(),
                disruption: Some(disruption.clone()),
                legal_deadline: now.plus(terms.pay_within),
                expected_arrival: terms.arrival.map(|arrival| now.plus(arrival)),
                requester,
                traceparent: traceparent.clone(),
            };
            let refund = Refund::new(refund_terms, price, ids, now);
            if self.reserve(order, refund).is_ok() {
                return;
            }
        }
        let fact = Fact::item_without_refund(&tenant, &disruption, traceparent, &plan);
        if let FactKind::DisruptionItemSettled { outcome, needs, .. } = &fact.kind {
            self.items.push(ItemChange {
                tenant,
                disruption: disruption.id,
                order: plan.order,
                state: *outcome,
                refund: None,
                issued: 0,
                needs: *needs,
            });
        }
        self.facts.push(fact);
    }

    /// Applies findings to the refunds that the transaction holds; returns how many fit.
    pub(super) fn settle(
        &mut self,
        refunds: Vec<Refund>,
        findings: &[AttemptFinding],
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> usize {
        let mut owner_of = HashMap::new();
        for (at, refund) in refunds.iter().enumerate() {
            owner_of.extend(refund.attempts.iter().map(|attempt| (attempt.id.clone(), at)));
        }
        let before: Vec<RefundState> = refunds.iter().map(|refund| refund.state).collect();
        let mut refunds = refunds;
        let mut touched = HashSet::new();
        let mut applied = 0;
        for found in findings {
            let Some(&at) = owner_of.get(&found.attempt) else { continue };
            let Some(settlement) = settle(&mut refunds[at], found, ids, now) else {
                warn_of_contradiction(&refunds[at], found);
                continue;
            };
            applied += 1;
            touched.insert(at);
            self.postings.extend(settlement.postings);
            self.new_attempts.extend(settlement.added);
            for (attempt, change) in settlement.changed {
                if change != CounterChange::default() {
                    self.counters.push(CounterRow {
                        tenant: attempt.tenant.clone(),
                        order: attempt.order.clone(),
                        payment: attempt.payment.clone(),
                        change,
                    });
                }
                self.attempts.push(attempt);
            }
        }
        for (at, refund) in refunds.into_iter().enumerate() {
            if !touched.contains(&at) {
                continue;
            }
            if refund.state.is_at_rest() && !before[at].is_at_rest() {
                self.facts.push(Fact::refund_state(&refund));
                self.push_item_of(&refund);
            }
            self.refunds.push(refund);
        }
        applied
    }

    /// The item behind a refund follows its state.
    fn push_item_of(&mut self, refund: &Refund) {
        let Some(disruption) = &refund.disruption else { return };
        let at_rest = Fact::item_of(refund);
        let needs = match at_rest.as_ref().map(|fact| &fact.kind) {
            Some(FactKind::DisruptionItemSettled { needs, .. }) => *needs,
            _ => Needs::default(),
        };
        self.items.push(ItemChange {
            tenant: refund.tenant.clone(),
            disruption: disruption.id.clone(),
            order: refund.order.clone(),
            state: item_state(refund.state),
            refund: Some(refund.id.clone()),
            issued: refund.issued,
            needs,
        });
        self.facts.extend(at_rest);
    }
}

/// A finding that came too late is no loss, except when it says that money went where the books
/// say that none did.
fn warn_of_contradiction(refund: &Refund, found: &AttemptFinding) {
    let stored = refund.attempts.iter().find(|attempt| attempt.id == found.attempt);
    let is_failed = stored.is_some_and(|attempt| attempt.state == AttemptState::Failed);
    if is_failed && matches!(found.finding, Finding::Succeeded { .. }) {
        tracing::error!(
            attempt.id = found.attempt.as_str(),
            "provider has paid an attempt that is settled as failed, compare the books with it"
        );
    }
}

/// A pending item, with what its refund takes from the disruption.
#[derive(Debug)]
pub(super) struct PendingItem {
    pub tenant: TenantId,
    pub disruption: DisruptionRef,
    pub requester: String,
    pub traceparent: Option<String>,
    pub plan: ItemPlan,
}

/// What an import does with an order, given what is stored of it and the least that each of its
/// lines may cost (what refunds have taken up).
pub(super) fn judge_import(
    imported: &ImportedOrder,
    known: Option<&KnownOrderRow>,
    committed: &HashMap<(String, String), i64>,
) -> ImportOutcome {
    let order = &imported.order;
    let Some(known) = known else { return ImportOutcome::Created };
    if known.digest == imported.digest {
        return ImportOutcome::Unchanged;
    }
    if known.source_version > order.source_version {
        return ImportOutcome::Stale;
    }
    if known.source_version == order.source_version {
        return ImportOutcome::Conflict;
    }
    if known.currency != order.currency.code() {
        return ImportOutcome::CurrencyChanged;
    }
    let mut taken = committed.iter().filter(|((owner, _), _)| owner == order.id.as_str());
    // A shop may well drop a line that was refunded; it must not make one cheaper than that.
    let below = taken.any(|((_, line_id), committed)| {
        order.lines.iter().any(|line| line.id == *line_id && line.gross < *committed)
    });
    if below { ImportOutcome::BelowRefunded } else { ImportOutcome::Updated }
}
