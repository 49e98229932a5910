//! How far a disruption is, and what it came to, on the wire.

use redress_proto::refunds::v1 as pb;

use super::amount;
use super::disruption::{item_state, state, to_proto};
use crate::app::{DisruptionProgress, LaneProgress, ReconciledDisruption};
use crate::domain::disruption::{Item, Reconciliation};
use crate::domain::ledger::PostingKind;

/// The wire form of a progress.
pub(in crate::grpc) fn progress(progress: &DisruptionProgress) -> pb::DisruptionProgress {
    let lane = |lane: &LaneProgress| pb::LaneProgress {
        lane: lane.lane.clone(),
        items: lane.items,
        at_rest: lane.at_rest,
    };
    let error = |item: &Item| pb::ItemError {
        order: item.order.resource_name(),
        reason_code: item.reason_code.clone(),
        next_action: item.next_action.clone(),
    };
    pb::DisruptionProgress {
        disruption: Some(to_proto(&progress.report)),
        lanes: progress.report.lanes.iter().map(lane).collect(),
        items_per_second: progress.items_per_second,
        estimate_seconds: progress.estimate.unwrap_or(0),
        last_errors: progress.errors.iter().map(error).collect(),
    }
}

/// The wire form of what a disruption came to.
pub(in crate::grpc) fn reconciliation(
    found: &ReconciledDisruption,
) -> pb::DisruptionReconciliation {
    pb::DisruptionReconciliation {
        name: found.disruption.id.resource_name(),
        state: state(found.disruption.state).into(),
        is_balanced: found.is_balanced(),
        currencies: found.currencies.iter().map(currency).collect(),
    }
}

fn currency(found: &Reconciliation) -> pb::CurrencyReconciliation {
    let money = |minor_units| Some(amount(found.currency, minor_units));
    let items = found.items.iter().map(|items| pb::ReconciledItems {
        state: item_state(items.state).into(),
        orders: items.orders,
        requested: money(items.requested),
        issued: money(items.issued),
    });
    let paid = found.providers.iter().filter(|provider| provider.attempts > 0);
    let providers = paid.map(|provider| pb::ReconciledProvider {
        provider: provider.provider.clone(),
        attempts: provider.attempts,
        amount: money(provider.amount),
        provider_refunds: provider.provider_refunds,
    });
    let posted = found.postings.iter().filter(|postings| postings.kind == PostingKind::Post);
    let accounts = posted.map(|postings| pb::ReconciledAccount {
        account: postings.account.clone(),
        amount: money(postings.amount),
    });
    pb::CurrencyReconciliation {
        currency_code: found.currency.code().to_owned(),
        is_balanced: found.is_balanced(),
        requested: money(found.requested()),
        issued: money(found.issued()),
        items: items.collect(),
        refunds: found.refunds,
        refunds_issued: money(found.refunds_issued),
        providers: providers.collect(),
        open: money(found.open()),
        ledger_reserved: money(found.posted(PostingKind::Reserve)),
        ledger_posted: accounts.collect(),
        ledger_voided: money(found.posted(PostingKind::Void)),
        orders_that_differ: found.orders_that_differ,
    }
}
