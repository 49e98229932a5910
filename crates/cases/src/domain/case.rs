//! The case: work that a person owns.
//!
//! Invariant: a person resolves a case once, and then it carries what was done and by whom for
//! good; one that closed by itself can open again. Every change raises the version by one.

use redress_core::clock::Timestamp;
use redress_core::id::{CaseId, CustomerId, DisruptionId, OrderId, TenantId};
use redress_core::money::Money;

use super::attention::{Attention, Ending, Origin};
use super::state::{NotOpen, State, Trigger};

/// What was done about a case, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// What was done, in a sentence.
    pub text: String,
    /// The subject of the credential that closed the case; `redress` when it closed by itself.
    pub resolver: String,
    /// Whether it closed by itself. A person's subject may be `redress` as well.
    pub by_itself: bool,
}

/// The resolver of a case that closed by itself.
const ITSELF: &str = "redress";

/// Work that a person owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The tenant whose case it is.
    pub tenant: TenantId,
    /// The case's id; ids made later sort later.
    pub id: CaseId,
    /// What the case is about.
    pub origin: Origin,
    /// The order.
    pub order: OrderId,
    /// The buyer.
    pub customer: CustomerId,
    /// Why a person is needed, UPPER_SNAKE.
    pub reason_code: String,
    /// What that person should do next, UPPER_SNAKE.
    pub next_action: String,
    /// What was to be paid less what has been paid, when the case last opened.
    pub outstanding: Money,
    /// What was done; `None` while the case is open.
    pub resolution: Option<Resolution>,
    /// When it opened.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Rises by one with each change, from 1.
    pub version: i64,
}

impl Case {
    /// Opens the case that `attention` calls for.
    pub fn open(attention: Attention, id: CaseId, now: Timestamp) -> Self {
        Self {
            tenant: attention.tenant,
            id,
            origin: attention.origin,
            order: attention.order,
            customer: attention.customer,
            reason_code: attention.reason_code,
            next_action: attention.next_action,
            outstanding: attention.outstanding,
            resolution: None,
            created: now,
            updated: now,
            version: 1,
        }
    }

    /// Where the case stands.
    pub const fn state(&self) -> State {
        match &self.resolution {
            None => State::Open,
            Some(resolution) if resolution.by_itself => State::Settled,
            Some(_) => State::Resolved,
        }
    }

    /// Hears that a person is needed, again. Opens a case that closed by itself, with what is the
    /// matter now; returns whether that changed anything.
    pub fn raise(&mut self, attention: Attention, now: Timestamp) -> bool {
        let before = self.state();
        if before == State::Open || before.after(Trigger::AttentionRaised) != Ok(State::Open) {
            return false;
        }
        self.reason_code = attention.reason_code;
        self.next_action = attention.next_action;
        self.outstanding = attention.outstanding;
        self.change(None, now);
        true
    }

    /// Hears that what it is about needs nobody any more. Closes an open case; returns whether that
    /// changed anything.
    pub fn settle(&mut self, ending: Ending, now: Timestamp) -> bool {
        let before = self.state();
        if before == State::Settled || before.after(Trigger::Settle) != Ok(State::Settled) {
            return false;
        }
        let (text, resolver) = (ending.text().to_owned(), ITSELF.to_owned());
        self.change(Some(Resolution { text, resolver, by_itself: true }), now);
        true
    }

    fn change(&mut self, resolution: Option<Resolution>, now: Timestamp) {
        self.resolution = resolution;
        self.updated = now;
        self.version += 1;
    }

    /// Closes the case with what was done about it.
    pub fn resolve(self, resolution: Resolution, now: Timestamp) -> Result<Self, NotOpen> {
        self.state().after(Trigger::Resolve)?;
        Ok(Self { resolution: Some(resolution), updated: now, version: self.version + 1, ..self })
    }
}

