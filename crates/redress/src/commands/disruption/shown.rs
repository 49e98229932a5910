//! How disruptions, previews and progress are shown.

use redress_proto::common::v1::Money as WireMoney;
use redress_proto::refunds::v1::{
    Disruption, DisruptionPreview, DisruptionProgress, ItemError, LaneProgress, PreviewLane,
    PreviewOutcome, PreviewTotal,
};
use serde_json::{Map, Value, json};

use crate::commands::refund::{money, money_json, time_text};
use crate::output;

/// Shows a preview as tables.
pub(crate) fn show_preview(preview: &DisruptionPreview) {
    let rows = preview.totals.iter().map(|total| {
        let way = if total.connected { "automatic" } else { "by a person" };
        [
            total.provider.clone(),
            way.to_owned(),
            total.payments.to_string(),
            money(total.amount.as_ref()),
        ]
    });
    output::table(["provider", "how", "payments", "amount"], rows);
    let coded = preview.outcomes.iter().filter(|outcome| !outcome.reason_code.is_empty());
    let rows: Vec<_> = coded
        .map(|outcome| {
            [
                outcome.state().as_str_name().to_owned(),
                outcome.reason_code.clone(),
                outcome.orders.to_string(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        output::table(["outcome", "reason", "orders"], rows);
    }
    if !preview.lanes.is_empty() {
        let header = ["lane", "refunds", "a second", "takes", "needed", "balance"];
        output::table(header, preview.lanes.iter().map(lane_row));
    }
    output::line(format!(
        "{} orders: {} refunded, {} for a person, {} with nothing due",
        preview.orders_in_scope, preview.refundable, preview.attention, preview.nothing_due
    ));
    if preview.out_of_window_payments > 0 {
        output::line(format!(
            "{} payments are too old for their provider",
            preview.out_of_window_payments
        ));
    }
    output::line(format!(
        "Started now it is due by {}; {} orders would be late",
        time_text(preview.legal_deadline.as_ref()),
        preview.orders_at_risk
    ));
}

fn lane_row(lane: &PreviewLane) -> [String; 6] {
    let is_limited = lane.refunds_per_second > 0;
    let takes = if is_limited { duration(lane.estimate_seconds) } else { String::new() };
    let rate = if is_limited { lane.refunds_per_second.to_string() } else { "any".to_owned() };
    let balance = match (lane.is_covered, lane.available.is_empty()) {
        (true, _) => "enough".to_owned(),
        (false, true) => "not told".to_owned(),
        (false, false) => format!("short: {}", sums(&lane.available)),
    };
    let (provider, refunds) = (lane.provider.clone(), lane.refunds.to_string());
    [provider, refunds, rate, takes, sums(&lane.needed), balance]
}

/// Seconds for people.
pub(super) fn duration(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", (seconds + 59) / 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

fn sums(amounts: &[WireMoney]) -> String {
    amounts.iter().map(|amount| money(Some(amount))).collect::<Vec<_>>().join(", ")
}

/// A preview for programs.
pub(in crate::commands) fn preview_json(preview: &DisruptionPreview) -> Value {
    let total = |total: &PreviewTotal| {
        let amount = total.amount.clone().unwrap_or_default();
        json!({
            "currency_code": amount.currency_code,
            "minor_units": amount.minor_units,
            "provider": total.provider,
            "payments": total.payments,
            "connected": total.connected,
            "tender": total.tender().as_str_name(),
            "reason_code": total.reason_code,
        })
    };
    let outcome = |outcome: &PreviewOutcome| {
        json!({
            "state": outcome.state().as_str_name(),
            "reason_code": outcome.reason_code,
            "orders": outcome.orders,
        })
    };
    let lane = |lane: &PreviewLane| {
        json!({
            "provider": lane.provider,
            "refunds": lane.refunds,
            "refunds_per_second": lane.refunds_per_second,
            "estimate_seconds": lane.estimate_seconds,
            "needed_minor_units_by_currency": amounts_json(&lane.needed),
            "available_minor_units_by_currency": amounts_json(&lane.available),
            "is_covered": lane.is_covered,
        })
    };
    json!({
        "event": preview.event,
        "orders_in_scope": preview.orders_in_scope,
        "refundable": preview.refundable,
        "attention": preview.attention,
        "nothing_due": preview.nothing_due,
        "totals": preview.totals.iter().map(total).collect::<Vec<_>>(),
        "requested_minor_units_by_currency": amounts_json(&preview.requested),
        "outcomes": preview.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        "out_of_window_payments": preview.out_of_window_payments,
        "lanes": preview.lanes.iter().map(lane).collect::<Vec<_>>(),
        "legal_deadline": preview.legal_deadline.as_ref().map(ToString::to_string),
        "orders_at_risk": preview.orders_at_risk,
    })
}

/// Minor units by currency.
pub(in crate::commands) fn amounts_json(amounts: &[WireMoney]) -> Value {
    let pairs =
        amounts.iter().map(|amount| (amount.currency_code.clone(), json!(amount.minor_units)));
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// Shows where a disruption stands.
pub(in crate::commands) fn show_disruption(disruption: &Disruption) {
    let about = if disruption.event.is_empty() { "several trips" } else { &*disruption.event };
    output::line(format!(
        "{} ({} {about}): {}",
        disruption.name,
        disruption.kind().as_str_name(),
        disruption.state().as_str_name(),
    ));
    let counts = disruption.counts.unwrap_or_default();
    let rows = [
        ("in scope", counts.orders_in_scope),
        ("choosing", counts.offered),
        ("waiting", counts.pending),
        ("under way", counts.processing),
        ("refunded", counts.succeeded),
        ("for a person", counts.attention),
        ("nothing due", counts.nothing_due),
        ("kept", counts.kept),
        ("untouched", counts.aborted),
    ];
    let shown = rows.into_iter().enumerate().filter(|(at, (_, count))| *at == 0 || *count > 0);
    let rows = shown.map(|(_, (what, count))| [what.to_owned(), count.to_string()]);
    output::table(["orders", "number"], rows);
    for requested in &disruption.requested {
        let code = &requested.currency_code;
        let issued = disruption.issued.iter().find(|issued| issued.currency_code == *code);
        output::line(format!("{} of {} paid", money(issued), money(Some(requested))));
    }
}

/// Shows a few orders that need a person.
pub(super) fn show_errors(errors: &[ItemError]) {
    if errors.is_empty() {
        return;
    }
    let row = |error: &ItemError| {
        [error.order.clone(), error.reason_code.clone(), error.next_action.clone()]
    };
    output::table(["for a person, such as", "reason", "next"], errors.iter().map(row));
}

/// A disruption for programs.
pub(super) fn disruption_json(disruption: &Disruption) -> Value {
    let counts = disruption.counts.unwrap_or_default();
    let scope = disruption.scope.clone().unwrap_or_default();
    json!({
        "name": disruption.name,
        "event": disruption.event,
        "events": scope.events,
        "trips": scope.trips,
        "carriers": scope.carriers,
        "kind": disruption.kind().as_str_name(),
        "state": disruption.state().as_str_name(),
        "counts": {
            "orders_in_scope": counts.orders_in_scope,
            "offered": counts.offered,
            "pending": counts.pending,
            "processing": counts.processing,
            "succeeded": counts.succeeded,
            "attention": counts.attention,
            "nothing_due": counts.nothing_due,
            "kept": counts.kept,
            "aborted": counts.aborted,
        },
        "requested": disruption.requested.iter().map(|a| money_json(Some(a))).collect::<Vec<_>>(),
        "issued": disruption.issued.iter().map(|a| money_json(Some(a))).collect::<Vec<_>>(),
        "requester": disruption.requester,
        "approver": disruption.approver,
        "etag": disruption.etag,
        "create_time": disruption.create_time.as_ref().map(ToString::to_string),
        "update_time": disruption.update_time.as_ref().map(ToString::to_string),
    })
}

/// A progress for programs.
pub(super) fn progress_json(progress: &DisruptionProgress) -> Value {
    let lane = |lane: &LaneProgress| {
        json!({
            "lane": lane.lane,
            "items": lane.items,
            "at_rest": lane.at_rest,
        })
    };
    let error = |error: &ItemError| {
        json!({
            "order": error.order,
            "reason_code": error.reason_code,
            "next_action": error.next_action,
        })
    };
    json!({
        "disruption": progress.disruption.as_ref().map(disruption_json),
        "lanes": progress.lanes.iter().map(lane).collect::<Vec<_>>(),
        "items_per_second": progress.items_per_second,
        "estimate_seconds": progress.estimate_seconds,
        "last_errors": progress.last_errors.iter().map(error).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_in_the_unit_that_fits() {
        let shown = [0, 59, 60, 61, 3_599, 3_600, 7_380].map(duration);
        assert_eq!(shown, ["0 s", "59 s", "1 min", "2 min", "60 min", "1 h 0 min", "2 h 3 min"]);
    }
}
