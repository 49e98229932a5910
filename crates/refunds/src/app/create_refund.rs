//! Accepts a quote, or prices and accepts in one go: reserves the money and leaves the paying to the
//! workers.
//!
//! Invariant: the refund, its attempts, the reservation, the postings, the event, the audit entry and
//! the record of the request are one write; the provider is called later, by nobody's connection.

use std::collections::BTreeMap;
use std::sync::Arc;

use redress_api::request_id::RequestKey;
use redress_core::caller::Role;
use redress_core::clock::Timestamp;
use redress_core::id::{AuditRecordId, CustomerId, Ids, OrderId, QuoteId, TenantId};
use redress_core::money::Money;
use redress_core::tenant::ApprovalLimit;
use redress_policy::Language;

use super::batches::Draft;
use super::quote_refund::price_withdrawal;
use super::request::{once, or_answered};
use super::{Connections, Outcome, RefundError, Refunds, Request, get_order};
use crate::domain::audit::{AuditAction, AuditEntry};
use crate::domain::quote::{Quote, Withdrawal};
use crate::domain::refund::{Refund, RefundTerms};
use crate::domain::reserve::{self, Holding};
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
    let key = ask.request.key;
    if ask.validate_only {
        once(&*app.store, key, check(app, ask)).await
    } else {
        // The write itself finds that the request was answered: nothing has to be read before it.
        or_answered(&*app.store, key, create(app, ask)).await
    }
}

async fn create(app: &Refunds, ask: CreateRefund<'_>) -> Result<Refund, RefundError> {
    let draft = draft(app, ask).await?;
    let created = app.batches.create(draft).await?;
    let NewRefund { refund, offer, .. } = created.new;
    match created.outcome {
        CreateOutcome::Created => {
            app.signals.attempts_armed();
            tracing::debug!(refund.name = refund.id.resource_name(), "refund accepted");
            Ok(refund)
        }
        // Whoever asked `once` finds the answer of that request.
        CreateOutcome::Answered => {
            Err(RefundError::Conflict { name: refund.order.resource_name() })
        }
        CreateOutcome::Short(cause) => Err(RefundError::OverRefund { cause }),
        CreateOutcome::RefundableChanged(found) => Err(changed(&refund, found)),
        CreateOutcome::BuyerLimit => Err(RefundError::BuyerLimit(refund.order)),
        CreateOutcome::QuoteUsed => Err(RefundError::QuoteUsed(offer.id().clone())),
    }
}

/// What the store would check in its transaction.
async fn check(app: &Refunds, ask: CreateRefund<'_>) -> Result<Refund, RefundError> {
    let draft = draft(app, ask).await?;
    let stored = match draft.quote() {
        Some(key) => app.store.quotes(&[key]).await?.pop().flatten(),
        None => None,
    };
    let NewRefund { refund, expected_refundable, .. } = draft.accept(stored)?;
    let order = get_order(app, &refund.tenant, &refund.order).await?;
    let held = Holding::from(&order);
    if expected_refundable.is_some_and(|expected| expected != held.refundable()) {
        return Err(changed(&refund, held.refundable()));
    }
    reserve::check(&held, &refund).map_err(|cause| RefundError::OverRefund { cause })?;
    Ok(refund)
}

fn changed(refund: &Refund, found: i64) -> RefundError {
    let refundable = Money { currency: refund.currency, minor_units: found };
    RefundError::RefundableChanged { order: refund.order.clone(), refundable }
}

async fn draft(app: &Refunds, ask: CreateRefund<'_>) -> Result<RefundDraft, RefundError> {
    let tenant = &ask.request.key.tenant;
    let now = app.clock.now();
    let wanted = match ask.wanted {
        Wanted::Quote(id) => Offered::Stored(id),
        Wanted::Withdrawal(order, withdrawal) => {
            let order = get_order(app, tenant, &order).await?;
            // No quote is shown, so nothing is explained to anybody.
            let asked = (&withdrawal, Language::En);
            let quote = price_withdrawal(app, tenant, &order, asked, now).await?;
            Offered::Fresh(Box::new(quote), order.customer)
        }
    };
    let settings = app.tenants.recent(tenant).await?;
    Ok(RefundDraft {
        wanted,
        entitlement_voided: ask.entitlement_voided,
        expected_refundable: ask.expected_refundable,
        reason: ask.reason,
        requester: ask.requester,
        roles: ask.roles,
        traceparent: ask.traceparent,
        key: ask.request.key.clone(),
        encode: ask.request.encode,
        limits: settings.map(|settings| settings.approval_limits).unwrap_or_default(),
        connections: Arc::clone(&app.connections),
        ids: Arc::clone(&app.ids),
        now,
    })
}