/// Which cases a list shows; an unset field shows all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaseFilter {
    /// Only cases in this state.
    pub state: Option<State>,
    /// Only cases with this reason.
    pub reason_code: Option<String>,
    /// Only cases of this order.
    pub order: Option<OrderId>,
    /// Only cases of this disruption.
    pub disruption: Option<DisruptionId>,
}

#[cfg(test)]
mod tests {
    use redress_core::id::RefundId;

    use super::*;

    fn attention() -> Attention {
        Attention {
            tenant: TenantId::new("arena").unwrap(),
            origin: Origin::Refund { refund: RefundId::new("r1").unwrap(), disruption: None },
            order: OrderId::new("o1").unwrap(),
            customer: CustomerId::new("c1").unwrap(),
            outstanding: Money::new("EUR".parse().unwrap(), 600).unwrap(),
            reason_code: "NO_CONNECTOR".to_owned(),
            next_action: "PAY_BY_HAND".to_owned(),
        }
    }

    fn open_case() -> Case {
        Case::open(attention(), CaseId::new("k1").unwrap(), Timestamp(7))
    }

    fn resolution(text: &str) -> Resolution {
        Resolution { text: text.to_owned(), resolver: "agent-1".to_owned(), by_itself: false }
    }

    #[test]
    fn a_new_case_is_open_at_version_one() {
        let case = open_case();
        assert_eq!((case.state(), case.version), (State::Open, 1));
        assert_eq!((case.created, case.updated), (Timestamp(7), Timestamp(7)));
    }

    #[test]
    fn resolving_keeps_who_and_what_and_raises_the_version() {
        let case = open_case().resolve(resolution("paid by transfer"), Timestamp(9)).unwrap();
        assert_eq!((case.state(), case.version), (State::Resolved, 2));
        assert_eq!((case.created, case.updated), (Timestamp(7), Timestamp(9)));
        assert_eq!(case.resolution, Some(resolution("paid by transfer")));
    }

    #[test]
    fn a_resolved_case_keeps_its_resolution() {
        let case = open_case().resolve(resolution("first"), Timestamp(9)).unwrap();
        let refused = case.resolve(resolution("second"), Timestamp(10));
        assert_eq!(refused, Err(NotOpen { state: State::Resolved }));
    }

    #[test]
    fn a_case_closes_by_itself_and_opens_again_with_what_is_the_matter_then() {
        let mut case = open_case();
        assert!(!case.raise(attention(), Timestamp(8)), "it is open");
        assert!(case.settle(Ending::TriedAgain, Timestamp(9)));
        assert!(!case.settle(Ending::Succeeded, Timestamp(10)), "it is closed");
        assert_eq!((case.state(), case.version, case.updated), (State::Settled, 2, Timestamp(9)));
        let done = case.resolution.clone().unwrap();
        assert_eq!((&*done.text, &*done.resolver), (Ending::TriedAgain.text(), "redress"));
        let refused = case.clone().resolve(resolution("late"), Timestamp(10));
        assert_eq!(refused, Err(NotOpen { state: State::Settled }));

        let again = Attention { reason_code: "PROVIDER_REFUSED".to_owned(), ..attention() };
        assert!(case.raise(again, Timestamp(11)));
        assert_eq!((case.state(), case.version, case.updated), (State::Open, 3, Timestamp(11)));
        assert_eq!((&*case.reason_code, case.resolution), ("PROVIDER_REFUSED", None));
    }

    #[test]
    fn what_a_person_resolved_stays_whatever_is_told_later() {
        let mut case = open_case().resolve(resolution("paid by transfer"), Timestamp(9)).unwrap();
        let resolved = case.clone();
        assert!(!case.settle(Ending::Succeeded, Timestamp(10)));
        assert!(!case.raise(attention(), Timestamp(11)));
        assert_eq!(case, resolved);
        let by_namesake = Resolution { resolver: "redress".to_owned(), ..resolution("by hand") };
        let mut case = open_case().resolve(by_namesake, Timestamp(9)).unwrap();
        assert!(!case.raise(attention(), Timestamp(11)), "a person of that name is a person");
    }
}
