//! Sends armed attempts to their provider.
//!
//! Invariant: an attempt is committed as sent before the call is made, and a call whose outcome is
//! not proven is told as such: its attempt is looked up, never sent again. Only proof that nothing
//! was done under an attempt's key arms it anew, so that the last time it was handed over is the
//! first that counts for the key; and no call is made once the provider may have forgotten a key.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_store::StoreError;
use tokio::sync::watch;

use super::gate::Gate;
use super::hold::Hold;
use super::lane::Job;
use super::width::Width;
use super::{Workshop, check_accepted, funds};
use crate::domain::attempt::{Attempt, Reason};
use crate::domain::settle::Finding;
use crate::provider::{
    ProviderRefund, ProviderStatus, ProviderTerms, RefundOrder, SendOutcome, SharedProvider,
};
use crate::store::{Claim, Slot, Taken};

/// The lane that sends.
pub(super) struct Sending {
    pub(super) provider: SharedProvider,
    pub(super) workshop: Workshop,
    pub(super) gate: Gate,
    pub(super) width: Arc<Width>,
}

#[async_trait]
impl Job for Sending {
    fn name(&self) -> &'static str {
        "refunds.send"
    }

    fn provider(&self) -> &SharedProvider {
        &self.provider
    }

    /// With a limit, no more than can be sent when their slots come; without, as many wait as are
    /// called about.
    fn room(&self) -> usize {
        let allowed = self.width.allowed();
        if self.provider.terms().sends_per_second.is_some() { allowed } else { 2 * allowed }
    }

    fn hold(&self) -> &Hold {
        self.gate.hold()
    }

    fn signal(&self) -> watch::Receiver<()> {
        self.workshop.signals.on_armed()
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Taken, StoreError> {
        let limit = self.provider.terms().sends_per_second;
        let taken = self.workshop.store.claim_to_send(claim, limit).await?;
        self.gate.see(taken.lane.as_ref());
        Ok(taken)
    }

    async fn renew(&self, passed: Slot) -> Option<Slot> {
        let provider = self.provider.name();
        let limit = self.provider.terms().sends_per_second?;
        match self.workshop.store.renew_slot(provider, limit, passed).await {
            Ok(slot) => slot,
            Err(error) => {
                let error: &dyn Error = &error;
                tracing::warn!(
                    provider.name = provider,
                    error,
                    "slot has passed and cannot be exchanged, its attempt is put off"
                );
                None
            }
        }
    }

    async fn call(&self, attempt: &Attempt) -> Finding {
        let now = self.workshop.clock.now();
        if !key_is_honoured(&self.provider.terms(), attempt.sent, now) {
            tracing::error!(
                provider.name = self.provider.name(),
                attempt.id = attempt.id.as_str(),
                "attempt was held longer than its key is honoured, it is looked up instead of sent"
            );
            return Finding::AnswerLost { check: now };
        }
        let order = RefundOrder {
            attempt: attempt.id.clone(),
            payment_reference: attempt.payment_reference.clone(),
            currency: attempt.currency,
            amount: attempt.amount,
        };
        let outcome = self.provider.send(&order).await;
        let now = self.workshop.clock.now();
        let refused = |reason, provider_refund| Finding::Refused { reason, provider_refund };
        let ProviderRefund { id, status } = match outcome {
            SendOutcome::NotSent { retry_after } => {
                return Finding::NotSent { retry: self.gate.failed(now, retry_after).await };
            }
            SendOutcome::Unknown => {
                let _sooner = self.gate.failed(now, None).await;
                let check = now.plus(self.workshop.settings.look_up_first);
                return Finding::AnswerLost { check };
            }
            SendOutcome::Refused(reason) => {
                self.gate.answered(now).await;
                if reason == Reason::InsufficientBalance && self.provider.terms().balance_gate {
                    return self.out_of_funds(attempt, now).await;
                }
                return refused(reason, String::new());
            }
            SendOutcome::Answered(refund) => refund,
        };
        self.gate.answered(now).await;
        match status {
            ProviderStatus::Pending => {
                let check = check_accepted(now, 0, self.workshop.settings.check_first);
                Finding::Accepted { provider_refund: id, check }
            }
            ProviderStatus::Succeeded => Finding::Succeeded { provider_refund: id },
            ProviderStatus::Failed(reason) => refused(reason, id),
        }
    }

    fn put_off(&self, retry: Timestamp) -> Finding {
        Finding::NotSent { retry }
    }
}

impl Sending {
    /// Lets the attempt's currency wait until the balance covers it. Should that not be stored, the
    /// attempt that takes its place finds out anew.
    async fn out_of_funds(&self, attempt: &Attempt, now: Timestamp) -> Finding {
        let (store, provider) = (&self.workshop.store, self.provider.name());
        let waits = store.await_funds(provider, attempt.currency, attempt.amount, now).await;
        if let Err(error) = waits {
            let error: &dyn Error = &error;
            tracing::error!(
                provider.name = provider,
                currency = attempt.currency.code(),
                error,
                "that a currency waits for funds cannot be stored"
            );
        }
        Finding::OutOfFunds { retry: now.plus(funds::retry_after(attempt.ordinal)) }
    }
}

/// Whether the provider still knows the key of an attempt that was handed over at `sent`. After
/// that the same key would be a new request. Without keys there is nothing to forget.
fn key_is_honoured(terms: &ProviderTerms, sent: Timestamp, now: Timestamp) -> bool {
    terms.replay_window.is_none_or(|window| now.since(sent) < window)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_key_is_used_within_its_window_only() {
        let (day, sent) = (Duration::from_hours(24), Timestamp(1_000_000));
        let mut terms = ProviderTerms {
            visibility_window: Duration::ZERO,
            arrival: Duration::ZERO,
            concurrency: 1,
            timeout: Duration::ZERO,
            replay_window: Some(day),
            refund_window: None,
            reads_per_second: 1,
            sends_per_second: None,
            balance_gate: false,
            equal_amount_spacing: None,
            finds_by_reference: true,
        };
        for (age, honoured) in [
            (Duration::ZERO, true),
            (Duration::from_hours(23), true),
            (day, false),
            (Duration::from_hours(25), false),
        ] {
            assert_eq!(key_is_honoured(&terms, sent, sent.plus(age)), honoured, "{age:?}");
        }
        terms.replay_window = None;
        assert!(key_is_honoured(&terms, sent, sent.plus(day)));
    }
}
