//! Filters of the List methods.
//!
//! Invariant: a value that can match nothing, because it has the wrong shape, is refused and not
//! answered with an empty list.

use redress_api::filter::Filter;
use redress_api::{ApiError, FieldViolation};
use redress_core::id::{CustomerId, DisruptionId, EventId, InvalidId, OrderId, RefundId};

use crate::domain::disruption::{DisruptionState, ItemState};
use crate::domain::refund::RefundState;
use crate::store::{AuditFilter, DisruptionFilter, ItemFilter, OrderFilter, RefundFilter};

/// Reads the filter of ListOrders.
pub(in crate::grpc) fn orders(text: &str) -> Result<OrderFilter, ApiError> {
    let filter = Filter::parse(text, &["event", "customer", "state"])?;
    Ok(OrderFilter {
        event: name(&filter, "event", EventId::from_resource_name)?,
        customer: name(&filter, "customer", CustomerId::from_resource_name)?,
        state: state(&filter, &["PLACED", "CANCELLED", "WAITING_LIST"])?,
    })
}

/// Reads the filter of ListRefunds.
pub(in crate::grpc) fn refunds(text: &str) -> Result<RefundFilter, ApiError> {
    let filter = Filter::parse(text, &["order", "customer", "disruption", "state"])?;
    Ok(RefundFilter {
        order: name(&filter, "order", OrderId::from_resource_name)?,
        customer: name(&filter, "customer", CustomerId::from_resource_name)?,
        disruption: name(&filter, "disruption", DisruptionId::from_resource_name)?,
        state: state(&filter, &RefundState::ALL.map(RefundState::as_str))?,
    })
}

/// Reads the filter of ListDisruptions.
pub(in crate::grpc) fn disruptions(text: &str) -> Result<DisruptionFilter, ApiError> {
    let filter = Filter::parse(text, &["event", "state"])?;
    Ok(DisruptionFilter {
        event: name(&filter, "event", EventId::from_resource_name)?,
        state: state(&filter, &DisruptionState::ALL.map(DisruptionState::as_str))?,
    })
}

/// Reads the filter of ListDisruptionItems. Lanes and reasons may be any: later releases add some.
pub(in crate::grpc) fn items(text: &str) -> Result<ItemFilter, ApiError> {
    let filter = Filter::parse(text, &["state", "lane", "reason_code"])?;
    let state = state(&filter, &ItemState::ALL.map(ItemState::as_str))?;
    let value = |field: &str| filter.get(field).map(str::to_owned);
    Ok(ItemFilter {
        state: state.as_deref().and_then(ItemState::parse),
        lane: value("lane"),
        reason_code: value("reason_code"),
    })
}

/// Reads the filter of ListLedgerEntries.
pub(in crate::grpc) fn ledger_entries(text: &str) -> Result<Option<RefundId>, ApiError> {
    let filter = Filter::parse(text, &["refund"])?;
    let refund = |name: &str| {
        RefundId::from_resource_name(name)
            .map_err(|_| refuse("refund", "a name like refunds/example"))
    };
    filter.get("refund").map(refund).transpose()
}

/// Reads the filter of ListAuditRecords. What was done may have been done to anything, by anybody.
pub(in crate::grpc) fn audit_records(text: &str) -> Result<AuditFilter, ApiError> {
    let filter = Filter::parse(text, &["resource", "actor"])?;
    let value = |field: &str| filter.get(field).map(str::to_owned);
    Ok(AuditFilter { resource: value("resource"), actor: value("actor") })
}

/// The bare id behind the resource name that `field` must be.
fn name<T: Into<String>>(
    filter: &Filter,
    field: &str,
    parse: fn(&str) -> Result<T, InvalidId>,
) -> Result<Option<String>, ApiError> {
    let Some(value) = filter.get(field) else { return Ok(None) };
    let id = parse(value).map_err(|_| refuse(field, &format!("a name like {field}s/example")))?;
    Ok(Some(id.into()))
}

/// One of the states that a resource can have.
fn state(filter: &Filter, known: &[&str]) -> Result<Option<String>, ApiError> {
    let Some(value) = filter.get("state") else { return Ok(None) };
    if !known.contains(&value) {
        return Err(refuse("state", &format!("one of {}", known.join(", "))));
    }
    Ok(Some(value.to_owned()))
}

fn refuse(field: &str, expected: &str) -> ApiError {
    ApiError::InvalidArgument {
        reason: "INVALID_FILTER",
        violations: vec![FieldViolation::new("filter", format!("{field}: expected {expected}"))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_bare_ids() {
        let filter = orders(r#"event = "events/derby" AND state = PLACED"#).unwrap();
        assert_eq!(filter.event.as_deref(), Some("derby"));
        assert_eq!(filter.customer, None);
        assert_eq!(filter.state.as_deref(), Some("PLACED"));
        let of = |text| items(text).unwrap();
        assert_eq!(of("state = NOTHING_DUE").state, Some(ItemState::NothingDue));
        assert_eq!(of("").state, None);
        assert_eq!(of("lane = stripe").lane.as_deref(), Some("stripe"));
        assert_eq!(of("reason_code = NO_CONNECTOR").reason_code.as_deref(), Some("NO_CONNECTOR"));
    }

    #[test]
    fn values_that_can_match_nothing_are_refused() {
        assert!(orders("event = derby").is_err());
        assert!(orders("state = placed").is_err());
        assert!(refunds("order = refunds/1").is_err());
        assert!(disruptions("state = PENDING").is_err());
        assert!(ledger_entries("refund = orders/1").is_err());
        assert!(ledger_entries("attempt = at1").is_err());
        assert!(items("order = orders/1").is_err());
        assert!(items("state = HELD").is_err());
    }
}
