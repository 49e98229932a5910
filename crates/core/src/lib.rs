//! The plain vocabulary of Redress: money, typed ids, clocks, callers and events.
//!
//! Invariant: nothing here is async, does I/O or knows a wire format; every other crate may
//! depend on this one, and this one on none of them.

pub mod caller;
pub mod chain;
pub mod clock;
pub mod event;
pub mod id;
pub mod money;
pub mod tenant;
