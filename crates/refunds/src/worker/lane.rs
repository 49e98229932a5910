//! One lane of one provider: claims attempts, has calls made about them, and settles what they find.
//!
//! Invariant: a bounded number of attempts is held, each under a lease that outlasts its call, and
//! a call starts only while its lease is fresh. New ones are claimed while calls are under way, so
//! that nobody waits for the slowest of a batch.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_store::StoreError;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::hold::Hold;
use super::streak::Streak;
use super::width::{Permit, Width};
use super::{START_WITHIN, Workshop, settler};
use crate::domain::attempt::Attempt;
use crate::domain::settle::{AttemptFinding, Finding, backoff};
use crate::provider::SharedProvider;
use crate::store::{Again, Claim, Slot, Taken};

/// How long a holder may need beyond its call, to write the finding down.
const LEASE_MARGIN: Duration = Duration::from_secs(5);
/// How many times its room a lane may hold, when its provider is so fast that each claim would be a
/// small one.
const WIDEST: usize = 8;
/// Claims that follow each other faster are made larger, and slower ones smaller.
const CLAIM_PACE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));
/// The shortest pause between two claims that found less than they could hold.
const CLAIM_GAP: Duration = Duration::from_millis(10);
/// The longest wait for a lane that rests or is being tried again: another process may learn sooner
/// that it goes on.
const LANE_POLL: Duration = Duration::from_secs(1);
/// How long after its slot a request may still be sent. It is part of what slots allow for.
const LATE: Duration = Duration::from_millis(50);
/// The shortest and longest pause when something is due that this lane does not get, because it is
/// another lane's.
const IDLE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// What a lane does with its attempts.
#[async_trait]
pub(super) trait Job: Send + Sync + 'static {
    /// For logs.
    fn name(&self) -> &'static str;

    /// Who is called.
    fn provider(&self) -> &SharedProvider;

    /// How many attempts this lane may hold now.
    fn room(&self) -> usize;

    /// Until when no calls are made.
    fn hold(&self) -> &Hold;

    /// Told when there is work.
    fn signal(&self) -> watch::Receiver<()>;

    /// Takes attempts on.
    async fn claim(&self, claim: &Claim<'_>) -> Result<Taken, StoreError>;

    /// Another slot in the place of one that has passed; `None` when there is none soon.
    async fn renew(&self, passed: Slot) -> Option<Slot>;

    /// Calls the provider about an attempt.
    async fn call(&self, attempt: &Attempt) -> Finding;

    /// What is known about an attempt when no call was made: it is put off until `retry`.
    fn put_off(&self, retry: Timestamp) -> Finding;
}

/// Runs the lane until `stop`, then waits for its calls for as long as the drain time allows.
pub(super) async fn run(
    job: Arc<dyn Job>,
    width: Arc<Width>,
    workshop: Workshop,
    stop: CancellationToken,
) {
    let (findings, queue) = mpsc::channel(job.room().max(1) * WIDEST);
    let settler = tokio::spawn(settler::run(queue, workshop.clone(), job.name()));
    let settler = AbortOnDropHandle::new(settler);
    let drain = workshop.settings.drain;
    let mut lane = Lane {
        stretch: 1,
        claimed: Instant::now(),
        signal: job.signal(),
        streak: Streak::new(job.name()),
        calls: JoinSet::new(),
        idle: 0,
        job,
        width,
        workshop,
        findings,
        stop,
    };
    lane.claim_until_stopped().await;
    let Lane { job, mut calls, findings, .. } = lane;
    let drained = timeout(drain, async {
        while let Some(ended) = calls.join_next().await {
            note_panic(&*job, ended);
        }
        drop(findings);
        settler.await
    });
    if !matches!(drained.await, Ok(Ok(()))) {
        tracing::warn!(
            worker.name = job.name(),
            provider.name = job.provider().name(),
            "calls were still under way when the drain time ended, they will be looked up"
        );
    }
}

