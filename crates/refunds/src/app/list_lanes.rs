//! Shows the lanes of payment providers as they stand.

use std::collections::BTreeMap;
use std::time::Duration;

use redress_core::clock::Timestamp;

use super::{RefundError, Refunds};
use crate::domain::lane::{Breaker, FundsWait, Lane, RestReason};
use crate::store::LaneState;

/// A provider's lane. It belongs to the installation: what it tells is of all tenants together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneReport {
    /// The provider's name on payments.
    pub provider: String,
    /// Whether this process sends on it.
    pub connected: bool,
    /// Refunds a second that may be sent; `None` without a limit.
    pub sends_per_second: Option<u32>,
    /// Calls that each process may have under way at once; 0 where it is not connected.
    pub concurrency: usize,
    /// How long one call may take; zero where it is not connected.
    pub timeout: Duration,
    /// The circuit breaker.
    pub breaker: Breaker,
    /// Since when the breaker is in that state; `None` when it has always been.
    pub since: Option<Timestamp>,
    /// Until when nothing is sent; `None` when the lane does not rest.
    pub rests_until: Option<Timestamp>,
    /// Why it rests or is being tried; `None` when it is open.
    pub reason: Option<RestReason>,
    /// Attempts that are armed, those in currencies that wait for funds included.
    pub armed: i64,
    /// Currencies that wait for funds, in the order of their codes.
    pub funds: Vec<FundsWait>,
}

/// Every lane that is connected or has something armed, by provider.
pub async fn list_lanes(app: &Refunds) -> Result<Vec<LaneReport>, RefundError> {
    let now = app.clock.now();
    let mut states: BTreeMap<String, LaneState> = BTreeMap::new();
    for state in app.store.lane_states().await? {
        states.insert(state.provider.clone(), state);
    }
    for provider in app.connections.names() {
        states.entry(provider.to_owned()).or_insert_with(|| LaneState {
            provider: provider.to_owned(),
            lane: Lane::default(),
            armed: 0,
            funds: Vec::new(),
        });
    }
    Ok(states.into_values().map(|state| report(app, state, now)).collect())
}

fn report(app: &Refunds, state: LaneState, now: Timestamp) -> LaneReport {
    let LaneState { provider, lane, armed, funds } = state;
    let terms = app.connections.find(&provider).map(|connected| connected.terms());
    let rests_until = (lane.rests_until > now).then_some(lane.rests_until);
    let is_open = lane.breaker == Breaker::Closed && rests_until.is_none();
    LaneReport {
        provider,
        connected: terms.is_some(),
        sends_per_second: terms.and_then(|terms| terms.sends_per_second),
        concurrency: terms.map_or(0, |terms| terms.concurrency),
        timeout: terms.map_or(Duration::ZERO, |terms| terms.timeout),
        breaker: lane.breaker,
        since: (lane.since != Timestamp::default()).then_some(lane.since),
        rests_until,
        reason: lane.reason.filter(|_| !is_open),
        armed,
        funds,
    }
}
