//! Quotes and refunds on the wire.

use redress_api::{ApiError, FieldViolation, etag, time};
use redress_core::id::DisruptionId;
use redress_core::money::Currency;
use redress_proto::refunds::v1 as pb;

use super::amount;
use super::policy::citation_to_proto;
use crate::domain::attempt::{Attempt, AttemptState, Reason};
use crate::domain::quote::{Quote, QuoteLine, TenderShare};
use crate::domain::refund::{Refund, RefundState};

/// Checks that no line is asked for twice.
pub(in crate::grpc) fn line_ids(ids: Vec<String>) -> Result<Vec<String>, ApiError> {
    let repeated = |at: &usize| ids[..*at].contains(&ids[*at]);
    let violations: Vec<FieldViolation> = (0..ids.len())
        .filter(repeated)
        .map(|at| FieldViolation::new(format!("line_ids[{at}]"), "stands in the list before"))
        .collect();
    if violations.is_empty() { Ok(ids) } else { Err(ApiError::invalid_fields(violations)) }
}

/// The wire form of a quote.
pub(in crate::grpc) fn quote(quote: &Quote) -> pb::Quote {
    let currency = quote.price.currency;
    let tender = |share: &TenderShare| pb::QuoteTender {
        payment_id: share.payment.as_str().to_owned(),
        provider: share.provider.clone(),
        amount: Some(amount(currency, share.amount)),
    };
    pb::Quote {
        name: quote.id.resource_name(),
        order: quote.order.resource_name(),
        lines: quote.price.lines.iter().map(|line| quote_line(currency, line)).collect(),
        tenders: quote.price.shares.iter().map(tender).collect(),
        total: Some(amount(currency, quote.price.total)),
        policy: quote.policy.resource_name(),
        policy_version: quote.policy_version,
        citation: Some(citation_to_proto(&quote.citation)),
        legal_deadline_time: Some(time::to_proto(quote.legal_deadline)),
        expected_arrival_time: quote.expected_arrival.map(time::to_proto),
        expire_time: Some(time::to_proto(quote.expires)),
    }
}

fn quote_line(currency: Currency, line: &QuoteLine) -> pb::QuoteLine {
    pb::QuoteLine {
        line_id: line.line_id.clone(),
        gross: Some(amount(currency, line.gross)),
        fee: Some(amount(currency, line.fee)),
        refund: Some(amount(currency, line.refund)),
        rule: line.rule.clone(),
    }
}

/// The wire form of a refund.
pub(in crate::grpc) fn to_proto(refund: &Refund) -> pb::Refund {
    let name = refund.id.resource_name();
    let currency = refund.currency;
    let disruption = refund.disruption.as_ref().map(|disruption| &disruption.id);
    pb::Refund {
        etag: etag::etag(&name, refund.version),
        name,
        order: refund.order.resource_name(),
        customer: refund.customer.resource_name(),
        disruption: disruption.map(DisruptionId::resource_name).unwrap_or_default(),
        state: state(refund.state).into(),
        requested: Some(amount(currency, refund.requested)),
        issued: Some(amount(currency, refund.issued)),
        lines: refund.lines.iter().map(|line| quote_line(currency, line)).collect(),
        attempts: refund.attempts.iter().map(attempt).collect(),
        legal_deadline_time: Some(time::to_proto(refund.legal_deadline)),
        expected_arrival_time: refund.expected_arrival.map(time::to_proto),
        reason_code: refund.reason.map(Reason::code).unwrap_or_default().to_owned(),
        next_action: refund.reason.map(Reason::next_action).unwrap_or_default().to_owned(),
        requester: refund.requester.clone(),
        create_time: Some(time::to_proto(refund.created)),
        update_time: Some(time::to_proto(refund.updated)),
    }
}

/// The wire form of a refund that was only checked: nothing in it can be asked for later.
pub(in crate::grpc) fn unnamed(refund: &Refund) -> pb::Refund {
    let mut message = to_proto(refund);
    message.name.clear();
    message.etag.clear();
    for attempt in &mut message.attempts {
        attempt.attempt_id.clear();
    }
    message
}

fn attempt(attempt: &Attempt) -> pb::RefundAttempt {
    pb::RefundAttempt {
        attempt_id: attempt.id.as_str().to_owned(),
        payment_id: attempt.payment.as_str().to_owned(),
        provider: attempt.provider.clone(),
        state: attempt_state(attempt.state).into(),
        amount: Some(amount(attempt.currency, attempt.amount)),
        provider_reference: attempt.provider_refund.clone(),
        reason_code: attempt.reason.map(Reason::code).unwrap_or_default().to_owned(),
        update_time: Some(time::to_proto(attempt.updated)),
    }
}

const fn state(state: RefundState) -> pb::refund::State {
    match state {
        RefundState::Queued => pb::refund::State::Queued,
        RefundState::Processing => pb::refund::State::Processing,
        RefundState::Succeeded => pb::refund::State::Succeeded,
        RefundState::Attention => pb::refund::State::Attention,
    }
}

const fn attempt_state(state: AttemptState) -> pb::refund_attempt::State {
    match state {
        AttemptState::Armed => pb::refund_attempt::State::Armed,
        AttemptState::Sent => pb::refund_attempt::State::Sent,
        AttemptState::Accepted => pb::refund_attempt::State::Accepted,
        AttemptState::Succeeded => pb::refund_attempt::State::Succeeded,
        AttemptState::Failed => pb::refund_attempt::State::Failed,
        AttemptState::Unknown => pb::refund_attempt::State::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_the_same_names_on_the_wire_and_in_the_database() {
        for domain in RefundState::ALL {
            assert_eq!(state(domain).as_str_name(), domain.as_str());
        }
        for domain in AttemptState::ALL {
            assert_eq!(attempt_state(domain).as_str_name(), domain.as_str());
        }
    }

    #[test]
    fn a_line_asked_for_twice_is_named() {
        let ids = ["a", "b", "a"].map(str::to_owned).to_vec();
        let Err(ApiError::InvalidArgument { violations, .. }) = line_ids(ids) else {
            panic!("two lines of one id were accepted");
        };
        assert_eq!(violations[0].field, "line_ids[2]");
    }
}
