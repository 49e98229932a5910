//! Disruptions, their items and previews on the wire.

use redress_api::{ApiError, FieldViolation, etag, money, time};
use redress_core::id::{DisruptionId, EventId, RefundId};
use redress_core::money::Money;
use redress_policy::Citation;
use redress_proto::common::v1 as common;
use redress_proto::refunds::v1 as pb;

use super::deadline::legal_clock;
use super::order::{kind_to_proto, tender_to_proto};
use super::order_reader::{TRIPS, line_kind};
use super::policy::citation_to_proto;
use super::{amount, id, ids};
use crate::app::{DisruptionPreview, DisruptionReport, PreviewLane, Previewed, Proposal};
use crate::domain::attempt::Reason;
use crate::domain::disruption::{
    Change, DisruptionState, Fees, Item, ItemState, Remedy, Scope, StoredValue, Terms,
};

/// Reads what is to be previewed.
pub(in crate::grpc) fn previewed(
    request: pb::PreviewDisruptionRequest,
) -> Result<Previewed, ApiError> {
    let kind = request.kind();
    if request.extension_of.is_empty() {
        return Ok(Previewed::New(Box::new(Proposal {
            scope: scope(&request.event, request.scope)?,
            change: change(kind, request.change)?,
            terms: terms(request.terms)?,
        })));
    }
    let asks_otherwise = !request.event.is_empty()
        || request.scope.is_some()
        || request.change.is_some()
        || request.terms.is_some()
        || kind != pb::disruption::Kind::Unspecified;
    if asks_otherwise {
        let reason = "follows the disruption's own rules: leave the other fields unset";
        return Err(ApiError::invalid("extension_of", reason));
    }
    let name = &request.extension_of;
    Ok(Previewed::Extension(id(DisruptionId::from_resource_name, name, "extension_of")?))
}

/// Reads a scope, to which `event` is short for a part.
pub(in crate::grpc) fn scope(
    event: &str,
    scope: Option<pb::DisruptionScope>,
) -> Result<Scope, ApiError> {
    let scope = scope.unwrap_or_default();
    let mut events = ids(EventId::from_resource_name, &scope.events, "scope.events")?;
    if !event.is_empty() {
        events.push(id(EventId::from_resource_name, event, "event")?);
    }
    let trip = |name: &String| name.strip_prefix(TRIPS).unwrap_or(name).to_owned();
    Ok(Scope {
        events,
        trips: scope.trips.iter().map(trip).collect(),
        carriers: scope.carriers,
        starts_from: time::optional(scope.starts_from.as_ref(), "scope.starts_from")
            .map_err(refused)?,
        starts_before: time::optional(scope.starts_before.as_ref(), "scope.starts_before")
            .map_err(refused)?,
        sections: scope.sections,
        sales_channels: scope.sales_channels,
    })
}

fn refused(violation: FieldViolation) -> ApiError {
    ApiError::invalid_fields(vec![violation])
}

/// Reads what happened; a field that another kind has is refused.
pub(in crate::grpc) fn change(
    kind: pb::disruption::Kind,
    change: Option<pb::DisruptionChange>,
) -> Result<Change, ApiError> {
    use pb::disruption::Kind;
    let change = change.unwrap_or_default();
    for (field, is_set, owner) in [
        ("change.new_start_time", change.new_start_time.is_some(), Kind::Postponed),
        ("change.new_place", !change.new_place.is_empty(), Kind::Moved),
        ("change.delay_minutes", change.delay_minutes != 0, Kind::Delayed),
        ("change.replacement", !change.replacement.is_empty(), Kind::Replaced),
    ] {
        if is_set && kind != owner {
            let reason = format!("is for the kind {} only", owner.as_str_name());
            return Err(ApiError::invalid(field, reason));
        }
    }
    Ok(match kind {
        Kind::Unspecified | Kind::Cancelled => Change::Cancelled,
        Kind::Postponed => Change::Postponed {
            new_start: time::optional(change.new_start_time.as_ref(), "change.new_start_time")
                .map_err(refused)?,
        },
        Kind::Moved => Change::Moved { place: change.new_place },
        Kind::Delayed => Change::Delayed { minutes: change.delay_minutes.into() },
        Kind::Replaced => Change::Replaced {
            event: id(EventId::from_resource_name, &change.replacement, "change.replacement")?,
        },
    })
}

