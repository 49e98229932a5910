//! A batch of effects, applied to the cases that it is about.
//!
//! Invariant: effects apply in their order, and each to the one case of its origin. A call for a
//! person opens a case when there is none; that nobody is needed any more never makes one.

use std::collections::{BTreeSet, HashMap};

use redress_core::clock::Timestamp;
use redress_core::id::{CaseId, TenantId};

use super::attention::Effect;
use super::case::Case;

/// What a batch does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intake {
    /// Cases that are new, as they stand after the batch.
    pub opened: Vec<Case>,
    /// Stored cases that changed, as they stand after the batch.
    pub changed: Vec<Case>,
}

/// The cases that `effects` are about, each once: tenant, and key of the origin. In that order, so
/// that two batches that lock the same cases wait for each other instead of deadlocking.
pub fn targets(effects: &[Effect]) -> Vec<(TenantId, String)> {
    effects.iter().map(Effect::target).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Applies `effects` at `now` to the `stored` ones of their targets; `fresh` names a new case.
pub fn apply(
    stored: Vec<Case>,
    effects: Vec<Effect>,
    mut fresh: impl FnMut() -> CaseId,
    now: Timestamp,
) -> Intake {
    struct Standing {
        case: Case,
        is_new: bool,
        has_changed: bool,
    }
    let mut standing: Vec<Standing> = Vec::with_capacity(stored.len());
    let mut place = HashMap::new();
    for case in stored {
        place.insert((case.tenant.clone(), case.origin.key(&case.order)), standing.len());
        standing.push(Standing { case, is_new: false, has_changed: false });
    }
    for effect in effects {
        let target = effect.target();
        match (place.get(&target), effect) {
            (Some(&at), Effect::Call(call)) => {
                standing[at].has_changed |= standing[at].case.raise(call, now);
            }
            (Some(&at), Effect::Settle(settled)) => {
                standing[at].has_changed |= standing[at].case.settle(settled.ending, now);
            }
            (None, Effect::Call(call)) => {
                place.insert(target, standing.len());
                let case = Case::open(call, fresh(), now);
                standing.push(Standing { case, is_new: true, has_changed: false });
            }
            (None, Effect::Settle(_)) => {}
        }
    }
    let mut intake = Intake::default();
    for Standing { case, is_new, has_changed } in standing {
        if is_new {
            intake.opened.push(case);
        } else if has_changed {
            intake.changed.push(case);
        }
    }
    intake
}
