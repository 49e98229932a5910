//! Accepts a quote, or prices and accepts in one go: reserves the money and leaves the paying to the
//! workers.
//!
//! Invariant: the refund, its attempts, the reservation, the postings, the event, the audit entry and
//! the record of the request are one write; the provider is called later, by nobody's connection.

use std::collections::BTreeMap;

use redress_core::caller::Role;
use redress_core::clock::Timestamp;
use redress_core::id::{AuditRecordId, CustomerId, OrderId, QuoteId, RefundId};
use redress_core::money::Money;
use redress_core::tenant::ApprovalLimit;

use super::quote_refund::price_withdrawal;
use super::request::{once, or_answered};
use super::{Outcome, RefundError, Refunds, Request, get_order};
use crate::domain::audit::{AuditAction, AuditEntry};
use crate::domain::order::{Order, Payment};
use crate::domain::quote::{Quote, Withdrawal};
use crate::domain::refund::{Refund, RefundTerms};
use crate::domain::reserve;
use crate::store::{CreateOutcome, NewRefund, Offer, StoredQuote};

/// What the caller asks for.
#[derive(Debug)]
pub struct CreateRefund<'a> {
    /// What is to be paid.
    pub wanted: Wanted,
    /// The caller's word that the ticket no longer opens the gate.
    pub entitlement_voided: bool,
    /// Whether to check only.
    pub validate_only: bool,
    /// What the caller believes that the order's payments still hold.
    pub expected_refundable: Option<Money>,
    /// Why, in the caller's words.
    pub reason: String,
    /// Who asks: the subject of the credential.
    pub requester: String,
    /// What the requester may act as.
    pub roles: Vec<Role>,
    /// W3C `traceparent` of the call.
    pub traceparent: Option<String>,
    /// The tenant, and what a repetition is recognised by.
    pub request: Request<'a, Refund>,
}

/// What a refund pays.
#[derive(Debug)]
pub enum Wanted {
    /// An offer that was made before.
    Quote(QuoteId),
    /// What an offer for this would pay now.
    Withdrawal(OrderId, Withdrawal),
}

/// Creates the refund. With `validate_only` nothing changes, and the refund in the answer is the
/// one that would be stored; its ids mean nothing.
pub async fn create_refund(
    app: &Refunds,
    ask: CreateRefund<'_>,
) -> Result<Outcome<Refund>, RefundError> {
    let (key, work) = (ask.request.key, accept(app, &ask));
    if ask.validate_only {
        once(&*app.store, key, work).await
    } else {
        // The write itself finds that the request was answered: nothing has to be read before it.
        or_answered(&*app.store, key, work).await
    }
}

async fn accept(app: &Refunds, ask: &CreateRefund<'_>) -> Result<Refund, RefundError> {
    let tenant = &ask.request.key.tenant;
    let now = app.clock.now();
    let Offered { quote, customer, offer } = offered(app, ask, now).await?;
    if quote.price.total == 0 {
        return Err(RefundError::NothingQuoted(quote.id));
    }
    if !ask.entitlement_voided {
        return Err(RefundError::EntitlementNotVoided);
    }
    let expected_refundable = expected(app, ask, &quote).await?;
    let terms = terms(app, ask, customer, &quote, now).await?;
    let refund = Refund::new(terms, &quote.price, &*app.ids, now);
    if ask.validate_only {
        let order = get_order(app, tenant, &quote.order).await?;
        check(&quote, &order, &refund, expected_refundable)?;
        return Ok(refund);
    }
    let new = NewRefund {
        audit: audit(app, ask, &refund, &quote, now),
        request: ask.request.record(&refund),
        once_for: quote.once_for.clone(),
        refund: refund.clone(),
        offer,
        expected_refundable,
    };
    match app.writer.create(new).await? {
        CreateOutcome::Created => {
            app.signals.attempts_armed();
            tracing::debug!(refund.name = refund.id.resource_name(), "refund accepted");
            Ok(refund)
        }
        // Whoever asked `once` finds the answer of that request.
        CreateOutcome::Answered => Err(RefundError::Conflict { name: quote.order.resource_name() }),
        CreateOutcome::Short(cause) => Err(RefundError::OverRefund { cause }),
        CreateOutcome::RefundableChanged(found) => Err(changed(&quote, found)),
        CreateOutcome::BuyerLimit => Err(RefundError::BuyerLimit(quote.order)),
        CreateOutcome::QuoteUsed => Err(RefundError::QuoteUsed(quote.id)),
    }
}

/// An offer, and to whom.
struct Offered {
    quote: Quote,
    customer: CustomerId,
    offer: Offer,
}

async fn offered(
    app: &Refunds,
    ask: &CreateRefund<'_>,
    now: Timestamp,
) -> Result<Offered, RefundError> {
    let tenant = &ask.request.key.tenant;
    match &ask.wanted {
        Wanted::Quote(id) => {
            let found = app.store.quote(tenant, id).await?;
            let StoredQuote { quote, customer, accepted } =
                found.ok_or_else(|| RefundError::not_found(id.resource_name()))?;
            check_acceptable(&quote, accepted.as_ref(), now)?;
            Ok(Offered { offer: Offer::Stored(quote.id.clone()), quote, customer })
        }
        Wanted::Withdrawal(order, withdrawal) => {
            let order = get_order(app, tenant, order).await?;
            let quote = price_withdrawal(app, tenant, &order, withdrawal, now).await?;
            let offer = Offer::Fresh(Box::new(quote.clone()));
            Ok(Offered { quote, customer: order.customer, offer })
        }
    }
}