/// Reads what is offered and what is kept.
pub(in crate::grpc) fn terms(terms: Option<pb::DisruptionTerms>) -> Result<Terms, ApiError> {
    let Some(terms) = terms else { return Ok(Terms::default()) };
    let stored_value = match terms.stored_value() {
        pb::disruption_terms::StoredValue::ToPerson => StoredValue::ToPerson,
        _ => StoredValue::ToTender,
    };
    let default_remedy = remedy(terms.default_remedy());
    let offered: Vec<Remedy> = terms.remedies().filter_map(remedy).collect();
    let fees = terms.fees.unwrap_or_default();
    let kinds = fees.kept_kinds.iter().filter_map(|kind| line_kind(*kind)).collect();
    Ok(Terms {
        remedies: if offered.is_empty() { vec![Remedy::Refund] } else { offered },
        voucher_bonus_percent: terms.voucher_bonus_percent.into(),
        choose_until: time::optional(terms.choose_until.as_ref(), "terms.choose_until")
            .map_err(refused)?,
        default_remedy,
        fees: Fees {
            per_order: amounts(&fees.per_order, "terms.fees.per_order")?,
            per_unit: amounts(&fees.per_unit, "terms.fees.per_unit")?,
            basis_points: fees.basis_points.into(),
            kept_kinds: kinds,
        },
        stored_value,
        law: terms.law.map(|law| Citation { title: law.title, uri: law.uri }),
    })
}

/// Reads amounts that stand in the repeated `field`.
pub(in crate::grpc) fn amounts(
    amounts: &[common::Money],
    field: &str,
) -> Result<Vec<Money>, ApiError> {
    let read = |(at, amount)| money::from_proto(amount, &format!("{field}[{at}]"));
    amounts.iter().enumerate().map(read).collect::<Result<_, _>>().map_err(refused)
}

/// Reads a remedy; `None` when none is named.
pub(in crate::grpc) const fn remedy(remedy: pb::Remedy) -> Option<Remedy> {
    match remedy {
        pb::Remedy::Unspecified => None,
        pb::Remedy::Refund => Some(Remedy::Refund),
        pb::Remedy::Keep => Some(Remedy::Keep),
        pb::Remedy::Rebook => Some(Remedy::Rebook),
        pb::Remedy::Voucher => Some(Remedy::Voucher),
    }
}

const fn remedy_to_proto(remedy: Remedy) -> pb::Remedy {
    match remedy {
        Remedy::Refund => pb::Remedy::Refund,
        Remedy::Keep => pb::Remedy::Keep,
        Remedy::Rebook => pb::Remedy::Rebook,
        Remedy::Voucher => pb::Remedy::Voucher,
    }
}

/// The wire form of a disruption with its counts.
pub(in crate::grpc) fn to_proto(report: &DisruptionReport) -> pb::Disruption {
    let disruption = &report.disruption;
    let name = disruption.id.resource_name();
    let (kind, change) = change_to_proto(&disruption.change);
    pb::Disruption {
        etag: etag::etag(&name, disruption.version),
        name,
        event: event_name(&disruption.scope),
        kind: kind.into(),
        state: state(disruption.state).into(),
        counts: Some(pb::DisruptionCounts {
            orders_in_scope: report.orders_in_scope,
            offered: report.offered,
            pending: report.pending,
            processing: report.processing,
            succeeded: report.succeeded,
            attention: report.attention,
            nothing_due: report.nothing_due,
            kept: report.kept,
            aborted: report.aborted,
        }),
        requested: report.requested.iter().copied().map(money::to_proto).collect(),
        issued: report.issued.iter().copied().map(money::to_proto).collect(),
        create_time: Some(time::to_proto(disruption.created)),
        update_time: Some(time::to_proto(disruption.updated)),
        scope: Some(scope_to_proto(&disruption.scope)),
        change: Some(change),
        terms: Some(terms_to_proto(&disruption.terms)),
        requester: disruption.requester.clone(),
        approver: disruption.approver.clone().unwrap_or_default(),
    }
}

/// The first event of a scope; empty when it names none.
fn event_name(scope: &Scope) -> String {
    scope.events.first().map(EventId::resource_name).unwrap_or_default()
}

fn scope_to_proto(scope: &Scope) -> pb::DisruptionScope {
    pb::DisruptionScope {
        events: scope.events.iter().map(EventId::resource_name).collect(),
        trips: scope.trips.iter().map(|trip| format!("{TRIPS}{trip}")).collect(),
        carriers: scope.carriers.clone(),
        starts_from: scope.starts_from.map(time::to_proto),
        starts_before: scope.starts_before.map(time::to_proto),
        sections: scope.sections.clone(),
        sales_channels: scope.sales_channels.clone(),
    }
}

