//! Asks providers what became of attempts: accepted ones, and those whose answer was lost.
//!
//! Invariant: only what the provider says of this very attempt moves it; "not there" counts only
//! after the provider's visibility window, and a question that failed changes nothing.

use std::time::Duration;

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_store::StoreError;
use tokio::sync::watch;

use super::hold::Hold;
use super::lane::Job;
use super::{START_WITHIN, Workshop, check_accepted};
use crate::domain::attempt::{Attempt, AttemptState};
use crate::domain::settle::{Finding, backoff};
use crate::provider::{
    LookUp, LookUpOutcome, ProviderRefund, ProviderStatus, ProviderTerms, SharedProvider,
};
use crate::store::{Claim, Slot, Taken};

/// One in this many calls to a provider may be a look-up.
const SHARE: usize = 4;

/// The lane that looks up.
pub(super) struct LookingUp {
    pub(super) provider: SharedProvider,
    pub(super) workshop: Workshop,
    pub(super) hold: Hold,
}

#[async_trait]
impl Job for LookingUp {
    fn name(&self) -> &'static str {
        "refunds.look_up"
    }

    fn provider(&self) -> &SharedProvider {
        &self.provider
    }

    fn room(&self) -> usize {
        2 * self.provider.terms().concurrency.div_ceil(SHARE)
    }

    fn hold(&self) -> &Hold {
        &self.hold
    }

    fn signal(&self) -> watch::Receiver<()> {
        self.workshop.signals.on_news()
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Taken, StoreError> {
        self.workshop.store.claim_to_look_up(claim).await.map(Taken::of)
    }

    async fn renew(&self, _: Slot) -> Option<Slot> {
        None
    }

    async fn call(&self, attempt: &Attempt) -> Finding {
        let query = LookUp {
            attempt: attempt.id.clone(),
            payment_reference: attempt.payment_reference.clone(),
            provider_refund: attempt.provider_refund.clone(),
            currency: attempt.currency,
            amount: attempt.amount,
            sent: attempt.sent,
        };
        let outcome = self.provider.look_up(&query).await;
        let now = self.workshop.clock.now();
        match outcome {
            LookUpOutcome::Found(refund) => self.found(attempt, refund, now),
            LookUpOutcome::Absent => self.missing(attempt, now),
            LookUpOutcome::Inconclusive { retry_after } => {
                self.inconclusive(attempt, now, retry_after)
            }
        }
    }

    fn put_off(&self, retry: Timestamp) -> Finding {
        Finding::Inconclusive { check: retry, to_person: false }
    }
}

impl LookingUp {
    fn found(&self, attempt: &Attempt, refund: ProviderRefund, now: Timestamp) -> Finding {
        let ProviderRefund { id, status } = refund;
        match status {
            ProviderStatus::Pending => {
                let delays =
                    if attempt.state == AttemptState::Accepted { attempt.delays } else { 0 };
                let check = check_accepted(now, delays, self.workshop.settings.check_first);
                Finding::Accepted { provider_refund: id, check }
            }
            ProviderStatus::Succeeded => Finding::Succeeded { provider_refund: id },
            ProviderStatus::Failed(reason) => Finding::Refused { reason, provider_refund: id },
        }
    }

    /// Not found: a proof only of a provider that finds what it has by our reference, and only
    /// where it never said that it has it.
    fn missing(&self, attempt: &Attempt, now: Timestamp) -> Finding {
        if attempt.state != AttemptState::Unknown {
            tracing::error!(
                provider.name = self.provider.name(),
                attempt.id = attempt.id.as_str(),
                "provider no longer knows a refund that it has accepted"
            );
            return self.inconclusive(attempt, now, None);
        }
        if !self.provider.terms().finds_by_reference {
            return self.inconclusive(attempt, now, None);
        }
        self.absent(attempt, now)
    }

    /// Not on the provider's list: perhaps not yet.
    fn absent(&self, attempt: &Attempt, now: Timestamp) -> Finding {
        let terms = self.provider.terms();
        let visible = visible_from(attempt.sent, &terms);
        let first = self.workshop.settings.look_up_first;
        let past_window = now >= visible;
        let check = if past_window {
            now.plus(first)
        } else {
            now.plus(backoff(attempt.delays, first, terms.visibility_window.max(first)))
                .min(visible)
        };
        Finding::Absent { past_window, check }
    }

    /// The question was answered in no way that proves anything; the provider may have `asked` for
    /// time.
    fn inconclusive(&self, attempt: &Attempt, now: Timestamp, asked: Option<Duration>) -> Finding {
        let settings = &self.workshop.settings;
        let check = match asked {
            Some(asked) => self.hold.rest(now, asked),
            None => now.plus(backoff(attempt.delays, settings.look_up_first, settings.look_up_cap)),
        };
        let to_person = now.since(attempt.sent) >= settings.ask_person_after;
        Finding::Inconclusive { check, to_person }
    }
}

/// From when on "not there" means something. The call about an attempt that was claimed at `sent`
/// may have begun up to `START_WITHIN` later and gone on until its timeout, and a provider may act
/// on what it has read when nobody listens any more: the visibility window opens only then.
fn visible_from(sent: Timestamp, terms: &ProviderTerms) -> Timestamp {
    sent.plus(START_WITHIN).plus(terms.timeout).plus(terms.visibility_window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_ran_into_its_timeout_still_gets_the_whole_window() {
        let terms = ProviderTerms {
            visibility_window: Duration::from_secs(10),
            arrival: Duration::ZERO,
            concurrency: 1,
            timeout: Duration::from_secs(20),
            replay_window: None,
            refund_window: None,
            reads_per_second: 1,
            sends_per_second: None,
            balance_gate: false,
            equal_amount_spacing: None,
            finds_by_reference: true,
        };
        let claimed = Timestamp(1_000);
        let given_up = claimed.plus(START_WITHIN).plus(terms.timeout);
        assert_eq!(visible_from(claimed, &terms).since(given_up), terms.visibility_window);
    }
}
