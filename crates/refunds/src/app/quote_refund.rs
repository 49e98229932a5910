//! Prices a refund and keeps the offer.
//!
//! Invariant: the policy version that the order was sold under decides, whatever applies today.

use std::collections::HashMap;

use redress_core::clock::Timestamp;
use redress_core::id::{EventId, OrderId, PolicyId, QuoteId, TenantId};
use redress_policy::{Language, Policy, Status};

use super::request::once;
use super::{Outcome, RefundError, Refunds, Request, get_order};
use crate::domain::order::Order;
use crate::domain::policy_choice::choose;
use crate::domain::quote::{Quote, QuoteTerms, Withdrawal, quote_withdrawal};

/// What the caller asks for.
#[derive(Debug)]
pub struct QuoteRefund<'a> {
    /// The order.
    pub order: OrderId,
    /// What is to be given back, and why.
    pub withdrawal: Withdrawal,
    /// The language of explanations.
    pub language: Language,
    /// The tenant, and what a repetition is recognised by.
    pub request: Request<'a, Quote>,
}

/// Prices the withdrawal of a buyer and stores the offer.
pub async fn quote_refund(
    app: &Refunds,
    ask: QuoteRefund<'_>,
) -> Result<Outcome<Quote>, RefundError> {
    once(&*app.store, ask.request.key, offer(app, &ask)).await
}

async fn offer(app: &Refunds, ask: &QuoteRefund<'_>) -> Result<Quote, RefundError> {
    let tenant = &ask.request.key.tenant;
    let now = app.clock.now();
    let order = get_order(app, tenant, &ask.order).await?;
    let asked = (&ask.withdrawal, ask.language);
    let quote = price_withdrawal(app, tenant, &order, asked, now).await?;
    app.store.create_quote(tenant, &quote, &ask.request.record(&quote), now).await?;
    Ok(quote)
}

/// The offer for a withdrawal; not stored.
pub(super) async fn price_withdrawal(
    app: &Refunds,
    tenant: &TenantId,
    order: &Order,
    (withdrawal, language): (&Withdrawal, Language),
    now: Timestamp,
) -> Result<Quote, RefundError> {
    let policy = policy_of(app, tenant, order).await?;
    let holding = order.payments.iter().filter(|payment| payment.refundable() > 0);
    let buyer_refunds = buyer_refunds(app, tenant, order, &policy).await?;
    let terms = QuoteTerms {
        routing: &*app.connections,
        validity: app.quote_validity,
        arrival: app.connections.arrival(holding.map(|payment| payment.provider.as_str())),
        buyer_refunds: &buyer_refunds,
        language,
    };
    let id = QuoteId::fresh(&*app.ids);
    quote_withdrawal(id, order, withdrawal, &policy, terms, now)
        .map_err(|cause| RefundError::NotQuotable { order: order.id.clone(), cause })
}

/// The version that the order is pinned to; without one, the version of its policy, or of the one
/// that the tenant's settings choose for it, that was in force at purchase. A draft, or one that is
/// disabled, is in force for nobody.
async fn policy_of(app: &Refunds, tenant: &TenantId, order: &Order) -> Result<Policy, RefundError> {
    let purchased = order.purchase_time;
    let (id, found) = if let (Some(id), Some(version)) = (&order.policy, order.policy_version) {
        (id.clone(), app.store.policy_version(tenant, id, version).await?)
    } else {
        let id = match &order.policy {
            Some(id) => id.clone(),
            None => chosen_policy(app, tenant, order).await?,
        };
        let found = app.store.policy_in_force(tenant, &id, purchased).await?;
        (id, found)
    };
    let found = found.filter(|policy| policy.status == Status::Active);
    found.ok_or(RefundError::NoPolicyInForce { policy: id, purchased })
}

async fn chosen_policy(
    app: &Refunds,
    tenant: &TenantId,
    order: &Order,
) -> Result<PolicyId, RefundError> {
    let settings = app.tenants.get(tenant).await?;
    let chosen = settings.and_then(|settings| PolicyId::new(choose(&settings, order)).ok());
    chosen.ok_or_else(|| RefundError::TenantNotApplied(tenant.clone()))
}

/// How often the buyer has used up what policies give once, by the events of the order.
async fn buyer_refunds(
    app: &Refunds,
    tenant: &TenantId,
    order: &Order,
    policy: &Policy,
) -> Result<HashMap<EventId, u32>, RefundError> {
    if !policy.counts_buyer_refunds() {
        return Ok(HashMap::new());
    }
    let events: Vec<EventId> = order.lines.iter().map(|line| line.event.clone()).collect();
    let used = app.store.buyer_refunds(tenant, &order.customer, &events).await?;
    let counted =
        used.into_iter().map(|(event, count)| (event, u32::try_from(count).unwrap_or(u32::MAX)));
    Ok(counted.collect())
}