/// A refund before the offer that it accepts has been read.
struct RefundDraft {
    wanted: Offered,
    entitlement_voided: bool,
    expected_refundable: Option<Money>,
    reason: String,
    requester: String,
    roles: Vec<Role>,
    traceparent: Option<String>,
    key: RequestKey,
    encode: fn(&Refund) -> Vec<u8>,
    limits: Vec<ApprovalLimit>,
    connections: Arc<Connections>,
    ids: Ids,
    now: Timestamp,
}

enum Offered {
    Stored(QuoteId),
    Fresh(Box<Quote>, CustomerId),
}

impl Draft for RefundDraft {
    fn quote(&self) -> Option<(TenantId, QuoteId)> {
        match &self.wanted {
            Offered::Stored(id) => Some((self.key.tenant.clone(), id.clone())),
            Offered::Fresh(..) => None,
        }
    }

    fn accept(&self, stored: Option<StoredQuote>) -> Result<NewRefund, RefundError> {
        match &self.wanted {
            Offered::Fresh(quote, customer) => {
                self.of(quote, customer.clone(), Offer::Fresh(quote.clone()))
            }
            Offered::Stored(id) => {
                let found = stored.ok_or_else(|| RefundError::not_found(id.resource_name()))?;
                let StoredQuote { quote, customer, accepted } = found;
                if accepted.is_some() {
                    return Err(RefundError::QuoteUsed(quote.id));
                }
                if self.now >= quote.expires {
                    let expired = quote.expires;
                    return Err(RefundError::QuoteExpired { quote: quote.id, expired });
                }
                self.of(&quote, customer, Offer::Stored(quote.id.clone()))
            }
        }
    }
}

impl RefundDraft {
    fn of(
        &self,
        quote: &Quote,
        customer: CustomerId,
        offer: Offer,
    ) -> Result<NewRefund, RefundError> {
        if quote.price.total == 0 {
            return Err(RefundError::NothingQuoted(quote.id.clone()));
        }
        if !self.entitlement_voided {
            return Err(RefundError::EntitlementNotVoided);
        }
        let refund = Refund::new(self.terms(quote, customer), &quote.price, &*self.ids, self.now);
        Ok(NewRefund {
            audit: self.audit(&refund, quote),
            request: Request { key: &self.key, encode: self.encode }.record(&refund),
            once_for: quote.once_for.clone(),
            refund,
            offer,
            expected_refundable: self.expected_refundable.map(|money| {
                let is_same = money.currency == quote.price.currency;
                // Another currency's amount is never what is left.
                if is_same { money.minor_units } else { -1 }
            }),
        })
    }

    fn terms(&self, quote: &Quote, customer: CustomerId) -> RefundTerms {
        let used = quote.price.shares.iter().map(|share| share.provider.as_str());
        let total = Money { currency: quote.price.currency, minor_units: quote.price.total };
        RefundTerms {
            tenant: self.key.tenant.clone(),
            order: quote.order.clone(),
            customer,
            disruption: None,
            override_code: quote.override_code,
            needs_approval: quote.needs_approval
                || is_above_limit(&self.limits, &self.roles, total),
            // The quote's promise stands, although the law would count from now.
            legal_clock: quote.legal_clock.clone(),
            expected_arrival: self.connections.arrival(used).map(|time| self.now.plus(time)),
            requester: self.requester.clone(),
            traceparent: self.traceparent.clone(),
        }
    }

    fn audit(&self, refund: &Refund, quote: &Quote) -> AuditEntry {
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
            let held =
                quote.evidence.iter().map(|held| format!("{}={}", held.kind, held.reference));
            details.insert("evidence".to_owned(), held.collect::<Vec<_>>().join(" "));
        }
        AuditEntry {
            tenant: refund.tenant.clone(),
            id: AuditRecordId::fresh(&*self.ids),
            actor: self.requester.clone(),
            roles: self.roles.clone(),
            action: AuditAction::REFUND_CREATED,
            resource: refund.id.resource_name(),
            reason: self.reason.clone(),
            details,
            at: self.now,
        }
    }
}

/// Whether `amount` is above what every one of `roles` may refund without a second person.
pub(super) fn is_above_limit(limits: &[ApprovalLimit], roles: &[Role], amount: Money) -> bool {
    let is_above = |role: &Role| {
        let mut own = limits
            .iter()
            .filter(|limit| limit.role == *role && limit.limit.currency == amount.currency);
        own.any(|limit| amount.minor_units > limit.limit.minor_units)
    };
    !roles.is_empty() && roles.iter().all(is_above)
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
