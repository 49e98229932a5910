//! Between the contract's messages and the domain.
//!
//! Invariant: what leaves is complete; what comes in is checked here for everything that the
//! declared rules do not say.

use prost::Message as _;
use redress_api::filter::Filter;
use redress_api::{ApiError, FieldViolation, etag, money, time};
use redress_core::id::{CaseId, DisruptionId, OrderId, RefundId};
use redress_proto::cases::v1 as pb;

use crate::domain::case::{Case, CaseFilter, Resolution};
use crate::domain::state::State;

/// The fields that a filter may name.
const FILTER_FIELDS: [&str; 4] = ["state", "reason_code", "order", "disruption"];

/// The wire form of a case.
pub(super) fn case(case: &Case) -> pb::Case {
    let name = case.id.resource_name();
    let (resolution, resolver) = case
        .resolution
        .as_ref()
        .map(|done| (done.text.clone(), done.resolver.clone()))
        .unwrap_or_default();
    let parts = case.origin.parts();
    let (provider, provider_refund) = parts.provider_refund.unwrap_or_default();
    pb::Case {
        etag: etag::etag(&name, case.version),
        name,
        state: state(case.state()).into(),
        reason_code: case.reason_code.clone(),
        next_action: case.next_action.clone(),
        order: case.order.resource_name(),
        customer: case.customer.resource_name(),
        refund: parts.refund.as_ref().map(RefundId::resource_name).unwrap_or_default(),
        disruption: parts.disruption.as_ref().map(DisruptionId::resource_name).unwrap_or_default(),
        outstanding: Some(money::to_proto(case.outstanding)),
        create_time: Some(time::to_proto(case.created)),
        update_time: Some(time::to_proto(case.updated)),
        resolution,
        resolver,
        line_id: parts.line.unwrap_or_default(),
        provider,
        provider_refund,
    }
}

/// The wire form of a case, encoded: what a repeated request gets again.
pub(super) fn encoded_case(resolved: &Case) -> Vec<u8> {
    case(resolved).encode_to_vec()
}

const fn state(state: State) -> pb::case::State {
    match state {
        State::Open => pb::case::State::Open,
        State::Settled | State::Resolved => pb::case::State::Resolved,
    }
}

/// Reads the name of a case that stands in `name`.
pub(super) fn case_id(name: &str) -> Result<CaseId, ApiError> {
    CaseId::from_resource_name(name).map_err(|_| ApiError::invalid("name", "expected cases/{case}"))
}

/// Reads the filter of ListCases.
pub(super) fn filter(text: &str) -> Result<CaseFilter, ApiError> {
    let filter = Filter::parse(text, &FILTER_FIELDS)?;
    let bad = |field: &str, expected: &str| ApiError::InvalidArgument {
        reason: "INVALID_FILTER",
        violations: vec![FieldViolation::new("filter", format!("{field}: expected {expected}"))],
    };
    Ok(CaseFilter {
        state: filter
            .get("state")
            .map(str::parse)
            .transpose()
            .map_err(|_| bad("state", "OPEN or RESOLVED"))?,
        reason_code: filter
            .get("reason_code")
            .map(reason_code)
            .transpose()
            .map_err(|()| bad("reason_code", "UPPER_SNAKE"))?,
        order: filter
            .get("order")
            .map(OrderId::from_resource_name)
            .transpose()
            .map_err(|_| bad("order", "orders/{order}"))?,
        disruption: filter
            .get("disruption")
            .map(DisruptionId::from_resource_name)
            .transpose()
            .map_err(|_| bad("disruption", "disruptions/{disruption}"))?,
    })
}

/// Reads a reason: A-Z, 0-9 and underscores. Whatever else is asked for, no case has it.
fn reason_code(text: &str) -> Result<String, ()> {
    let upper_snake = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    if text.bytes().all(upper_snake) { Ok(text.to_owned()) } else { Err(()) }
}

/// Reads a resolution. A NUL is refused: PostgreSQL cannot store it in a text.
pub(super) fn resolution(text: String, resolver: String) -> Result<Resolution, ApiError> {
    if text.contains('\0') {
        return Err(ApiError::invalid("resolution", "must not contain the character NUL"));
    }
    Ok(Resolution { text, resolver, by_itself: false })
}
