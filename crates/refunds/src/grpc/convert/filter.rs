//! Filters of the List methods.
//!
//! Invariant: a value that can match nothing, because it has the wrong shape, is refused and not
//! answered with an empty list.

use redress_api::filter::Filter;
use redress_api::{ApiError, FieldViolation};
use redress_core::id::{CustomerId, DisruptionId, EventId, InvalidId, OrderId, RefundId};

use crate::domain::disruption::{DisruptionState, ItemState};
use crate::domain::refund::RefundState;
use crate::store::{AuditFilter, DisruptionFilter, OrderFilter, RefundFilter};

/// Reads the filter of ListOrders.
pub(in crate::grpc) fn orders(text: &str) -> Result<OrderFilter, ApiError> {
    let filter = Filter::parse(text, &["event", "customer", "state"])?;
    Ok(OrderFilter {
        event: name(&filter, "event", EventId::from_resource_name)?,
        customer: name(&filter, "customer", CustomerId::from_resource_name)?,
        state: state(&filter, &["PLACED", "CANCELLED"])?,
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

/// Reads the filter of ListDisruptionItems.
pub(in crate::grpc) fn item_state(text: &str) -> Result<Option<ItemState>, ApiError> {
    let filter = Filter::parse(text, &["state"])?;
    let state = state(&filter, &ItemState::ALL.map(ItemState::as_str))?;
    Ok(state.as_deref().and_then(ItemState::parse))
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
        assert_eq!(item_state("state = NOTHING_DUE").unwrap(), Some(ItemState::NothingDue));
        assert_eq!(item_state("").unwrap(), None);
    }

    #[test]
    fn values_that_can_match_nothing_are_refused() {
        assert!(orders("event = derby").is_err());
        assert!(orders("state = placed").is_err());
        assert!(refunds("order = refunds/1").is_err());
        assert!(disruptions("state = PENDING").is_err());
        assert!(ledger_entries("refund = orders/1").is_err());
        assert!(ledger_entries("attempt = at1").is_err());
        assert!(item_state("order = orders/1").is_err());
    }
}
