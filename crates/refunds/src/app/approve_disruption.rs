//! Freezes the selection of a disruption, or what has come into its scope since.
//!
//! Invariant: what was agreed to is what is paid: number and sums of the frozen items are compared
//! with the preview's, and are still those in the write that approves. An approval that is interrupted leaves
//! everything as it was, and can be repeated. Above what a role may release alone, whoever opened
//! the disruption is not the one who approves it.

use redress_core::caller::Role;
use redress_core::id::DisruptionId;
use redress_core::money::Money;

use super::act_on_disruption::{action, audit_of, conflict, find, stepped};
use super::create_refund::is_above_limit;
use super::get_disruption::sums;
use super::orders_in_scope::OrdersInScope;
use super::request::once;
use super::{DisruptionReport, Outcome, RefundError, Refunds, Request};
use crate::domain::disruption::{
    Disruption, DisruptionEvent, DisruptionState, ItemPlan, ItemState, plan_item,
};
use crate::store::{Advanced, ItemTotals, Selection, Step};

/// What the caller asks for.
#[derive(Debug)]
pub struct ApproveDisruption<'a> {
    /// The disruption.
    pub id: DisruptionId,
    /// Whether orders are added to an approved selection.
    pub is_extension: bool,
    /// The number of orders that was agreed to.
    pub expected_orders: i64,
    /// The sums that were agreed to; empty skips the check.
    pub expected_totals: Vec<Money>,
    /// Who approves: the subject of the credential.
    pub actor: String,
    /// What the actor may act as.
    pub roles: Vec<Role>,
    /// Why, in the actor's words.
    pub reason: String,
    /// The etag last seen; empty skips the check.
    pub etag: String,
    /// The tenant, and what a repetition is recognised by.
    pub request: Request<'a, DisruptionReport>,
}

/// Freezes what is due on each order and approves it.
pub async fn approve_disruption(
    app: &Refunds,
    ask: ApproveDisruption<'_>,
) -> Result<Outcome<DisruptionReport>, RefundError> {
    once(&*app.store, ask.request.key, approve(app, &ask)).await
}

async fn approve(
    app: &Refunds,
    ask: &ApproveDisruption<'_>,
) -> Result<DisruptionReport, RefundError> {
    let event = if ask.is_extension { DisruptionEvent::Extend } else { DisruptionEvent::Approve };
    let before = find(app, &ask.request.key.tenant, &ask.id, &ask.etag).await?;
    let mut after = stepped(app, &before, event)?;

    let frozen = freeze(app, &before).await?;
    let found = selection(&frozen);
    guard(ask, &found)?;
    let mut totals = frozen;
    if ask.is_extension {
        let ids = std::slice::from_ref(&before.id);
        let added: Vec<ItemTotals> =
            totals.into_iter().map(|held| released(held, &before)).collect();
        totals = app.store.item_totals(&before.tenant, ids).await?;
        totals.extend(added);
    } else {
        after.approver = Some(ask.actor.clone());
    }
    // Of an extension all of it counts: many small ones are not small.
    second_person(app, ask, &before, &sums(&totals, |total| total.requested)).await?;

    let report = DisruptionReport::new(after, &totals);
    let by = (ask.actor.as_str(), ask.roles.as_slice(), ask.reason.as_str());
    let mut audit = audit_of(app, &report.disruption, action(event), by);
    audit.details.insert("orders".to_owned(), found.orders.to_string());
    for sum in &found.sums {
        let name = format!("amount_{}", sum.currency.code().to_ascii_lowercase());
        audit.details.insert(name, sum.minor_units.to_string());
    }
    let record = |_| ask.request.record(&report);
    let step = Step { event, agreed: Some(&found), orders: &[], audit: &audit, record: &record };
    match app.store.advance_disruption(&report.disruption, &step, &*app.ids).await {
        // Another approval has frozen it anew in the meantime, and did not come first.
        Ok(Advanced::Otherwise(now)) => {
            guard(ask, &now)?;
            Err(RefundError::Conflict { name: before.id.resource_name() })
        }
        Ok(_) => {
            app.signals.items_released();
            tracing::info!(
                disruption.name = ask.id.resource_name(),
                orders.count = found.orders,
                "disruption {}",
                event.participle()
            );
            Ok(report)
        }
        Err(error) => Err(conflict(&before, error)),
    }
}

