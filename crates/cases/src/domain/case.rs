//! The case: work that a person owns.
//!
//! Invariant: a case is resolved once, and then carries what was done and by whom; every change
//! raises its version by one.

use redress_core::clock::Timestamp;
use redress_core::id::{CaseId, CustomerId, DisruptionId, OrderId, TenantId};
use redress_core::money::Money;

use super::attention::{Attention, Origin};
use super::state::{NotOpen, State, Trigger};

/// What was done about a case, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// What was done, in a sentence.
    pub text: String,
    /// The subject of the credential that closed the case.
    pub resolver: String,
}

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
    /// What was to be paid less what has been paid, when the case opened.
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
        match self.resolution {
            None => State::Open,
            Some(_) => State::Resolved,
        }
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

    fn open_case() -> Case {
        let attention = Attention {
            tenant: TenantId::new("arena").unwrap(),
            origin: Origin::Refund { refund: RefundId::new("r1").unwrap(), disruption: None },
            order: OrderId::new("o1").unwrap(),
            customer: CustomerId::new("c1").unwrap(),
            outstanding: Money::new("EUR".parse().unwrap(), 600).unwrap(),
            reason_code: "NO_CONNECTOR".to_owned(),
            next_action: "PAY_BY_HAND".to_owned(),
        };
        Case::open(attention, CaseId::new("k1").unwrap(), Timestamp(7))
    }

    fn resolution(text: &str) -> Resolution {
        Resolution { text: text.to_owned(), resolver: "agent-1".to_owned() }
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
}
