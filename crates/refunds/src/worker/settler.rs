//! Writes findings down, many in one transaction.
//!
//! Invariant: findings wait in a bounded queue, so that a slow database slows the calls; a finding
//! is given up only when it can never be written, and then its attempt's lease hands it to a
//! look-up.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redress_core::id::{AttemptId, TenantId};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use super::Workshop;
use super::streak::Streak;
use crate::domain::settle::{AttemptFinding, Finding};

/// Findings in one transaction at most.
const MOST: usize = 500;
/// How long the first finding of a chunk waits for company.
const LINGER: Duration = Duration::from_millis(20);
/// Transactions at once: while one is under way, the next is made up.
const TURNS: usize = 2;

/// Settles what comes out of `queue` until every sender is gone.
pub(super) async fn run(
    mut queue: mpsc::Receiver<AttemptFinding>,
    workshop: Workshop,
    worker: &'static str,
) {
    let turns = Arc::new(Semaphore::new(TURNS));
    let streak = Arc::new(Mutex::new(Streak::new(worker)));
    let mut settling = JoinSet::new();
    let mut chunk = Vec::with_capacity(MOST);
    // Nobody closes the semaphore.
    while let Ok(turn) = Arc::clone(&turns).acquire_owned().await {
        while let Some(ended) = settling.try_join_next() {
            note_panic(worker, ended);
        }
        if queue.recv_many(&mut chunk, MOST).await == 0 {
            break;
        }
        let fill = async {
            while chunk.len() < MOST {
                let room = MOST - chunk.len();
                if queue.recv_many(&mut chunk, room).await == 0 {
                    return;
                }
            }
        };
        // When the time is up, the chunk goes as it is: `recv_many` loses nothing when dropped.
        let _full_or_late = timeout(LINGER, fill).await;
        let findings = newest_of_each(&mut chunk);
        let (workshop, streak) = (workshop.clone(), Arc::clone(&streak));
        settling.spawn(async move {
            settle(findings, &workshop, &streak).await;
            drop(turn);
        });
    }
    while let Some(ended) = settling.join_next().await {
        note_panic(worker, ended);
    }
}

fn note_panic(worker: &'static str, ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(
            worker.name = worker,
            error = %error,
            "findings were not stored, their attempts will be looked up"
        );
    }
}

/// Empties `chunk`, in a fixed order, so that two processes take locks in the same one. Of two
/// findings about one attempt the later one counts: somebody has taken the attempt over since the
/// earlier one, whose claim is void.
fn newest_of_each(chunk: &mut Vec<AttemptFinding>) -> Vec<AttemptFinding> {
    let mut newest: BTreeMap<(TenantId, AttemptId), AttemptFinding> = BTreeMap::new();
    for finding in chunk.drain(..) {
        newest.insert((finding.tenant.clone(), finding.attempt.clone()), finding);
    }
    newest.into_values().collect()
}

/// A streak is a count, sound after any panic.
fn locked(streak: &Mutex<Streak>) -> MutexGuard<'_, Streak> {
    streak.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Settles `findings`; those that the database refuses for good are cornered by halving.
async fn settle(findings: Vec<AttemptFinding>, workshop: &Workshop, streak: &Mutex<Streak>) {
    let mut chunks = vec![findings];
    while let Some(mut chunk) = chunks.pop() {
        let now = workshop.clock.now();
        match workshop.store.settle(&chunk, &*workshop.ids, now).await {
            Ok(applied) => {
                locked(streak).ended();
                if applied < chunk.len() {
                    tracing::info!(
                        findings = chunk.len(),
                        findings.applied = applied,
                        "findings came too late, their attempts were taken over"
                    );
                }
                signal(&chunk, workshop);
            }
            Err(error) if error.is_transient() => {
                let pause = locked(streak).failed(&error);
                sleep(pause).await;
                chunks.push(chunk);
            }
            Err(error) if chunk.len() == 1 => {
                let error: &dyn Error = &error;
                tracing::error!(
                    attempt.id = chunk[0].attempt.as_str(),
                    finding = ?chunk[0].finding,
                    error,
                    "finding cannot be stored, its attempt will be looked up"
                );
            }
            Err(_) => {
                let second = chunk.split_off(chunk.len() / 2);
                chunks.extend([second, chunk]);
            }
        }
    }
}

/// Wakes whoever has something to do after these findings.
fn signal(findings: &[AttemptFinding], workshop: &Workshop) {
    let any = |matches: fn(&Finding) -> bool| findings.iter().any(|found| matches(&found.finding));
    if any(|found| matches!(found, Finding::AnswerLost { .. } | Finding::Accepted { .. })) {
        workshop.signals.news_expected();
    }
    // Proven absence arms the next attempt.
    if any(|found| matches!(found, Finding::Absent { .. })) {
        workshop.signals.attempts_armed();
    }
    let is_rest = |found: &Finding| {
        matches!(
            found,
            Finding::Succeeded { .. } | Finding::Refused { .. } | Finding::Absent { .. }
        )
    };
    if any(is_rest) {
        workshop.signals.attempts_settled();
    }
}
