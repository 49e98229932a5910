//! What a case is and what may happen to it.
//!
//! Invariant: pure. Nothing here waits, reads a clock or knows a database or a wire.

pub mod attention;
pub mod case;
pub mod intake;
pub mod state;
