//! Prices a refund and keeps the offer.
//!
//! Invariant: the policy version in force when the order was bought decides, whatever applies
//! today.

use redress_core::clock::Timestamp;
use redress_core::id::{OrderId, PolicyId, QuoteId, TenantId};
use redress_policy::Policy;

use super::request::once;
use super::{Outcome, RefundError, Refunds, Request, get_order};
use crate::domain::order::Order;
use crate::domain::quote::{Quote, QuoteTerms, quote_withdrawal};

/// What the caller asks for.
#[derive(Debug)]
pub struct QuoteRefund<'a> {
    /// The order.
    pub order: OrderId,
    /// Ids of the lines to refund, none twice; empty means every ticket.
    pub line_ids: Vec<String>,
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
    let order = get_order(app, tenant, &ask.order).await?;
    let policy = policy_at_purchase(app, tenant, &order).await?;
    let now = app.clock.now();
    let quote = price(app, &order, &ask.line_ids, &policy, now)?;
    app.store.create_quote(tenant, &quote, &ask.request.record(&quote), now).await?;
    Ok(quote)
}

/// The version of the order's policy, or of the tenant's default, that was in force at purchase.
async fn policy_at_purchase(
    app: &Refunds,
    tenant: &TenantId,
    order: &Order,
) -> Result<Policy, RefundError> {
    let id = match &order.policy {
        Some(id) => id.clone(),
        None => default_policy(app, tenant).await?,
    };
    let purchased = order.purchase_time;
    let found = app.store.policy_in_force(tenant, &id, purchased).await?;
    found.ok_or(RefundError::NoPolicyInForce { policy: id, purchased })
}

async fn default_policy(app: &Refunds, tenant: &TenantId) -> Result<PolicyId, RefundError> {
    let settings = app.tenants.get(tenant).await?;
    let named = settings.and_then(|settings| PolicyId::new(settings.default_policy).ok());
    named.ok_or_else(|| RefundError::TenantNotApplied(tenant.clone()))
}

fn price(
    app: &Refunds,
    order: &Order,
    line_ids: &[String],
    policy: &Policy,
    now: Timestamp,
) -> Result<Quote, RefundError> {
    let holding = order.payments.iter().filter(|payment| payment.refundable() > 0);
    let terms = QuoteTerms {
        connected: app.connections.names(),
        validity: app.quote_validity,
        arrival: app.connections.arrival(holding.map(|payment| payment.provider.as_str())),
    };
    let id = QuoteId::fresh(&*app.ids);
    quote_withdrawal(id, order, line_ids, policy, terms, now)
        .map_err(|cause| RefundError::NotQuotable { order: order.id.clone(), cause })
}
