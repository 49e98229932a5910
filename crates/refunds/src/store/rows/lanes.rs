//! Rows of lanes and of what waits for funds on them.

use std::collections::BTreeMap;

use redress_core::clock::Timestamp;
use redress_core::money::Currency;
use redress_store::StoreError;

use super::read;
use crate::domain::lane::{ArmedSum, Breaker, FundsWait, Lane, RestReason, SlotLog};
use crate::store::lanes::LaneState;

#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct LaneRow {
    pub provider: String,
    pub slots: String,
    pub breaker: String,
    pub since: i64,
    pub reason: Option<String>,
    pub trips: i32,
    pub rests_until: i64,
    pub probe_until: i64,
    /// What the database's clock showed, in microseconds.
    pub clock: i64,
}

impl LaneRow {
    pub(in crate::store) fn into_lane(self) -> Result<(Lane, SlotLog), StoreError> {
        let key = &self.provider;
        let reason = match self.reason.as_deref() {
            None => None,
            Some(code) => Some(read(RestReason::parse(code), "lanes", "reason", key)?),
        };
        let lane = Lane {
            breaker: read(Breaker::parse(&self.breaker), "lanes", "breaker", key)?,
            since: Timestamp(self.since),
            reason,
            trips: self.trips,
            rests_until: Timestamp(self.rests_until),
            probe_until: Timestamp(self.probe_until),
        };
        Ok((lane, read(SlotLog::decode(&self.slots), "lanes", "slots", key)?))
    }
}

#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct FundsRow {
    pub provider: String,
    pub currency: String,
    pub needed: i64,
    pub available: Option<i64>,
    pub since: i64,
    pub checks: i32,
}

impl FundsRow {
    pub(in crate::store) fn into_wait(self) -> Result<FundsWait, StoreError> {
        Ok(FundsWait {
            currency: currency(&self.currency, "lane_funds")?,
            needed: self.needed,
            available: self.available,
            since: Timestamp(self.since),
            checks: self.checks,
        })
    }
}

/// What is armed in a currency: all of it, and the next of it.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct ArmedRow {
    currency: String,
    armed: i64,
    next: i64,
}

impl ArmedRow {
    pub(in crate::store) fn into_sum(self) -> Result<ArmedSum, StoreError> {
        let currency = currency(&self.currency, "attempts")?;
        Ok(ArmedSum { currency, armed: self.armed, next: self.next })
    }
}

fn currency(code: &str, table: &'static str) -> Result<Currency, StoreError> {
    read(code.parse().ok(), table, "currency", code)
}

/// Puts together what is known of each lane.
pub(in crate::store) fn lane_states(
    lanes: Vec<LaneRow>,
    funds: Vec<FundsRow>,
    armed: Vec<(String, i64)>,
) -> Result<Vec<LaneState>, StoreError> {
    let mut states: BTreeMap<String, LaneState> = BTreeMap::new();
    let mut state = |provider: String, change: &dyn Fn(&mut LaneState)| {
        let state = states.entry(provider.clone()).or_insert_with(|| LaneState {
            provider,
            lane: Lane::default(),
            armed: 0,
            funds: Vec::new(),
        });
        change(state);
    };
    for row in lanes {
        let provider = row.provider.clone();
        let (lane, _) = row.into_lane()?;
        state(provider, &|state| state.lane = lane.clone());
    }
    for row in funds {
        let provider = row.provider.clone();
        let wait = row.into_wait()?;
        state(provider, &|state| state.funds.push(wait.clone()));
    }
    for (provider, count) in armed {
        state(provider, &|state| state.armed = count);
    }
    // Where nothing is armed any more nothing waits, and nobody has looked since.
    let mut states: Vec<LaneState> = states.into_values().collect();
    states.iter_mut().filter(|state| state.armed == 0).for_each(|state| state.funds.clear());
    Ok(states)
}
