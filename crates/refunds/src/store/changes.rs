//! What one transaction changes about refunds, collected before it is written.
//!
//! Invariant: decided by the domain on rows that the transaction holds, and written set by set;
//! both databases write the same sets, so a rule exists once.

use std::collections::{HashMap, HashSet};

use redress_core::clock::Timestamp;
use redress_core::id::{
    CustomerId, DisruptionId, EventId, IdSource, OrderId, PaymentId, QuoteId, RefundId, TenantId,
};
use redress_core::money::Money;
use redress_store::StoreError;

use super::{Decision, ItemTerms, RequestRecord};
use crate::domain::act::{ActError, Action, act};
use crate::domain::attempt::{Attempt, AttemptState};
use crate::domain::audit::AuditEntry;
use crate::domain::disruption::{Due, ItemPlan, ItemState, Terms};
use crate::domain::fact::{Fact, FactKind, Needs, item_state};
use crate::domain::ledger::{Posting, PostingKind, Subject};
use crate::domain::order::Order;
use crate::domain::quote::Quote;
use crate::domain::refund::{DisruptionRef, Refund, RefundState, RefundTerms};
use crate::domain::reserve::{self, Holding, LineChange, Shortage};
use crate::domain::settle::{AttemptFinding, CounterChange, Finding, Settlement, settle};

/// Sets of rows to write.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// To insert, with all their attempts.
    pub new_refunds: Vec<Refund>,
    /// To insert beside the attempts that their refund has.
    pub new_attempts: Vec<Attempt>,
    /// To update: state, issued, reason, approver, version, updated.
    pub refunds: Vec<Refund>,
    /// To update: state, reason, provider's id, claim, due, counts.
    pub attempts: Vec<Attempt>,
    /// To add to payments' counters.
    pub counters: Vec<CounterRow>,
    /// To add to lines' counters.
    pub lines: Vec<LineRow>,
    /// To insert.
    pub buyer_uses: Vec<BuyerUse>,
    /// Refunds whose buyer uses are to be deleted.
    pub freed_buyers: Vec<(TenantId, RefundId)>,
    /// The quotes that new refunds accept.
    pub accepted: HashMap<RefundId, QuoteId>,
    /// To insert.
    pub quotes: Vec<(TenantId, Quote)>,
    /// To record.
    pub requests: Vec<(TenantId, RequestRecord)>,
    /// To append to the audit log.
    pub audit: Vec<AuditEntry>,
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

/// What a refund takes up of one line, or frees again.
#[derive(Debug)]
pub(super) struct LineRow {
    pub tenant: TenantId,
    pub order: OrderId,
    pub change: LineChange,
}

/// What a policy gives each buyer once for an event, and the refund that uses it up.
#[derive(Debug)]
pub(super) struct BuyerUse {
    pub tenant: TenantId,
    pub customer: CustomerId,
    pub event: EventId,
    pub refund: RefundId,
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
    /// Reserves `refund` on what its order still has, which the transaction holds.
    pub(super) fn reserve(&mut self, held: &Holding, refund: Refund) -> Result<(), Shortage> {
        reserve::check(held, &refund)?;
        self.postings.extend(reserve::postings(&refund));
        self.push_counters(&refund, reserve::counters(&refund));
        self.push_lines(&refund, LineChange::take(&refund));
        self.facts.push(Fact::refund_state(&refund));
        self.push_item_of(&refund);
        self.new_refunds.push(refund);
        Ok(())
    }

    /// Applies what somebody decided about a refund that the transaction holds with its order.
    pub(super) fn act(
        &mut self,
        refund: &mut Refund,
        order: &Order,
        decision: &Decision<'_>,
        ids: &dyn IdSource,
        now: Timestamp,
    ) -> Result<(), ActError> {
        let before = refund.state;
        let settlement = act(refund, order, decision.action, decision.actor, ids, now)?;
        self.push_settlement(refund, settlement);
        self.audit.push((decision.audit)(refund));
        self.push_moved(refund, before);
        self.refunds.push(refund.clone());
        Ok(())
    }

    /// The attempts to insert, each with whether it belongs to a disruption.
    pub(super) fn attempts_to_insert(&self) -> Vec<(&Attempt, bool)> {
        let of_new = self.new_refunds.iter().flat_map(|refund| {
            let bulk = refund.disruption.is_some();
            refund.attempts.iter().map(move |attempt| (attempt, bulk))
        });
        // Whoever adds an attempt to a refund changes the refund.
        let is_bulk = |attempt: &Attempt| {
            let owner = |refund: &&Refund| refund.id == attempt.refund;
            self.refunds.iter().find(owner).is_some_and(|refund| refund.disruption.is_some())
        };
        let further = self.new_attempts.iter().map(|attempt| (attempt, is_bulk(attempt)));
        of_new.chain(further).collect()
    }

    /// What a finding or a decision did to `refund`, which is as it stands now.
    fn push_settlement(&mut self, refund: &Refund, settlement: Settlement) {
        self.postings.extend(settlement.postings);
        self.new_attempts.extend(settlement.added);
        self.push_counters(refund, settlement.reserved);
        self.push_lines(refund, settlement.lines);
        if settlement.frees_buyer {
            self.freed_buyers.push((refund.tenant.clone(), refund.id.clone()));
        }
        for (attempt, change) in settlement.changed {
            if change != CounterChange::default() {
                self.push_counters(refund, vec![(attempt.payment.clone(), change)]);
            }
            self.attempts.push(attempt);
        }
    }

