//! From the errors of the use cases to what leaves over the wire.
//!
//! Invariant: closed. Each way to refuse has one code and one stable reason; whatever changes in a
//! message also stands in its metadata.

use redress_api::ports::PortError;
use redress_api::{ApiError, FieldViolation, time, to_status};
use redress_core::clock::Timestamp;
use redress_core::id::{AttemptId, OrderId, PolicyId, RefundId};
use redress_policy::{FactKind, Language, NeededFact, PolicyProblem, Refusal, Review};
use tonic::Status;

use crate::app::RefundError;
use crate::domain::act::ActError;
use crate::domain::attempt::AttemptState;
use crate::domain::disruption::Problem;
use crate::domain::quote::QuoteError;
use crate::domain::reserve::Shortage;

/// The status of a refused call.
pub(super) fn refuse(error: RefundError) -> Status {
    to_status(problem(error))
}

fn problem(error: RefundError) -> ApiError {
    let message = error.to_string();
    let failed = {
        let message = message.clone();
        |reason, metadata| ApiError::FailedPrecondition {
            reason,
            message,
            metadata,
            violations: Vec::new(),
        }
    };
    match error {
        RefundError::NotFound { name } => ApiError::NotFound { name },
        RefundError::BadPolicy(problems) => bad_policy(problems),
        RefundError::LawNotPromised { policy, laws } => not_promised(&policy, &laws, message),
        RefundError::TenantNotApplied(tenant) => {
            failed("TENANT_NOT_APPLIED", vec![("tenant", tenant.resource_name())])
        }
        RefundError::NoPolicyInForce { policy, purchased } => failed(
            "NO_POLICY_IN_FORCE",
            vec![("policy", policy.resource_name()), ("purchase_time", rfc3339(purchased))],
        ),
        RefundError::NotQuotable { order, cause } => not_quotable(&order, cause, message),
        RefundError::NothingQuoted(quote) => {
            failed("LINE_NOT_REFUNDABLE", vec![("quote", quote.resource_name())])
        }
        RefundError::QuoteExpired { quote, expired } => failed(
            "QUOTE_EXPIRED",
            vec![("quote", quote.resource_name()), ("expire_time", rfc3339(expired))],
        ),
        RefundError::QuoteUsed(quote) => {
            failed("QUOTE_USED", vec![("quote", quote.resource_name())])
        }
        RefundError::EntitlementNotVoided => failed("ENTITLEMENT_NOT_VOIDED", Vec::new()),
        RefundError::OverRefund { cause } => failed("OVER_REFUND", shortage(cause)),
        RefundError::RefundableChanged { order, refundable } => failed(
            "REFUNDABLE_CHANGED",
            vec![
                ("order", order.resource_name()),
                ("currency_code", refundable.currency.code().to_owned()),
                ("refundable", refundable.minor_units.to_string()),
            ],
        ),
        RefundError::BuyerLimit(order) => {
            failed("BUYER_LIMIT_REACHED", vec![("order", order.resource_name())])
        }
        RefundError::NotAllowed { refund, cause } => not_allowed(&refund, cause, message),
        RefundError::BadDisruption(problems) => {
            let bad = |problem: Problem| FieldViolation::new(problem.field, problem.reason);
            ApiError::InvalidArgument {
                reason: "INVALID_DISRUPTION",
                violations: problems.into_iter().map(bad).collect(),
            }
        }
        RefundError::DisruptionExists(id) => ApiError::AlreadyExists { name: id.resource_name() },
        RefundError::TotalsChanged { expected, found } => failed(
            "TOTALS_CHANGED",
            vec![("expected_orders", expected.to_string()), ("orders", found.to_string())],
        ),
        RefundError::SumChanged { expected, found } => failed(
            "TOTALS_CHANGED",
            vec![
                ("currency_code", found.currency.code().to_owned()),
                ("expected_minor_units", expected.minor_units.to_string()),
                ("minor_units", found.minor_units.to_string()),
            ],
        ),
        RefundError::OwnDisruption { disruption, sum } => failed(
            "OWN_DISRUPTION",
            vec![
                ("name", disruption.resource_name()),
                ("currency_code", sum.currency.code().to_owned()),
                ("minor_units", sum.minor_units.to_string()),
            ],
        ),
        RefundError::DisruptionState { disruption, state, .. } => failed(
            "DISRUPTION_STATE",
            vec![("name", disruption.resource_name()), ("state", state.as_str().to_owned())],
        ),
        RefundError::NothingToRetry { disruption, order } => {
            let mut metadata = vec![("name", disruption.resource_name())];
            metadata.extend(order.map(|order| ("order", order.resource_name())));
            failed("NOTHING_TO_RETRY", metadata)
        }
        RefundError::NotOffered { .. } => ApiError::invalid("remedy", message),
        RefundError::ChoiceClosed { disruption, order } => failed(
            "CHOICE_CLOSED",
            vec![("name", disruption.resource_name()), ("order", order.resource_name())],
        ),
        RefundError::Conflict { name } => ApiError::Conflict { name },
        RefundError::Api(error) => error,
        RefundError::Tenants(error) => error.into(),
        RefundError::Store(error) => PortError::from(error).into(),
    }
}