fn change_to_proto(change: &Change) -> (pb::disruption::Kind, pb::DisruptionChange) {
    use pb::disruption::Kind;
    let mut told = pb::DisruptionChange::default();
    let kind = match change {
        Change::Cancelled => Kind::Cancelled,
        Change::Postponed { new_start } => {
            told.new_start_time = new_start.map(time::to_proto);
            Kind::Postponed
        }
        Change::Moved { place } => {
            told.new_place.clone_from(place);
            Kind::Moved
        }
        Change::Delayed { minutes } => {
            // It came in as this type.
            told.delay_minutes = i32::try_from(*minutes).unwrap_or(i32::MAX);
            Kind::Delayed
        }
        Change::Replaced { event } => {
            told.replacement = event.resource_name();
            Kind::Replaced
        }
    };
    (kind, told)
}

fn terms_to_proto(terms: &Terms) -> pb::DisruptionTerms {
    let fees = &terms.fees;
    let small = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
    let stored_value = match terms.stored_value {
        StoredValue::ToTender => pb::disruption_terms::StoredValue::ToTender,
        StoredValue::ToPerson => pb::disruption_terms::StoredValue::ToPerson,
    };
    pb::DisruptionTerms {
        remedies: terms.remedies.iter().map(|remedy| remedy_to_proto(*remedy).into()).collect(),
        voucher_bonus_percent: small(terms.voucher_bonus_percent),
        choose_until: terms.choose_until.map(time::to_proto),
        default_remedy: terms.default_remedy.map(remedy_to_proto).unwrap_or_default().into(),
        fees: Some(pb::DisruptionFees {
            per_order: fees.per_order.iter().copied().map(money::to_proto).collect(),
            per_unit: fees.per_unit.iter().copied().map(money::to_proto).collect(),
            basis_points: small(fees.basis_points),
            kept_kinds: fees.kept_kinds.iter().map(|kind| kind_to_proto(*kind).into()).collect(),
        }),
        stored_value: stored_value.into(),
        law: terms.law.as_ref().map(citation_to_proto),
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
        remedy: item.remedy.map(remedy_to_proto).unwrap_or_default().into(),
        lane: item.lane.clone(),
    }
}

/// The wire form of a preview.
pub(in crate::grpc) fn preview(preview: DisruptionPreview) -> pb::DisruptionPreview {
    let totals = preview.totals.into_iter().map(|total| pb::PreviewTotal {
        amount: Some(money::to_proto(total.amount)),
        provider: total.provider,
        payments: total.payments,
        connected: total.by_hand.is_none(),
        tender: total.tender.map(tender_to_proto).unwrap_or_default().into(),
        reason_code: total.by_hand.map_or("", Reason::code).to_owned(),
    });
    let outcomes = preview.outcomes.iter().map(|outcome| pb::PreviewOutcome {
        state: item_state(outcome.state).into(),
        reason_code: outcome.reason_code.to_owned(),
        orders: outcome.orders,
    });
    pb::DisruptionPreview {
        event: event_name(&preview.scope),
        orders_in_scope: preview.orders_in_scope,
        refundable: preview.refundable,
        attention: preview.attention,
        nothing_due: preview.nothing_due,
        totals: totals.collect(),
        requested: preview.requested.iter().copied().map(money::to_proto).collect(),
        outcomes: outcomes.collect(),
        out_of_window_payments: preview.out_of_window_payments,
        lanes: preview.lanes.iter().map(lane).collect(),
        legal_deadline: preview.legal_clock.as_ref().map(|clock| time::to_proto(clock.due)),
        orders_at_risk: preview.orders_at_risk,
        legal_clock: preview.legal_clock.as_ref().map(legal_clock),
    }
}

fn lane(lane: &PreviewLane) -> pb::PreviewLane {
    let estimate = lane.estimate.map_or(0, |time| time.as_secs().try_into().unwrap_or(i64::MAX));
    let available = lane.available.as_deref().unwrap_or_default();
    pb::PreviewLane {
        is_covered: lane.is_covered(),
        provider: lane.provider.clone(),
        refunds: lane.refunds,
        refunds_per_second: lane.per_second.and_then(|rate| rate.try_into().ok()).unwrap_or(0),
        estimate_seconds: estimate,
        needed: lane.needed.iter().copied().map(money::to_proto).collect(),
        available: available.iter().copied().map(money::to_proto).collect(),
    }
}