/// What is held, as it begins.
fn released(held: ItemTotals, disruption: &Disruption) -> ItemTotals {
    let is_offered = disruption.terms.offer_choice() && held.requested > 0;
    let state = if is_offered { ItemState::Offered } else { ItemState::Pending };
    ItemTotals { state, ..held }
}

/// Number and sums that the caller agreed to are those that are there.
fn guard(ask: &ApproveDisruption<'_>, found: &Selection) -> Result<(), RefundError> {
    if found.orders != ask.expected_orders {
        let (expected, found) = (ask.expected_orders, found.orders);
        return Err(RefundError::TotalsChanged { expected, found });
    }
    if ask.expected_totals.is_empty() {
        return Ok(());
    }
    let of = |all: &[Money], currency| {
        let own = all.iter().filter(|sum| sum.currency == currency);
        own.map(|sum| sum.minor_units).sum::<i64>()
    };
    for sum in ask.expected_totals.iter().chain(&found.sums) {
        let expected = of(&ask.expected_totals, sum.currency);
        let found = of(&found.sums, sum.currency);
        if expected != found {
            let money = |minor_units| Money { currency: sum.currency, minor_units };
            return Err(RefundError::SumChanged { expected: money(expected), found: money(found) });
        }
    }
    Ok(())
}

/// Who opened it may approve it only within what one of the roles may release alone.
async fn second_person(
    app: &Refunds,
    ask: &ApproveDisruption<'_>,
    disruption: &Disruption,
    requested: &[Money],
) -> Result<(), RefundError> {
    if ask.actor != disruption.requester {
        return Ok(());
    }
    let settings = app.tenants.recent(&disruption.tenant).await?;
    let limits = settings.map(|settings| settings.approval_limits).unwrap_or_default();
    match requested.iter().find(|sum| is_above_limit(&limits, &ask.roles, **sum)) {
        Some(sum) => {
            Err(RefundError::OwnDisruption { disruption: disruption.id.clone(), sum: *sum })
        }
        None => Ok(()),
    }
}

/// Freezes exactly the orders in scope, or exactly those beside the selection, and adds them up.
async fn freeze(app: &Refunds, disruption: &Disruption) -> Result<Vec<ItemTotals>, RefundError> {
    let planned = plan_all(app, disruption).await?;
    let totals = frozen(app, disruption).await?;
    if count(&totals) == planned {
        return Ok(totals);
    }
    // An interrupted approval left items of orders that have left the scope since. Only then are
    // items discarded, because they may be those of a second approval at the same time.
    app.store.discard_items(disruption).await.map_err(|error| conflict(disruption, error))?;
    plan_all(app, disruption).await?;
    frozen(app, disruption).await
}

async fn frozen(app: &Refunds, disruption: &Disruption) -> Result<Vec<ItemTotals>, RefundError> {
    let (tenant, id) = (&disruption.tenant, &disruption.id);
    Ok(if disruption.state == DisruptionState::Draft {
        app.store.item_totals(tenant, std::slice::from_ref(id)).await?
    } else {
        app.store.held_totals(tenant, id).await?
    })
}

/// Plans every order, one page at a time, and stores the plans; returns how many.
async fn plan_all(app: &Refunds, disruption: &Disruption) -> Result<i64, RefundError> {
    let (tenant, scope) = (&disruption.tenant, &disruption.scope);
    let beside = (disruption.state != DisruptionState::Draft).then_some(&disruption.id);
    let mut pages = OrdersInScope::of(app, tenant, scope, beside);
    let mut planned = 0;
    while let Some(orders) = pages.next().await? {
        let now = app.clock.now();
        let plan = |order| plan_item(order, disruption.rules(), &*app.connections, now);
        let plans: Vec<ItemPlan> = orders.iter().filter_map(plan).collect();
        if !plans.is_empty() {
            let frozen = app.store.freeze_items(disruption, &plans).await;
            frozen.map_err(|error| conflict(disruption, error))?;
        }
        planned += i64::try_from(plans.len()).unwrap_or(i64::MAX);
    }
    Ok(planned)
}

fn selection(totals: &[ItemTotals]) -> Selection {
    Selection { orders: count(totals), sums: sums(totals, |total| total.requested) }
}

fn count(totals: &[ItemTotals]) -> i64 {
    totals.iter().map(|total| total.count).sum()
}
