//! Accepts a quote: reserves its money and leaves the paying to the workers.
//!
//! Invariant: the refund, its attempts, the reservation, the postings, the event and the record of
//! the request are one write; the provider is called later, by nobody's connection.

use redress_core::clock::Timestamp;
use redress_core::id::{QuoteId, RefundId, TenantId};

use super::request::once;
use super::{Outcome, RefundError, Refunds, Request, get_order};
use crate::domain::order::Order;
use crate::domain::quote::Quote;
use crate::domain::refund::{Refund, RefundTerms};
use crate::domain::reserve;
use crate::store::CreateOutcome;

/// What the caller asks for.
#[derive(Debug)]
pub struct CreateRefund<'a> {
    /// The offer.
    pub quote: QuoteId,
    /// The caller's word that the ticket no longer opens the gate.
    pub entitlement_voided: bool,
    /// Whether to check only.
    pub validate_only: bool,
    /// Who asks: the subject of the credential.
    pub requester: String,
    /// W3C `traceparent` of the call.
    pub traceparent: Option<String>,
    /// The tenant, and what a repetition is recognised by.
    pub request: Request<'a, Refund>,
}

/// Accepts the quote. With `validate_only` nothing changes, and the refund in the answer is the
/// one that would be stored; its ids mean nothing.
pub async fn create_refund(
    app: &Refunds,
    ask: CreateRefund<'_>,
) -> Result<Outcome<Refund>, RefundError> {
    once(&*app.store, ask.request.key, accept(app, &ask)).await
}

async fn accept(app: &Refunds, ask: &CreateRefund<'_>) -> Result<Refund, RefundError> {
    let tenant = &ask.request.key.tenant;
    let now = app.clock.now();
    let found = app.store.quote(tenant, &ask.quote).await?;
    let (quote, accepted) =
        found.ok_or_else(|| RefundError::not_found(ask.quote.resource_name()))?;
    check_acceptable(&quote, accepted.as_ref(), ask.entitlement_voided, now)?;
    let order = get_order(app, tenant, &quote.order).await?;
    let refund =
        Refund::new(terms(app, ask, tenant, &order, &quote, now), &quote.price, &*app.ids, now);
    if ask.validate_only {
        reserve::check(&order, &refund).map_err(|cause| RefundError::OverRefund { cause })?;
        return Ok(refund);
    }
    let record = ask.request.record(&refund);
    match app.store.create_refund(&refund, &quote.id, &record, &*app.ids).await? {
        CreateOutcome::Created => {
            app.signals.attempts_armed();
            tracing::debug!(refund.name = refund.id.resource_name(), "refund accepted");
            Ok(refund)
        }
        CreateOutcome::Short(cause) => Err(RefundError::OverRefund { cause }),
        CreateOutcome::QuoteUsed => Err(RefundError::QuoteUsed(quote.id)),
    }
}

fn check_acceptable(
    quote: &Quote,
    accepted: Option<&RefundId>,
    entitlement_voided: bool,
    now: Timestamp,
) -> Result<(), RefundError> {
    if accepted.is_some() {
        return Err(RefundError::QuoteUsed(quote.id.clone()));
    }
    if now >= quote.expires {
        return Err(RefundError::QuoteExpired { quote: quote.id.clone(), expired: quote.expires });
    }
    if quote.price.total == 0 {
        return Err(RefundError::NothingQuoted(quote.id.clone()));
    }
    if !entitlement_voided {
        return Err(RefundError::EntitlementNotVoided);
    }
    Ok(())
}

fn terms(
    app: &Refunds,
    ask: &CreateRefund<'_>,
    tenant: &TenantId,
    order: &Order,
    quote: &Quote,
    now: Timestamp,
) -> RefundTerms {
    let used = quote.price.shares.iter().map(|share| share.provider.as_str());
    RefundTerms {
        tenant: tenant.clone(),
        order: order.id.clone(),
        customer: order.customer.clone(),
        disruption: None,
        // The quote's promise stands, although the law would count from now.
        legal_deadline: quote.legal_deadline,
        expected_arrival: app.connections.arrival(used).map(|arrival| now.plus(arrival)),
        requester: ask.requester.clone(),
        traceparent: ask.traceparent.clone(),
    }
}
