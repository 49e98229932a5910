//! Disruptions: something does not take place as sold, and one item for each order it touches.
//!
//! Invariant: an item's amounts are frozen when the selection is approved; a disruption is
//! completed only when every item has come to rest.

mod item;
mod plan;
mod reconciliation;
mod scope;
mod terms;

use redress_core::clock::Timestamp;
use redress_core::id::{DisruptionId, EventId, TenantId};
use serde::{Deserialize, Serialize};

pub use item::{Item, ItemEvent, ItemState};
pub use plan::{Due, ItemPlan, NothingDue, Rules, plan_item};
pub use reconciliation::{ReconciledItems, ReconciledPostings, ReconciledProvider, Reconciliation};
pub use scope::{MAX_VALUES, Scope, ScopeKey};
pub use terms::{Fees, Remedy, StoredValue, Terms, WHOLE};

/// Something about a disruption that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field, as the API calls it.
    pub field: &'static str,
    /// What is wrong, or what was expected.
    pub reason: String,
}

impl Problem {
    fn new(field: &'static str, reason: &str) -> Self {
        Self { field, reason: reason.to_owned() }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Change {
    /// It will not take place.
    Cancelled,
    /// It takes place at another time.
    Postponed {
        /// When; `None` when that is not known yet.
        new_start: Option<Timestamp>,
    },
    /// It takes place elsewhere.
    Moved {
        /// Where: a venue, a station, a hotel.
        place: String,
    },
    /// It takes place later than sold, the same day or so.
    Delayed {
        /// By how many minutes.
        minutes: i64,
    },
    /// Something else takes place instead.
    Replaced {
        /// What.
        event: EventId,
    },
}

impl Change {
    /// Kinds, each with the rule that its refunds' lines name.
    const NAMES: [(&'static str, &'static str); 5] = [
        ("CANCELLED", "event-cancelled"),
        ("POSTPONED", "event-postponed"),
        ("MOVED", "event-moved"),
        ("DELAYED", "event-delayed"),
        ("REPLACED", "event-replaced"),
    ];

    const fn names(&self) -> (&'static str, &'static str) {
        Self::NAMES[match self {
            Self::Cancelled => 0,
            Self::Postponed { .. } => 1,
            Self::Moved { .. } => 2,
            Self::Delayed { .. } => 3,
            Self::Replaced { .. } => 4,
        }]
    }

    /// The name in the database and on the wire.
    pub const fn kind(&self) -> &'static str {
        self.names().0
    }

    /// The rule that a refund's lines name.
    pub const fn rule(&self) -> &'static str {
        self.names().1
    }

    /// The kind of this name.
    pub fn parse_kind(name: &str) -> Option<&'static str> {
        Self::NAMES.into_iter().map(|(kind, _)| kind).find(|kind| *kind == name)
    }

    /// The kind behind a refund's line; empty where another rule decided.
    pub fn kind_of_rule(rule: &str) -> &'static str {
        let found = Self::NAMES.into_iter().find(|(_, named)| *named == rule);
        found.map_or("", |(kind, _)| kind)
    }

    /// What is wrong with it in `scope`, at `now`.
    pub fn problems(&self, scope: &Scope, now: Timestamp) -> Vec<Problem> {
        let problem = match self {
            Self::Postponed { new_start: Some(start) } if *start <= now => {
                Some(("change.new_start_time", "expected a time to come"))
            }
            Self::Moved { place } if place.is_empty() => {
                Some(("change.new_place", "is missing: where does it take place?"))
            }
            Self::Delayed { minutes } if *minutes < 1 => {
                Some(("change.delay_minutes", "expected at least 1"))
            }
            Self::Replaced { event } if scope.events.contains(event) => {
                Some(("change.replacement", "an event does not replace itself"))
            }
            _ => None,
        };
        problem.into_iter().map(|(field, reason)| Problem::new(field, reason)).collect()
    }
}

/// Where a disruption stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisruptionState {
    /// Opened; nothing is frozen.
    Draft,
    /// The selection is frozen.
    Approved,
    /// Workers pay.
    Running,
    /// Nothing new is taken on; what is under way comes to rest.
    Paused,
    /// Every item has come to rest.
    Completed,
    /// Called off; what is under way comes to rest, the rest is left untouched.
    Aborting,
    /// Called off, and nothing is under way.
    Aborted,
}

/// What can happen to a disruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisruptionEvent {
    /// The selection is frozen.
    Approve,
    /// Workers may pay.
    Start,
    /// Nothing new is to be taken on.
    Pause,
    /// Workers may go on.
    Resume,
    /// It is called off.
    Abort,
    /// What failed is to be tried again.
    Retry,
    /// Orders that came late are added.
    Extend,
    /// The last item came to rest.
    Complete,
}

impl DisruptionEvent {
    /// Every event, for tables.
    pub const ALL: [Self; 8] = [
        Self::Approve,
        Self::Start,
        Self::Pause,
        Self::Resume,
        Self::Abort,
        Self::Retry,
        Self::Extend,
        Self::Complete,
    ];

    /// What it does, for messages: "it cannot be ...".
    pub const fn participle(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Start => "started",
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Abort => "aborted",
            Self::Retry => "retried",
            Self::Extend => "extended",
            Self::Complete => "completed",
        }
    }
}

impl DisruptionState {
    /// Every state, for tables.
    pub const ALL: [Self; 7] = [
        Self::Draft,
        Self::Approved,
        Self::Running,
        Self::Paused,
        Self::Completed,
        Self::Aborting,
        Self::Aborted,
    ];

