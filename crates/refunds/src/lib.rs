//! Refunds: orders, policies, quotes, money on its way back, disruptions and the books.
//!
//! Invariant: an attempt is stored and committed before its provider is called, and every movement
//! of money is a balanced posting in the transaction that causes it.

pub mod domain;