struct Lane {
    job: Arc<dyn Job>,
    width: Arc<Width>,
    workshop: Workshop,
    findings: mpsc::Sender<AttemptFinding>,
    stop: CancellationToken,
    signal: watch::Receiver<()>,
    /// How many times its room the lane holds.
    stretch: usize,
    /// When the last claim was that took all there was room for.
    claimed: Instant,
    calls: JoinSet<()>,
    streak: Streak,
    /// Claims in a row that found nothing although something was due.
    idle: i32,
}

/// When to claim next.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// There may be work: claim at this time, or as soon as there is room.
    Claim(Instant),
    /// Nothing to do: ask what is due at this time.
    Ask(Instant),
}

impl Lane {
    async fn claim_until_stopped(&mut self) {
        let mut next = Next::Claim(Instant::now());
        while !self.stop.is_cancelled() {
            while let Some(ended) = self.calls.try_join_next() {
                note_panic(&*self.job, ended);
            }
            next = match next {
                Next::Claim(at) if at <= Instant::now() && self.has_room() => self.claim().await,
                Next::Ask(at) if at <= Instant::now() => self.ask().await,
                waiting => self.wait(waiting).await,
            };
        }
    }

    fn has_room(&self) -> bool {
        2 * self.calls.len() <= self.room()
    }

    /// How many attempts may be held now. A lane with a limit holds no more than it can send soon.
    fn room(&self) -> usize {
        let has_limit = self.job.provider().terms().sends_per_second.is_some();
        self.job.room() * if has_limit { 1 } else { self.stretch }
    }

    /// Takes on as many attempts as there is room for, and starts calls about them.
    async fn claim(&mut self) -> Next {
        let now = self.workshop.clock.now();
        let rest = self.job.hold().left(now);
        if !rest.is_zero() {
            return Next::Claim(Instant::now() + rest.min(self.workshop.settings.poll));
        }
        let free = self.room().saturating_sub(self.calls.len());
        let terms = self.job.provider().terms();
        let fence = self.workshop.ids.next_id();
        let claim = Claim {
            provider: self.job.provider().name(),
            claim: &fence,
            limit: i64::try_from(free).unwrap_or(i64::MAX),
            now,
            lease: START_WITHIN + terms.timeout + LEASE_MARGIN,
        };
        let taken = match self.job.claim(&claim).await {
            Ok(taken) => taken,
            Err(error) => return Next::Claim(Instant::now() + self.streak.failed(&error)),
        };
        self.streak.ended();
        let count = taken.attempts.len();
        let is_first = taken.lane.is_some();
        let mut slots = taken.slots.into_iter();
        for attempt in taken.attempts {
            let slot = slots.next();
            self.start(attempt, Start { claimed: now, slot, is_first });
        }
        if count > 0 {
            self.idle = 0;
        }
        match taken.again {
            Some(Again::In(pause)) => return Next::Claim(Instant::now() + pause.max(CLAIM_GAP)),
            Some(Again::At(until)) => {
                let pause = until.since(now).min(self.workshop.settings.poll).min(LANE_POLL);
                return Next::Claim(Instant::now() + pause.max(CLAIM_GAP));
            }
            None => {}
        }
        if count == free {
            self.adapt();
            Next::Claim(Instant::now())
        } else {
            self.ask().await
        }
    }

    /// Makes room for as many attempts as keep claims apart, and no more, so that what is claimed
    /// is called about soon.
    fn adapt(&mut self) {
        let since = std::mem::replace(&mut self.claimed, Instant::now()).elapsed();
        if since < CLAIM_PACE.0 {
            self.stretch = (2 * self.stretch).min(WIDEST);
        } else if since > CLAIM_PACE.1 {
            self.stretch = (self.stretch / 2).max(1);
        }
    }

    fn start(&mut self, attempt: Attempt, start: Start) {
        let job = Arc::clone(&self.job);
        let width = Arc::clone(&self.width);
        let (workshop, stop) = (self.workshop.clone(), self.stop.clone());
        let findings = self.findings.clone();
        self.calls.spawn(async move {
            let finding = match admit(&*job, width, &workshop, start, &stop).await {
                Ok(permit) => {
                    let finding = job.call(&attempt).await;
                    judge(&permit, &finding);
                    finding
                }
                Err(retry) => job.put_off(retry),
            };
            let Attempt { tenant, id, claim, .. } = attempt;
            let found = AttemptFinding { tenant, attempt: id, claim, finding };
            if findings.send(found).await.is_err() {
                tracing::error!(
                    worker.name = job.name(),
                    "finding is lost because nobody writes findings down any more"
                );
            }
        });
    }