fn bad_policy(problems: Vec<PolicyProblem>) -> ApiError {
    let bad = |problem: PolicyProblem| {
        FieldViolation::new(problem.field, problem.description).under("policy")
    };
    ApiError::InvalidArgument {
        reason: "CONTRADICTORY_TIERS",
        violations: problems.into_iter().map(bad).collect(),
    }
}

fn not_promised(policy: &PolicyId, laws: &[String], message: String) -> ApiError {
    let missing = |law: &String| {
        FieldViolation::new("policy.source", format!("must list {law:?} in at_least"))
    };
    ApiError::FailedPrecondition {
        reason: "LAW_NOT_PROMISED",
        message,
        metadata: vec![("policy", policy.resource_name()), ("laws", laws.join(","))],
        violations: laws.iter().map(missing).collect(),
    }
}

fn not_quotable(order: &OrderId, cause: QuoteError, message: String) -> ApiError {
    let name = order.resource_name();
    let failed = |reason, mut metadata: Vec<(&'static str, String)>, violations| {
        metadata.push(("order", name.clone()));
        ApiError::FailedPrecondition { reason, message, metadata, violations }
    };
    match cause {
        QuoteError::UnknownLine(line) => {
            ApiError::invalid("line_ids", format!("{name} has no line {line}"))
        }
        QuoteError::TooManyUnits { line, left, wanted } => ApiError::invalid(
            "partial_lines",
            format!("line {line} has {left} units left, {wanted} are asked for"),
        ),
        QuoteError::LineNotRefundable => failed("LINE_NOT_REFUNDABLE", Vec::new(), Vec::new()),
        QuoteError::NothingCaptured => failed("NOTHING_CAPTURED", Vec::new(), Vec::new()),
        QuoteError::NeedsFacts(facts) => {
            let names: Vec<&str> = facts.iter().map(|fact| fact.name.as_str()).collect();
            let metadata = vec![("facts", names.join(","))];
            failed("NEEDS_FACTS", metadata, facts.iter().map(question).collect())
        }
        QuoteError::Review(reviews) => {
            let about = |review: &Review| {
                let (line, why) = (&review.line, review.reason.in_language(Language::En));
                FieldViolation::new(format!("line_ids[{line:?}]"), why)
            };
            let rules: Vec<&str> = reviews.iter().map(|review| review.rule.as_str()).collect();
            let metadata = vec![("rules", rules.join(","))];
            failed("MANUAL_REVIEW", metadata, reviews.iter().map(about).collect())
        }
        QuoteError::Refused(refusal) => {
            let (reason, metadata) = refused(&refusal);
            failed(reason, metadata, Vec::new())
        }
    }
}

/// The field in which a fact is told, with the question that it answers.
fn question(fact: &NeededFact) -> FieldViolation {
    let kind = match fact.kind {
        FactKind::Bool => "bool_value",
        FactKind::Int => "int_value",
        FactKind::String => "string_value",
        FactKind::Timestamp => "timestamp_value",
        FactKind::Duration => "duration_value",
    };
    let question = fact.question.in_language(Language::En);
    FieldViolation::new(format!("facts[{:?}].{kind}", fact.name), question)
}