pub(super) const fn state(state: DisruptionState) -> pb::disruption::State {
    match state {
        DisruptionState::Draft => pb::disruption::State::Draft,
        DisruptionState::Approved => pb::disruption::State::Approved,
        DisruptionState::Running => pb::disruption::State::Running,
        DisruptionState::Paused => pb::disruption::State::Paused,
        DisruptionState::Completed => pb::disruption::State::Completed,
        DisruptionState::Aborting => pb::disruption::State::Aborting,
        DisruptionState::Aborted => pb::disruption::State::Aborted,
    }
}

pub(super) const fn item_state(state: ItemState) -> pb::disruption_item::State {
    match state {
        // Never listed.
        ItemState::Held => pb::disruption_item::State::Unspecified,
        ItemState::Offered => pb::disruption_item::State::Offered,
        ItemState::Pending => pb::disruption_item::State::Pending,
        ItemState::Processing => pb::disruption_item::State::Processing,
        ItemState::Succeeded => pb::disruption_item::State::Succeeded,
        ItemState::Attention => pb::disruption_item::State::Attention,
        ItemState::NothingDue => pb::disruption_item::State::NothingDue,
        ItemState::Kept => pb::disruption_item::State::Kept,
        ItemState::Aborted => pb::disruption_item::State::Aborted,
    }
}

#[cfg(test)]
mod tests {
    use redress_core::clock::Timestamp;

    use super::*;

    #[test]
    fn states_have_the_same_names_on_the_wire_and_in_the_database() {
        for domain in DisruptionState::ALL {
            assert_eq!(state(domain).as_str_name(), domain.as_str());
        }
        for domain in ItemState::ALL {
            assert_eq!(item_state(domain).as_str_name(), domain.as_str());
        }
        for domain in Remedy::ALL {
            let wire = remedy_to_proto(domain);
            assert_eq!(wire.as_str_name().strip_prefix("REMEDY_"), Some(domain.as_str()));
            assert_eq!(remedy(wire), Some(domain));
        }
    }

    #[test]
    fn what_belongs_to_another_kind_is_refused() {
        let told = pb::DisruptionChange { delay_minutes: 5, ..Default::default() };
        let read = |kind| change(kind, Some(told.clone()));
        assert_eq!(read(pb::disruption::Kind::Delayed).unwrap(), Change::Delayed { minutes: 5 });
        assert!(read(pb::disruption::Kind::Cancelled).is_err());
        assert!(read(pb::disruption::Kind::Moved).is_err());
    }

    #[test]
    fn what_was_read_reads_back() {
        let sent = pb::DisruptionTerms {
            remedies: vec![pb::Remedy::Refund.into(), pb::Remedy::Voucher.into()],
            voucher_bonus_percent: 10,
            choose_until: Some(time::to_proto(Timestamp(9_000_000))),
            default_remedy: pb::Remedy::Refund.into(),
            fees: Some(pb::DisruptionFees {
                per_order: vec![common::Money { currency_code: "EUR".to_owned(), minor_units: 1 }],
                per_unit: vec![common::Money { currency_code: "JPY".to_owned(), minor_units: 2 }],
                basis_points: 250,
                kept_kinds: vec![pb::order_line::Kind::Fee.into()],
            }),
            stored_value: pb::disruption_terms::StoredValue::ToPerson.into(),
            law: Some(pb::Citation { title: "Terms".to_owned(), uri: String::new() }),
        };
        assert_eq!(terms_to_proto(&terms(Some(sent.clone())).unwrap()), sent);
        let sent = pb::DisruptionScope {
            events: vec!["events/derby".to_owned()],
            trips: vec!["trips/t1".to_owned()],
            carriers: vec!["LH".to_owned()],
            starts_from: Some(time::to_proto(Timestamp(1_000_000))),
            starts_before: Some(time::to_proto(Timestamp(2_000_000))),
            sections: vec!["north".to_owned()],
            sales_channels: vec!["web".to_owned()],
        };
        assert_eq!(scope_to_proto(&scope("", Some(sent.clone())).unwrap()), sent);
        assert_eq!(scope_to_proto(&scope("events/derby", None).unwrap()).events, sent.events);
    }
}