    /// Announces a refund that has come to rest, that somebody has moved on, or that no longer
    /// needs a person because it is under way again.
    fn push_moved(&mut self, refund: &Refund, before: RefundState) {
        let is_claim = refund.state == RefundState::Processing && before != RefundState::Attention;
        if refund.state != before && !is_claim {
            self.facts.push(Fact::refund_state(refund));
        }
        if refund.state != before {
            self.push_item_of(refund);
        } else if refund.issued > 0 {
            // One of several tenders may be paid by now, and the item says so as well.
            self.push_item_row(refund, Fact::item_of(refund).as_ref());
        }
    }

    fn push_counters(&mut self, refund: &Refund, changes: Vec<(PaymentId, CounterChange)>) {
        self.counters.extend(changes.into_iter().map(|(payment, change)| CounterRow {
            tenant: refund.tenant.clone(),
            order: refund.order.clone(),
            payment,
            change,
        }));
    }

    fn push_lines(&mut self, refund: &Refund, changes: Vec<LineChange>) {
        self.lines.extend(changes.into_iter().map(|change| LineRow {
            tenant: refund.tenant.clone(),
            order: refund.order.clone(),
            change,
        }));
    }

    /// Records a refund that was made at the provider; its payment is counted before, and takes
    /// `excess` more than was captured when that is above zero.
    pub(super) fn record_external(
        &mut self,
        refund: &Refund,
        attempt: &Attempt,
        excess: i64,
    ) -> Result<(), StoreError> {
        self.postings.push(Posting::new(PostingKind::External, Subject::of(attempt)));
        self.facts.push(Fact::refund_state(refund));
        if excess > 0 {
            let corrupt = |_| StoreError::corrupt("payments", "captured", attempt.payment.as_str());
            let excess = Money::new(refund.currency, excess).map_err(corrupt)?;
            self.facts.push(Fact::overdrawn(refund, attempt.payment.clone(), excess));
        }
        self.new_refunds.push(refund.clone());
        Ok(())
    }

    /// Takes a pending item on: a refund, an item for a person, or nothing due.
    pub(super) fn start_item(
        &mut self,
        item: PendingItem,
        held: Option<&Holding>,
        terms: &ItemTerms,
        ids: &dyn IdSource,
        now: Timestamp,
    ) {
        let PendingItem { tenant, disruption, requester, traceparent, change, plan, .. } = item;
        if let (Due::Pay(price), Some(held)) = (&plan.due, held) {
            let refund_terms = RefundTerms {
                tenant: tenant.clone(),
                order: plan.order.clone(),
                customer: plan.customer.clone(),
                disruption: Some(disruption.clone()),
                override_code: None,
                // The whole disruption was approved, with its amounts.
                needs_approval: false,
                legal_clock: item.terms.clock(now, terms.pay_within, &plan.time_zone),
                expected_arrival: terms.arrival.map(|arrival| now.plus(arrival)),
                requester,
                traceparent: traceparent.clone(),
            };
            let refund = Refund::new(refund_terms, price, ids, now);
            if self.reserve(held, refund).is_ok() {
                return;
            }
        }
        let fact = Fact::item_without_refund(&tenant, &disruption, traceparent, change, &plan);
        self.push_fact_of_item(fact);
    }

    /// Tries the refund of an item again, which the transaction holds with its order. What cannot be
    /// tried again stays with a person.
    pub(super) fn retry_item(
        &mut self,
        mut refund: Refund,
        order: &Order,
        requester: &str,
        ids: &dyn IdSource,
        now: Timestamp,
    ) {
        let before = refund.state;
        match act(&mut refund, order, &Action::Retry, requester, ids, now) {
            Ok(settlement) => {
                self.push_settlement(&refund, settlement);
                self.push_moved(&refund, before);
                self.refunds.push(refund);
            }
            // The item goes back to where its refund is.
            Err(_) => self.push_item_of(&refund),
        }
    }

    /// Announces an item that came to rest without a refund, and moves it there.
    pub(super) fn push_fact_of_item(&mut self, fact: Fact) {
        if let FactKind::DisruptionItemSettled {
            disruption,
            order,
            refund,
            outcome,
            amounts,
            needs,
            ..
        } = &fact.kind
        {
            self.items.push(ItemChange {
                tenant: fact.tenant.clone(),
                disruption: disruption.id.clone(),
                order: order.clone(),
                state: *outcome,
                refund: refund.clone(),
                issued: amounts.issued.minor_units,
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
            self.push_settlement(&refunds[at], settlement);
        }
        for (at, refund) in refunds.into_iter().enumerate() {
            if touched.contains(&at) {
                self.push_moved(&refund, before[at]);
                self.refunds.push(refund);
            }
        }
        applied
    }

    /// The item behind a refund follows its state, and that it rests is announced.
    fn push_item_of(&mut self, refund: &Refund) {
        let at_rest = Fact::item_of(refund);
        self.push_item_row(refund, at_rest.as_ref());
        self.facts.extend(at_rest);
    }

    /// The item behind a refund tells what became of it; `at_rest` says what it needs.
    fn push_item_row(&mut self, refund: &Refund, at_rest: Option<&Fact>) {
        let Some(disruption) = &refund.disruption else { return };
        let needs = match at_rest.map(|fact| &fact.kind) {
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
    /// What happened.
    pub change: &'static str,
    /// What its refund is paid under.
    pub terms: Terms,
    /// The refund that is to be tried again.
    pub refund: Option<RefundId>,
    pub plan: ItemPlan,
}
