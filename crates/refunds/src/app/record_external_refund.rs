//! Records a refund that was made at the provider past Redress.
//!
//! Invariant: the provider's own answer decides, never a webhook's word. A refund that fits exactly
//! one payment is recorded once; one that fits several, or that may be one of ours, changes nothing
//! and calls for a person. It gives money back and cancels nothing.

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_core::id::{AttemptId, IdSource, RefundId, TenantId};
use redress_store::StoreError;

use super::Refunds;
use crate::domain::attempt::{Attempt, AttemptState};
use crate::domain::deadline::stopped_clock;
use crate::domain::refund::{Origin, Refund, RefundState};
use crate::provider::{ForeignRefund, ProviderStatus, ReadOutcome, SharedProvider};
use crate::store::{AmbiguousRefund, PaymentAt};
use crate::webhook::{ForeignOutcome, ForeignRefunds};

/// Payments that are read at most to see whether a refund fits one of them only.
const MOST: i64 = 100;

#[async_trait]
impl ForeignRefunds for Refunds {
    async fn record(
        &self,
        provider: &SharedProvider,
        provider_refund: &str,
    ) -> Result<ForeignOutcome, StoreError> {
        record_external_refund(self, provider, provider_refund).await
    }
}

/// Asks the provider about one of its refunds and records it.
pub async fn record_external_refund(
    app: &Refunds,
    provider: &SharedProvider,
    provider_refund: &str,
) -> Result<ForeignOutcome, StoreError> {
    let found = match provider.read_refund(provider_refund).await {
        ReadOutcome::Found(found) => found,
        ReadOutcome::Missing => return Ok(ForeignOutcome::Unmatched),
        ReadOutcome::Inconclusive => return Ok(ForeignOutcome::Inconclusive),
    };
    if found.status != ProviderStatus::Succeeded {
        return Ok(ForeignOutcome::Known);
    }
    let now = app.clock.now();
    let payments = app.store.payments_at(provider.name(), &found.payment_reference, MOST).await?;
    let mut fitting = payments.into_iter().filter(|at| at.currency == found.amount.currency);
    match (fitting.next(), fitting.next()) {
        (None, _) => Ok(ForeignOutcome::Unmatched),
        (Some(payment), None) if may_be_ours(&payment, provider) => {
            announce(app, provider.name(), &found, payment, &[], now).await?;
            Ok(ForeignOutcome::Ambiguous)
        }
        (Some(payment), None) => {
            let refund = refund_of(&payment, provider.name(), &found, &*app.ids, now);
            let recorded = app.store.record_external(&refund, &*app.ids, now).await?;
            Ok(if recorded { ForeignOutcome::Recorded } else { ForeignOutcome::Known })
        }
        (Some(first), Some(second)) => {
            let mut others = vec![second];
            others.extend(fitting);
            announce(app, provider.name(), &found, first, &others, now).await?;
            Ok(ForeignOutcome::Ambiguous)
        }
    }
}

/// Whether the refund may be what an attempt on the payment did: one that a person is to pay by
/// hand, or one without an answer at a provider whose refunds do not carry our reference.
fn may_be_ours(payment: &PaymentAt, provider: &SharedProvider) -> bool {
    payment.awaits_person || (payment.awaits_answer && !provider.terms().finds_by_reference)
}

/// Calls for a person in each tenant whose payments the refund fits.
async fn announce(
    app: &Refunds,
    provider: &str,
    found: &ForeignRefund,
    first: PaymentAt,
    others: &[PaymentAt],
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut told: Vec<TenantId> = Vec::new();
    for payment in std::iter::once(&first).chain(others) {
        if told.contains(&payment.tenant) {
            continue;
        }
        told.push(payment.tenant.clone());
        let ambiguous = AmbiguousRefund {
            tenant: payment.tenant.clone(),
            provider: provider.to_owned(),
            provider_refund: found.id.clone(),
            amount: found.amount,
            order: payment.order.clone(),
            customer: payment.customer.clone(),
        };
        app.store.announce_ambiguous(&ambiguous, &*app.ids, now).await?;
    }
    tracing::warn!(
        provider.name = provider,
        provider.refund = found.id,
        payments.count = others.len() + 1,
        "refund made at the provider fits several payments or may be one of ours, a person has to tell"
    );
    Ok(())
}

/// The refund as the books have it: paid, of no line, asked for by the provider's account.
fn refund_of(
    payment: &PaymentAt,
    provider: &str,
    found: &ForeignRefund,
    ids: &dyn IdSource,
    now: Timestamp,
) -> Refund {
    let id = RefundId::fresh(ids);
    let attempt = Attempt {
        tenant: payment.tenant.clone(),
        id: AttemptId::fresh(ids),
        refund: id.clone(),
        order: payment.order.clone(),
        payment: payment.payment.clone(),
        ordinal: 1,
        provider: provider.to_owned(),
        payment_reference: found.payment_reference.clone(),
        currency: found.amount.currency,
        amount: found.amount.minor_units,
        state: AttemptState::Succeeded,
        reason: None,
        provider_refund: found.id.clone(),
        claim: String::new(),
        due: now,
        sent: found.created,
        absences: 0,
        delays: 0,
        updated: now,
    };
    Refund {
        tenant: payment.tenant.clone(),
        id,
        order: payment.order.clone(),
        customer: payment.customer.clone(),
        disruption: None,
        origin: Origin::Provider,
        state: RefundState::Succeeded,
        currency: found.amount.currency,
        requested: found.amount.minor_units,
        issued: found.amount.minor_units,
        lines: Vec::new(),
        repriced: Vec::new(),
        override_code: None,
        attempts: vec![attempt],
        // Nothing is left to pay.
        legal_clock: stopped_clock(now),
        expected_arrival: None,
        reason: None,
        requester: format!("provider:{provider}"),
        approver: None,
        traceparent: None,
        version: 1,
        created: now,
        updated: now,
    }
}
