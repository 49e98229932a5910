//! The lanes of payment providers, as all processes on one database share them.
//!
//! Invariant: whoever takes attempts on a lane that is limited, rests or is being tried again holds
//! the lane's row until the attempts and their slots are committed together. A lane that is open
//! and without a limit is only looked at, in the statement that claims. Slots are counted by the
//! database's clock, whatever the clocks of the processes say; rests, which are long, by theirs.

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_core::money::Currency;
use redress_store::StoreError;
use tokio::time::Instant;

use super::Claim;
use crate::domain::attempt::Attempt;
use crate::domain::lane::{ArmedSum, FundsWait, Lane, LaneNews, Pass, SlotLog};

/// Lanes and their limits.
#[async_trait]
pub trait LaneStore: Send + Sync {
    /// Hands armed attempts of a provider that are due to the caller, as sent: those of single
    /// customers first, and none in a currency that waits for funds. At most `limit` of them, and
    /// with a limit of `sends_per_second` no more than there are slots soon; one where the lane is
    /// tried again, and none while it rests.
    async fn claim_to_send(
        &self,
        claim: &Claim<'_>,
        sends_per_second: Option<u32>,
    ) -> Result<Taken, StoreError>;

    /// Another slot in the place of one that has passed unused, or, when there is none soon, `None`.
    async fn renew_slot(
        &self,
        provider: &str,
        sends_per_second: u32,
        unused: Slot,
    ) -> Result<Option<Slot>, StoreError>;

    /// Takes in what calls have shown of a provider; returns its lane before and after.
    async fn tell_lane(
        &self,
        provider: &str,
        news: LaneNews,
        now: Timestamp,
    ) -> Result<(Lane, Lane), StoreError>;

    /// Takes the turn to look at the balance, when it is time to; returns which currencies wait for
    /// funds. `None` when it is not, when nothing is armed, or when another process has the turn,
    /// which it keeps until `until`.
    async fn take_funds_turn(
        &self,
        provider: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Vec<FundsWait>>, StoreError>;

    /// What is armed, by currency, and of that the `next` attempts of each.
    async fn armed_sums(&self, provider: &str, next: i64) -> Result<Vec<ArmedSum>, StoreError>;

    /// Records which currencies of a lane wait for funds, and when to look again. Others go on.
    async fn put_funds(
        &self,
        provider: &str,
        waits: &[FundsWait],
        look_again: Timestamp,
    ) -> Result<(), StoreError>;

    /// Lets a currency wait for funds, `needed` at least, until the balance has been looked at,
    /// which is due at once.
    async fn await_funds(
        &self,
        provider: &str,
        currency: Currency,
        needed: i64,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Every lane that has something armed, rests or waits for funds, by provider.
    async fn lane_states(&self) -> Result<Vec<LaneState>, StoreError>;
}

/// Attempts that were taken on.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    /// The attempts.
    pub attempts: Vec<Attempt>,
    /// When each of them may be sent, in order; empty on a lane without a limit.
    pub slots: Vec<Slot>,
    /// The lane as it stands, unless it is open.
    pub lane: Option<Lane>,
    /// When to ask again, where the lane and not a want of attempts is why there are no more.
    pub again: Option<Again>,
}

/// When there may be more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// After so long: the slots that were given are used up then.
    In(std::time::Duration),
    /// When the lane no longer rests, or what goes first on it has been answered.
    At(Timestamp),
}

/// When an attempt may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// By the database's clock.
    pub at: Timestamp,
    /// By this process's own.
    pub opens: Instant,
}

/// A lane as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneState {
    /// The provider's name on payments.
    pub provider: String,
    /// Rests and breaker.
    pub lane: Lane,
    /// Attempts that are armed, those in currencies that wait for funds included.
    pub armed: i64,
    /// Currencies that wait for funds, in the order of their codes.
    pub funds: Vec<FundsWait>,
}

/// What a held lane allows one claim.
pub(super) struct Allowance {
    lane: Lane,
    slots: Option<(u32, SlotLog)>,
    clock: DatabaseClock,
    /// Attempts that may be claimed; none when it rests.
    pub limit: i64,
}

/// What the database's clock showed, and when it was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct DatabaseClock {
    pub shows: Timestamp,
    pub read: Instant,
}

impl DatabaseClock {
    /// Gives one slot back and takes another one.
    pub(super) fn renew(self, log: &mut SlotLog, per_second: u32, unused: Slot) -> Option<Slot> {
        log.give_back(unused.at);
        log.take(per_second, 1, self.shows).pop().map(|at| self.slot(at))
    }

    /// The slot at that time by the database's clock.
    fn slot(self, at: Timestamp) -> Slot {
        Slot { at, opens: self.read + at.since(self.shows) }
    }
}

impl Allowance {
    /// What the lane allows a claim.
    pub(super) fn of(
        lane: Lane,
        slots: SlotLog,
        clock: DatabaseClock,
        claim: &Claim<'_>,
        sends_per_second: Option<u32>,
    ) -> Self {
        let wanted = match lane.pass(claim.now) {
            Pass::Open => claim.limit,
            Pass::Probe => claim.limit.min(1),
            Pass::Shut(_) => 0,
        };
        let slots = sends_per_second.map(|per_second| (per_second, slots));
        let limit = match &slots {
            None => wanted,
            Some((per_second, log)) => {
                let most = usize::try_from(wanted).unwrap_or(0);
                let given = log.clone().take(*per_second, most, clock.shows).len();
                i64::try_from(given).unwrap_or(wanted)
            }
        };
        Self { lane, slots, clock, limit }
    }

    /// Uses the allowance up for `attempts`, which were claimed with it: what is handed out, and
    /// the lane's row as it has to be stored; `None` where it stays as it is.
    pub(super) fn used_for(
        mut self,
        attempts: Vec<Attempt>,
        claim: &Claim<'_>,
    ) -> (Taken, Option<(Lane, Option<SlotLog>)>) {
        let pass = self.lane.pass(claim.now);
        let count = i64::try_from(attempts.len()).unwrap_or(i64::MAX);
        if pass == Pass::Probe && count > 0 {
            self.lane.probe(claim.now, claim.lease);
        }
        let mut taken = Taken::of(attempts);
        if let Some((per_second, log)) = &mut self.slots {
            let at = log.take(*per_second, taken.attempts.len(), self.clock.shows);
            taken.slots = at.into_iter().map(|at| self.clock.slot(at)).collect();
            if count == self.limit && count < claim.limit {
                taken.again = Some(Again::In(log.refills_in(*per_second, self.clock.shows)));
            }
        }
        match self.lane.pass(claim.now) {
            Pass::Shut(until) => taken.again = Some(Again::At(until)),
            Pass::Open | Pass::Probe => {}
        }
        taken.lane = (pass != Pass::Open).then(|| self.lane.clone());
        let is_changed = count > 0 && (pass == Pass::Probe || self.slots.is_some());
        let log = self.slots.map(|(_, log)| log);
        (taken, is_changed.then_some((self.lane, log)))
    }
}

impl Taken {
    /// Attempts of a lane that is open and has no limit.
    pub fn of(attempts: Vec<Attempt>) -> Self {
        Self { attempts, ..Self::default() }
    }
}
