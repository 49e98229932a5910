//! Refund rules as data, and their evaluation.
//!
//! Invariant: pure. A policy version never changes; the same policy and situation always give the
//! same decision. A percentage is applied once, to the fee, and the refund is what remains.
//! [docs/policies.md](../../../docs/policies.md) describes the files.

pub mod check;
mod compensation;
mod condition;
mod deadline;
mod declared;
mod evaluate;
mod evaluation;
mod facts;
mod fee;
mod floor;
mod language;
mod model;
mod notice;
mod packs;
mod problems;
mod questions;
pub mod reprice;
mod situation;
mod step;
mod texts;
mod vocabulary;
mod what_if;

pub use compensation::{Compensation, CompensationDue, Halving, Pays};
pub use condition::{Condition, MAX_CONDITION_LEN};
pub use deadline::LegalClock;
pub use declared::{Distance, Moment, Switch};
pub use evaluate::{CONDITION_NOT_MET, EVENT_CANCELLED, FEE_KEPT, NOT_REGULATED, TOO_LATE};
pub use evaluation::{FactState, FactUse, ImprovedBy, Improvement};
pub use facts::{
    Assumption, BUILTINS, BUYER_REFUNDS, Builtin, FactDeclaration, FactKind, FactValue,
};
pub use floor::Shortfall;
pub use model::{
    ALL_BASIS_POINTS, Charge, Citation, Notice, Override, PayClock, Policy, PolicyCalendar,
    PolicyProblem, RestByDays, Rounding, Status, Terms, Tier,
};
pub use packs::Pack;
pub use situation::{
    Decision, LineFacts, LinePrice, NeededFact, Refusal, Review, Situation, Uncertainty,
};
pub use step::{KnownFacts, Step};
pub use texts::{Language, Texts};
pub use vocabulary::{
    DayUnit, FixedFeePer, LineKind, MomentTime, OverrideCode, Repricing, RoundingMode, Tender,
};
pub use what_if::Answer;
