//! Refund rules as data, and their evaluation.
//!
//! Invariant: pure. A policy version never changes; the same policy and situation always give the
//! same decision. A percentage is applied once, to the fee, and the refund is what remains.
//! [docs/policies.md](../../../docs/policies.md) describes the files.

pub mod check;
mod condition;
mod deadline;
mod evaluate;
mod facts;
mod fee;
mod model;
mod notice;
mod problems;
mod questions;
pub mod reprice;
mod situation;
mod step;
mod vocabulary;
mod what_if;
mod words;

pub use condition::{Condition, MAX_CONDITION_LEN};
pub use deadline::LegalClock;
pub use evaluate::{CONDITION_NOT_MET, EVENT_CANCELLED, FEE_KEPT, TOO_LATE};
pub use facts::{BUILTINS, BUYER_REFUNDS, Builtin, FactDeclaration, FactKind, FactValue};
pub use model::{
    ALL_BASIS_POINTS, Charge, Citation, Notice, Override, Policy, PolicyProblem, Rounding, Status,
    Terms, Tier,
};
pub use situation::{Decision, LineFacts, LinePrice, NeededFact, Refusal, Situation, Uncertainty};
pub use step::{KnownFacts, Step};
pub use vocabulary::{
    DayUnit, FixedFeePer, LineKind, OverrideCode, Repricing, RoundingMode, Tender,
};
pub use what_if::Answer;
