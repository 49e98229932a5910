//! The invitation: the decision to ask a customer, or not to, and why.
//!
//! Invariant: an invitation that was sent is never taken back and is answered at most once; one
//! that was withheld is sent only when a stronger outcome calls for it. Every change raises the
//! version by one.

use std::fmt;
use std::str::FromStr;

use redress_core::clock::Timestamp;
use redress_core::id::{
    CustomerId, DisruptionId, EventId, InvitationId, OrderId, ResponseId, SurveyId, TenantId,
};

use super::response::Response;
use super::settled::Outcome;

/// Why a customer is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suppression {
    /// Nothing was due, so there is no refund to ask about.
    NothingRefunded,
    /// A person still works on the refund.
    RefundUnresolved,
    /// The customer was asked within the survey's quiet time.
    RecentlyAsked,
}

/// Where an invitation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The customer is asked.
    Invited,
    /// The customer is not asked.
    Suppressed(Suppression),
    /// The customer has answered.
    Answered,
}

/// The text names no state, or no reason, or a state and a reason that do not belong together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown invitation state")]
pub struct UnknownState;

impl Suppression {
    /// All reasons, in the order of their declaration.
    pub const ALL: [Self; 3] = [Self::NothingRefunded, Self::RefundUnresolved, Self::RecentlyAsked];

    /// The reason's name, in the database and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NothingRefunded => "NOTHING_REFUNDED",
            Self::RefundUnresolved => "REFUND_UNRESOLVED",
            Self::RecentlyAsked => "RECENTLY_ASKED",
        }
    }

    /// The outcome that is withheld for this reason.
    const fn outcome(self) -> Outcome {
        match self {
            Self::NothingRefunded => Outcome::NothingDue,
            Self::RefundUnresolved => Outcome::Attention,
            Self::RecentlyAsked => Outcome::Succeeded,
        }
    }
}

/// The names of the states, without reasons.
pub const STATE_NAMES: [&str; 3] = ["INVITED", "SUPPRESSED", "ANSWERED"];

impl State {
    /// The state's name, in the database and in filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "INVITED",
            Self::Suppressed(_) => "SUPPRESSED",
            Self::Answered => "ANSWERED",
        }
    }

    /// Why the customer is not asked; empty otherwise.
    pub const fn reason_code(self) -> &'static str {
        match self {
            Self::Suppressed(reason) => reason.as_str(),
            Self::Invited | Self::Answered => "",
        }
    }

    /// Reads the two texts that [`State::as_str`] and [`State::reason_code`] give.
    pub fn read(state: &str, reason_code: &str) -> Result<Self, UnknownState> {
        match (state, reason_code) {
            ("INVITED", "") => Ok(Self::Invited),
            ("ANSWERED", "") => Ok(Self::Answered),
            ("SUPPRESSED", reason) => reason.parse().map(Self::Suppressed),
            _ => Err(UnknownState),
        }
    }

    /// Whether an `outcome` of another order calls for deciding again: the invitation was withheld
    /// for an outcome that says less.
    pub fn yields_to(self, outcome: Outcome) -> bool {
        match self {
            Self::Suppressed(reason) => reason.outcome() < outcome,
            Self::Invited | Self::Answered => false,
        }
    }

    /// The state behind an answer.
    pub const fn answered(self) -> Result<Self, CannotAnswer> {
        match self {
            Self::Invited => Ok(Self::Answered),
            Self::Suppressed(reason) => Err(CannotAnswer::NotInvited(reason)),
            Self::Answered => Err(CannotAnswer::AlreadyAnswered),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Suppression {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name).ok_or(UnknownState)
    }
}

/// Why an answer is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CannotAnswer {
    /// The customer was not asked.
    #[error("the customer was not asked ({})", .0.as_str())]
    NotInvited(Suppression),
    /// The customer has answered before.
    #[error("the customer has answered")]
    AlreadyAnswered,
}

