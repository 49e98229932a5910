//! What a caller wants to give back, as it comes in.
//!
//! Invariant: each line is named once, with a number of units or whole.

use std::collections::BTreeMap;

use redress_api::{ApiError, FieldViolation, time};
use redress_policy::{FactValue, OverrideCode};
use redress_proto::refunds::v1 as pb;

use crate::domain::quote::{Evidence, Withdrawal};

/// The longest text that answers a fact, in characters. The contract says it in words: a rule of a
/// field within a oneof cannot be generated.
const MAX_TEXT: usize = 200;

/// The parts of a request that say what to give back, whichever request it is.
pub(in crate::grpc) struct Parts {
    pub line_ids: Vec<String>,
    pub partial_lines: Vec<pb::PartialLine>,
    pub override_code: i32,
    pub evidence: Vec<pb::Evidence>,
    pub facts: BTreeMap<String, pb::FactValue>,
}

impl From<pb::OrderRefund> for Parts {
    fn from(message: pb::OrderRefund) -> Self {
        Self {
            line_ids: message.line_ids,
            partial_lines: message.partial_lines,
            override_code: message.override_code,
            evidence: message.evidence,
            facts: message.facts,
        }
    }
}

impl From<pb::QuoteRefundRequest> for Parts {
    fn from(message: pb::QuoteRefundRequest) -> Self {
        Self {
            line_ids: message.line_ids,
            partial_lines: message.partial_lines,
            override_code: message.override_code,
            evidence: message.evidence,
            facts: message.facts,
        }
    }
}

/// Reads what is to be given back; everything that is wrong comes at once, under `path`.
pub(in crate::grpc) fn read(parts: Parts, path: &str) -> Result<Withdrawal, ApiError> {
    let mut violations = Vec::new();
    let whole = parts.line_ids.into_iter().map(|id| (id, None));
    let partial = parts.partial_lines.into_iter();
    let partial = partial.map(|part| (part.line_id, Some(i64::from(part.quantity))));
    let whole: Vec<_> = whole.collect();
    let count = whole.len();
    let lines: Vec<(String, Option<i64>)> = whole.into_iter().chain(partial).collect();
    for (at, (id, _)) in lines.iter().enumerate() {
        if lines[..at].iter().any(|(earlier, _)| earlier == id) {
            let field = match at.checked_sub(count) {
                None => format!("line_ids[{at}]"),
                Some(part) => format!("partial_lines[{part}].line_id"),
            };
            violations.push(FieldViolation::new(field, "stands in the list before"));
        }
    }
    let mut facts = BTreeMap::new();
    for (name, value) in parts.facts {
        match fact(value) {
            Ok(value) => drop(facts.insert(name, value)),
            Err(text) => violations.push(FieldViolation::new(format!("facts[{name:?}]"), text)),
        }
    }
    let override_code = override_code(parts.override_code);
    if override_code.is_none() && !parts.evidence.is_empty() {
        let text = "belongs to an override_code, which is not set";
        violations.push(FieldViolation::new("evidence", text));
    }
    if !violations.is_empty() {
        violations.sort_by(|a, b| a.field.cmp(&b.field));
        let under = violations.into_iter().map(|violation| violation.under(path));
        return Err(ApiError::invalid_fields(under.collect()));
    }
    let held = parts.evidence.into_iter();
    let evidence = held.map(|held| Evidence { kind: held.kind, reference: held.reference });
    Ok(Withdrawal { lines, override_code, evidence: evidence.collect(), facts })
}

fn fact(value: pb::FactValue) -> Result<FactValue, &'static str> {
    use pb::fact_value::Kind;
    match value.kind {
        Some(Kind::BoolValue(value)) => Ok(FactValue::Bool(value)),
        Some(Kind::IntValue(value)) => Ok(FactValue::Int(value)),
        Some(Kind::StringValue(value)) if value.chars().count() > MAX_TEXT => {
            Err("string_value must have at most 200 characters")
        }
        Some(Kind::StringValue(value)) => Ok(FactValue::String(value)),
        Some(Kind::TimestampValue(value)) => time::required(Some(&value), "timestamp_value")
            .map(FactValue::Timestamp)
            .map_err(|_| "timestamp_value is no instant"),
        Some(Kind::DurationValue(value)) => time::micros(&value)
            .map(FactValue::Duration)
            .ok_or("duration_value is no length of time"),
        None => Err("has no value: leave the fact out when it is not known"),
    }
}

/// The override that a number names; none for 0. Undefined numbers are refused by the contract.
pub(super) fn override_code(number: i32) -> Option<OverrideCode> {
    let code = pb::OverrideCode::try_from(number).ok()?;
    OverrideCode::parse(code.as_str_name())
}

/// The number of an override.
pub(in crate::grpc) fn override_to_proto(code: Option<OverrideCode>) -> i32 {
    let named = code.and_then(|code| pb::OverrideCode::from_str_name(code.as_str()));
    named.unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Parts {
        Parts {
            line_ids: vec!["a".to_owned()],
            partial_lines: vec![pb::PartialLine { line_id: "b".to_owned(), quantity: 2 }],
            override_code: 0,
            evidence: Vec::new(),
            facts: BTreeMap::new(),
        }
    }

    fn fields(parts: Parts) -> Vec<String> {
        let Err(ApiError::InvalidArgument { violations, .. }) = read(parts, "order_refund") else {
            panic!("a bad request was read");
        };
        violations.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn whole_and_partial_lines_stand_together() {
        let read = read(parts(), "").unwrap();
        assert_eq!(read.lines, [("a".to_owned(), None), ("b".to_owned(), Some(2))]);
        assert_eq!(read.override_code, None);
    }

    #[test]
    fn every_override_has_a_number() {
        for code in OverrideCode::ALL {
            assert_eq!(override_code(override_to_proto(Some(*code))), Some(*code));
        }
        assert_eq!(override_to_proto(None), 0);
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        let mut bad = parts();
        bad.line_ids.push("a".to_owned());
        bad.partial_lines.push(pb::PartialLine { line_id: "a".to_owned(), quantity: 1 });
        bad.facts.insert("open".to_owned(), pb::FactValue { kind: None });
        bad.evidence.push(pb::Evidence::default());
        assert_eq!(
            fields(bad),
            [
                "order_refund.evidence",
                "order_refund.facts[\"open\"]",
                "order_refund.line_ids[1]",
                "order_refund.partial_lines[1].line_id",
            ]
        );
    }
}