/// Why the rules refuse, and what belongs to it.
fn refused(refusal: &Refusal) -> (&'static str, Vec<(&'static str, String)>) {
    match refusal {
        Refusal::WholeOrderOnly => ("WHOLE_ORDER_ONLY", Vec::new()),
        Refusal::BuyerLimit => ("BUYER_LIMIT_REACHED", Vec::new()),
        Refusal::OverrideNotOffered(code) => {
            ("OVERRIDE_NOT_OFFERED", vec![("override_code", code.as_str().to_owned())])
        }
        Refusal::EvidenceRequired(kinds) => {
            ("EVIDENCE_REQUIRED", vec![("evidence", kinds.join(","))])
        }
        Refusal::CurrencyMismatch { policy, order } => (
            "POLICY_CURRENCY_MISMATCH",
            vec![
                ("policy_currency", policy.code().to_owned()),
                ("order_currency", order.code().to_owned()),
            ],
        ),
        Refusal::KindNotCovered(kind) => {
            ("LINE_KIND_NOT_COVERED", vec![("kind", kind.as_str().to_owned())])
        }
        Refusal::FactMismatch { name, expected, given } => (
            "FACT_TYPE_MISMATCH",
            vec![
                ("fact", name.clone()),
                ("expected", expected.as_str().to_owned()),
                ("given", given.as_str().to_owned()),
            ],
        ),
        Refusal::ConditionFailed { rule, reason } => {
            ("CONDITION_FAILED", vec![("rule", rule.clone()), ("cause", reason.clone())])
        }
        Refusal::NoLocalTime { line, reason } => {
            ("NO_LOCAL_TIME", vec![("line_id", line.clone()), ("cause", reason.clone())])
        }
    }
}

fn not_allowed(refund: &RefundId, cause: ActError, message: String) -> ApiError {
    let (reason, mut metadata) = match cause {
        ActError::State(state) => ("REFUND_STATE", vec![("state", state.as_str().to_owned())]),
        ActError::OwnRefund => ("OWN_REFUND", Vec::new()),
        ActError::Unresolved { attempt, state } => {
            ("ATTEMPT_UNRESOLVED", attempt_metadata(attempt, state))
        }
        ActError::NoSuchAttempt(attempt) => {
            return ApiError::not_found(format!(
                "{}/{}",
                refund.resource_name(),
                attempt.resource_name()
            ));
        }
        ActError::NotResolvable { attempt, state } => {
            ("ATTEMPT_NOT_RESOLVABLE", attempt_metadata(attempt, state))
        }
        ActError::NothingToRetry => ("NOTHING_TO_RETRY", Vec::new()),
        ActError::Short(cause) => ("OVER_REFUND", shortage(cause)),
    };
    metadata.push(("refund", refund.resource_name()));
    ApiError::FailedPrecondition { reason, message, metadata, violations: Vec::new() }
}

fn attempt_metadata(attempt: AttemptId, state: AttemptState) -> Vec<(&'static str, String)> {
    vec![("attempt_id", attempt.into()), ("state", state.as_str().to_owned())]
}

/// What is missing, in minor units.
fn shortage(shortage: Shortage) -> Vec<(&'static str, String)> {
    match shortage {
        Shortage::Payment { payment, refundable, wanted } => vec![
            ("payment_id", payment.into()),
            ("refundable", refundable.to_string()),
            ("wanted", wanted.to_string()),
        ],
        Shortage::Line { line, remaining, wanted } => vec![
            ("line_id", line),
            ("refundable", remaining.to_string()),
            ("wanted", wanted.to_string()),
        ],
    }
}

/// An instant for people and programs, such as `2026-03-01T12:00:00Z`.
fn rfc3339(at: Timestamp) -> String {
    time::to_proto(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_in_metadata_read_as_rfc_3339() {
        assert_eq!(rfc3339(Timestamp(1_767_225_600_000_000)), "2026-01-01T00:00:00Z");
    }
}