    /// The name in the database and in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Approved => "APPROVED",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Completed => "COMPLETED",
            Self::Aborting => "ABORTING",
            Self::Aborted => "ABORTED",
        }
    }

    /// Reads the stored name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether the scope may not have another disruption beside this one.
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Completed | Self::Aborted)
    }

    /// The state after `event`; `None` when the event is not allowed in this state.
    pub const fn next(self, event: DisruptionEvent) -> Option<Self> {
        use DisruptionEvent as On;
        match (self, event) {
            (Self::Draft, On::Approve) | (Self::Approved, On::Extend) => Some(Self::Approved),
            (Self::Approved, On::Start)
            | (Self::Paused, On::Resume)
            | (Self::Running | Self::Completed, On::Retry | On::Extend) => Some(Self::Running),
            (Self::Running, On::Pause) | (Self::Paused, On::Retry | On::Extend) => {
                Some(Self::Paused)
            }
            (Self::Running, On::Complete) => Some(Self::Completed),
            (Self::Draft | Self::Approved | Self::Running | Self::Paused, On::Abort) => {
                Some(Self::Aborting)
            }
            (Self::Aborting, On::Complete) => Some(Self::Aborted),
            _ => None,
        }
    }
}

/// Something that does not take place as sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disruption {
    /// The owner.
    pub tenant: TenantId,
    /// Its id.
    pub id: DisruptionId,
    /// Which orders, and which of their lines.
    pub scope: Scope,
    /// What happened.
    pub change: Change,
    /// What is offered and what is kept.
    pub terms: Terms,
    /// Where it stands.
    pub state: DisruptionState,
    /// Orders in scope when it was opened.
    pub scope_orders: i64,
    /// Who opened it.
    pub requester: String,
    /// Who approved it.
    pub approver: Option<String>,
    /// W3C traceparent of the request that started it.
    pub traceparent: Option<String>,
    /// Rises with every change of state, and with every order that is added.
    pub version: i64,
    /// When it was opened.
    pub created: Timestamp,
    /// When it last changed state.
    pub updated: Timestamp,
}

impl Disruption {
    /// The event it is about; the first one of several, `None` when its scope names none.
    pub fn event(&self) -> Option<&EventId> {
        self.scope.events.first()
    }

    /// By which rules orders are planned.
    pub const fn rules(&self) -> Rules<'_> {
        Rules { scope: &self.scope, change: &self.change, terms: &self.terms }
    }

    /// Whether buyers may choose at `now`.
    pub fn takes_choices(&self, now: Timestamp) -> bool {
        matches!(self.state, DisruptionState::Running | DisruptionState::Paused)
            && self.terms.choose_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows are states, columns events; `-` refuses.
    const TABLE: &str = "
        state     approve  start   pause  resume  abort    retry   extend   complete
        DRAFT     APPROVED -       -      -       ABORTING -       -        -
        APPROVED  -        RUNNING -      -       ABORTING -       APPROVED -
        RUNNING   -        -       PAUSED -       ABORTING RUNNING RUNNING  COMPLETED
        PAUSED    -        -       -      RUNNING ABORTING PAUSED  PAUSED   -
        COMPLETED -        -       -      -       -        RUNNING RUNNING  -
        ABORTING  -        -       -      -       -        -       -        ABORTED
        ABORTED   -        -       -      -       -        -       -        -
    ";

    #[test]
    fn every_cell_of_the_transition_table() {
        let mut rows = TABLE.trim().lines().skip(1);
        for state in DisruptionState::ALL {
            let mut cells = rows.next().unwrap().split_whitespace();
            assert_eq!(cells.next(), Some(state.as_str()));
            for event in DisruptionEvent::ALL {
                let expected = cells.next().unwrap();
                let next = state.next(event).map_or("-", DisruptionState::as_str);
                assert_eq!(next, expected, "{state:?} x {event:?}");
            }
        }
        assert_eq!(rows.next(), None);
    }

    #[test]
    fn a_rule_tells_what_happened() {
        for change in [
            Change::Cancelled,
            Change::Postponed { new_start: None },
            Change::Moved { place: String::new() },
            Change::Delayed { minutes: 1 },
            Change::Replaced { event: EventId::new("gala").unwrap() },
        ] {
            assert_eq!(Change::kind_of_rule(change.rule()), change.kind());
            assert_eq!(Change::parse_kind(change.kind()), Some(change.kind()));
        }
        assert_eq!(Change::kind_of_rule("early"), "");
    }

    #[test]
    fn a_change_that_cannot_be_meant_is_refused() {
        let derby = EventId::new("derby").unwrap();
        let scope = Scope::of_event(derby.clone());
        let now = Timestamp(1_000);
        let field = |change: Change| {
            change.problems(&scope, now).into_iter().map(|problem| problem.field).next()
        };
        assert_eq!(field(Change::Cancelled), None);
        assert_eq!(field(Change::Postponed { new_start: None }), None);
        assert_eq!(field(Change::Postponed { new_start: Some(Timestamp(1_001)) }), None);
        let past = Change::Postponed { new_start: Some(now) };
        assert_eq!(field(past), Some("change.new_start_time"));
        assert_eq!(field(Change::Moved { place: String::new() }), Some("change.new_place"));
        assert_eq!(field(Change::Delayed { minutes: 0 }), Some("change.delay_minutes"));
        assert_eq!(field(Change::Delayed { minutes: 1 }), None);
        assert_eq!(field(Change::Replaced { event: derby }), Some("change.replacement"));
        let gala = EventId::new("gala").unwrap();
        assert_eq!(field(Change::Replaced { event: gala }), None);
    }
}
