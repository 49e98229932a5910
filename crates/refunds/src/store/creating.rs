//! Which refunds of a batch can be created, decided one after another on what a transaction holds.
//!
//! Invariant: each refund of the batch sees what the ones before it took, so that the outcome is
//! that of one transaction each; a refund that cannot be created leaves nothing in the changes.

use std::collections::{HashMap, HashSet};

use redress_core::id::{CustomerId, EventId, OrderId, QuoteId, TenantId};
use redress_store::StoreError;

use super::changes::{BuyerUse, Changes};
use super::{CreateOutcome, NewRefund, Offer};
use crate::domain::reserve::Holding;

/// What the transaction knows of everything that the batch touches.
#[derive(Debug, Default)]
pub(super) struct Standing {
    held: HashMap<(TenantId, OrderId), Holding>,
    answered: HashSet<(TenantId, String)>,
    used_quotes: HashSet<(TenantId, QuoteId)>,
    used_by_buyers: HashSet<(TenantId, CustomerId, EventId)>,
}

/// What a batch touches in one tenant's rows.
#[derive(Debug)]
pub(super) struct Touched<'a> {
    pub tenant: &'a TenantId,
    pub orders: Vec<OrderId>,
    pub quotes: Vec<&'a str>,
    pub requests: Vec<(&'a str, &'a str)>,
    pub buyers: Vec<(&'a str, &'a str)>,
}

impl<'a> Touched<'a> {
    /// By tenant, in the order of their ids, so that two batches lock in the same order.
    pub(super) fn by_tenant(batch: &'a [NewRefund]) -> Vec<Self> {
        let mut tenants: Vec<&TenantId> = batch.iter().map(|new| &new.refund.tenant).collect();
        tenants.sort();
        tenants.dedup();
        tenants.into_iter().map(|tenant| Self::of(tenant, batch)).collect()
    }

    fn of(tenant: &'a TenantId, batch: &'a [NewRefund]) -> Self {
        let own = || batch.iter().filter(|new| new.refund.tenant == *tenant);
        let mut orders: Vec<OrderId> = own().map(|new| new.refund.order.clone()).collect();
        orders.sort();
        orders.dedup();
        let buyers = own().flat_map(|new| {
            let customer = new.refund.customer.as_str();
            new.once_for.iter().map(move |event| (customer, event.as_str()))
        });
        Self {
            tenant,
            orders,
            quotes: own().map(|new| new.offer.id().as_str()).collect(),
            requests: own().map(|new| (new.request.method, &*new.request.request_id)).collect(),
            buyers: buyers.collect(),
        }
    }
}

impl Standing {
    /// What orders still have, as the transaction holds it.
    pub(super) fn hold(&mut self, tenant: &TenantId, orders: HashMap<OrderId, Holding>) {
        self.held.extend(orders.into_iter().map(|(order, held)| ((tenant.clone(), order), held)));
    }

    /// Ids of requests that were answered before.
    pub(super) fn answered(
        &mut self,
        tenant: &TenantId,
        request_ids: impl IntoIterator<Item = String>,
    ) {
        self.answered.extend(request_ids.into_iter().map(|id| (tenant.clone(), id)));
    }

    /// Quotes that refunds have accepted before.
    pub(super) fn used(&mut self, tenant: &TenantId, quotes: impl IntoIterator<Item = String>) {
        let known = quotes.into_iter().filter_map(|id| QuoteId::new(id).ok());
        self.used_quotes.extend(known.map(|quote| (tenant.clone(), quote)));
    }

    /// What buyers have used up before, by customer and event.
    pub(super) fn used_up(&mut self, tenant: &TenantId, uses: Vec<(String, String)>) {
        let known = uses.into_iter().filter_map(|(customer, event)| {
            Some((tenant.clone(), CustomerId::new(customer).ok()?, EventId::new(event).ok()?))
        });
        self.used_by_buyers.extend(known);
    }
}

/// How often a buyer has used up what a policy gives once for an event.
pub(super) fn uses((event, count): (String, i64)) -> Result<(EventId, i64), StoreError> {
    let corrupt = |_| StoreError::corrupt("buyer_refunds", "event_id", event.as_str());
    Ok((EventId::new(event.as_str()).map_err(corrupt)?, count))
}

impl Changes {
    /// Decides about every refund of the batch and collects what is to be written.
    pub(super) fn create(
        &mut self,
        batch: &[NewRefund],
        standing: &mut Standing,
    ) -> Result<Vec<CreateOutcome>, StoreError> {
        batch.iter().map(|new| self.create_one(new, standing)).collect()
    }

    fn create_one(
        &mut self,
        new: &NewRefund,
        standing: &mut Standing,
    ) -> Result<CreateOutcome, StoreError> {
        let refund = &new.refund;
        let tenant = &refund.tenant;
        let request = (tenant.clone(), new.request.request_id.clone());
        if standing.answered.contains(&request) {
            return Ok(CreateOutcome::Answered);
        }
        let quote = (tenant.clone(), new.offer.id().clone());
        if standing.used_quotes.contains(&quote) {
            return Ok(CreateOutcome::QuoteUsed);
        }
        let key = (tenant.clone(), refund.order.clone());
        let held = standing.held.get_mut(&key);
        let held =
            held.ok_or_else(|| StoreError::corrupt("quotes", "order_id", quote.1.as_str()))?;
        let refundable = held.refundable();
        if new.expected_refundable.is_some_and(|expected| expected != refundable) {
            return Ok(CreateOutcome::RefundableChanged(refundable));
        }
        let uses = |event: &EventId| (tenant.clone(), refund.customer.clone(), event.clone());
        if new.once_for.iter().any(|event| standing.used_by_buyers.contains(&uses(event))) {
            return Ok(CreateOutcome::BuyerLimit);
        }
        if let Err(shortage) = self.reserve(held, refund.clone()) {
            return Ok(CreateOutcome::Short(shortage));
        }
        held.take(refund);
        standing.used_by_buyers.extend(new.once_for.iter().map(uses));
        standing.answered.insert(request);
        standing.used_quotes.insert(quote);
        self.buyer_uses.extend(new.once_for.iter().map(|event| BuyerUse {
            tenant: tenant.clone(),
            customer: refund.customer.clone(),
            event: event.clone(),
            refund: refund.id.clone(),
        }));
        self.accepted.insert(refund.id.clone(), new.offer.id().clone());
        if let Offer::Fresh(quote) = &new.offer {
            self.quotes.push((tenant.clone(), (**quote).clone()));
        }
        self.audit.push(new.audit.clone());
        self.requests.push((tenant.clone(), new.request.clone()));
        Ok(CreateOutcome::Created)
    }
}
