//! Evaluations of policies on the wire and in the domain.
//!
//! Invariant: a question names exactly one set of rules; an answer that is no price says why.

use redress_api::{ApiError, FieldViolation, money, time};
use redress_core::id::PolicyId;
use redress_core::money::{Currency, Money};
use redress_policy::{
    Decision, FactState, FactUse, FactValue, ImprovedBy, Improvement, Language, LineKind,
    LinePrice, Policy, Uncertainty,
};
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::evaluate_policy_response::Outcome;
use redress_proto::refunds::v1::evaluated_fact::State;

use super::policy::{citation_to_proto, compensation, read_source};
use super::withdrawal::{override_code, override_to_proto};
use super::{amount, id};
use crate::app::{EvaluatePolicy, Evaluation, Rules};

/// Reads the question.
pub(in crate::grpc) fn read(
    message: pb::EvaluatePolicyRequest,
) -> Result<EvaluatePolicy, ApiError> {
    let request = message.request_time.as_ref();
    let request = request.map(|at| time::from_proto(at, "request_time")).transpose();
    let purchase = message.purchase_time.as_ref();
    let purchase = purchase.map(|at| time::from_proto(at, "purchase_time")).transpose();
    let price = money::required(message.price.as_ref(), "price").map_err(one)?;
    if price.minor_units < 0 {
        return Err(ApiError::invalid("price.minor_units", "must not be negative"));
    }
    let kind = match message.line_kind.as_str() {
        "" => LineKind::Ticket,
        word => LineKind::parse(word).ok_or_else(|| {
            let words: Vec<_> = LineKind::ALL.iter().map(|kind| kind.as_str()).collect();
            ApiError::invalid("line_kind", format!("expected one of {}", words.join(", ")))
        })?,
    };
    let buyer_refunds = message.buyer_refunds.map(|count| u32::try_from(count).unwrap_or(0));
    Ok(EvaluatePolicy {
        rules: rules(&message.policy, message.pack, &message.source)?,
        price,
        start: time::required(message.start_time.as_ref(), "start_time").map_err(one)?,
        time_zone: message.time_zone,
        kind,
        units: i64::from(message.quantity).max(1),
        at: request.map_err(one)?,
        purchase: purchase.map_err(one)?,
        override_code: override_code(message.override_code),
        evidence: message.evidence_kinds,
        facts: message.facts.into_iter().collect(),
        buyer_refunds,
        whole_order: !message.partial,
        channel: if message.sales_channel.is_empty() {
            "web".to_owned()
        } else {
            message.sales_channel
        },
        place: message.place,
    })
}

fn one(violation: FieldViolation) -> ApiError {
    ApiError::invalid_fields(vec![violation])
}

fn rules(policy: &str, pack: String, source: &str) -> Result<Rules, ApiError> {
    match (policy.is_empty(), pack.is_empty(), source.is_empty()) {
        (false, true, true) => {
            id(PolicyId::from_resource_name, policy, "policy").map(Rules::Applied)
        }
        (true, false, true) => Ok(Rules::Pack(pack)),
        (true, true, false) => read_source(source)
            .map(|policy| Rules::Given(Box::new(policy)))
            .map_err(ApiError::invalid_fields),
        _ => Err(ApiError::invalid("policy", "give one of policy, pack and source")),
    }
}