/// The decision to ask a customer, or not to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The tenant whose customer it is.
    pub tenant: TenantId,
    /// The invitation's id; ids made later sort later.
    pub id: InvitationId,
    /// What is asked.
    pub survey: SurveyId,
    /// Where it stands.
    pub state: State,
    /// Whom it is about.
    pub customer: CustomerId,
    /// The order whose outcome decided.
    pub order: OrderId,
    /// The event that went wrong.
    pub event: EventId,
    /// What was done about it.
    pub disruption: DisruptionId,
    /// When it was first decided.
    pub created: Timestamp,
    /// Rises by one with each change, from 1.
    pub version: i64,
}

/// What a customer answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 1 (worst) to 5 (best).
    pub score: i32,
    /// In the customer's own words; may be empty.
    pub comment: String,
}

impl Invitation {
    /// Takes the customer's answer: the invitation as answered, and the response to keep.
    pub fn answer(
        self,
        answer: Answer,
        id: ResponseId,
        now: Timestamp,
    ) -> Result<(Self, Response), CannotAnswer> {
        let state = self.state.answered()?;
        let response = Response {
            tenant: self.tenant.clone(),
            id,
            invitation: self.id.clone(),
            event: self.event.clone(),
            score: answer.score,
            comment: answer.comment,
            created: now,
        };
        Ok((Self { state, version: self.version + 1, ..self }, response))
    }
}

/// Which invitations a list shows; an unset field shows all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvitationFilter {
    /// Only invitations in this state: one of [`STATE_NAMES`].
    pub state: Option<&'static str>,
    /// Only invitations about this event.
    pub event: Option<EventId>,
    /// Only invitations after this disruption.
    pub disruption: Option<DisruptionId>,
    /// Only invitations withheld for this reason.
    pub reason_code: Option<Suppression>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states() -> Vec<State> {
        let mut states = vec![State::Invited, State::Answered];
        states.extend(Suppression::ALL.map(State::Suppressed));
        states
    }

    #[test]
    fn every_cell_of_the_answer_table_is_as_declared() {
        for state in states() {
            let expected = match state {
                State::Invited => Ok(State::Answered),
                State::Answered => Err(CannotAnswer::AlreadyAnswered),
                State::Suppressed(reason) => Err(CannotAnswer::NotInvited(reason)),
            };
            assert_eq!(state.answered(), expected, "{state}");
        }
    }

    #[test]
    fn every_cell_of_the_reconsider_table_is_as_declared() {
        use Outcome::{Attention, NothingDue, Succeeded};
        use Suppression::{NothingRefunded, RecentlyAsked, RefundUnresolved};
        let table: [(State, [(Outcome, bool); 3]); 5] = [
            (State::Invited, [(NothingDue, false), (Attention, false), (Succeeded, false)]),
            (State::Answered, [(NothingDue, false), (Attention, false), (Succeeded, false)]),
            (
                State::Suppressed(NothingRefunded),
                [(NothingDue, false), (Attention, true), (Succeeded, true)],
            ),
            (
                State::Suppressed(RefundUnresolved),
                [(NothingDue, false), (Attention, false), (Succeeded, true)],
            ),
            (
                State::Suppressed(RecentlyAsked),
                [(NothingDue, false), (Attention, false), (Succeeded, false)],
            ),
        ];
        for (state, cells) in table {
            for (outcome, yields) in cells {
                assert_eq!(state.yields_to(outcome), yields, "{state:?} x {outcome:?}");
            }
        }
    }

    #[test]
    fn states_read_back_and_mismatches_are_refused() {
        for state in states() {
            assert_eq!(State::read(state.as_str(), state.reason_code()), Ok(state));
            assert!(STATE_NAMES.contains(&state.as_str()));
        }
        for (state, reason) in [
            ("INVITED", "RECENTLY_ASKED"),
            ("SUPPRESSED", ""),
            ("SUPPRESSED", "OTHER"),
            ("", ""),
            ("ANSWERED", "x"),
        ] {
            assert_eq!(State::read(state, reason), Err(UnknownState), "{state} {reason}");
        }
    }
}
