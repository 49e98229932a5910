//! Disruptions, their items and previews on the wire.

use redress_api::{ApiError, etag, money, time};
use redress_core::id::{EventId, RefundId};
use redress_proto::refunds::v1 as pb;

use super::amount;
use crate::app::{DisruptionPreview, DisruptionReport};
use crate::domain::disruption::{DisruptionKind, DisruptionState, Item, ItemState};

/// Reads what happened to an event.
pub(in crate::grpc) fn kind(kind: pb::disruption::Kind) -> Result<DisruptionKind, ApiError> {
    match kind {
        pb::disruption::Kind::Cancelled => Ok(DisruptionKind::Cancelled),
        pb::disruption::Kind::Unspecified => Err(ApiError::invalid("kind", "expected CANCELLED")),
    }
}

/// The wire form of a disruption with its counts.
pub(in crate::grpc) fn to_proto(report: &DisruptionReport) -> pb::Disruption {
    let disruption = &report.disruption;
    let name = disruption.id.resource_name();
    let kind = match disruption.kind {
        DisruptionKind::Cancelled => pb::disruption::Kind::Cancelled,
    };
    pb::Disruption {
        etag: etag::etag(&name, disruption.version),
        name,
        event: disruption.event.resource_name(),
        kind: kind.into(),
        state: state(disruption.state).into(),
        counts: Some(pb::DisruptionCounts {
            orders_in_scope: report.orders_in_scope,
            pending: report.pending,
            processing: report.processing,
            succeeded: report.succeeded,
            attention: report.attention,
            nothing_due: report.nothing_due,
        }),
        requested: report.requested.iter().copied().map(money::to_proto).collect(),
        issued: report.issued.iter().copied().map(money::to_proto).collect(),
        create_time: Some(time::to_proto(disruption.created)),
        update_time: Some(time::to_proto(disruption.updated)),
    }
}

/// The wire form of an item.
pub(in crate::grpc) fn item(item: &Item) -> pb::DisruptionItem {
    pb::DisruptionItem {
        order: item.order.resource_name(),
        state: item_state(item.state).into(),
        refund: item.refund.as_ref().map(RefundId::resource_name).unwrap_or_default(),
        requested: Some(amount(item.currency, item.requested)),
        issued: Some(amount(item.currency, item.issued)),
        reason_code: item.reason_code.clone(),
        next_action: item.next_action.clone(),
    }
}

/// The wire form of a preview.
pub(in crate::grpc) fn preview(
    event: &EventId,
    preview: DisruptionPreview,
) -> pb::DisruptionPreview {
    let totals = preview.totals.into_iter().map(|total| pb::PreviewTotal {
        amount: Some(money::to_proto(total.amount)),
        provider: total.provider,
        payments: total.payments,
        connected: total.connected,
    });
    pb::DisruptionPreview {
        event: event.resource_name(),
        orders_in_scope: preview.orders_in_scope,
        refundable: preview.refundable,
        attention: preview.attention,
        nothing_due: preview.nothing_due,
        totals: totals.collect(),
    }
}

const fn state(state: DisruptionState) -> pb::disruption::State {
    match state {
        DisruptionState::Draft => pb::disruption::State::Draft,
        DisruptionState::Approved => pb::disruption::State::Approved,
        DisruptionState::Running => pb::disruption::State::Running,
        DisruptionState::Completed => pb::disruption::State::Completed,
    }
}

const fn item_state(state: ItemState) -> pb::disruption_item::State {
    match state {
        ItemState::Pending => pb::disruption_item::State::Pending,
        ItemState::Processing => pb::disruption_item::State::Processing,
        ItemState::Succeeded => pb::disruption_item::State::Succeeded,
        ItemState::Attention => pb::disruption_item::State::Attention,
        ItemState::NothingDue => pb::disruption_item::State::NothingDue,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_the_same_names_on_the_wire_and_in_the_database() {
        for domain in DisruptionState::ALL {
            assert_eq!(state(domain).as_str_name(), domain.as_str());
        }
        for domain in ItemState::ALL {
            assert_eq!(item_state(domain).as_str_name(), domain.as_str());
        }
    }
}