/// The wire form of an answer about an amount in `currency`.
pub(in crate::grpc) fn to_proto(
    found: &Evaluation,
    currency: Currency,
    language: Language,
) -> pb::EvaluatePolicyResponse {
    let policy = &found.policy;
    let facts = found.facts.iter().map(|fact| evaluated_fact(policy, fact, language));
    let improvements = found.improvements.iter();
    let mut answer = pb::EvaluatePolicyResponse {
        facts: facts.collect(),
        improvements: improvements.map(|i| improvement(policy, i, currency, language)).collect(),
        ..pb::EvaluatePolicyResponse::default()
    };
    if let Some(clock) = &found.clock {
        answer.legal_deadline_time = Some(time::to_proto(clock.due));
        answer.legal_deadline_law = Some(citation_to_proto(&clock.law));
        answer.uncertainties.extend(clock.uncertainty.map(Uncertainty::as_str).map(str::to_owned));
    }
    match &found.decision {
        Decision::Priced(prices) => {
            if let Some(price) = prices.first() {
                priced(&mut answer, policy, price, currency, language);
            }
        }
        Decision::NeedsFacts(_) => answer.outcome = Outcome::NeedsFacts.into(),
        Decision::Review(reviews) => {
            answer.outcome = Outcome::ManualReview.into();
            if let Some(review) = reviews.first() {
                answer.rule.clone_from(&review.rule);
                answer.citation = Some(citation_to_proto(&review.citation));
                answer.explanation = vec![review.reason.in_language(language).to_owned()];
            }
        }
        Decision::Refused(refusal) => {
            answer.outcome = Outcome::Unsupported.into();
            refusal.code().clone_into(&mut answer.refused);
            answer.explanation = vec![refusal.to_string()];
        }
    }
    answer
}

fn priced(
    answer: &mut pb::EvaluatePolicyResponse,
    policy: &Policy,
    price: &LinePrice,
    currency: Currency,
    language: Language,
) {
    let owed = price.refund > 0 || price.compensation.is_some();
    let outcome = if owed { Outcome::Eligible } else { Outcome::NotEligible };
    answer.outcome = outcome.into();
    answer.fee = Some(amount(currency, price.fee));
    answer.refund = Some(amount(currency, price.refund));
    answer.compensation = price.compensation.as_ref().map(compensation);
    answer.rule.clone_from(&price.rule);
    answer.citation = Some(citation_to_proto(&price.citation));
    answer.explanation = policy.explain(price, language);
    answer.uncertainties.extend(price.uncertainty.map(Uncertainty::as_str).map(str::to_owned));
    answer.uncertainties.sort();
    answer.uncertainties.dedup();
}

fn evaluated_fact(policy: &Policy, fact: &FactUse, language: Language) -> pb::EvaluatedFact {
    let declared = policy.declared(&fact.name);
    let (state, value) = match &fact.state {
        FactState::Used(value) => (State::Used, plain(value)),
        FactState::Missing => (State::Missing, String::new()),
        FactState::Assumed(value) => (State::Assumed, plain(value)),
    };
    let assumption = declared.and_then(|fact| fact.assume.as_ref());
    let because = assumption.filter(|_| state == State::Assumed);
    let document = declared.and_then(|fact| fact.document.as_deref());
    pb::EvaluatedFact {
        name: fact.name.clone(),
        state: state.into(),
        value,
        question: declared.map_or("", |fact| fact.question.in_language(language)).to_owned(),
        because: because.map_or_else(String::new, |assumption| assumption.because.clone()),
        document: document.map_or_else(String::new, |kind| policy.document(kind, language)),
    }
}

/// A value as a person would write it: a text without quotes.
fn plain(value: &FactValue) -> String {
    if let FactValue::String(text) = value { text.clone() } else { value.to_string() }
}

fn improvement(
    policy: &Policy,
    found: &Improvement,
    currency: Currency,
    language: Language,
) -> pb::Improvement {
    let refund = found.price.as_ref().map(|price| Money { currency, minor_units: price.refund });
    let owed = found.price.as_ref().and_then(|price| price.compensation.as_ref());
    let mut told = pb::Improvement {
        refund: refund.map(money::to_proto),
        compensation: owed.map(compensation),
        description: policy.improvement_text(found, currency, language),
        ..pb::Improvement::default()
    };
    match &found.by {
        ImprovedBy::Documents { code, kinds } => {
            told.evidence_kinds.clone_from(kinds);
            told.override_code = override_to_proto(Some(*code));
        }
        ImprovedBy::Fact { name, document } => {
            told.evidence_kinds = vec![document.clone()];
            told.fact = format!("{name}=true");
        }
    }
    told
}
