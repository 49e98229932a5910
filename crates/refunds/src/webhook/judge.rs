//! What a notice means for the attempt that is stored.
//!
//! Invariant: authentic is not valid. A notice counts only for an attempt that it fits in every
//! field that it names.

use crate::domain::attempt::{Attempt, AttemptState};
use crate::provider::{ProviderStatus, WebhookNotice};

/// The first field in which a notice is not about `stored`; `None` when it fits. A field that the
/// notice leaves out is no difference.
pub(super) fn mismatch(stored: &Attempt, notice: &WebhookNotice) -> Option<&'static str> {
    let differs = |known: &str, told: &str| !known.is_empty() && !told.is_empty() && known != told;
    let checks = [
        ("reference", differs(stored.id.as_str(), notice.attempt.as_deref().unwrap_or_default())),
        ("refund", differs(&stored.provider_refund, &notice.provider_refund)),
        ("payment", differs(&stored.payment_reference, &notice.payment_reference)),
        ("currency", notice.amount.is_some_and(|told| told.currency != stored.currency)),
        ("amount", notice.amount.is_some_and(|told| told.minor_units != stored.amount)),
    ];
    checks.into_iter().find(|(_, differs)| *differs).map(|(field, _)| field)
}

/// Whether a provider's status of a refund denies the state in which its attempt was settled: money
/// has moved since.
pub(super) fn contradicts(settled: AttemptState, status: Option<ProviderStatus>) -> bool {
    match status {
        Some(ProviderStatus::Pending | ProviderStatus::Succeeded) => {
            settled == AttemptState::Failed
        }
        Some(ProviderStatus::Failed(_)) => settled == AttemptState::Succeeded,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use redress_core::clock::Timestamp;
    use redress_core::id::{AttemptId, OrderId, PaymentId, RefundId, TenantId};
    use redress_core::money::Money;

    use super::*;
    use crate::domain::attempt::Reason;

    fn stored() -> Attempt {
        Attempt {
            tenant: TenantId::new("arena").unwrap(),
            id: AttemptId::new("a1").unwrap(),
            refund: RefundId::new("r1").unwrap(),
            order: OrderId::new("o1").unwrap(),
            payment: PaymentId::new("p1").unwrap(),
            ordinal: 1,
            provider: "stripe".to_owned(),
            payment_reference: "pi_1".to_owned(),
            currency: "EUR".parse().unwrap(),
            amount: 500,
            state: AttemptState::Accepted,
            reason: None,
            provider_refund: "re_1".to_owned(),
            claim: String::new(),
            due: Timestamp(0),
            sent: Timestamp(0),
            absences: 0,
            delays: 0,
            updated: Timestamp(0),
        }
    }

    fn notice() -> WebhookNotice {
        WebhookNotice {
            provider_refund: "re_1".to_owned(),
            attempt: Some("a1".to_owned()),
            payment_reference: "pi_1".to_owned(),
            amount: Money::new("EUR".parse().unwrap(), 500).ok(),
            status: Some(ProviderStatus::Succeeded),
        }
    }

    #[test]
    fn a_notice_fits_when_nothing_that_it_names_differs() {
        let fits = [
            notice(),
            WebhookNotice { attempt: None, ..notice() },
            WebhookNotice { payment_reference: String::new(), ..notice() },
            WebhookNotice { amount: None, status: None, ..notice() },
        ];
        for notice in fits {
            assert_eq!(mismatch(&stored(), &notice), None, "{notice:?}");
        }
        let unanswered = Attempt { provider_refund: String::new(), ..stored() };
        assert_eq!(mismatch(&unanswered, &notice()), None, "the answer with its id was lost");
    }

    #[test]
    fn each_field_that_differs_is_named() {
        let money = |currency: &str, amount| Money::new(currency.parse().unwrap(), amount).ok();
        let cases = [
            ("reference", WebhookNotice { attempt: Some("a2".to_owned()), ..notice() }),
            ("refund", WebhookNotice { provider_refund: "re_2".to_owned(), ..notice() }),
            ("payment", WebhookNotice { payment_reference: "pi_2".to_owned(), ..notice() }),
            ("currency", WebhookNotice { amount: money("USD", 500), ..notice() }),
            ("amount", WebhookNotice { amount: money("EUR", 5_000), ..notice() }),
        ];
        for (field, notice) in cases {
            assert_eq!(mismatch(&stored(), &notice), Some(field));
        }
    }

    #[test]
    fn only_money_that_moved_after_settlement_contradicts() {
        use AttemptState::{Failed, Succeeded, Unknown};
        let failed = Some(ProviderStatus::Failed(Reason::AccountClosed));
        let (succeeded, pending) = (Some(ProviderStatus::Succeeded), Some(ProviderStatus::Pending));
        for (settled, status, expected) in [
            (Failed, succeeded, true),
            (Failed, pending, true),
            (Failed, failed, false),
            (Failed, None, false),
            (Succeeded, failed, true),
            (Succeeded, succeeded, false),
            (Succeeded, pending, false),
            (Unknown, succeeded, false),
        ] {
            assert_eq!(contradicts(settled, status), expected, "{settled:?} {status:?}");
        }
    }
}
