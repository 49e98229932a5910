//! From the errors of the use cases to what leaves over the wire.
//!
//! Invariant: closed. Each way to refuse has one code and one stable reason; whatever changes in a
//! message also stands in its metadata.

use redress_api::ports::PortError;
use redress_api::{ApiError, FieldViolation, time, to_status};
use redress_core::clock::Timestamp;
use tonic::Status;

use crate::app::RefundError;
use crate::domain::quote::QuoteError;
use crate::domain::reserve::Shortage;

/// The status of a refused call.
pub(super) fn refuse(error: RefundError) -> Status {
    to_status(problem(error))
}

fn problem(error: RefundError) -> ApiError {
    let message = error.to_string();
    let failed = |reason, metadata| ApiError::FailedPrecondition { reason, message, metadata };
    match error {
        RefundError::NotFound { name } => ApiError::NotFound { name },
        RefundError::BadPolicy(problems) => {
            let bad = |problem: redress_policy::PolicyProblem| {
                FieldViolation::new(problem.field, problem.description).under("policy")
            };
            ApiError::InvalidArgument {
                reason: "CONTRADICTORY_TIERS",
                violations: problems.into_iter().map(bad).collect(),
            }
        }
        RefundError::TenantNotApplied(tenant) => {
            failed("TENANT_NOT_APPLIED", vec![("tenant", tenant.resource_name())])
        }
        RefundError::NoPolicyInForce { policy, purchased } => failed(
            "NO_POLICY_IN_FORCE",
            vec![("policy", policy.resource_name()), ("purchase_time", rfc3339(purchased))],
        ),
        RefundError::NotQuotable { order, cause } => {
            let metadata = vec![("order", order.resource_name())];
            match cause {
                QuoteError::UnknownLine(line) => ApiError::invalid(
                    "line_ids",
                    format!("{} has no line {line}", order.resource_name()),
                ),
                QuoteError::LineNotRefundable => failed("LINE_NOT_REFUNDABLE", metadata),
                QuoteError::NothingCaptured => failed("NOTHING_CAPTURED", metadata),
            }
        }
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
        RefundError::DisruptionExists(id) => ApiError::AlreadyExists { name: id.resource_name() },
        RefundError::TotalsChanged { expected, found } => failed(
            "TOTALS_CHANGED",
            vec![("expected_orders", expected.to_string()), ("orders_in_scope", found.to_string())],
        ),
        RefundError::NotDraft { disruption, state } => failed(
            "DISRUPTION_NOT_DRAFT",
            vec![("name", disruption.resource_name()), ("state", state.as_str().to_owned())],
        ),
        RefundError::NotApproved { disruption, state } => failed(
            "DISRUPTION_NOT_APPROVED",
            vec![("name", disruption.resource_name()), ("state", state.as_str().to_owned())],
        ),
        RefundError::Conflict { name } => ApiError::Conflict { name },
        RefundError::Api(error) => error,
        RefundError::Tenants(error) => error.into(),
        RefundError::Store(error) => PortError::from(error).into(),
    }
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
