//! Quotes and refunds on the wire.

use redress_api::{etag, time};
use redress_core::id::DisruptionId;
use redress_core::money::Currency;
use redress_policy::Language;
use redress_proto::refunds::v1 as pb;

use super::amount;
use super::deadline::legal_clock;
use super::policy::{citation_to_proto, compensation};
use super::withdrawal::override_to_proto;
use crate::domain::attempt::{Attempt, AttemptState, Reason};
use crate::domain::audit::AuditEntry;
use crate::domain::credit_note::{CreditNote, CreditNoteLine, credit_notes};
use crate::domain::price::{QuoteLine, Repriced, TenderShare};
use crate::domain::quote::{Evidence, Quote};
use crate::domain::refund::{Origin, Refund, RefundState};

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
        legal_deadline_time: Some(time::to_proto(quote.legal_clock.due)),
        expected_arrival_time: quote.expected_arrival.map(time::to_proto),
        expire_time: Some(time::to_proto(quote.expires)),
        override_code: override_to_proto(quote.override_code),
        evidence: quote.evidence.iter().map(evidence).collect(),
        repriced_lines: quote.price.repriced.iter().map(|line| repriced(currency, line)).collect(),
        uncertainties: quote.uncertainties.clone(),
        legal_clock: Some(legal_clock(&quote.legal_clock)),
    }
}

fn evidence(held: &Evidence) -> pb::Evidence {
    pb::Evidence { kind: held.kind.clone(), reference: held.reference.clone() }
}

fn repriced(currency: Currency, line: &Repriced) -> pb::RepricedLine {
    pb::RepricedLine {
        line_id: line.line_id.clone(),
        increase: Some(amount(currency, line.amount)),
    }
}

fn quote_line(currency: Currency, line: &QuoteLine) -> pb::QuoteLine {
    pb::QuoteLine {
        line_id: line.line_id.clone(),
        gross: Some(amount(currency, line.gross)),
        fee: Some(amount(currency, line.fee)),
        refund: Some(amount(currency, line.refund)),
        rule: line.rule.clone(),
        tax: Some(amount(currency, line.tax)),
        // Bounded by the contract on import.
        quantity: i32::try_from(line.units).unwrap_or(i32::MAX),
        discount_clawback: (line.clawback > 0).then(|| amount(currency, line.clawback)),
        citation: line.citation.as_ref().map(citation_to_proto),
        explanation: explanation(line),
        compensation: line.compensation.as_ref().map(compensation),
    }
}

/// The way to a line's figure, in words. Quotes of before there were several languages keep the
/// steps alone.
fn explanation(line: &QuoteLine) -> Vec<String> {
    if line.explanation.is_empty() {
        return line.path.iter().map(|step| step.text(Language::En, None)).collect();
    }
    line.explanation.clone()
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
        legal_deadline_time: Some(time::to_proto(refund.legal_clock.due)),
        expected_arrival_time: refund.expected_arrival.map(time::to_proto),
        reason_code: refund.reason.map(Reason::code).unwrap_or_default().to_owned(),
        next_action: refund.reason.map(Reason::next_action).unwrap_or_default().to_owned(),
        requester: refund.requester.clone(),
        create_time: Some(time::to_proto(refund.created)),
        update_time: Some(time::to_proto(refund.updated)),
        origin: origin(refund.origin).into(),
        approver: refund.approver.clone().unwrap_or_default(),
        override_code: override_to_proto(refund.override_code),
        credit_notes: credit_notes(refund).iter().map(|note| credit_note(currency, note)).collect(),
        decisions: Vec::new(),
        // What was paid past Redress has nothing left to pay.
        legal_clock: (refund.origin != Origin::Provider).then(|| legal_clock(&refund.legal_clock)),
    }
}

/// The wire form of a refund with what people decided about it.
pub(in crate::grpc) fn with_decisions(refund: &Refund, decisions: &[AuditEntry]) -> pb::Refund {
    pb::Refund { decisions: decisions.iter().map(decision).collect(), ..to_proto(refund) }
}

fn decision(entry: &AuditEntry) -> pb::RefundDecision {
    pb::RefundDecision {
        action: entry.action.as_str().to_owned(),
        actor: entry.actor.clone(),
        reason: entry.reason.clone(),
        details: entry.details.clone().into_iter().collect(),
        time: Some(time::to_proto(entry.at)),
    }
}

fn credit_note(currency: Currency, note: &CreditNote) -> pb::CreditNote {
    let line = |line: &CreditNoteLine| pb::CreditNoteLine {
        line_id: line.line_id.clone(),
        amount: Some(amount(currency, line.amount)),
        tax: Some(amount(currency, line.tax)),
    };
    pb::CreditNote {
        attempt_id: note.attempt.as_str().to_owned(),
        issue_time: Some(time::to_proto(note.issued)),
        total: Some(amount(currency, note.total)),
        tax: Some(amount(currency, note.tax)),
        lines: note.lines.iter().map(line).collect(),
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
        RefundState::PendingApproval => pb::refund::State::PendingApproval,
        RefundState::Failed => pb::refund::State::Failed,
        RefundState::Rejected => pb::refund::State::Rejected,
        RefundState::Cancelled => pb::refund::State::Cancelled,
    }
}

const fn origin(origin: Origin) -> pb::refund::Origin {
    match origin {
        Origin::Requested => pb::refund::Origin::Requested,
        Origin::Disruption => pb::refund::Origin::Disruption,
        Origin::Provider => pb::refund::Origin::Provider,
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
        AttemptState::Held => pb::refund_attempt::State::Held,
        AttemptState::Manual => pb::refund_attempt::State::Manual,
        AttemptState::Cancelled => pb::refund_attempt::State::Cancelled,
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
        for domain in Origin::ALL {
            assert_eq!(origin(domain).as_str_name(), domain.as_str());
        }
    }
}
