//! Records what a buyer has chosen of what a disruption offers.
//!
//! Invariant: a choice is taken while the disruption runs and its time is not up, and carried out
//! once; money is paid by the workers, like any other item's.

use redress_core::id::{DisruptionId, OrderId};

use super::act_on_disruption::{conflict, find};
use super::request::once;
use super::{Outcome, RefundError, Refunds, Request};
use crate::domain::disruption::{Item, Remedy};

/// What the caller asks for.
#[derive(Debug)]
pub struct ChooseRemedy<'a> {
    /// The disruption.
    pub id: DisruptionId,
    /// The buyer's order.
    pub order: OrderId,
    /// What the buyer wants.
    pub remedy: Remedy,
    /// The tenant, and what a repetition is recognised by.
    pub request: Request<'a, Item>,
}

/// Records the choice and returns the item as it is then.
pub async fn choose_remedy(
    app: &Refunds,
    ask: ChooseRemedy<'_>,
) -> Result<Outcome<Item>, RefundError> {
    once(&*app.store, ask.request.key, choose(app, &ask)).await
}

async fn choose(app: &Refunds, ask: &ChooseRemedy<'_>) -> Result<Item, RefundError> {
    let now = app.clock.now();
    let disruption = find(app, &ask.request.key.tenant, &ask.id, "").await?;
    if !disruption.terms.remedies.contains(&ask.remedy) {
        return Err(RefundError::NotOffered { disruption: ask.id.clone(), remedy: ask.remedy });
    }
    let closed =
        || RefundError::ChoiceClosed { disruption: ask.id.clone(), order: ask.order.clone() };
    if !disruption.takes_choices(now) {
        return Err(closed());
    }
    let record = |item: &Item| ask.request.record(item);
    let chosen =
        app.store.choose(&disruption, &ask.order, ask.remedy, &record, &*app.ids, now).await;
    let item = chosen.map_err(|error| conflict(&disruption, error))?.ok_or_else(closed)?;
    app.signals.items_released();
    Ok(item)
}