fn check_acceptable(
    quote: &Quote,
    accepted: Option<&RefundId>,
    now: Timestamp,
) -> Result<(), RefundError> {
    if accepted.is_some() {
        return Err(RefundError::QuoteUsed(quote.id.clone()));
    }
    if now >= quote.expires {
        return Err(RefundError::QuoteExpired { quote: quote.id.clone(), expired: quote.expires });
    }
    Ok(())
}

/// What the caller believes to be left, in the order's minor units.
async fn expected(
    app: &Refunds,
    ask: &CreateRefund<'_>,
    quote: &Quote,
) -> Result<Option<i64>, RefundError> {
    match ask.expected_refundable {
        None => Ok(None),
        Some(money) if money.currency == quote.price.currency => Ok(Some(money.minor_units)),
        Some(_) => {
            let order = get_order(app, &ask.request.key.tenant, &quote.order).await?;
            Err(changed(quote, refundable(&order)))
        }
    }
}

fn refundable(order: &Order) -> i64 {
    order.payments.iter().map(Payment::refundable).sum()
}

fn changed(quote: &Quote, found: i64) -> RefundError {
    let refundable = Money { currency: quote.price.currency, minor_units: found };
    RefundError::RefundableChanged { order: quote.order.clone(), refundable }
}

/// What the store will check again in its transaction.
fn check(
    quote: &Quote,
    order: &Order,
    refund: &Refund,
    expected: Option<i64>,
) -> Result<(), RefundError> {
    let found = refundable(order);
    if expected.is_some_and(|expected| expected != found) {
        return Err(changed(quote, found));
    }
    reserve::check(order, refund).map_err(|cause| RefundError::OverRefund { cause })
}

async fn terms(
    app: &Refunds,
    ask: &CreateRefund<'_>,
    customer: CustomerId,
    quote: &Quote,
    now: Timestamp,
) -> Result<RefundTerms, RefundError> {
    let tenant = &ask.request.key.tenant;
    let used = quote.price.shares.iter().map(|share| share.provider.as_str());
    let settings = app.tenants.recent(tenant).await?;
    let limits = settings.map(|settings| settings.approval_limits).unwrap_or_default();
    let total = Money { currency: quote.price.currency, minor_units: quote.price.total };
    Ok(RefundTerms {
        tenant: tenant.clone(),
        order: quote.order.clone(),
        customer,
        disruption: None,
        override_code: quote.override_code,
        needs_approval: quote.needs_approval || is_above_limit(&limits, &ask.roles, total),
        // The quote's promise stands, although the law would count from now.
        legal_deadline: quote.legal_deadline,
        expected_arrival: app.connections.arrival(used).map(|arrival| now.plus(arrival)),
        requester: ask.requester.clone(),
        traceparent: ask.traceparent.clone(),
    })
}

/// Whether `amount` is above what every one of `roles` may refund without a second person.
fn is_above_limit(limits: &[ApprovalLimit], roles: &[Role], amount: Money) -> bool {
    let is_above = |role: &Role| {
        let mut own = limits
            .iter()
            .filter(|limit| limit.role == *role && limit.limit.currency == amount.currency);
        own.any(|limit| amount.minor_units > limit.limit.minor_units)
    };
    !roles.is_empty() && roles.iter().all(is_above)
}

fn audit(
    app: &Refunds,
    ask: &CreateRefund<'_>,
    refund: &Refund,
    quote: &Quote,
    now: Timestamp,
) -> AuditEntry {
    let mut details = BTreeMap::from([
        ("amount".to_owned(), refund.requested.to_string()),
        ("currency".to_owned(), refund.currency.code().to_owned()),
        ("order".to_owned(), refund.order.resource_name()),
        ("policy".to_owned(), quote.policy.resource_name()),
        ("policy_version".to_owned(), quote.policy_version.to_string()),
        ("quote".to_owned(), quote.id.resource_name()),
        ("state".to_owned(), refund.state.as_str().to_owned()),
    ]);
    if let Some(code) = quote.override_code {
        details.insert("override_code".to_owned(), code.as_str().to_owned());
        let held = quote.evidence.iter().map(|held| format!("{}={}", held.kind, held.reference));
        details.insert("evidence".to_owned(), held.collect::<Vec<_>>().join(" "));
    }
    AuditEntry {
        tenant: refund.tenant.clone(),
        id: AuditRecordId::fresh(&*app.ids),
        actor: ask.requester.clone(),
        roles: ask.roles.clone(),
        action: AuditAction::REFUND_CREATED,
        resource: refund.id.resource_name(),
        reason: ask.reason.clone(),
        details,
        at: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(role: Role, code: &str, minor_units: i64) -> ApprovalLimit {
        ApprovalLimit { role, limit: Money { currency: code.parse().unwrap(), minor_units } }
    }

    #[test]
    fn the_most_generous_of_a_callers_roles_counts() {
        let limits = [
            limit(Role::Agent, "EUR", 5_000),
            limit(Role::Supervisor, "EUR", 50_000),
            limit(Role::Agent, "CNY", 0),
        ];
        let above = |roles: &[Role], code: &str, minor_units| {
            let amount = Money { currency: code.parse().unwrap(), minor_units };
            is_above_limit(&limits, roles, amount)
        };
        assert!(!above(&[Role::Agent], "EUR", 5_000));
        assert!(above(&[Role::Agent], "EUR", 5_001));
        assert!(!above(&[Role::Agent, Role::Supervisor], "EUR", 50_000));
        assert!(above(&[Role::Agent, Role::Supervisor], "EUR", 50_001));
        assert!(above(&[Role::Agent], "CNY", 1), "0 means every refund");
        assert!(!above(&[Role::Agent], "JPY", 1_000_000), "a currency without an entry");
        assert!(!above(&[Role::Platform, Role::Agent], "EUR", 9_999), "a role without an entry");
    }
}
