//! Sends armed attempts to their provider.
//!
//! Invariant: an attempt is committed as sent before the call is made, and a call whose outcome is
//! not proven is told as such: its attempt is looked up, never sent again. Only proof that nothing
//! was done under an attempt's key arms it anew, so that the last time it was handed over is the
//! first that counts for the key; and no call is made once the provider may have forgotten a key.

use std::time::Duration;

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_store::StoreError;
use tokio::sync::watch;

use super::hold::Hold;
use super::lane::Job;
use super::{Workshop, check_accepted};
use crate::domain::attempt::Attempt;
use crate::domain::settle::Finding;
use crate::provider::{
    ProviderRefund, ProviderStatus, ProviderTerms, RefundOrder, SendOutcome, SharedProvider,
};
use crate::store::Claim;

/// The lane that sends.
pub(super) struct Sending {
    pub(super) provider: SharedProvider,
    pub(super) workshop: Workshop,
    pub(super) hold: Hold,
}

#[async_trait]
impl Job for Sending {
    fn name(&self) -> &'static str {
        "refunds.send"
    }

    fn provider(&self) -> &SharedProvider {
        &self.provider
    }

    fn width(&self) -> usize {
        self.provider.terms().concurrency
    }

    fn hold(&self) -> &Hold {
        &self.hold
    }

    fn signal(&self) -> watch::Receiver<()> {
        self.workshop.signals.on_armed()
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Vec<Attempt>, StoreError> {
        self.workshop.store.claim_to_send(claim).await
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
                return Finding::NotSent { retry: self.rest(now, retry_after) };
            }
            SendOutcome::Unknown => {
                let check = now.plus(self.workshop.settings.look_up_first);
                return Finding::AnswerLost { check };
            }
            SendOutcome::Refused(reason) => {
                self.hold.answered();
                return refused(reason, String::new());
            }
            SendOutcome::Answered(refund) => refund,
        };
        self.hold.answered();
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
    fn rest(&self, now: Timestamp, asked: Option<Duration>) -> Timestamp {
        let rested = self.hold.left(now);
        let retry = self.hold.rest(now, asked);
        if rested.is_zero() {
            tracing::warn!(
                provider.name = self.provider.name(),
                pause_ms = retry.since(now).as_millis(),
                "provider takes no refunds for the moment, its lane pauses"
            );
        }
        retry
    }
}

/// Whether the provider still knows the key of an attempt that was handed over at `sent`. After
/// that the same key would be a new request. Without keys there is nothing to forget.
fn key_is_honoured(terms: &ProviderTerms, sent: Timestamp, now: Timestamp) -> bool {
    terms.replay_window.is_none_or(|window| now.since(sent) < window)
}

#[cfg(test)]
mod tests {
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