    /// Finds out when there is something to do next.
    async fn ask(&mut self) -> Next {
        let poll = self.workshop.settings.poll;
        let due = match self.workshop.store.next_due(self.job.provider().name()).await {
            Ok(due) => due,
            Err(error) => return Next::Ask(Instant::now() + self.streak.failed(&error)),
        };
        self.streak.ended();
        let wait = due.map_or(poll, |due| due.since(self.workshop.clock.now()).min(poll));
        if !wait.is_zero() {
            self.idle = 0;
            return Next::Ask(Instant::now() + wait.max(CLAIM_GAP));
        }
        let (shortest, longest) = IDLE;
        let pause = backoff(self.idle, shortest, longest);
        self.idle = self.idle.saturating_add(1);
        Next::Claim(Instant::now() + pause)
    }

    /// Waits until `next` or until something happens that makes it sooner.
    async fn wait(&mut self, next: Next) -> Next {
        let (at, starved) = match next {
            Next::Claim(at) => (at, !self.has_room()),
            Next::Ask(at) => (at, false),
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => next,
            Some(ended) = self.calls.join_next(), if !self.calls.is_empty() => {
                note_panic(&*self.job, ended);
                next
            }
            // The sender lives in the workshop, so a signal is the only way that this ends.
            _signal = self.signal.changed(), if matches!(next, Next::Ask(_)) => {
                Next::Claim(Instant::now() + CLAIM_GAP)
            }
            () = sleep_until(at), if !starved => next,
        }
    }
}

/// When the call about an attempt may begin.
#[derive(Debug, Clone, Copy)]
struct Start {
    /// When it was claimed.
    claimed: Timestamp,
    /// Its slot, on a lane with a limit.
    slot: Option<Slot>,
    /// Whether it goes first after a rest, and everybody waits for it: then it may be late.
    is_first: bool,
}

/// Waits for the attempt's slot and for a permit to call; a slot that passes meanwhile is exchanged.
/// `Err` with the time to try again when the call must not be made: the lane stops or rests, has no
/// slot soon, or the attempt has waited so long that its lease may end before its call.
async fn admit(
    job: &dyn Job,
    width: Arc<Width>,
    workshop: &Workshop,
    mut start: Start,
    stop: &CancellationToken,
) -> Result<Permit, Timestamp> {
    loop {
        let turn = async {
            if let Some(slot) = start.slot {
                sleep_until(slot.opens).await;
            }
            Arc::clone(&width).permit().await
        };
        let permit = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(workshop.clock.now()),
            permit = turn => permit,
        };
        let now = workshop.clock.now();
        let rest = job.hold().left(now);
        if !rest.is_zero() {
            return Err(now.plus(rest));
        }
        if now.since(start.claimed) > START_WITHIN {
            return Err(now);
        }
        let passed = start.slot.filter(|slot| !start.is_first && slot.opens.elapsed() > LATE);
        let Some(passed) = passed else { return Ok(permit) };
        drop(permit);
        start.slot = Some(job.renew(passed).await.ok_or(now)?);
    }
}

/// What a finding says of the number of calls.
fn judge(permit: &Permit, finding: &Finding) {
    match finding {
        Finding::NotSent { .. } | Finding::AnswerLost { .. } => permit.bad(),
        Finding::Accepted { .. }
        | Finding::Succeeded { .. }
        | Finding::Refused { .. }
        | Finding::OutOfFunds { .. }
        | Finding::Absent { .. } => permit.good(),
        Finding::Inconclusive { .. } => {}
    }
}

fn note_panic(job: &dyn Job, ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(
            worker.name = job.name(),
            provider.name = job.provider().name(),
            error = %error,
            "call about an attempt ended without a finding, it will be looked up"
        );
    }
}
