//! Refund rules as data, and their evaluation.
//!
//! Invariant: pure. A policy version never changes; the same order, policy and instant always give
//! the same decision. Percentages are applied once, to the fee, and the refund is what remains.

pub mod tiered;

pub use tiered::{Citation, LineFacts, LineKind, LinePrice, Policy, PolicyProblem, Tier};
