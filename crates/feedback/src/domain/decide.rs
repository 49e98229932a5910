//! Whom to ask: from what disruptions settled to the invitations that follow.
//!
//! Invariant: a customer has one invitation for one disruption, whatever the number of their
//! orders, and is asked at most once within the survey's quiet time. How the facts are cut into
//! batches, and in which order one customer's facts arrive, does not change who is asked.

use std::collections::HashMap;

use redress_core::clock::Timestamp;
use redress_core::id::{CustomerId, DisruptionId, IdSource, InvitationId, TenantId};

use super::invitation::{Invitation, State, Suppression};
use super::settled::Settled;
use super::survey::Survey;

/// What one decision is about: the invitation of a customer after a disruption.
pub type Occasion = (TenantId, DisruptionId, CustomerId);

/// What has been decided before about the customers in question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The invitations that exist for the occasions in question.
    pub invitations: HashMap<Occasion, Invitation>,
    /// When each customer in question was last asked, on whatever occasion.
    pub asked: HashMap<(TenantId, CustomerId), Timestamp>,
}

impl Settled {
    /// The occasion that this fact is about.
    pub fn occasion(&self) -> Occasion {
        (self.tenant.clone(), self.disruption.clone(), self.customer.clone())
    }
}

impl Invitation {
    /// The occasion that this invitation is for.
    pub fn occasion(&self) -> Occasion {
        (self.tenant.clone(), self.disruption.clone(), self.customer.clone())
    }
}

/// Decides about `facts` in their order, at `now`, and returns the invitations that are new or
/// changed; an invitation among them that is [`State::Invited`] was sent by this decision.
pub fn decide(
    survey: &Survey,
    facts: &[Settled],
    mut known: Known,
    now: Timestamp,
    ids: &dyn IdSource,
) -> Vec<Invitation> {
    let mut touched: Vec<Occasion> = Vec::new();
    let mut decided: HashMap<Occasion, Invitation> = HashMap::new();
    for fact in facts {
        let occasion = fact.occasion();
        let standing = decided.get(&occasion).or_else(|| known.invitations.get(&occasion));
        if standing.is_some_and(|invitation| !invitation.state.yields_to(fact.outcome)) {
            continue;
        }
        let customer = (fact.tenant.clone(), fact.customer.clone());
        let state = verdict(survey, fact, known.asked.get(&customer).copied(), now);
        if state == State::Invited {
            known.asked.insert(customer, now);
        }
        let invitation = match standing {
            Some(standing) => Invitation {
                state,
                order: fact.order.clone(),
                version: standing.version + 1,
                ..standing.clone()
            },
            None => open(survey, fact, state, now, ids),
        };
        if decided.insert(occasion.clone(), invitation).is_none() {
            touched.push(occasion);
        }
    }
    touched.iter().filter_map(|occasion| decided.remove(occasion)).collect()
}

/// Where an invitation after `fact` starts, for a customer who was last asked at `asked`.
fn verdict(survey: &Survey, fact: &Settled, asked: Option<Timestamp>, now: Timestamp) -> State {
    if let Some(reason) = survey.withholds(fact.outcome) {
        return State::Suppressed(reason);
    }
    match asked {
        Some(asked) if now.since(asked) < survey.quiet_time() => {
            State::Suppressed(Suppression::RecentlyAsked)
        }
        _ => State::Invited,
    }
}

fn open(
    survey: &Survey,
    fact: &Settled,
    state: State,
    now: Timestamp,
    ids: &dyn IdSource,
) -> Invitation {
    Invitation {
        tenant: fact.tenant.clone(),
        id: InvitationId::fresh(ids),
        survey: survey.id.clone(),
        state,
        customer: fact.customer.clone(),
        order: fact.order.clone(),
        event: fact.event.clone(),
        disruption: fact.disruption.clone(),
        created: now,
        version: 1,
    }
}

#[cfg(test)]
mod tests;
